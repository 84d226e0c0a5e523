"""`propose_payment_run`: one proposal for many payments, each of which is then a separate write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import CachedList, vendor_name
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.base import Batch, Facts, LinkedAccount, MemberWords
from rutter_ap_server.guard.writes.parties import (
    NAME_CHARACTERS_MAX,
    PAYABLE,
    AccountFact,
    BillFact,
    bill_fact,
    bill_words,
    ledger_bill,
    read_account,
    vendor_fact,
)
from rutter_ap_server.guard.writes.pay_bill import Funding, PayBillWrite, Payee, funding_account, prepared_payment
from rutter_ap_server.guard.writes.pay_bill_facts import files_on, paid_on
from rutter_ap_server.guard.writes.payment_run_words import describe_run
from rutter_ap_server.guard.writes.wording import Description
from rutter_ap_server.reads.amounts import LedgerDataError, is_unclear
from rutter_ap_server.reads.history import PAYMENTS_A_PAGE, read_whole_lists
from rutter_ap_server.rutter.errors import WalkTooLong
from rutter_ap_server.rutter.filters import Filter, equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.paging import PAGE_OBJECTS_MAX
from rutter_ap_server.rutter.platforms import ignores_filters
from rutter_ap_tools.errors import AssistantError, BadInput
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.payments import RUN_LINES_MAX, ProposePaymentRun
from rutter_ap_tools.text import clean

_PAGES_MAX = 20
_LEFT_OUT_SHOWN_MAX = 50


class PaymentRun(Batch):
    """`propose_payment_run`: a batch of payments."""

    tool = "propose_payment_run"
    default_severity = Severity.ASK
    member = PayBillWrite()

    async def prepare(
        self, request: ProposePaymentRun, company: Company, linked_account: LinkedAccount
    ) -> PreparedWrite:
        """Chooses the bills, and fixes the payee, amount, funding account and date of each."""
        if bool(request.bill_ids) == bool(request.due_to):
            raise BadInput("give exactly one of `bill_ids` and `due_to`")
        if request.bill_ids and request.vendor:
            raise BadInput("`vendor` can only be used with `due_to`")
        if len(set(request.bill_ids)) != len(request.bill_ids):
            raise BadInput("`bill_ids` contains the same bill twice")
        account_id = await funding_account(request.account, company, linked_account)
        await company.ahead(
            partial(read_account, company, account_id),
            partial(company.directory.cached_list, "vendor"),
            partial(_asked_for, request, company),
        )
        account = await read_account(company, account_id)
        bills = await _asked_for(request, company)
        vendors = await _vendors(company, bills)
        candidates = [_candidate(bill, vendors) for bill in bills]
        currency = _currency(account, candidates)
        cash = Money.parse(request.cash, currency) if request.cash else None
        choice = choose(candidates, currency, cash, RUN_LINES_MAX)
        if not choice.chosen:
            raise AssistantError(
                f"none of these bills can be paid from {account.name}: {_reasons(choice)}",
                code="run.empty",
                next_step="Choose other bills, a later due_to or more cash. Nothing was written.",
            )
        return _prepared(request, company, account, choice, currency)

    async def read_ahead(self, members: Sequence[PreparedWrite], company: Company) -> None:
        """Lists of the whole ledger that show bills, histories and vendors, if they are short, and the bills' files."""
        accounts = {member.fields["account_id"] for member in members}
        await company.ahead(
            partial(read_whole_lists, company, len(members)),
            partial(_vendors_ahead, company, len(members)),
            *(partial(read_account, company, account_id) for account_id in accounts),
            *(partial(files_on, company, member.fields["bill_id"]) for member in members),
        )

    def settled(self, facts: Facts[Any]) -> str | None:
        """A bill that was paid meanwhile is left out; the rest of the run is still owed."""
        bill: BillFact = facts.seen.bill
        if bill.status == "paid" or (bill.status in PAYABLE and bill.due.amount == 0):
            return f"{bill_words(bill)} is already paid"
        return None

    def describe(self, prepared: PreparedWrite, members: Sequence[MemberWords]) -> Description:
        """Every payment, the total for each vendor, and what all payments have in common."""
        return describe_run(prepared, members)

    def members(self, prepared: PreparedWrite) -> tuple[PreparedWrite, ...]:
        """Each payment, prepared as `pay_bill` would prepare it, so that no bill can be paid both ways."""
        fields = prepared.fields
        funding = Funding(fields["account_id"], fields["account_name"], fields["date"], fields["memo"])
        return tuple(
            prepared_payment(
                prepared.company_id,
                Payee(
                    line["bill_id"],
                    f"bill {line['number'] or line['bill_id']}",
                    line["vendor_id"],
                    line["vendor_name"],
                ),
                Money.parse(line["amount"], fields["currency"]),
                funding,
                date_given=fields["date_given"],
                connection_id=prepared.connection_id,
            )
            for line in fields["lines"]
        )


