"""Every write there is with all its fields filled, and what the ledger shows about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from rutter_ap_server.guard.gathering import BatchFacts
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.apply_credit import CreditFacts
from rutter_ap_server.guard.writes.attach_file import AttachmentFacts
from rutter_ap_server.guard.writes.base import Facts
from rutter_ap_server.guard.writes.create_bill_rules import BillFacts
from rutter_ap_server.guard.writes.create_credit import CreditEntryFacts
from rutter_ap_server.guard.writes.create_record import RecordEntryFacts
from rutter_ap_server.guard.writes.delete_bill import DeleteFacts
from rutter_ap_server.guard.writes.link_account import LinkFacts
from rutter_ap_server.guard.writes.pay_bill_rules import FileOnBill, OtherBill, PaymentFacts
from rutter_ap_server.guard.writes.propose_payment_run import PaymentRun
from rutter_ap_server.guard.writes.remove_credit import RemovalFacts
from rutter_ap_server.guard.writes.save_vendor_rules import VendorEntryFacts
from rutter_ap_server.guard.writes.sums import ExpectedSums, TaxFact
from rutter_ap_server.guard.writes.update_bill_rules import ChangeFacts
from rutter_ap_server.guard.writes.void_payment import VoidFacts
from rutter_ap_server.store.documents import Document
from support.facts import a_bill, a_prepared_write, a_vendor, an_account, payment_facts, some_facts, usd

_LINE = {
    "amount": "60.00",
    "account": "a2",
    "description": "Electricity, March",
    "item": "i1",
    "quantity": "3",
    "unit_amount": "20.00",
    "tax_rate": "t1",
    "class": "k1",
    "department": "d1",
    "location": "l1",
    "customer": "u1",
    "project": "j1",
}
_LINES = [_LINE, {"amount": "40.00", "account": "a3", "description": "Standing charge"}]
_SUMS = ExpectedSums(usd("100.00"), usd("5.00"), usd("105.00"), "", 1)
_TAX = (TaxFact("t1", "Sales tax", "active", Decimal(5)),)
_NAMES = {
    "a2": "Utilities",
    "a3": "Fees",
    "i1": "Kilowatt hour",
    "t1": "Sales tax",
    "k1": "East",
    "d1": "Plant",
    "l1": "Dock 4",
    "u1": "Own use",
    "j1": "Roof",
    "n30": "30 days",
    "s1": "Harbor West",
    "o1": "PO-1",
    "o2": "PO-2",
    "c1": "CM-7",
}
_VENDOR = a_vendor(
    name="Northwind Utilities",
    shows_bank_account=True,
    bank_account_end="4321",
    updated_at=datetime(2025, 6, 1, tzinfo=UTC),
    parts=(("name", "1" * 64), ("e-mail", "2" * 64)),
)
_EXPENSE = (an_account(id="a2", name="Utilities", type="expense"), an_account(id="a3", name="Fees", type="expense"))
_ADDRESS = {"type": "billing", "address1": "1 Quay", "city": "Boston", "region": "MA", "country": "US"}


@dataclass(frozen=True)
class Full:
    """A write of a tool with every field, and its facts; for a run, the facts of each line by its place."""

    tool: str
    fields: dict[str, Any]
    seen: Any
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def prepared(self) -> PreparedWrite:
        """The prepared write."""
        made = {"vendor_name": "Northwind Utilities", "summary": f"Do {self.tool}"}
        return a_prepared_write(tool=self.tool, fields=self.fields, **made | self.about)

    @property
    def facts(self) -> Facts[Any] | BatchFacts:
        """What the ledger shows; for a run, of as many lines as it has."""
        if self.tool == "propose_payment_run":
            return BatchFacts(tuple(some_facts(seen=_of_line(number)) for number in range(len(self.fields["lines"]))))
        vendor = getattr(self.seen, "vendor", None)
        return some_facts(seen=self.seen, names=_NAMES, vendor=vendor if self.tool != "attach_file" else None)

    def written(self, change: Callable[[dict[str, Any]], None]) -> Full:
        """The same with other fields."""
        fields = _copied(self.fields)
        change(fields)
        return replace(self, fields=fields)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _of_line(number: int) -> PaymentFacts:
    names = [("b1", "INV-1", "60.00"), ("b2", "INV-2", "40.00"), ("b3", "INV-3", "30.00")]
    bill_id, known, amount = names[number % 3]
    return payment_facts(
        bill=a_bill(id=bill_id, number=known, total=usd(amount), due=usd(amount)), vendor=_VENDOR, files=()
    )


def _document(**more: Any) -> dict[str, Any]:
    return {
        "vendor_id": "v1",
        "issue_date": "2026-02-20",
        "currency": "USD",
        "document_number": "INV-7",
        "memo": "For March",
        "lines": _LINES,
        "accounts_payable_account": "a9",
        "tax_inclusive": True,
        "total": "105.00",
        "expected": _SUMS.binding,
    } | more


_RUN_LINES = [
    {
        "bill_id": bill_id,
        "number": number,
        "vendor_id": "v1",
        "vendor_name": "Northwind Utilities",
        "due_date": "2026-03-03",
        "amount": amount,
    }
    for bill_id, number, amount in (("b1", "INV-1", "60.00"), ("b2", "INV-2", "40.00"))
]
_CREDIT = {"credit_id": "c1", "bill_id": "b1", "vendor_id": "v1", "amount": "25.00", "currency": "USD"}

FULL: dict[str, Full] = {
    "create_bill": Full(
        "create_bill",
        _document(due_date="2026-03-20", payment_terms="n30", subsidiary="s1", purchase_orders=["o1", "o2"]),
        BillFacts(
            _VENDOR,
            _EXPENSE,
            (Document("bill", "b0", "v1", "INV-6", date(2026, 1, 20), usd("90.00")),),
            an_account(id="a9", name="Payables", type="accounts_payable"),
            _SUMS,
            _TAX,
        ),
    ),
    "update_bill": Full(
        "update_bill",
        {
            "bill_id": "b1",
            "currency": "USD",
            "changes": {
                "document_number": "INV-7",
                "memo": "For March",
                "issue_date": "2026-02-20",
                "due_date": "2026-03-20",
                "status": "open",
                "lines": _LINES,
            },
            "tax_inclusive": True,
            "total": "105.00",
            "expected": _SUMS.binding,
        },
        ChangeFacts(
            bill=a_bill(),
            is_shown=False,
            accounts=_EXPENSE,
            others=(),
            now={
                "document_number": "INV-1",
                "memo": "For February",
                "issue_date": "2026-02-01",
                "due_date": "2026-03-03",
                "status": "draft",
                "lines": [{"amount": "100.00", "account": "a2"}],
            },
            net=usd("95.00"),
            sums=_SUMS,
            rates=_TAX,
        ),
    ),
    "delete_bill": Full(
        "delete_bill", {"bill_id": "b1", "was": ["INV-1", "100.00 USD"]}, DeleteFacts(a_bill(), ("p1",))
    ),
    "pay_bill": Full(
        "pay_bill",
        {
            "bill_id": "b1",
            "vendor_id": "v1",
            "amount": "100.00",
            "currency": "USD",
            "account_id": "a1",
            "date": "2026-03-02",
            "memo": "For March",
        },
        payment_facts(
            vendor=_VENDOR,
            open_credits=usd("5.00"),
            earlier_payments=(usd("95.00"), usd("105.00")),
            other_bills=(OtherBill("b8", "void", usd("100.00")),),
            paid_on_bill=((usd("1.00"), date(2026, 2, 2)),),
            files=(FileOnBill("f1", "invoice.pdf"),),
        ),
    ),
    "propose_payment_run": Full(
        "propose_payment_run",
        {
            "account_id": "a1",
            "account_name": "Checking",
            "currency": "USD",
            "date": "2026-03-02",
            "date_given": True,
            "memo": "March run",
            "lines": _RUN_LINES,
            "left_out": [{"bill_id": "b7", "number": "INV-70", "reason": "its status is draft"}],
            "left_out_count": 1,
        },
        None,
        {"vendor_id": None, "vendor_name": None, "bill_id": None},
    ),
    "void_payment": Full(
        "void_payment",
        {
            "payment_id": "p1",
            "bill_ids": ["b1", "b2"],
            "allocations": [["b1", "60.00"], ["b2", "40.00"]],
            "currency": "USD",
            "payee_id": "v1",
        },
        VoidFacts(
            "active",
            date(2026, 2, 20),
            (("b1", usd("60.00")), ("b2", usd("40.00"))),
            (a_bill(status="paid"), a_bill(id="b2", number="INV-2", status="paid")),
            ("5.00 USD of credit it used",),
        ),
        {"vendor_id": None, "vendor_name": None},
    ),
    "create_credit": Full(
        "create_credit",
        _document(document_number="CM-7"),
        CreditEntryFacts(
            _VENDOR, _EXPENSE, (Document("credit", "c0", "v1", "CM-6", date(2026, 1, 20), usd("10.00")),), _SUMS, _TAX
        ),
    ),
    "apply_credit": Full(
        "apply_credit",
        _CREDIT | {"date": "2026-03-02"},
        CreditFacts("v1", "open", usd("50.00"), a_bill(), "credit CM-7", date(2026, 2, 20)),
    ),
    "remove_credit": Full("remove_credit", _CREDIT, RemovalFacts(a_bill(), usd("25.00"), (date(2026, 2, 20),))),
    "attach_file": Full(
        "attach_file",
        {
            "bill_id": "b1",
            "path": "/files/invoices/INV-1.pdf",
            "file_name": "INV-1.pdf",
            "sha256": "a" * 64,
            "text_sha256": "c" * 64,
            "bytes": 4096,
        },
        AttachmentFacts(a_bill(), ("Invoice INV-1",), "", "Northwind Utilities"),
    ),
    "save_vendor": Full(
        "save_vendor",
        {
            "vendor_id": "v1",
            "changes": {
                "name": "Northwind Power",
                "currency": "USD",
                "email": "ap@northwind.example",
                "phone": "+1 617 555 0100",
                "address": {"address1": "2 Quay", "city": "Boston", "region": "MA", "country": "US"},
            },
            "addresses": [_ADDRESS | {"address1": "2 Quay"}, _ADDRESS | {"type": "shipping"}],
            "addresses_were": "b" * 64,
        },
        VendorEntryFacts(
            others=(("v2", "Granite Repairs"),),
            differing=("name", "email"),
            is_shown=False,
            addresses_moved=False,
            now={"name": "Northwind Utilities", "email": "old@northwind.example", "address1": "1 Quay"},
        ),
    ),
    "save_vendor: a new one": Full(
        "save_vendor",
        {
            "vendor_id": "",
            "changes": {"name": "Acme", "currency": "USD", "email": "ap@acme.example", "address": {"city": "Boston"}},
            "addresses": [{"type": "billing", "city": "Boston"}],
        },
        VendorEntryFacts(others=(), differing=(), is_shown=False, addresses_moved=False, now={}),
        {"vendor_id": None, "bill_id": None},
    ),
    "create_record": Full(
        "create_record",
        {
            "kind": "item",
            "name": "Packing crate",
            "code": "PC-1",
            "account": "a1",
            "parent": "k1",
            "type": "non_inventory",
        },
        RecordEntryFacts((("i2", "Packing box"),), an_account(type="expense")),
    ),
    "link_account": Full("link_account", {"role": "funding", "account_id": "a1"}, LinkFacts(an_account(), ())),
    "link_account: a new one": Full(
        "link_account",
        {
            "role": "funding",
            "create": {
                "name": "Checking",
                "account_type": "bank",
                "currency": "USD",
                "nominal_code": "1200",
                "bank_account_number": "000123456789",
            },
        },
        LinkFacts(None, ("a5",)),
    ),
}

RUN = PaymentRun()
