"""Whether our records agree with the books, after servers were stopped or killed while they paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from rutter_ap_server.app import App
from rutter_ap_server.clock import FixedClock
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.settings import read_settings
from rutter_ap_server.store.states import State
from rutter_ap_tools.accounts import LinkAccount
from support.sandbox_server import Announced, first_token, settings_of

# Every payment is allowed, so that what is tried here is the sending and not the asking.
ALLOW_PAYMENTS = """
[tools]
pay_bill = "allow"
propose_payment_run = "allow"
[currencies.USD]
approve_above = "1000000"
two_approvers_above = "1000000"
single_limit = "1000000"
day_limit = "100000000"
vendor_day_limit = "100000000"
[proposals]
repeat_days = 1
[rules.severity]
"amount.unusual_for_vendor" = "off"
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the books and our records say; `problems` is empty when they agree."""

    posted: int
    in_runs: int
    booked: int
    open: int
    problems: tuple[str, ...]


def paying_home(announced: Announced, home: Path) -> dict[str, str]:
    """Makes a home in which every payment is allowed; the settings of a server there, in front of that sandbox."""
    home.mkdir(mode=0o700)
    (home / "policy.toml").write_text(ALLOW_PAYMENTS)
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


async def compare(environ: dict[str, str]) -> Outcome:
    """Recovers what is open, then holds our records against the books."""
    # The leases of the killed must have run out: a clock a little ahead stands for the waiting.
    app = App(read_settings(environ), FixedClock(datetime.now(UTC) + timedelta(minutes=10)))
    try:
        for _ in range(6):
            await app.recover()
        return await _outcome(app)
    finally:
        await app.aclose()


async def _outcome(app: App) -> Outcome:
    problems: list[str] = []
    proposals = app.store.read_now(lambda tx: tx.proposals.in_states(list(State), limit=1_000_000))
    payments = [p for p in proposals if p.tool == "pay_bill"]
    posted: dict[str, Decimal] = {}
    for proposal in payments:
        if proposal.state == "posted":
            assert proposal.money is not None
            assert proposal.bill_id is not None
            posted[proposal.bill_id] = posted.get(proposal.bill_id, Decimal(0)) + proposal.money.amount
    booked: dict[str, Decimal] = {}
    books = (await app.companies.get("")).rutter
    touched = {p.bill_id for p in payments}
    async for bill in books.bills.walk():
        if bill.id not in touched:
            continue
        booked[bill.id] = sum((link.allocated_amount for link in bill.linked_payments), Decimal(0))
        if booked[bill.id] != posted.get(bill.id, Decimal(0)):
            problems.append(f"bill {bill.id}: booked {booked[bill.id]}, posted {posted.get(bill.id, Decimal(0))}")
        if bill.amount_due is None or bill.amount_due < 0 or booked[bill.id] > (bill.total_amount or 0):
            problems.append(f"bill {bill.id} is over-paid")
    runs = [p for p in proposals if p.tool == "propose_payment_run"]
    still_open = [p for p in (*payments, *runs) if p.state in ("released", "dispatching", "unknown")]
    problems += [f"proposal {p.id} is stuck as {p.state}" for p in still_open]
    chain = app.store.read_now(lambda tx: tx.audit.verify())
    if not chain.holds:
        problems.append(f"the audit chain is broken at {chain.broken_at}")
    count = sum(1 for p in payments if p.state == "posted")
    bookings = sum(1 for total in booked.values() if total)
    in_runs = sum(1 for p in payments if p.state == "posted" and p.run_id is not None)
    return Outcome(count, in_runs, bookings, len(still_open), tuple(problems))
