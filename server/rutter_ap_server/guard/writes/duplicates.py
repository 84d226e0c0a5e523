"""Whether a document is one that the ledger or our own memory already has, by its number or by its amount and date."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Protocol

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Unchecked, approve, ask, refuse
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.sums import ExpectedSums, total_of
from rutter_ap_server.guard.writes.sums_rules import amount_words, sums_or_money
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Record

ENTERED = {"create_bill": "bill", "create_credit": "credit"}
"""The tools that enter a document, and what kind it is."""


class EntryFacts(Protocol):
    """What the ledger shows about a new document: its sums, and the others of its vendor as far as they were read."""

    @property
    def earlier(self) -> tuple[Document, ...]: ...
    @property
    def sums(self) -> ExpectedSums | None: ...
    @property
    def doubt(self) -> str: ...
    @property
    def sure(self) -> bool: ...


def compared_with(prepared: PreparedWrite, facts: EntryFacts) -> Compared:
    """A new document, as it was prepared, beside those of its vendor that the ledger shows."""
    document, sums = new_document(prepared), sums_or_money(prepared, facts.sums)
    return Compared(document, sums, total_of(prepared), facts.earlier, facts.doubt, facts.sure)


def new_document(prepared: PreparedWrite) -> Document:
    """The document that a write is to enter."""
    fields, sums = prepared.fields, ExpectedSums.of(prepared)
    return Document(
        kind=ENTERED[prepared.tool],
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
    same = next((one for one in taken if ours.is_same_year(one) and (one.trouble or ours.is_same_amount(one))), None)
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
    return None


def others_unusable(ours: Compared, policy: Policy) -> Finding | Unchecked | None:
    """Another document of about this day that cannot be used or read may be this one: nobody can compare the two."""
    near, kind = timedelta(days=policy.rules.similar_days), ours.document.kind
    alike = [one for one in ours.others if one.trouble and ours.by_amount and ours.is_near(one, near)]
    if alike:
        more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        named = clean(alike[0].number, 60) or alike[0].id
        words = f"{kind} {named} of this vendor{more} cannot be compared with this one"
        return ask("ledger.unusable", f"{words}: {alike[0].trouble}")
    if not ours.doubt:
        return None
    if not ours.sure:
        return ask("ledger.unusable", f"{ours.doubt}, so not every {kind} was compared with this one")
    return Unchecked(f"{ours.doubt}; those with this number or of about this day were compared")


def remember_entered(tx: Tx, prepared: PreparedWrite, record: Record) -> None:
    """Keeps a document that was entered, as it was released and as it was booked."""
    entered = replace(new_document(prepared), id=record.id)
    tx.documents.remember(prepared.company_id, entered)
    if record.amount is not None:
        number = record.document_number or entered.number
        tx.documents.remember(prepared.company_id, replace(entered, number=number, total=record.amount.money))


def words_of(one: Document, ours: Compared) -> str:
    """The other document, as it is or was; a twin of the vendor is named."""
    whose = "this vendor's"
    if one.vendor_id != ours.document.vendor_id:
        whose = f"the same vendor under another record ({clean(one.vendor_id, 60)}): its"
    issued = f", issued {one.issued}," if one.issued else ""
    return f"{whose} {one.kind} {clean(one.number, 60) or 'without a number'} {amount_words(one.total)}{issued}"
