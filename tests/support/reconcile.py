"""Whether our records agree with the books, after servers were stopped or killed while they paid."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from rutter_ap_server.app import App
from rutter_ap_server.guard.policy import WINDOWS, Policy
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_server.settings import read_settings
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_tools.accounts import LinkAccount
from support.sandbox_server import Announced, first_token, settings_of

NO_LIMIT = "100000000"
# Every payment is allowed, so that what is tried here is the sending and not the asking.
ALLOW_PAYMENTS = """
[tools]
pay_bill = "allow"
propose_payment_run = "allow"
[currencies.USD]
approve_above = "1000000"
two_approvers_above = "1000000"
single_limit = "1000000"
day_limit = "{day_limit}"
week_limit = "100000000"
month_limit = "100000000"
vendor_day_limit = "{vendor_day_limit}"
vendor_month_limit = "100000000"
[proposals]
repeat_days = 1
[rules.severity]
"amount.unusual_for_vendor" = "off"
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the books and our records say; `problems` is empty when they agree.

    `limited` counts the proposals that a limit kept back.
    """

    posted: int
    in_runs: int
    booked: int
    open: int
    limited: int
    longest_run: int
    problems: tuple[str, ...]


def paying_home(
    announced: Announced, home: Path, *, day_limit: str = NO_LIMIT, vendor_day_limit: str = NO_LIMIT
) -> dict[str, str]:
    """Makes a home in which every payment is allowed; the settings of a server there, in front of that sandbox."""
    home.mkdir(mode=0o700)
    policy = ALLOW_PAYMENTS.format(day_limit=day_limit, vendor_day_limit=vendor_day_limit)
    (home / "policy.toml").write_text(policy)
    return settings_of(announced, first_token(announced), RUTTER_AP_HOME=str(home))


async def payable_bills(environ: dict[str, str], numbered: str = "") -> list[tuple[str, str]]:
    """Open bills in US dollars whose number starts so, and what is due; the funding account is linked on the way."""
    app = App(read_settings(environ))
    try:
        await app.backend("campaign", NO_INTERACTION).submit(LinkAccount(role="funding", account="Operating Checking"))
        books = (await app.companies.get("")).rutter
        return [
            (bill.id, f"{bill.amount_due:f}")
            async for bill in books.bills.walk()
            if (bill.status, bill.currency_code) == ("open", "USD")
            and (bill.amount_due or 0) > 1
            and (bill.document_number or "").startswith(numbered)
        ]
    finally:
        await app.aclose()


async def vendors_of_bills(environ: dict[str, str]) -> dict[str, str]:
    """The vendor of every bill, by its id."""
    app = App(read_settings(environ))
    try:
        books = (await app.companies.get("")).rutter
        return {bill.id: bill.vendor_id or "" async for bill in books.bills.walk()}
    finally:
        await app.aclose()


async def compare(environ: dict[str, str]) -> Outcome:
    """Recovers what is open, at the time that it is, then holds our records against the books."""
    app = App(read_settings(environ))
    try:
        for _ in range(6):
            await app.recover()
        return await _outcome(app)
    finally:
        await app.aclose()


def leaks(environ: dict[str, str], logs: Iterable[str]) -> tuple[str, ...]:
    """Where a secret of these settings can be read: in a file of the home, or in what the servers logged."""
    token, secret = environ["RUTTER_ACCESS_TOKEN"], environ["RUTTER_CLIENT_SECRET"]
    header = base64.b64encode(f"{environ['RUTTER_CLIENT_ID']}:{secret}".encode())
    secrets = (token.encode(), secret.encode(), header)
    files = [path for path in Path(environ["RUTTER_AP_HOME"]).rglob("*") if path.is_file()]
    texts = [(str(path), path.read_bytes()) for path in files] + [("a log", log.encode()) for log in logs]
    return tuple(f"a secret is in {place}" for place, text in texts if any(one in text for one in secrets))


async def _outcome(app: App) -> Outcome:
    proposals = app.store.read_now(lambda tx: tx.proposals.in_states(list(State), limit=1_000_000))
    payments = [p for p in proposals if p.tool == "pay_bill"]
    posted = [p for p in payments if p.state == State.POSTED]
    books = (await app.companies.get("")).rutter
    touched = {p.bill_id for p in payments}
    bills = [bill async for bill in books.bills.walk() if bill.id in touched]
    linked = {link.id for bill in bills for link in bill.linked_payments}
    ledger = [payment async for payment in books.bill_payments.walk() if payment.id in linked]
    still_open = [p for p in proposals if p.state in IN_FLIGHT_STATES]
    problems = [*_disagreements(bills, posted), *_over_limits(ledger, await app.policy.read())]
    problems += [f"proposal {p.id} is stuck as {p.state}" for p in still_open]
    began, postponed = _tried(app.store, "attempt"), set(_tried(app.store, "postponed"))
    proposed_for = Counter(p.bill_id for p in payments)
    runs = [p for p in proposals if isinstance(p.fields.get("lines"), list)]
    for run in runs:
        lines = [p for p in payments if p.run_id == run.id]
        in_turn = [p for p in lines if p.id not in postponed and proposed_for[p.bill_id] == 1]
        problems += [*_unsettled(run, lines), *_out_of_order(run, in_turn, began)]
    chain = app.store.read_now(lambda tx: tx.audit.verify())
    if not chain.holds:
        problems.append(f"the audit chain is broken at {chain.broken_at}")
    return Outcome(
        posted=len(posted),
        in_runs=sum(1 for p in posted if p.run_id is not None),
        booked=sum(1 for bill in bills if bill.linked_payments),
        open=len(still_open),
        longest_run=max((sum(p.run_id == run.id for p in posted) for run in runs), default=0),
        limited=sum(1 for p in proposals if any(one.code.startswith("amount.over_") for one in p.findings)),
        problems=tuple(problems),
    )


def _tried(store: Store, kind: str) -> list[str]:
    """The proposals of every entry of that kind, in the order in which they were made."""
    return store.read_now(lambda tx: [entry.proposal_id or "" for entry in tx.audit.of_kind(kind)])


def _disagreements(bills: list[Bill], posted: list[Proposal]) -> Iterator[str]:
    """The payments on each bill must be those of the posted proposals, one each; none had any payment before."""
    for bill in bills:
        booked = Counter((str(link.id), link.allocated_amount) for link in bill.linked_payments)
        on_it = [p for p in posted if p.bill_id == bill.id]
        ours = Counter((str((p.record or {}).get("id")), p.money.amount) for p in on_it if p.money)
        if booked != ours:
            yield f"bill {bill.id}: only in the ledger {sorted(booked - ours)}, only here {sorted(ours - booked)}"
        paid = sum((amount for _, amount in booked.elements()), Decimal(0))
        if bill.amount_due is None or bill.amount_due < 0 or paid > (bill.total_amount or 0):
            yield f"bill {bill.id} is over-paid"
    gone = {p.bill_id for p in posted} - {bill.id for bill in bills}
    yield from (f"bill {bill_id} is paid here and not in the ledger" for bill_id in sorted(map(str, gone)))


def _unsettled(run: Proposal, lines: list[Proposal]) -> Iterator[str]:
    """A run must have ended with what its payments came to, and each of those with an outcome."""
    if run.state not in (State.POSTED, State.FAILED):
        return
    for line in lines:
        if line.state in IN_FLIGHT_STATES:
            yield f"run {run.id} has ended, and its payment {line.id} is {line.state}"
    paid = sum((p.money.amount for p in lines if p.state == State.POSTED and p.money), Decimal(0))
    said = Decimal(((run.record or {}).get("amount") or {}).get("amount", "0"))
    if said != paid or (run.state == State.POSTED) != bool(paid):
        yield f"run {run.id} is {run.state} with {said}, and its payments come to {paid}"


def _out_of_order(run: Proposal, lines: list[Proposal], began: list[str]) -> Iterator[str]:
    """Payments to one vendor must have been tried in the order of the run's bills; `began` is every attempt in turn.

    Not those that were postponed, since the ledger could not be read or a process ended, nor those whose bill another
    proposal pays, which may be on its way: the others did not wait.
    """
    places = {line["bill_id"]: place for place, line in enumerate(run.fields["lines"])}
    of_vendor: dict[str | None, list[int]] = {}
    for line in sorted((one for one in lines if one.id in began), key=lambda one: began.index(one.id)):
        of_vendor.setdefault(line.vendor_id, []).append(places[line.bill_id])
    for vendor_id, tried in of_vendor.items():
        if tried != sorted(tried):
            yield f"run {run.id} paid vendor {vendor_id} in the order {tried}"


def _over_limits(ledger: list[BillPayment], policy: Policy) -> Iterator[str]:
    """The windows in which the ledger booked more than the policy allows, by the ledger's own times."""
    booked = sorted((_made(one), one.vendor_id or "", one.total_amount or Decimal(0)) for one in ledger)
    for window in WINDOWS:
        limit, hours = policy.limit("USD", window.limit).amount, timedelta(hours=window.hours)
        for at, vendor, _ in booked:
            within = (
                amount
                for made, of, amount in booked
                if at - hours < made <= at and (of == vendor or not window.per_vendor)
            )
            total = sum(within, Decimal(0))
            if total > limit:
                yield f"{window.limit} of {limit} exceeded at {at}: {total}, {vendor if window.per_vendor else ''}"


def _made(payment: BillPayment) -> datetime:
    assert payment.created_at is not None
    return payment.created_at
