"""The documents of a bill beside its proposal: their pages as pictures, and what they say beside what the bill says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.to_thread
from starlette.responses import FileResponse, Response, StreamingResponse

from rutter_ap_server.companies.company import Company
from rutter_ap_server.documents.compare import Expected, Match, compare, compare_account, compare_due
from rutter_ap_server.documents.parse import lines_of
from rutter_ap_server.guard.declines import bills_in
from rutter_ap_server.guard.writes.parties import BillFact, VendorFact
from rutter_ap_server.reads.attachments import attached_to
from rutter_ap_server.rutter.abilities import abilities_of
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_server.web.pictures import PAGES_MAX, Latest, Pictures
from rutter_ap_tools.errors import ApError, NotFound
from rutter_ap_tools.text import clean

_DOCUMENTS_MAX = 5
# A file on a bill does not change; one that was read this short a time ago is not read again for each of its pages.
_SAME_FILE_SECONDS = 120
_SHOWN_MAX = 400
_NAME_CHARACTERS_MAX = 200
_FROM_LEDGER = "Read from the ledger just now; a release is bound to the name and id of this file"
_FROM_DISK = "This is the very file that would be attached: a release is bound to its SHA-256"
_NO_DOCUMENT = "No document is on this bill."
_NO_DOCUMENT_LISTED = "No document was uploaded to this bill through Rutter, which lists no others."
_NO_PICTURE = Path(__file__).parent / "static" / "no-page.svg"
_ENDINGS = {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "text/plain": ".txt"}
_OUTCOMES = {"equal": ("✓", "same"), "different": ("✕", "different"), "not_found": ("–", "not read")}


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of a document and of its bill; `mark` and `word` say how they compare."""

    field: str
    bill: str
    document: str
    mark: str
    word: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A document as the page shows it; `notes` say what is not shown of it, and why."""

    number: int
    name: str
    sha256: str
    source: str
    pages: int
    notes: tuple[str, ...]
    compared: tuple[Compared, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """A file to show, and where its bytes come from: this machine's disk if it has a `path`, else the ledger."""

    name: str
    attachment_id: str = ""
    path: str = ""
    sha256: str = ""


def bills_of(proposal: Proposal) -> list[str]:
    """The bills a proposal is about, in the order of their addresses."""
    return sorted(bills_in(proposal.bill_id, proposal.fields))


