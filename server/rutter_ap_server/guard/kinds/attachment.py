"""Attaching a document to a bill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rutter_ap_server.guard.frozen import Frozen, freeze
from rutter_ap_server.guard.kinds.base import Facts, Kind, Links, Rule, refuse
from rutter_ap_server.guard.kinds.parties import BillFact, bill_fact, bill_words
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.lookup.documents import check_kind
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.rutter.models.attachments import Attachment
from rutter_ap_server.rutter.outcomes import Unknown, WriteOutcome
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.files import AttachFile
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Record


@dataclass(frozen=True, slots=True)
class AttachmentFacts:
    """The bill, and the names of the files it has."""

    bill: BillFact


def bill_void(frozen: Frozen, facts: AttachmentFacts, policy: Policy) -> Finding | None:
    """A void bill takes no document."""
    if facts.bill.status == "void":
        return refuse("bill.void", f"{bill_words(facts.bill)} is void")
    return None


class AttachmentKind(Kind):
    """`attach_file`."""

    tool = "attach_file"
    moves_money = False
    rules: tuple[Rule[AttachmentFacts], ...] = (bill_void,)

    async def freeze(self, intent: AttachFile, office: Office, links: Links) -> Frozen:
        """Reads the file once, checks what it is, and freezes its hash."""
        if bool(intent.path) == bool(intent.upload):
            raise BadInput("give exactly one of `path` and `upload`")
        document = office.documents.read(intent.path) if intent.path else office.documents.uploaded(intent.upload)
        name = clean(intent.file_name, 200) or document.name
        if "/" in name or "\\" in name:
            raise BadInput("`file_name` must be a name, not a path")
        # The name shown in the ledger must not promise another kind of file than the content is.
        check_kind(name, document.content)
        bill = bill_fact(await office.ledger.bills.get(intent.bill_id))
        return freeze(
            tool=self.tool,
            company_id=office.company.id,
            fields={
                "bill_id": bill.id,
                "path": str(document.path),
                "file_name": name,
                "sha256": document.sha256,
                "bytes": len(document.content),
            },
            summary=f"Attach {name} ({len(document.content):,} bytes) to {bill_words(bill)}",
            bill_id=bill.id,
        )

    async def gather(self, frozen: Frozen, office: Office) -> Facts[AttachmentFacts]:
        """The bill afresh, and what is attached to it now."""
        bill = bill_fact(await office.ledger.bills.get(frozen.fields["bill_id"]))
        attached = await office.ledger.attachments.list(bill.id)
        return Facts(
            seen=AttachmentFacts(bill),
            binding={"bill": bill.id, "sha256": frozen.fields["sha256"]},
            before={"attachments": sorted(a.id for a in attached)},
        )

    async def send(self, frozen: Frozen, office: Office, key: str, *, again: bool) -> WriteOutcome[Any]:
        """Uploads the file (Rutter docs: Bill Attachments), if it is still the one that was judged."""
        fields = frozen.fields
        document = office.documents.read_again(fields["path"])
        if document.sha256 != fields["sha256"]:
            raise BadInput("the file changed since it was proposed; nothing was attached", code="files.changed")
        return await office.ledger.attachments.upload(
            fields["bill_id"], fields["file_name"], document.content, idempotency_key=key, again=again
        )

    async def read_back(self, frozen: Frozen, office: Office, sent: Any, before: dict[str, Any]) -> Record | None:
        """Posted means: the bill's list of files shows it."""
        attached = await office.ledger.attachments.list(frozen.fields["bill_id"])
        return _record([a for a in attached if a.id == sent.id], frozen)

    async def find(self, frozen: Frozen, office: Office, before: dict[str, Any]) -> Record | None:
        """A single new file of that name on the bill."""
        attached = await office.ledger.attachments.list(frozen.fields["bill_id"])
        fresh = [a for a in attached if a.id not in before["attachments"] and a.file_name == frozen.fields["file_name"]]
        return _record(fresh, frozen)

    async def outcome_of_job(self, office: Office, job_id: str) -> WriteOutcome[Any]:
        """The ledger itself tells more than the job, which names no record."""
        return Unknown(job_id, "job_unreadable")

    def on_posted(self, tx: Tx, frozen: Frozen, record: Record) -> None:
        """Nothing beyond the receipt."""


def _record(found: Sequence[Attachment], frozen: Frozen) -> Record | None:
    if len(found) != 1:
        return None
    return Record(
        kind="attachment",
        id=found[0].id,
        bill_id=frozen.fields["bill_id"],
        file_name=frozen.fields["file_name"],
        sha256=frozen.fields["sha256"],
    )
