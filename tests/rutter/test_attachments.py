"""Files: bounded on the way up and on the way down, streamed, and never fetched from a link with our credentials."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from rutter_ap_server.rutter import Done, Limits, Unknown, errors
from rutter_ap_tools.errors import BadInput
from support.scripted_upstream import TOKEN, Scripted, answer, client_for, refusal

FILE = {"id": "f-1", "platform_id": "1", "file_name": "a.pdf", "file_url": "https://files.test/secret"}


async def test_a_file_is_sent_flat_as_base64_under_a_key() -> None:
    script = Scripted(answer(200, {"attachment": FILE | {"created_at": ""}}))
    async with client_for(script) as client:
        outcome = await client.connection(TOKEN).attachments.upload("b-1", "a.pdf", b"\x00\xff", idempotency_key="k")
    assert isinstance(outcome, Done)
    assert outcome.record.created_at is None
    assert "secret" not in repr(outcome)
    assert script.paths == ["POST /versioned/accounting/bills/b-1/attachments"]
    assert json.loads(script.bodies[0]) == {"file": base64.b64encode(b"\x00\xff").decode(), "file_name": "a.pdf"}
    assert script.requests[0].headers["idempotency-key"] == "k"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.pdf", b""), ("a.pdf", b"x" * 11), ("", b"x"), (" ", b"x"), ("a\n.pdf", b"x"), ("a" * 256, b"x")],
)
async def test_a_file_out_of_bounds_is_refused_before_sending(name: str, content: bytes) -> None:
    async with client_for(Scripted(), limits=Limits(attachment_bytes_max=10)) as client:
        with pytest.raises(BadInput):
            await client.connection(TOKEN).attachments.upload("b-1", name, content, idempotency_key="k")


async def test_an_upload_without_an_answer_is_unknown() -> None:
    async with client_for(Scripted(httpx.ReadTimeout("x"))) as client:
        outcome = await client.connection(TOKEN).attachments.upload("b-1", "a.pdf", b"x", idempotency_key="k")
    assert outcome == Unknown(None, "timeout")


class Chunks(httpx.AsyncByteStream):
    """A body in parts, which may break off."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self.chunks = chunks
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


def download(stream: Chunks, **headers: str) -> httpx.Response:
    return httpx.Response(200, stream=stream, headers={"content-type": "application/pdf", **headers})


async def test_a_file_is_streamed_part_by_part_and_closed() -> None:
    stream = Chunks(b"ab", b"cd")
    script = Scripted(refusal(503), download(stream))
    async with client_for(script) as client, client.connection(TOKEN).attachments.download("b-1", "f-1") as file:
        assert file.content_type == "application/pdf"
        assert [chunk async for chunk in file] == [b"ab", b"cd"]
    assert stream.closed
    assert script.paths == ["GET /versioned/accounting/bills/b-1/attachments/f-1/file"] * 2


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ((b"x" * 6, b"x" * 6), errors.UpstreamNonsense),
        ((b"x", httpx.ReadTimeout("t")), errors.UpstreamUnavailable),
        ((b"x", httpx.ReadError("e")), errors.UpstreamUnavailable),
    ],
)
async def test_a_file_that_is_too_large_or_breaks_off_is_an_error(
    chunks: tuple[bytes | Exception, ...], kind: type[Exception]
) -> None:
    stream = Chunks(*chunks)
    async with client_for(Scripted(download(stream)), limits=Limits(attachment_bytes_max=10)) as client:
        with pytest.raises(kind) as caught:
            async with client.connection(TOKEN).attachments.download("b-1", "f-1") as file:
                await file.read()
    assert stream.closed
    assert caught.value.__context__ is None


@pytest.mark.parametrize("status", [302, 404, 410])
async def test_a_missing_file_is_an_error_and_no_redirect_is_followed(status: int) -> None:
    script = Scripted(httpx.Response(status, headers={"location": "https://files.test/"}))
    async with client_for(script) as client:
        with pytest.raises(errors.RutterError):
            async with client.connection(TOKEN).attachments.download("b-1", "f-1"):
                pass
    assert len(script.requests) == 1


async def test_a_download_left_early_is_closed() -> None:
    stream = Chunks(b"ab", b"cd")
    async with (
        client_for(Scripted(download(stream))) as client,
        client.connection(TOKEN).attachments.download("b-1", "f-1") as file,
    ):
        async for _ in file:
            break
    assert stream.closed