class Papers:
    """Reads the documents of bills, and shows what was read."""

    def __init__(self) -> None:
        self.pictures = Pictures()
        # Of which proposal, bill and number a document with which hash was seen to be.
        self._seen = Latest[_File](_SHOWN_MAX)
        self._read_lately: dict[tuple[str, str, str], tuple[str, float]] = {}

    async def of(
        self, company: Company, proposal: Proposal, bill_id: str, bill: BillFact | None, vendor: VendorFact | None
    ) -> AsyncIterator[Paper | str]:
        """The documents of a bill, compared with it if it is known; and in words what is not shown."""
        files = await _files(company, proposal, bill_id)
        if not files:
            yield _NO_DOCUMENT if abilities_of(company.platform).lists_every_file else _NO_DOCUMENT_LISTED
        if len(files) > _DOCUMENTS_MAX:
            yield f"{len(files) - _DOCUMENTS_MAX} more documents are on this bill and are not shown here."
        for number, file in enumerate(files[:_DOCUMENTS_MAX]):
            try:
                sha256 = await self._kept(company, bill_id, file)
            except ApError as error:
                yield f"{file.name} cannot be shown: {error.message}."
            else:
                self._seen.put((proposal.id, bill_id, number, sha256), file)
                yield await self._paper(company, number, file, sha256, bill, vendor)

    async def _paper(
        self, company: Company, number: int, file: _File, sha256: str, bill: BillFact | None, vendor: VendorFact | None
    ) -> Paper:
        reading = await self.pictures.read(sha256)
        text, notes = reading.text, []
        if text.words:
            notes.append(f"{text.words[0].upper()}{text.words[1:]}.")
        if not reading.drawn:
            notes.append("Its pages cannot be shown as pictures here.")
        if reading.drawn > PAGES_MAX:
            notes.append(f"Only the first {PAGES_MAX} of its {reading.drawn} pages are shown.")
        pages = tuple(company.rutter.secrets.text(page) for page in text.pages)
        return Paper(
            number=number,
            name=file.name,
            sha256=sha256,
            source=_FROM_DISK if file.path else _FROM_LEDGER,
            pages=min(reading.drawn, PAGES_MAX),
            notes=tuple(notes),
            compared=compared("\n".join(pages), bill, vendor) if bill is not None and pages else (),
        )

    async def page(
        self, company: Company, proposal: Proposal, bill_id: str, number: int, page: int, sha256: str
    ) -> Response:
        """One page as a picture: of the bytes with that hash, or a picture that says that there is none."""
        png = None
        try:
            if await self._named(company, proposal, bill_id, number, sha256):
                png = await self.pictures.page(sha256, page)
        except ApError:
            png = None
        return Response(png, media_type="image/png") if png else FileResponse(_NO_PICTURE)

    async def download(self, company: Company, proposal: Proposal, bill_id: str, number: int, sha256: str) -> Response:
        """The file itself, to be saved and never shown inside the desk. Raises `NotFound` if it is another one now."""
        file = await self._named(company, proposal, bill_id, number, sha256)
        if file is None:
            raise NotFound("this file is no longer the one that was shown")
        kind = self.pictures.kind(sha256)
        name = file.name.rpartition(".")[0] if "." in file.name else file.name
        # Named for what it is, whatever its sender called it.
        named = quote(f"{name[:100]}{_ENDINGS.get(kind, '.bin')}", safe="")
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{named}",
            "content-security-policy": "default-src 'none'; sandbox",
        }
        return StreamingResponse(self.pictures.pieces(sha256), media_type=kind, headers=headers)

    async def _named(
        self, company: Company, proposal: Proposal, bill_id: str, number: int, sha256: str
    ) -> _File | None:
        """The file of that number, if those bytes were seen to be its and are kept, or still are its; they are kept."""
        key = (proposal.id, bill_id, number, sha256)
        seen = self._seen.get(key)
        if seen is not None and self.pictures.has(sha256):
            return seen
        files = (await _files(company, proposal, bill_id))[:_DOCUMENTS_MAX]
        if number >= len(files) or await self._kept(company, bill_id, files[number]) != sha256:
            return None
        self._seen.put(key, files[number])
        return files[number]

    async def _kept(self, company: Company, bill_id: str, file: _File) -> str:
        """Keeps the bytes of a file, and returns their hash. Raises any `ApError` for one that cannot be read."""
        if file.path:
            document = await anyio.to_thread.run_sync(company.documents.read_again, file.path)
            if document.sha256 != file.sha256:
                raise NotFound("it is no longer the file that was proposed, so it would not be attached")
            return await self.pictures.keep(_once(document.content))
        key = (company.ledger_id, bill_id, file.attachment_id)
        sha256, at = self._read_lately.get(key, ("", 0.0))
        if anyio.current_time() - at < _SAME_FILE_SECONDS and self.pictures.has(sha256):
            return sha256
        async with company.rutter.attachments.download(bill_id, file.attachment_id) as download:
            sha256 = await self.pictures.keep(download)
        now = anyio.current_time()
        self._read_lately = {k: one for k, one in self._read_lately.items() if now - one[1] < _SAME_FILE_SECONDS}
        self._read_lately[key] = (sha256, now)
        return sha256


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _files(company: Company, proposal: Proposal, bill_id: str) -> list[_File]:
    """The file a proposal would attach, or else the files on the bill. Raises any `ApError` for which none is known."""
    fields = proposal.fields
    if proposal.tool == "attach_file" and proposal.state != State.POSTED:
        return [_File(clean(fields["file_name"], _NAME_CHARACTERS_MAX), path=fields["path"], sha256=fields["sha256"])]
    attached = await attached_to(company, bill_id)
    # Rutter may list one id twice; downloading it returns one file.
    names = {one.id: clean(one.file_name, _NAME_CHARACTERS_MAX) or "a file without a name" for one in attached}
    return [_File(name, attachment_id=attachment_id) for attachment_id, name in names.items()]


def compared(text: str, bill: BillFact, vendor: VendorFact | None) -> tuple[Compared, ...]:
    """The fields of a document beside those of its bill, by the comparison that every tool uses."""
    name, end = (vendor.name, vendor.bank_account_end) if vendor else ("", "")
    lines = lines_of(text)
    found = compare(text, Expected(bill.number, name, bill.issued, bill.total))
    bank = f"··{end}" if end else "not shown by this ledger"
    return (
        _row("Number", bill.number or "none", found["number"]),
        _row("Vendor", name or "not known", found["vendor"]),
        _row("Issue date", _day(bill.issued), found["date"]),
        _row("Due date", _day(bill.due_on), compare_due(lines, bill.due_on)),
        _row("Total", bill.total.grouped, found["total"]),
        _row("Currency", bill.total.currency, found["currency"]),
        _row("Bank account", bank, compare_account(lines, end)),
    )


def _row(field: str, bill: str, match: Match) -> Compared:
    mark, word = _OUTCOMES[match.outcome]
    return Compared(field, bill, bill if match.outcome == "equal" else match.shown or "not read", mark, word)


def _day(day: date | None) -> str:
    return day.isoformat() if day else "none"
