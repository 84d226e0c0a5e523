"""`create_bill`: creates a bill from an invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import vendor_name
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.base import (
    Dated,
    Dates,
    Facts,
    Gathered,
    LinkedAccount,
    Need,
    Repeats,
    Touched,
    Write,
    contents_of,
)
from rutter_ap_server.guard.writes.create_bill_rules import RULES, BillFacts
from rutter_ap_server.guard.writes.duplicates import compared_with, remember_entered
from rutter_ap_server.guard.writes.parties import NAME_CHARACTERS_MAX, account_fact, midnight, read_payee
from rutter_ap_server.guard.writes.readback import Difference, Sent, differences, same_day, with_differences
from rutter_ap_server.guard.writes.sums import (
    Shown,
    difference_from_released,
    may_be_booked_as,
    read_sums,
    released_amount,
    shown_amounts,
    sum_fields,
    sums_rows,
    sums_words,
    total_of,
)
from rutter_ap_server.guard.writes.sums_rules import alike_ids, remember_booking
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    account_words,
    day_words,
    exact,
    line_names,
    line_sum,
    lines_table,
    names_for,
    names_in,
    pairs,
    payee_words,
    plain,
)
from rutter_ap_server.reads.amounts import LedgerDataError, ledger_money, require_usable
from rutter_ap_server.reads.history import History, bills_to_compare
from rutter_ap_server.rutter.models.base import given
from rutter_ap_server.rutter.models.bills import (
    Bill,
    BillCreate,
    BillCreateExtras,
    BillLine,
    BillLineDraft,
    LineItemDraft,
    RefDraft,
)
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.bills import CreateBill, NewBillLine
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money, exponent_of, require_active
from rutter_ap_tools.text import clean, normal_number
from rutter_ap_tools.wire import MoneyShape, Named, Record

_CREATE = Need("bills", "create", "create a bill", "a person can create it there", "create_bill")
_INCLUSIVE = Need(
    "bills",
    "tax_inclusive",
    "take line amounts that contain tax",
    "pass them without tax and name tax rates",
    "tax_inclusive_bill",
)
_DIMENSIONS = ("tax_rate", "class", "department", "location", "customer", "project")


class CreateBillWrite(Write[BillFacts]):
    """`create_bill`."""

    tool = "create_bill"
    default_severity = Severity.ALLOW
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (_INCLUSIVE, _CREATE)
    rules = RULES

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """Two bills of one vendor may be the same document twice."""
        return frozenset({Touched("bills_of_vendor", prepared.fields["vendor_id"])})

    def dates(self, prepared: PreparedWrite, seen: BillFacts) -> Dates:
        """A bill is posted on its issue date."""
        issued = (Dated("the bill is dated", date.fromisoformat(prepared.fields["issue_date"])),)
        due_on = prepared.fields["due_date"]
        due = (Dated("the bill is due", date.fromisoformat(due_on)),) if due_on else ()
        return Dates(posted=issued, documents=issued, entered=(*issued, *due), used=())

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Creating a bill, and first that its amounts are understood as they are meant."""
        return self.needs if prepared.fields.get("tax_inclusive") else (_CREATE,)

    async def prepare(self, request: CreateBill, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Resolves every name, checks the decimals of every amount, and works out what the lines come to."""
        require_active(request.currency)
        vendor = await company.directory.vendor(request.vendor)
        lines = [await prepared_line(line, request.currency, company, linked_account) for line in request.lines]
        sums, _ = await read_sums(lines, request.currency, company, inclusive=request.tax_inclusive)
        total = Money.parse(request.total, request.currency) if request.total else None
        if request.due_date and request.due_date < request.issue_date:
            raise BadInput("`due_date` is before `issue_date`")
        payable = request.accounts_payable_account
        fields: dict[str, Any] = {
            "vendor_id": vendor.id,
            "issue_date": request.issue_date,
            "due_date": request.due_date,
            "currency": request.currency,
            "document_number": request.document_number,
            "memo": request.memo,
            "lines": lines,
            "payment_terms": await _id_of(company, "payment_terms", request.payment_terms),
            "accounts_payable_account": (await company.directory.account(payable)).id
            if payable
            else await linked_account("accounts_payable") or "",
            "subsidiary": await _id_of(company, "subsidiary", request.subsidiary),
            "purchase_orders": [await _id_of(company, "purchase_order", order) for order in request.purchase_orders],
        } | sum_fields(sums, total, inclusive=request.tax_inclusive)
        name = clean(vendor_name(vendor), NAME_CHARACTERS_MAX)
        number = f" {clean(request.document_number, NAME_CHARACTERS_MAX)}" if request.document_number else ""
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields=fields,
            summary=f"Create bill{number} for {sums_words(sums, total)} from {name}, issued {request.issue_date}",
            defaulted=("expected",),
            money=released_amount(sums, total),
            vendor_id=vendor.id,
            vendor_name=name,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[BillFacts]:
        """Reads the vendor, its bills, and the accounts and tax rates on the lines."""
        vendor = await read_payee(company, prepared.fields["vendor_id"])
        named = {line["account"] for line in prepared.fields["lines"] if line["account"]}
        accounts = [account_fact(await company.rutter.accounts.get(account_id)) for account_id in sorted(named)]
        fields = prepared.fields
        vendor_ids = (vendor.id, *vendor.twins)
        history = await _others(company, prepared, vendor_ids)
        earlier = tuple(earlier_bill(bill) for bill in history.records if bill.status not in _DEAD)
        owed_on = fields["accounts_payable_account"]
        payable = account_fact(await company.rutter.accounts.get(owed_on)) if owed_on else None
        inclusive = fields.get("tax_inclusive", False)
        sums, rates = await read_sums(fields["lines"], fields["currency"], company, inclusive=inclusive)
        seen = BillFacts(vendor, tuple(accounts), earlier, payable, sums, rates, history.doubt, history.sure)
        return Gathered(
            seen=seen,
            binding={
                "vendor": vendor.binding,
                "accounts": [a.binding for a in (*accounts, *((payable,) if payable else ()))],
                "total": str(prepared.money),
                "sums": sums.binding,
                "tax_rates": [rate.binding for rate in rates],
                "alike": alike_ids(earlier, sums, total_of(prepared), [fields["document_number"]]),
            },
            before={"bills": sorted(bill.id for bill in history.records)},
            contents=contents_of("bills_of_vendor", vendor_ids, history),
            vendor=vendor,
            texts=_texts(prepared),
            arguments=(),
            names=await _names(prepared, company),
            compared=compared_with(prepared, seen),
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[BillFacts]) -> Description:
        """Every field of the new bill and every line."""
        said = Fields(prepared.fields)
        lines, currency = said.take("lines") or [], said.take("currency")
        rows = [
            ("Vendor", payee_words(facts.seen.vendor, said.take("vendor_id"), prepared.vendor_name)),
            ("Number", exact(said.take("document_number"))),
            ("Issue date", day_words(said.take("issue_date"))),
            ("Due date", day_words(said.take("due_date") or "none")),
            ("Currency", plain(currency)),
            ("Sum of the lines", line_sum(lines, currency)),
            *sums_rows(said, currency, facts.seen.rates),
            ("Memo", exact(said.take("memo"))),
            ("Payables account", account_words(facts.seen.payable_account, said.take("accounts_payable_account"))),
            ("Payment terms", names_in(facts.names, said.take("payment_terms"))),
            ("Subsidiary", names_in(facts.names, said.take("subsidiary"))),
            (
                "Purchase orders",
                "; ".join(names_in(facts.names, one) for one in said.take("purchase_orders") or ()) or "none",
            ),
            *said.rest(),
        ]
        return Description(
            fields=(pairs("Bill to create", rows), lines_table("Its lines", lines, currency, facts.names)),
            known=(("Bills of this vendor in the ledger", facts.seen.doubt or str(len(facts.seen.earlier))),),
            follows=(("Money", "Creating a bill pays nothing; it will be due."),),
        )

    async def draft(self, prepared: PreparedWrite, company: Company) -> BillCreate:
        """The bill as Rutter takes it (Rutter docs: Bills)."""
        fields = prepared.fields
        return BillCreate(
            vendor_id=fields["vendor_id"],
            issue_date=midnight(fields["issue_date"]),
            due_date=given(midnight(fields["due_date"]) if fields["due_date"] else None),
            currency_code=fields["currency"],
            document_number=given(fields["document_number"] or None),
            memo=given(fields["memo"] or None),
            payment_terms_id=given(fields["payment_terms"] or None),
            account_id=given(fields["accounts_payable_account"] or None),
            subsidiary_id=given(fields["subsidiary"] or None),
            linked_purchase_orders=given(tuple(RefDraft(id=order) for order in fields["purchase_orders"]) or None),
            line_items=tuple(line_draft(line) for line in fields["lines"]),
            additional_fields=given(BillCreateExtras(tax_inclusive=True) if fields.get("tax_inclusive") else None),
        )

    async def send(
        self, prepared: PreparedWrite, draft: BillCreate, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Creates the bill."""
        return await company.rutter.bills.create(draft, idempotency_key=key, again=again)

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """Posted means that the ledger shows the bill, with this vendor and currency; its amount is compared then."""
        bill = await company.rutter.bills.get(sent.id)
        if bill.vendor_id != prepared.vendor_id or bill.currency_code != prepared.fields["currency"]:
            return ()
        return (_created(bill, prepared),)

    async def named(
        self, prepared: PreparedWrite, company: Company, record_id: str, before: dict[str, Any]
    ) -> Record | None:
        """A bill of this vendor and currency that did not exist before."""
        bill = await company.rutter.bills.get(record_id)
        found = await self.read_back(prepared, company, bill, before)
        bill_is_new = record_id not in before["bills"] and bill.status not in _DEAD
        return found[0] if found and bill_is_new else None

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """Every new bill of this vendor with this number and issue date, at an amount that tax can explain."""
        wanted = prepared.fields["document_number"]
        return tuple(
            _created(bill, prepared)
            for bill in (await _others(company, prepared, [prepared.fields["vendor_id"]])).records
            if bill.id not in before["bills"]
            and is_number(wanted, bill.document_number)
            and same_day(bill.issue_date, prepared.fields["issue_date"], in_any_zone=False)
            and bill.currency_code == prepared.fields["currency"]
            and _may_be(bill, prepared)
        )

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """The bill, among its vendor's."""
        return {Touched("bills_of_vendor", prepared.fields["vendor_id"]): record_id}

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.bills.outcome(job_id)

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """Remembers the bill, and what it was released for."""
        remember_booking(tx, prepared, record)
        remember_entered(tx, prepared, record)


async def prepared_line(
    line: NewBillLine, currency: str, company: Company, linked_account: LinkedAccount
) -> dict[str, Any]:
    """A line with its names resolved and its decimals checked, as stored in a prepared write."""
    amount = Money.parse(line.amount, currency)
    account = (await company.directory.account(line.account)).id if line.account else ""
    if not account and not line.item:
        account = await linked_account("expense") or ""
        if not account:
            raise BadInput(
                "`account` is required on every line",
                code="account.not_linked",
                next_step="Pass an expense account on the line, or set a default with link_account (role expense).",
            )
    if line.quantity and line.unit_amount:
        _check_product(line, amount)
    stated = line.model_dump(by_alias=True)
    kept = {name: stated[name] for name in ("description", "quantity", "unit_amount")}
    kept |= {kind: await _id_of(company, kind, stated[kind]) for kind in ("item", *_DIMENSIONS)}
    return {"amount": amount.text, "account": account} | {k: v for k, v in kept.items() if v}


async def _id_of(company: Company, kind: str, reference: str) -> str:
    """The id for an id or name, so that both forms prepare the same write."""
    return (await company.directory.one(kind, reference)).id if reference else ""


async def _names(prepared: PreparedWrite, company: Company) -> dict[str, str]:
    """The names of everything a new bill refers to."""
    fields = prepared.fields
    wanted = [(kind, fields[kind]) for kind in ("payment_terms", "subsidiary") if fields[kind]]
    wanted += [("purchase_order", order) for order in fields["purchase_orders"]]
    return await line_names(company, fields["lines"]) | await names_for(company, wanted)


def _check_product(line: NewBillLine, amount: Money) -> None:
    # As exact fractions, because the product of two long decimals exceeds Decimal's precision. Half a unit either way
    # is rounding, by any rule.
    product = Fraction(line.quantity) * Fraction(line.unit_amount)
    if abs(product - Fraction(amount.amount)) > Fraction(1, 2 * 10 ** exponent_of(amount.currency)):
        raise BadInput("`quantity` times `unit_amount` does not equal `amount`", code="bill.lines_do_not_add_up")


def _texts(prepared: PreparedWrite) -> tuple[tuple[str, str], ...]:
    """What the assistant copied from the document, which may contain text aimed at the assistant."""
    fields = prepared.fields
    lines = (("a line of the new bill", line.get("description", "")) for line in fields["lines"])
    texts = (("the memo of the new bill", fields["memo"]), ("the number of the new bill", fields["document_number"]))
    return tuple((where, text) for where, text in (*texts, *lines) if text)


def line_draft(line: dict[str, Any]) -> BillLineDraft:
    """A prepared line as it is sent."""
    item = LineItemDraft(
        id=given(line.get("item")),
        quantity=given(Decimal(line["quantity"]) if "quantity" in line else None),
        unit_amount=given(Decimal(line["unit_amount"]) if "unit_amount" in line else None),
    )
    return BillLineDraft(
        total_amount=Decimal(line["amount"]),
        account_id=given(line["account"] or None),
        description=given(line.get("description")),
        item=given(item if "item" in line else None),
        tax_rate_id=given(line.get("tax_rate")),
        class_id=given(line.get("class")),
        department_id=given(line.get("department")),
        location_id=given(line.get("location")),
        customer_id=given(line.get("customer")),
        project_id=given(line.get("project")),
    )


def earlier_bill(bill: Bill) -> Document:
    """A vendor's bill in the ledger, to compare a new or a changed one with, or to remember."""
    shown, trouble = None, ""
    try:
        shown = shown_of(bill)
    except LedgerDataError as error:
        trouble = error.message
    return Document(
        kind="bill",
        id=bill.id,
        vendor_id=bill.vendor_id or "",
        number=bill.document_number or "",
        total=shown.total if shown else None,
        issued=bill.issue_date.date() if bill.issue_date else None,
        net=shown.net if shown else None,
        trouble=trouble,
    )


def shown_of(bill: Bill) -> Shown:
    """The amounts of a bill in the ledger. Raises `LedgerDataError` when its total cannot be used."""
    require_usable(bill)
    total = ledger_money(bill.total_amount, bill.currency_code, "bill total")
    return shown_amounts(total, bill.sub_total, bill.tax_amount, bill.line_items)


_DEAD = ("void", "rejected")


def _may_be(bill: Bill, prepared: PreparedWrite) -> bool:
    """Whether a new bill can be the one that was sent. Under its own number, it can be: tax adds any amount to it."""
    if bill.status in _DEAD:
        return False
    try:
        shown = shown_of(bill)
    except LedgerDataError:
        return False
    lines = sum((Decimal(line["amount"]) for line in prepared.fields["lines"]), Decimal(0))
    named = bool(normal_number(prepared.fields["document_number"]))
    return may_be_booked_as(prepared, shown) or (named and shown.total.amount >= lines)


async def _others(company: Company, prepared: PreparedWrite, vendor_ids: Sequence[str]) -> History[Bill]:
    """The bills of these vendors that may be the new one, before it was written and afterwards."""
    fields = prepared.fields
    day = date.fromisoformat(fields["issue_date"])
    return await bills_to_compare(company, vendor_ids, [fields["document_number"]], day)


def is_number(sent: str, shown: str | None) -> bool:
    """Whether the ledger shows that document number, in any spelling, or as much of it as platforms keep."""
    return normal_number(sent) == normal_number(shown) or Sent("number", sent, shown, "number").is_shown


def _created(bill: Bill, prepared: PreparedWrite) -> Record:
    """What the ledger made of a new bill."""
    fields = prepared.fields
    found = differences(
        (
            Sent("number", fields["document_number"], bill.document_number, "number"),
            Sent("memo", fields.get("memo", ""), bill.memo),
            *described(fields["lines"], bill.line_items),
        )
    )
    for name, shown in (("issue", bill.issue_date), ("due", bill.due_date)):
        day = fields.get(f"{name}_date")
        if day and not same_day(shown, day, in_any_zone=True):
            found.append(Difference(f"its {name} date is {shown.date() if shown else 'not shown'}, not {day}", False))
    return with_differences(bill_record(bill, prepared), found)


def described(lines: Sequence[Mapping[str, Any]], shown: Sequence[BillLine]) -> list[Sent]:
    """The descriptions of lines that were sent, if the ledger shows as many lines."""
    if len(lines) != len(shown):
        return []
    pairs_of = enumerate(zip(lines, shown, strict=True), start=1)
    return [
        Sent(f"description of line {number}", line["description"], one.description)
        for number, (line, one) in pairs_of
        if line.get("description")
    ]


def bill_record(bill: Bill, prepared: PreparedWrite) -> Record:
    """What a write left of a bill in the ledger, and whether it is what was released."""
    total = ledger_money(bill.total_amount, bill.currency_code, "bill total")
    due = ledger_money(bill.amount_due, bill.currency_code, "balance due")
    return Record(
        kind="bill",
        id=bill.id,
        document_number=clean(bill.document_number, 100) or None,
        vendor=Named(id=prepared.vendor_id, name=prepared.vendor_name) if prepared.vendor_id else None,
        bill_id=bill.id,
        amount=MoneyShape.of(total),
        bill_due=MoneyShape.of(due),
        bill_status=bill.status,
        issued=bill.issue_date.date() if bill.issue_date else None,
        expected=MoneyShape.of(prepared.money) if prepared.money is not None else None,
        difference=difference_from_released(prepared, total, bill.tax_amount),
    )