async def _asked_for(request: ProposePaymentRun, company: Company) -> list[Bill]:
    """The named bills in the given order, or the unpaid bills that are due, earliest due date first."""
    if request.bill_ids:
        await read_whole_lists(company, len(request.bill_ids))
        await company.ahead(*(partial(ledger_bill, company, bill_id) for bill_id in request.bill_ids))
        return [await ledger_bill(company, bill_id) for bill_id in request.bill_ids]
    vendor_id = (await company.directory.vendor(request.vendor)).id if request.vendor else None
    due_to = date.fromisoformat(request.due_to)
    # Some platforms ignore filters and sorting, so everything is checked and sorted here.
    statuses = (None,) if ignores_filters(company.platform) else ("open", "partially_paid")
    reads = [partial(_unpaid, company, status, vendor_id, due_to) for status in statuses]
    await company.ahead(*reads)
    found = {bill.id: bill for read in reads for bill in await read()}
    due = [
        bill
        for bill in found.values()
        if (bill.status in ("open", "partially_paid") or is_unclear(bill.status))
        # One whose date cannot be read may be due: it is left out, and named.
        and (bill.due_date.date() <= due_to if bill.due_date is not None else bool(bill.trouble))
        and vendor_id in (None, bill.vendor_id)
    ]
    for bill in due:
        company.know("bills", bill)
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(due, key=lambda bill: (bill.due_date or latest, bill.id))


async def _unpaid(company: Company, status: str | None, vendor_id: str | None, due_to: date) -> list[Bill]:
    """The bills of a status, of one vendor or all; of too many, those due up to that day."""
    chosen = equal("status", status) if status else None
    if chosen is not None and vendor_id:
        chosen &= equal("vendor_id", vendor_id)

    async def read() -> list[Bill]:
        found: dict[str, Bill] = {}
        try:
            async for bill in company.rutter.bills.walk(filter=chosen, pages_max=_PAGES_MAX):
                found[bill.id] = bill
        except WalkTooLong:
            found |= await _due_first(company, chosen, due_to)
        return list(found.values())

    return await company.once(("unpaid", status, vendor_id), read)


