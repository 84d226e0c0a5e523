"""`create_credit`: creates a vendor credit. It pays nothing, but reduces what is paid and can hide what is owed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import vendor_name
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.base import (
    Dated,
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
    contents_of,
)
from rutter_ap_server.guard.writes.create_bill import described, is_number, prepared_line
from rutter_ap_server.guard.writes.document_rules import (
    account_not_for_expenses,
    amount_not_positive,
    currency_mismatch,
    vendor_archived,
)
from rutter_ap_server.guard.writes.duplicates import (
    amount_repeated,
    compared_with,
    number_repeated,
    others_unusable,
    remember_entered,
)
from rutter_ap_server.guard.writes.parties import (
    NAME_CHARACTERS_MAX,
    AccountFact,
    VendorFact,
    account_fact,
    midnight,
    read_payee,
)
from rutter_ap_server.guard.writes.readback import Sent, differences, same_day, with_differences
from rutter_ap_server.guard.writes.sums import (
    ExpectedSums,
    Shown,
    TaxFact,
    difference_from_released,
    expected_sums,
    may_be_booked_as,
    released_amount,
    shown_amounts,
    sum_fields,
    sums_rows,
    sums_words,
    total_of,
)
from rutter_ap_server.guard.writes.sums_rules import (
    alike_ids,
    tax_changed,
    total_differs,
    total_unchecked,
)
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
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
from rutter_ap_server.reads.history import History, credits_to_compare
from rutter_ap_server.rutter.models.base import given
from rutter_ap_server.rutter.models.credits import (
    BillCreditMemo,
    BillCreditMemoCreate,
    BillCreditMemoExtras,
    CreditLineDraft,
)
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.bills import NewBillLine
from rutter_ap_tools.credits import CreateCredit
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money, require_active
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Named, Record

_DEAD = ("void", "rejected")
_CREATE = Need("bill_credit_memos", "create", "create a credit", "a person can create it there", "create_credit")
_INCLUSIVE = Need(
    "bill_credit_memos",
    "tax_inclusive",
    "take credit amounts that contain tax",
    "pass them without tax",
    "tax_inclusive_credit",
)
_UNKNOWN = "the lines of a credit name no tax rate, so the ledger may add its own tax"


@dataclass(frozen=True, slots=True)
class CreditEntryFacts:
    """What the ledger shows about a new credit."""

    vendor: VendorFact
    accounts: tuple[AccountFact, ...]
    earlier: tuple[Document, ...]
    sums: ExpectedSums | None = None
    rates: tuple[TaxFact, ...] = ()
    doubt: str = ""
    sure: bool = True


def _issued(prepared: PreparedWrite) -> date:
    return date.fromisoformat(prepared.fields["issue_date"])


def credit_duplicate(prepared: PreparedWrite, facts: CreditEntryFacts, policy: Policy) -> Finding | Unchecked | None:
    """A vendor does not use the same number for two credits."""
    return number_repeated(compared_with(prepared, facts))


def credit_similar(prepared: PreparedWrite, facts: CreditEntryFacts, policy: Policy) -> Finding | None:
    """The same vendor and amount with nearly the same date is often one credit entered twice."""
    return amount_repeated(compared_with(prepared, facts), policy)


def credit_unusable(prepared: PreparedWrite, facts: CreditEntryFacts, policy: Policy) -> Finding | Unchecked | None:
    """A credit of this vendor that cannot be used may be the same credit."""
    return others_unusable(compared_with(prepared, facts), policy)


class CreateCreditWrite(Write[CreditEntryFacts]):
    """`create_credit`."""

    tool = "create_credit"
    # A made-up credit makes the company pay less than it owes, unnoticed until the vendor complains: a person confirms.
    default_severity = Severity.ASK
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (_INCLUSIVE, _CREATE)
    rules: tuple[Rule[CreditEntryFacts], ...] = (
        amount_not_positive,
        tax_changed,
        total_differs,
        total_unchecked,
        credit_duplicate,
        credit_similar,
        credit_unusable,
        currency_mismatch,
        vendor_archived,
        account_not_for_expenses,
    )

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """Two credits of one vendor may be the same document twice."""
        return frozenset({Touched("credits_of_vendor", prepared.fields["vendor_id"])})

    def dates(self, prepared: PreparedWrite, seen: CreditEntryFacts) -> Dates:
        """A credit is posted on its issue date."""
        issued = (Dated("the credit is dated", _issued(prepared)),)
        return Dates(posted=issued, documents=issued, entered=issued, used=())

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Creating a credit, and first that its amounts are understood as they are meant."""
        return self.needs if prepared.fields.get("tax_inclusive") else (_CREATE,)

    async def prepare(self, request: CreateCredit, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Resolves the vendor and accounts, checks the decimals of every amount, and adds up the lines."""
        require_active(request.currency)
        vendor = await company.directory.vendor(request.vendor)
        as_bill = [NewBillLine(**line.model_dump()) for line in request.lines]
        lines = [await prepared_line(line, request.currency, company, linked_account) for line in as_bill]
        sums = _sums(lines, request.currency, inclusive=request.tax_inclusive)
        total = Money.parse(request.total, request.currency) if request.total else None
        name = clean(vendor_name(vendor), NAME_CHARACTERS_MAX)
        number = f" {clean(request.document_number, NAME_CHARACTERS_MAX)}" if request.document_number else ""
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields={
                "vendor_id": vendor.id,
                "issue_date": request.issue_date,
                "currency": request.currency,
                "document_number": request.document_number,
                "memo": request.memo,
                "lines": lines,
                "accounts_payable_account": await linked_account("accounts_payable") or "",
            }
            | sum_fields(sums, total, inclusive=request.tax_inclusive),
            summary=f"Create credit{number} for {sums_words(sums, total)} from {name}, issued {request.issue_date}",
            defaulted=("expected",),
            money=released_amount(sums, total),
            vendor_id=vendor.id,
            vendor_name=name,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[CreditEntryFacts]:
        """Reads the vendor, its credits, and the accounts on the lines."""
        vendor = await read_payee(company, prepared.fields["vendor_id"])
        named = {line["account"] for line in prepared.fields["lines"] if line["account"]}
        accounts = tuple([account_fact(await company.rutter.accounts.get(one)) for one in sorted(named)])
        vendor_ids = (vendor.id, *vendor.twins)
        history = await _others(company, prepared, vendor_ids)
        earlier = [credit for credit in history.records if credit.status not in _DEAD]
        fields = prepared.fields
        sums = _sums(fields["lines"], fields["currency"], inclusive=fields.get("tax_inclusive", False))
        others = tuple(_earlier(credit, prepared) for credit in earlier)
        seen = CreditEntryFacts(vendor, accounts, others, sums, (), history.doubt, history.sure)
        return Gathered(
            seen=seen,
            binding={
                "vendor": vendor.binding,
                "accounts": [account.binding for account in accounts],
                "total": str(prepared.money),
                "sums": sums.binding,
                "alike": alike_ids(others, sums, total_of(prepared), [fields["document_number"]]),
            },
            before={"credits": sorted(credit.id for credit in earlier)},
            contents=contents_of("credits_of_vendor", vendor_ids, history),
            vendor=vendor,
            texts=_texts(prepared),
            arguments=(),
            names=await line_names(company, prepared.fields["lines"])
            | await names_for(company, [("account", prepared.fields["accounts_payable_account"])]),
            compared=compared_with(prepared, seen),
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[CreditEntryFacts]) -> Description:
        """Every field of the new credit and every line."""
        said = Fields(prepared.fields)
        lines, currency = said.take("lines") or [], said.take("currency")
        rows = [
            ("Vendor", payee_words(facts.seen.vendor, said.take("vendor_id"), prepared.vendor_name)),
            ("Number", exact(said.take("document_number"))),
            ("Issue date", day_words(said.take("issue_date"))),
            ("Currency", plain(currency)),
            ("Sum of the lines", line_sum(lines, currency)),
            *sums_rows(said, currency, facts.seen.rates),
            ("Memo", exact(said.take("memo"))),
            ("Payables account", names_in(facts.names, said.take("accounts_payable_account"))),
            *said.rest(),
        ]
        return Description(
            fields=(pairs("Credit to create", rows), lines_table("Its lines", lines, currency, facts.names)),
            known=(("Credits of this vendor in the ledger", facts.seen.doubt or str(len(facts.seen.earlier))),),
            follows=(("Balance", "The vendor is owed less by this amount once the credit is applied."),),
        )

    async def draft(self, prepared: PreparedWrite, company: Company) -> BillCreditMemoCreate:
        """The credit memo as Rutter takes it (Rutter docs: Bill Credit Memos)."""
        fields = prepared.fields
        return BillCreditMemoCreate(
            vendor_id=fields["vendor_id"],
            issue_date=midnight(fields["issue_date"]),
            currency_code=fields["currency"],
            document_number=given(fields["document_number"] or None),
            memo=given(fields["memo"] or None),
            account_id=given(fields["accounts_payable_account"] or None),
            line_items=tuple(_draft(line) for line in fields["lines"]),
            additional_fields=given(BillCreditMemoExtras(tax_inclusive=True) if fields.get("tax_inclusive") else None),
        )

    async def send(
        self, prepared: PreparedWrite, draft: BillCreditMemoCreate, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Creates the credit memo."""
        return await company.rutter.bill_credit_memos.create(draft, idempotency_key=key, again=again)

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """Posted means that the ledger shows the credit, with this vendor, currency and date; tax may be added."""
        credit = await company.rutter.bill_credit_memos.get(sent.id)
        return (_record(credit, prepared),) if _is_it(credit, prepared, is_named=True) else ()

    async def named(
        self, prepared: PreparedWrite, company: Company, record_id: str, before: dict[str, Any]
    ) -> Record | None:
        """A credit of this vendor that did not exist before."""
        credit = await company.rutter.bill_credit_memos.get(record_id)
        ours = credit.vendor_id == prepared.fields["vendor_id"] and record_id not in before["credits"]
        return _record(credit, prepared) if ours else None

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """Every new credit of this vendor with this number, issue date and amount."""
        return tuple(
            _record(credit, prepared)
            for credit in (await _others(company, prepared, [prepared.fields["vendor_id"]])).records
            if credit.id not in before["credits"]
            and _is_it(credit, prepared, is_named=False)
            and _may_be(credit, prepared)
        )

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """The credit, among its vendor's."""
        return {Touched("credits_of_vendor", prepared.fields["vendor_id"]): record_id}

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.bill_credit_memos.outcome(job_id)

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """Remembers the credit."""
        remember_entered(tx, prepared, record)


async def _others(company: Company, prepared: PreparedWrite, vendor_ids: Sequence[str]) -> History[BillCreditMemo]:
    """The credits of these vendors that may be the new one, used up or not, before it was written and afterwards."""
    fields = prepared.fields
    return await credits_to_compare(company, vendor_ids, [fields["document_number"]], _issued(prepared))


def _may_be(credit: BillCreditMemo, prepared: PreparedWrite) -> bool:
    try:
        return may_be_booked_as(prepared, _shown(credit, prepared))
    except LedgerDataError:
        return False


def _is_it(credit: BillCreditMemo, prepared: PreparedWrite, *, is_named: bool) -> bool:
    """Whether a credit is the one that was to be created; `is_named` where Rutter named its id.

    A number or currency that the ledger does not show is ignored: not every platform keeps them (Rutter docs: Bill
    Credit Memos).
    """
    number = prepared.fields["document_number"]
    return (
        credit.vendor_id == prepared.fields["vendor_id"]
        and credit.currency_code in (None, prepared.fields["currency"])
        and same_day(credit.issue_date, prepared.fields["issue_date"], in_any_zone=is_named)
        and (is_named or not credit.document_number or is_number(number, credit.document_number))
    )


def _sums(lines: list[dict[str, Any]], currency: str, *, inclusive: bool) -> ExpectedSums:
    """What the lines come to: their tax is never known."""
    return expected_sums(lines, currency, {}, inclusive=inclusive, unknown=_UNKNOWN)


def _shown(credit: BillCreditMemo, prepared: PreparedWrite) -> Shown:
    """The amounts of a credit in the ledger; one without a currency is taken to be in the same one."""
    require_usable(credit)
    currency = credit.currency_code or prepared.fields["currency"]
    total = ledger_money(credit.total_amount, currency, "total of a credit")
    return shown_amounts(total, None, None, credit.line_items)


def _texts(prepared: PreparedWrite) -> tuple[tuple[str, str], ...]:
    """What the assistant copied from the document, which may contain text aimed at the assistant."""
    fields = prepared.fields
    lines = (("a line of the new credit", line.get("description", "")) for line in fields["lines"])
    texts = (
        ("the memo of the new credit", fields["memo"]),
        ("the number of the new credit", fields["document_number"]),
    )
    return tuple((where, text) for where, text in (*texts, *lines) if text)


def _draft(line: dict[str, Any]) -> CreditLineDraft:
    return CreditLineDraft(
        total_amount=Decimal(line["amount"]),
        account_id=given(line["account"] or None),
        description=given(line.get("description")),
    )


def _earlier(credit: BillCreditMemo, prepared: PreparedWrite) -> Document:
    # If the ledger does not show the currency, the cautious assumption is that it is the same.
    shown, trouble = None, ""
    try:
        shown = _shown(credit, prepared)
    except LedgerDataError as error:
        trouble = error.message
    return Document(
        kind="credit",
        id=credit.id,
        vendor_id=credit.vendor_id or "",
        number=credit.document_number or "",
        issued=credit.issue_date.date() if credit.issue_date else None,
        total=shown.total if shown else None,
        net=shown.net if shown else None,
        trouble=trouble,
    )


def _record(credit: BillCreditMemo, prepared: PreparedWrite) -> Record:
    total = _shown(credit, prepared).total
    taxes = [line.tax_amount for line in credit.line_items if line.tax_amount is not None]
    fields = prepared.fields
    record = Record(
        kind="bill_credit_memo",
        id=credit.id,
        document_number=clean(credit.document_number, 100) or None,
        vendor=Named(id=prepared.vendor_id, name=prepared.vendor_name) if prepared.vendor_id else None,
        amount=MoneyShape.of(total),
        expected=MoneyShape.of(prepared.money) if prepared.money is not None else None,
        difference=difference_from_released(prepared, total, sum(taxes, Decimal(0))),
    )
    texts = (
        Sent("number", fields["document_number"], credit.document_number, "number"),
        Sent("memo", fields.get("memo", ""), credit.memo),
        *described(fields["lines"], credit.line_items),
    )
    return with_differences(record, differences(texts))
