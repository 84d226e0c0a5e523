"""Files on a bill: listed, uploaded, and downloaded as a bounded stream (Rutter docs: Bill Attachments)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from rutter_ap_server.rutter.bodies import body_parts
from rutter_ap_server.rutter.decode import error_of, read_list
from rutter_ap_server.rutter.errors import InvalidInput, NotReady
from rutter_ap_server.rutter.exchange import Streamed
from rutter_ap_server.rutter.ids import checked_text, is_same_id, path_of, quoted_id
from rutter_ap_server.rutter.models.attachments import Attachment, AttachmentCreate
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.rutter.request import Call, NoAnswer, Outcome
from rutter_ap_server.rutter.resources import CompanySession
from rutter_ap_server.rutter.write_calls import found_under, outcome_of_job, send_write

FILE_NAME_CHARACTERS_MAX: Final = 255
_UPLOADED: Final = found_under(Attachment, "attachment", "attachments")


class Download:
    """An open file. Iterate over it once for its bytes; `content_type` is the sender's claim, untrusted."""

    def __init__(self, streamed: Streamed, bytes_max: int) -> None:
        self._streamed = streamed
        self._bytes_max = bytes_max
        self.content_type: str = streamed.response.headers.get("content-type", "application/octet-stream")[:100]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in body_parts(self._streamed.response, self._bytes_max, deadline=self._streamed.deadline):
            if isinstance(part, NoAnswer):
                raise error_of(part, on_object=True)
            yield part

    async def read(self) -> bytes:
        """All of it, within the bound."""
        return b"".join([part async for part in self])


class Attachments:
    """`/accounting/bills/{id}/attachments` (Rutter docs: Bill Attachments)"""

    def __init__(self, session: CompanySession) -> None:
        self._session = session

    @staticmethod
    def _path(bill_id: str, *rest: str) -> tuple[str, ...]:
        return ("accounting", "bills", quoted_id(bill_id, "The bill's id"), "attachments", *rest)

    async def list(self, bill_id: str, *, force_fetch: bool = False) -> tuple[Attachment, ...]:
        """Every file on a bill; there are no pages. Outside Xero, only those uploaded through Rutter."""
        query = {"force_fetch": "true"} if force_fetch else {}
        response = await self._session.read(*self._path(bill_id), query=query, on_object=True)
        return read_list(response, "attachments", Attachment, usable=True)

    def check(self, file_name: str, content: bytes) -> None:
        """Raises `InvalidInput` for a file that cannot be uploaded: at most `Limits.attachment_bytes_max` bytes."""
        bytes_max = self._session.exchange.limits.attachment_bytes_max
        if not isinstance(content, bytes | bytearray | memoryview):
            raise InvalidInput("The file's content must be bytes.")
        if not content:
            raise InvalidInput("The file is empty.")
        if len(content) > bytes_max:
            raise InvalidInput(f"The file is larger than {bytes_max} bytes.")
        checked_text(file_name, "The file name", characters_max=FILE_NAME_CHARACTERS_MAX)

    async def upload(
        self, bill_id: str, file_name: str, content: bytes, *, idempotency_key: str, again: bool = False
    ) -> WriteOutcome[Attachment]:
        """Attaches a file that `check` accepts. Rutter derives its type from the file name."""
        self.check(file_name, content)

        def is_ours(file: Attachment) -> bool:
            return file.attached_to_id is None or is_same_id(file.attached_to_id, bill_id)

        draft = AttachmentCreate(file=base64.b64encode(content).decode("ascii"), file_name=file_name)
        return await send_write(
            self._session,
            "POST",
            self._path(bill_id),
            {"file": draft.file, "file_name": draft.file_name},
            idempotency_key=idempotency_key,
            again=again,
            find=found_under(Attachment, "attachment", "attachments", is_ours=is_ours),
            on_object=True,
        )

    async def outcome(self, job_id: str, *, wait: bool = False) -> WriteOutcome[Attachment]:
        """The outcome of an upload whose job id is known. Reads it once, or follows the job with `wait`."""
        return await outcome_of_job(self._session, job_id, _UPLOADED, wait=wait)

    @asynccontextmanager
    async def download(self, bill_id: str, attachment_id: str) -> AsyncIterator[Download]:
        """The bytes of a file: `async with … as file`, then `async for part in file` or `await file.read()`.

        At most `Limits.downloads` are open at once, each for `Limits.download_seconds`. Raises `RutterError`.
        """
        segments = self._path(bill_id, quoted_id(attachment_id, "The attachment's id"), "file")
        call = Call("GET", path_of(*segments), token=self._session.token, on_object=True)
        async with self._opened(call) as streamed:
            if not isinstance(streamed, Streamed):
                raise error_of(streamed, on_object=True)
            yield Download(streamed, self._session.exchange.limits.attachment_bytes_max)

    @asynccontextmanager
    async def _opened(self, call: Call) -> AsyncIterator[Streamed | Outcome]:
        """The open file, past a first sync that has not finished."""
        exchange = self._session.exchange
        async with exchange.stream(call) as streamed:
            if isinstance(streamed, Streamed) or not isinstance(error_of(streamed, on_object=True), NotReady):
                yield streamed
                return
            past_it = self._session.first_sync.bypassing(call)
            if past_it is None:
                yield streamed
                return
        async with exchange.stream(past_it) as streamed:
            yield streamed
