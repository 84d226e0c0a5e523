"""`attach_file`: attaches a document to a bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import vendor_name
from rutter_ap_server.documents.compare import Expected, compare
from rutter_ap_server.documents.files import check_kind
from rutter_ap_server.documents.text import file_text, text_hash
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.untrusted import path_argument
from rutter_ap_server.guard.writes.base import (
    NO_DATES,
    Dates,
    Facts,
    Gathered,
    LinkedAccount,
    Need,
    Repeats,
    Rule,
    Touched,
    Unchecked,
    Write,
    approve,
    ask,
    refuse,
)
from rutter_ap_server.guard.writes.create_bill import earlier_bill
from rutter_ap_server.guard.writes.parties import BillFact, Contents, bill_fact, bill_texts, bill_words
from rutter_ap_server.guard.writes.readback import Sent, differences, with_differences
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    bill_row,
    exact,
    named,
    pairs,
    plain,
)
from rutter_ap_server.reads.attachments import attached_to
from rutter_ap_server.rutter.models.attachments import Attachment
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.attachments import AttachFile
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.text import clean, normal_number, quote
from rutter_ap_tools.wire import Record


@dataclass(frozen=True, slots=True)
class AttachmentFacts:
    """The bill, its vendor's name, and the file's text by page, or the reason it could not be read.

    A file that is no longer the one proposed has neither, and is not sent.
    """

    bill: BillFact
    pages: tuple[str, ...]
    trouble: str
    vendor: str


def bill_void(prepared: PreparedWrite, facts: AttachmentFacts, policy: Policy) -> Finding | None:
    """No document can be attached to a void bill."""
    if facts.bill.status == "void":
        return refuse("bill.void", f"{bill_words(facts.bill)} is void, so no file can be attached to it")
    return None


def document_mismatch(prepared: PreparedWrite, facts: AttachmentFacts, policy: Policy) -> Finding | Unchecked | None:
    """A document must show the bill's number and total, and no other vendor or currency; else it may be another's.

    Dates are ignored, because bills are often entered under the date they arrived.
    """
    if not any(page.strip() for page in facts.pages):
        return Unchecked("no text could be read from the file")
    bill = facts.bill
    found = compare("\n".join(facts.pages), Expected(bill.number, facts.vendor, None, bill.total))
    wanted = {"number": bill.number, "total": str(bill.total), "vendor": facts.vendor, "currency": bill.total.currency}
    lacks = []
    for field, value in wanted.items():
        match = found[field]
        if match.outcome == "different":
            lacks.append(f"its {field} is {quote(match.shown, 60)}, not {value}")
        elif match.outcome == "not_found" and field in ("number", "total") and normal_number(value):
            lacks.append(f"it does not show the {field} {value}")
    return approve("document.mismatch", f"the document does not match the bill: {'; '.join(lacks)}") if lacks else None


def document_unreadable(prepared: PreparedWrite, facts: AttachmentFacts, policy: Policy) -> Finding | None:
    """A document without readable text may be any document, so a person must look at it."""
    if not facts.trouble:
        return None
    return ask("document.unreadable", f"{facts.trouble}; a person must check that it belongs to the bill")


class AttachFileWrite(Write[AttachmentFacts]):
    """`attach_file`."""

    tool = "attach_file"
    default_severity = Severity.ALLOW
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (Need("bills", "attach", "attach a file to a bill", "a person can attach it there", "attach_file"),)
    rules: tuple[Rule[AttachmentFacts], ...] = (bill_void, document_mismatch, document_unreadable)

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The bill's files, but not the bill: a file does not affect how its payments are judged."""
        return frozenset({Touched("files_of_bill", prepared.fields["bill_id"])})

    def dates(self, prepared: PreparedWrite, seen: AttachmentFacts) -> Dates:
        """None: it posts nothing, and bills are often entered under the date they arrived."""
        return NO_DATES

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Attaching a file."""
        return self.needs

    async def prepare(self, request: AttachFile, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Reads the file once, checks its type, and fixes its hash."""
        if bool(request.path) == bool(request.upload):
            raise BadInput("give exactly one of `path` and `upload`")
        document = company.documents.read(request.path) if request.path else company.documents.uploaded(request.upload)
        name = clean(request.file_name, 200) or document.name
        if "/" in name or "\\" in name:
            raise BadInput("`file_name` must be a name, not a path")
        # The name shown in the ledger must match the type of the content.
        check_kind(name, document.content)
        bill = bill_fact(await company.rutter.bills.get(request.bill_id))
        read = await file_text(company.documents, str(document.path), document.sha256)
        text = text_hash(read.pages)
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields={
                "bill_id": bill.id,
                "path": str(document.path),
                "file_name": name,
                "sha256": document.sha256,
                "bytes": len(document.content),
            }
            | ({"text_sha256": text} if text else {}),
            summary=f"Attach {name} ({len(document.content):,} bytes) to {bill_words(bill)}",
            bill_id=bill.id,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[AttachmentFacts]:
        """Reads the bill, its current attachments and the file's text."""
        raw = await company.rutter.bills.get(prepared.fields["bill_id"])
        bill = bill_fact(raw)
        attached = await attached_to(company, bill.id)
        file = await file_text(company.documents, prepared.fields["path"], prepared.fields["sha256"])
        vendor = await _vendor(company, bill.vendor_id) if file.pages else ""
        return Gathered(
            seen=AttachmentFacts(bill, file.pages, file.trouble, vendor),
            binding={"bill": bill.id, "sha256": prepared.fields["sha256"]},
            before={"attachments": sorted(a.id for a in attached)},
            contents={Touched("files_of_bill", bill.id): Contents(frozenset(one.id for one in attached))},
            vendor=None,
            texts=(
                *bill_texts(raw),
                *((f"page {number} of the file", page) for number, page in enumerate(file.pages, start=1)),
            ),
            arguments=(path_argument(prepared.fields["path"], prepared.fields["file_name"]),),
            names={},
            remembers=(earlier_bill(raw),),
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[AttachmentFacts]) -> Description:
        """The file, where it comes from, and the bill."""
        said = Fields(prepared.fields)
        rows = [
            ("Bill", bill_row(facts.seen.bill, said.take("bill_id"))),
            ("File name", exact(said.take("file_name"))),
            ("From", exact(said.take("path"))),
            ("Size", f"{plain(said.take('bytes'))} bytes"),
            ("SHA-256", named(None, said.take("sha256"))),
            ("SHA-256 of its text", named(None, said.take("text_sha256"))),
            *said.rest(),
        ]
        pages = f"{len(facts.seen.pages)} pages" if facts.seen.pages else facts.seen.trouble or "no pages"
        return Description(fields=(pairs("File to attach", rows),), known=(("Text read from it", pages),))

    async def draft(self, prepared: PreparedWrite, company: Company) -> bytes:
        """The file's content, if it is still the file that was judged."""
        document = company.documents.read_again(prepared.fields["path"])
        if document.sha256 != prepared.fields["sha256"]:
            raise BadInput("the file changed since it was proposed; nothing was attached", code="files.changed")
        company.rutter.attachments.check(prepared.fields["file_name"], document.content)
        return document.content

    async def send(
        self, prepared: PreparedWrite, draft: bytes, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Uploads the file (Rutter docs: Bill Attachments)."""
        fields = prepared.fields
        return await company.rutter.attachments.upload(
            fields["bill_id"], fields["file_name"], draft, idempotency_key=key, again=again
        )

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """Posted means that it is in the bill's list of files."""
        attached = await company.rutter.attachments.list(prepared.fields["bill_id"])
        return tuple(_record(one, prepared) for one in attached if one.id == sent.id)

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """Every new file with that name on the bill."""
        attached = await company.rutter.attachments.list(prepared.fields["bill_id"])
        return tuple(
            _record(one, prepared)
            for one in attached
            if one.id not in before["attachments"] and _name(one, prepared).is_shown
        )

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.attachments.outcome(job_id)

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """The file, among the bill's."""
        return {Touched("files_of_bill", prepared.fields["bill_id"]): record_id}

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """Remembers which bill the file belongs to."""
        fields = prepared.fields
        for sha256 in document_hashes(prepared):
            tx.observations.use_document(prepared.company_id, sha256, fields["bill_id"], fields["file_name"])


def document_hashes(prepared: PreparedWrite) -> tuple[str, ...]:
    """What a file to attach is known by: its bytes, and its text if it has any; nothing for another write."""
    return tuple(prepared.fields[one] for one in ("sha256", "text_sha256") if one in prepared.fields)


async def _vendor(company: Company, vendor_id: str | None) -> str:
    """The name of the bill's vendor, for comparison only; an approval is not bound to it."""
    vendor = (await company.directory.cached_list("vendor")).by_id.get(vendor_id or "")
    return clean(vendor_name(vendor)) if vendor else ""


def _record(found: Attachment, prepared: PreparedWrite) -> Record:
    record = Record(
        kind="attachment",
        id=found.id,
        bill_id=prepared.fields["bill_id"],
        file_name=prepared.fields["file_name"],
        sha256=prepared.fields["sha256"],
    )
    return with_differences(record, differences([_name(found, prepared)]))


def _name(attached: Attachment, prepared: PreparedWrite) -> Sent:
    return Sent("file name", prepared.fields["file_name"], attached.file_name, "file")
