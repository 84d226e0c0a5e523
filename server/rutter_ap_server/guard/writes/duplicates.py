"""Whether a document is one that the ledger or our own memory already has, by its number or by its amount and date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Unchecked, approve, refuse
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.sums import ExpectedSums, total_of
from rutter_ap_server.guard.writes.sums_rules import sums_or_money
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Record

ENTERED = {"create_bill": "bill", "create_credit": "credit"}
"""The tools that enter a document, and what kind it is."""


def compared_with(
    prepared: PreparedWrite, kind: str, others: Iterable[Document], sums: ExpectedSums | None, unread: str = ""
) -> Compared:
    """A new document, as it was prepared, beside those of its vendor that the ledger shows."""
    document = new_document(prepared, kind)
    return Compared(document, sums_or_money(prepared, sums), total_of(prepared), tuple(others), unread)


def new_document(prepared: PreparedWrite, kind: str) -> Document:
    """The document that a write is to enter."""
    fields, sums = prepared.fields, ExpectedSums.of(prepared)
    return Document(
        kind=kind,
        id="",
        vendor_id=prepared.vendor_id or "",
        number=fields.get("document_number") or "",
        issued=date.fromisoformat(fields["issue_date"]),
        total=prepared.money or Money.zero(fields["currency"]),
        net=sums.net if sums else None,
    )


def number_repeated(ours: Compared) -> Finding | Unchecked | None:
    """A vendor does not use one number for two documents, but may begin again with a new year, or make a mistake."""
    kind = ours.document.kind
    if not ours.document.number_key:
        return Unchecked(f"the {kind} has no number")
    taken = [one for one in ours.others if ours.is_same_number(one)]
    same = next((one for one in taken if ours.is_same_year(one) and ours.is_same_amount(one)), None)
    if same is not None:
        return refuse(f"{kind}.duplicate", f"{words_of(same, ours)} is already in the ledger ({same.id})")
    if not taken:
        return None
    words = f"{words_of(taken[0], ours)} has the same number ({taken[0].id})"
    return approve(f"{kind}.duplicate", f"{words}; an approver must see that this is another document")


def amount_repeated(ours: Compared, policy: Policy) -> Finding | None:
    """The same vendor and amount with nearly the same date is often one document entered twice."""
    near = timedelta(days=policy.rules.similar_days)
    code = f"{ours.document.kind}.similar"
    for one in ours.others:
        if ours.is_same_amount(one) and ours.is_near(one, near):
            words = f"the ledger has a {one.kind} from this vendor for the same amount, issued {one.issued} ({one.id})"
            return approve(code, words)
    return approve(code, ours.unread) if ours.unread else None


def remember_entered(tx: Tx, prepared: PreparedWrite, record: Record, kind: str) -> None:
    """Keeps a document that was entered, as it was booked and as it was released."""
    entered = replace(new_document(prepared, kind), id=record.id)
    tx.documents.remember(prepared.company_id, entered)
    if record.amount is not None:
        tx.documents.remember(prepared.company_id, replace(entered, total=record.amount.money))


def words_of(one: Document, ours: Compared) -> str:
    """The other document, as it is or was; a twin of the vendor is named."""
    whose = "this vendor's"
    if one.vendor_id != ours.document.vendor_id:
        whose = f"the same vendor under another record ({clean(one.vendor_id, 60)}): its"
    issued = f", issued {one.issued}," if one.issued else ""
    return f"{whose} {one.kind} {clean(one.number, 60) or 'without a number'} for {one.total}{issued}"