async def _vendors_ahead(company: Company, payments: int) -> None:
    """Reads the vendors as they are now, where one list takes fewer requests than one for each."""
    known = company.directory.count("vendor")
    if known is None or known <= PAGE_OBJECTS_MAX * max(1, payments // PAYMENTS_A_PAGE):
        asked_at = company.clock.now()
        listed = await company.directory.cached_list("vendor", refresh=known is not None)
        # A list of some of them is not read anew, and another call may have begun to read this one before.
        if listed.whole and listed.read_at >= asked_at:
            for vendor in listed.by_id.values():
                company.know("vendors", vendor)


async def _due_first(company: Company, chosen: Filter | None, due_to: date) -> dict[str, Bill]:
    """The bills due up to that day, of more than can be read. Raises `WalkTooLong` if these are too many as well."""
    found: dict[str, Bill] = {}
    try:
        async for bill in company.rutter.bills.walk(filter=chosen, sort="due_date ASC", pages_max=_PAGES_MAX):
            if bill.due_date is not None and bill.due_date.date() > due_to:
                break
            found[bill.id] = bill
    except WalkTooLong:
        raise WalkTooLong(
            "more bills are due by then than can be read",
            next_step="Pass an earlier due_to, a vendor, or the bills themselves in bill_ids. Nothing was written.",
        ) from None
    return found


async def _vendors(company: Company, bills: Sequence[Bill]) -> CachedList:
    """The vendors, read anew if one of these bills names a vendor that was not there a moment ago."""
    known = await company.directory.cached_list("vendor")
    if any(bill.vendor_id and bill.vendor_id not in known.by_id for bill in bills):
        known = await company.directory.cached_list("vendor", refresh=True)
    return known


def _candidate(bill: Bill, vendors: CachedList) -> Candidate:
    vendor, due, trouble = vendors.by_id.get(bill.vendor_id or ""), None, ""
    try:
        due = bill_fact(bill).due
        paid_on(bill)
        if vendor is not None:
            vendor_fact(vendor)
    except LedgerDataError as error:
        trouble = error.message
    if vendor is None and vendors.whole:
        trouble = trouble or "its vendor is not listed"
    return Candidate(
        bill_id=bill.id,
        number=clean(bill.document_number, NAME_CHARACTERS_MAX),
        vendor_id=bill.vendor_id,
        vendor_name=clean(vendor_name(vendor), NAME_CHARACTERS_MAX) if vendor else "an unlisted vendor",
        status=clean(bill.status, 30),
        due_date=bill.due_date.date().isoformat() if bill.due_date else "",
        due=due,
        trouble=trouble,
    )


def _currency(account: AccountFact, candidates: list[Candidate]) -> str:
    """The currency of a run: the funding account's or, if the ledger does not show it, that of the bills."""
    if account.currency is not None:
        return account.currency
    found = sorted({one.due.currency for one in candidates if one.due is not None})
    if len(found) == 1:
        return found[0]
    raise AssistantError(
        "the ledger does not show the currency of the funding account, and the bills are in several currencies",
        code="currency.unknown",
        next_step="Pass bills of a single currency in bill_ids. Nothing was written.",
    )


def _prepared(
    request: ProposePaymentRun, company: Company, account: AccountFact, choice: Choice, currency: str
) -> PreparedWrite:
    total, day = choice.total(currency), request.date or company.clock.today().isoformat()
    return prepare(
        tool="propose_payment_run",
        company_id=company.ledger_id,
        connection_id=company.id,
        fields={
            "account_id": account.id,
            "account_name": account.name,
            "currency": currency,
            "date": day,
            "date_given": bool(request.date),
            "memo": request.memo,
            "lines": [_line(one) for one in choice.chosen],
            "left_out": [
                {"bill_id": one.bill_id, "number": one.number, "reason": reason}
                for one, reason in choice.left_out[:_LEFT_OUT_SHOWN_MAX]
            ],
            "left_out_count": len(choice.left_out),
        },
        summary=f"Pay {_bills(len(choice.chosen))} totaling {total} from {account.name}, dated {day}",
        # What was left out explains the run, but is not part of what will be written.
        defaulted=("left_out", "left_out_count", *(() if request.date else ("date",))),
        money=total,
    )


def _bills(count: int) -> str:
    return "1 bill" if count == 1 else f"{count} bills"


def _line(one: Candidate) -> dict[str, Any]:
    assert one.due is not None
    return {
        "bill_id": one.bill_id,
        "number": one.number,
        "vendor_id": one.vendor_id,
        "vendor_name": one.vendor_name,
        "due_date": one.due_date,
        "amount": one.due.text,
    }


def _reasons(choice: Choice) -> str:
    if not choice.left_out:
        return "no bills are due"
    return "; ".join(f"{one.number or one.bill_id}: {reason}" for one, reason in choice.left_out[:5])


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bill that may go into a run; `due` is None if the ledger's figures cannot be used, `trouble` why it cannot."""

    bill_id: str
    number: str
    vendor_id: str | None
    vendor_name: str
    status: str
    due_date: str
    due: Money | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The bills of a run in order, and the ones left out, each with a reason."""

    chosen: tuple[Candidate, ...]
    left_out: tuple[tuple[Candidate, str], ...]

    def total(self, currency: str) -> Money:
        """The total the run pays."""
        return Money.total((one.due for one in self.chosen if one.due is not None), currency)


def choose(candidates: Iterable[Candidate], currency: str, cash: Money | None, lines_max: int) -> Choice:
    """Takes each bill in turn if it can be paid and still fits; a smaller one may fit after a larger one did not."""
    chosen: list[Candidate] = []
    left_out: list[tuple[Candidate, str]] = []
    total = Money.zero(currency)
    for one in candidates:
        reason = _unfit(one, currency)
        if reason is None and len(chosen) == lines_max:
            reason = f"a run has at most {lines_max} bills"
        if reason is None and cash is not None and one.due is not None and total + one.due > cash:
            reason = f"{one.due} does not fit; {cash - total} of the cash is left"
        if reason is not None or one.due is None:
            left_out.append((one, reason or ""))
            continue
        chosen.append(one)
        total += one.due
    return Choice(tuple(chosen), tuple(left_out))


def _unfit(one: Candidate, currency: str) -> str | None:
    if one.status not in PAYABLE:
        return f"its status is {one.status}"
    if one.vendor_id is None:
        return "it has no vendor"
    if one.trouble or one.due is None:
        return f"{one.trouble or 'its amounts are not valid'}; check it in the accounting platform"
    if one.due.currency != currency:
        return f"it is in {one.due.currency}, but the funding account is in {currency}"
    return "nothing is due on it" if one.due.amount <= 0 else None
