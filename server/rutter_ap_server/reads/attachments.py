"""The `read_attachment` tool: downloads a bill's file within limits, reads it and compares it with the bill."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import vendor_name
from rutter_ap_server.documents.compare import Expected, compare
from rutter_ap_server.documents.files import BYTES_MAX
from rutter_ap_server.documents.text import PAGES_MAX, DocumentText, document_text
from rutter_ap_server.reads.amounts import LedgerDataError, ledger_money, require_usable
from rutter_ap_server.rutter.abilities import abilities_of
from rutter_ap_server.rutter.errors import NotFoundUpstream, NotSupportedHere, RutterError
from rutter_ap_server.rutter.models.attachments import Attachment
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_tools.attachments import AttachmentText, Comparison, ReadAttachment
from rutter_ap_tools.errors import Ambiguous, ApError, AssistantError, NotFound
from rutter_ap_tools.text import clean

TEXT_CHARACTERS_MAX = 4000
_LINE_CHARACTERS_MAX = 300
_OPEN_THERE = "A person can open it in the accounting platform."


async def read_attachment(company: Company, query: ReadAttachment) -> AttachmentText:
    """The `read_attachment` tool.

    Raises `NotFound` when there is no such file, `Ambiguous` when the bill has several and none is named, and
    `AssistantError` when the platform keeps no files or the file is too large to download.
    """
    bill = await company.rutter.bills.get(query.bill_id)
    every_file = abilities_of(company.platform).lists_every_file
    chosen = _chosen(await attached_to(company, bill.id), query.attachment_id, every_file=every_file)
    content = await _content(company, bill.id, chosen.id)
    read = await document_text(content)
    read = replace(read, pages=tuple(company.rutter.secrets.text(page) for page in read.pages))
    text, is_cut = _shown("\n".join(read.pages))
    comparison, doubt = await _compared(company, bill, read)
    notes = [note for note in ("the file is empty" if not content else read.words, _unread(read), doubt) if note]
    return AttachmentText(
        company=company.named,
        environment=company.environment,
        bill_id=bill.id,
        attachment_id=chosen.id,
        file_name=clean(chosen.file_name, 120),
        content_type=read.content_type,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        pages=read.page_count,
        text=text or None,
        truncated=is_cut,
        note=" ".join(f"{note[0].upper()}{note[1:]}." for note in notes) or None,
        comparison=comparison,
    )


async def attached_to(company: Company, bill_id: str) -> Sequence[Attachment]:
    """The files that Rutter lists on a bill that exists. Raises `AssistantError` where it lists none of any bill."""
    try:
        return await company.rutter.attachments.list(bill_id)
    except (NotFoundUpstream, NotSupportedHere):
        # The bill exists, so it is attachments that this platform does not support.
        raise AssistantError(
            "Rutter does not provide the files attached to bills in this company's accounting platform",
            code="platform.unsupported",
            next_step=f"Do not retry. {_OPEN_THERE}",
        ) from None


def _chosen(attached: Sequence[Attachment], attachment_id: str, *, every_file: bool) -> Attachment:
    """The named file, or the only one. `every_file`: those that were added in the platform itself are listed too."""
    if not attached:
        raise NotFound(
            "no file is attached to this bill"
            if every_file
            else "no file was uploaded to this bill through Rutter, which lists no others",
            next_step="Ask the person for the document, then attach it with attach_file."
            + ("" if every_file else f" A file may be there all the same. {_OPEN_THERE}"),
        )
    fitting = [one for one in attached if not attachment_id or one.id == attachment_id]
    # Rutter may list one attachment id twice (Rutter docs: Bill Attachments); downloading it returns one file.
    if len(fitting) == 1 or (fitting and attachment_id):
        return fitting[0]
    if not fitting:
        raise NotFound(
            "this bill has no attachment with that id", next_step="Call get_bill to see the ids of the bill's files."
        )
    raise Ambiguous(
        "several files are attached to this bill",
        candidates=[(one.id, clean(one.file_name)) for one in fitting],
        next_step="Call again with the attachment_id of the file you need.",
    )


async def _content(company: Company, bill_id: str, attachment_id: str) -> bytes:
    """The bytes of a file; the client downloads no more than may be attached."""
    try:
        async with company.rutter.attachments.download(bill_id, attachment_id) as file:
            return await file.read()
    except RutterError as error:
        if error.error_code != "upstream_too_large":
            raise
    raise AssistantError(
        f"the file is larger than {BYTES_MAX // 1024 // 1024} MB and was not read",
        code="files.too_large",
        next_step=_OPEN_THERE,
    )


def _shown(text: str) -> tuple[str, bool]:
    """The text to show (visible characters only, within the limit), and whether it was cut off."""
    lines = (clean(line, _LINE_CHARACTERS_MAX) for line in text.splitlines())
    shown = "\n".join(line for line in lines if line)
    if len(shown) <= TEXT_CHARACTERS_MAX:
        return shown, False
    return shown[:TEXT_CHARACTERS_MAX].rstrip() + "…", True


async def _compared(company: Company, bill: Bill, read: DocumentText) -> tuple[Comparison | None, str]:
    """The comparison if there is text and a total to compare; otherwise the reason there is none."""
    if not read.pages or read.trouble:
        return None, ""
    try:
        vendor = (await company.directory.cached_list("vendor")).by_id.get(bill.vendor_id or "")
    except ApError:
        # The other fields are still worth comparing; a vendor without a known name counts as not found.
        vendor = None
    try:
        require_usable(bill)
        total = ledger_money(bill.total_amount, bill.currency_code, "bill total")
    except LedgerDataError:
        return None, "the bill's total could not be read from the ledger, so nothing was compared"
    expected = Expected(
        number=bill.document_number or "",
        vendor=vendor_name(vendor) if vendor else "",
        issued=bill.issue_date.date() if bill.issue_date else None,
        total=total,
    )
    found = compare("\n".join(read.pages), expected)
    outcomes = {field: match.outcome for field, match in found.items()}
    shows = {field: match.shown for field, match in found.items() if match.shown}
    return Comparison(**outcomes, shows=shows), ""


def _unread(read: DocumentText) -> str:
    if read.page_count is None or read.page_count <= PAGES_MAX or read.trouble:
        return ""
    return f"only the first {PAGES_MAX - 1} pages and the last page of {read.page_count} were read"
