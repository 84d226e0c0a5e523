"""One prepared write of every kind, dated on a day of the test's choosing, with what the ledger shows about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.apply_credit import CreditFacts
from rutter_ap_server.guard.writes.attach_file import AttachmentFacts
from rutter_ap_server.guard.writes.create_bill_rules import BillFacts
from rutter_ap_server.guard.writes.create_credit import CreditEntryFacts
from rutter_ap_server.guard.writes.create_record import RecordEntryFacts
from rutter_ap_server.guard.writes.delete_bill import DeleteFacts
from rutter_ap_server.guard.writes.link_account import LinkFacts
from rutter_ap_server.guard.writes.remove_credit import RemovalFacts
from rutter_ap_server.guard.writes.save_vendor_rules import VendorEntryFacts
from rutter_ap_server.guard.writes.update_bill_rules import ChangeFacts
from rutter_ap_server.guard.writes.void_payment import VoidFacts
from support.facts import a_bill, a_prepared_write, a_vendor, an_account, payment_facts, usd


@dataclass(frozen=True)
class Sample:
    """`books` says that entries are dated on the day, `enters` that a document it enters or pays is.

    `sets` says that the day is new in the ledger as a document's date, `uses` that money or a credit is used on it.
    """

    fields: Callable[[str], dict[str, Any]]
    seen: Callable[[date], Any]
    books: bool
    enters: bool
    sets: bool
    uses: bool


def sample_of(tool: str, day: date) -> tuple[PreparedWrite, Any]:
    """The write, dated on that day, and what its rules see."""
    sample = SAMPLES[tool]
    prepared = a_prepared_write(tool=tool, fields=sample.fields(day.isoformat()))
    return prepared, sample.seen(day)


_EXPENSE = (an_account(type="expense"),)
SAMPLES: dict[str, Sample] = {
    "create_bill": Sample(
        lambda day: {
            "vendor_id": "v1",
            "issue_date": day,
            "due_date": day,
            "currency": "USD",
            "document_number": "INV-7",
        },
        lambda _: BillFacts(a_vendor(), _EXPENSE, (), None),
        books=True,
        enters=True,
        sets=True,
        uses=False,
    ),
    "update_bill": Sample(
        lambda day: {"bill_id": "b1", "changes": {"issue_date": day, "due_date": day}},
        lambda day: ChangeFacts(a_bill(issued=day), is_shown=False, accounts=(), others=(), now={}),
        books=True,
        enters=True,
        sets=True,
        uses=False,
    ),
    "delete_bill": Sample(
        lambda _: {"bill_id": "b1", "was": ["INV-1", "100.00 USD"]},
        lambda day: DeleteFacts(a_bill(issued=day), ()),
        books=True,
        enters=False,
        sets=False,
        uses=False,
    ),
    "pay_bill": Sample(
        lambda day: {"bill_id": "b1", "date": day},
        lambda day: payment_facts(bill=a_bill(issued=day)),
        books=True,
        enters=True,
        sets=False,
        uses=True,
    ),
    "void_payment": Sample(
        lambda _: {"payment_id": "p1", "bill_ids": ["b1", "b2"], "allocations": []},
        lambda day: VoidFacts("active", day, (), (a_bill(),), ()),
        books=True,
        enters=False,
        sets=False,
        uses=False,
    ),
    "create_credit": Sample(
        lambda day: {"vendor_id": "v1", "issue_date": day, "currency": "USD", "document_number": "CM-7"},
        lambda _: CreditEntryFacts(a_vendor(), _EXPENSE, ()),
        books=True,
        enters=True,
        sets=True,
        uses=False,
    ),
    "apply_credit": Sample(
        lambda day: {"bill_id": "b1", "credit_id": "c1", "date": day},
        lambda day: CreditFacts("v1", "open", usd("100.00"), a_bill(issued=day), "credit CM-7", day),
        books=True,
        enters=False,
        sets=False,
        uses=True,
    ),
    "remove_credit": Sample(
        lambda _: {"bill_id": "b1", "credit_id": "c1"},
        lambda day: RemovalFacts(a_bill(), usd("100.00"), (day,)),
        books=True,
        enters=False,
        sets=False,
        uses=False,
    ),
    "attach_file": Sample(
        lambda _: {"bill_id": "b1", "sha256": "a" * 64},
        lambda _: AttachmentFacts(a_bill(), (), "", ""),
        books=False,
        enters=False,
        sets=False,
        uses=False,
    ),
    "save_vendor": Sample(
        lambda _: {"vendor_id": "", "changes": {"name": "Acme", "currency": "USD"}},
        lambda _: VendorEntryFacts(others=(), differing=(), is_shown=False, addresses_moved=False, now={}),
        books=False,
        enters=False,
        sets=False,
        uses=False,
    ),
    "create_record": Sample(
        lambda _: {"kind": "class", "name": "East", "code": "", "account": "", "parent": "", "type": ""},
        lambda _: RecordEntryFacts(others=()),
        books=False,
        enters=False,
        sets=False,
        uses=False,
    ),
    "link_account": Sample(
        lambda _: {"role": "funding", "create": {"name": "Checking", "account_type": "bank"}},
        lambda _: LinkFacts(None, ()),
        books=False,
        enters=False,
        sets=False,
        uses=False,
    ),
}
