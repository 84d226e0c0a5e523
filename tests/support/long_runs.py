"""A bench with as many plain bills of as many vendors as wanted, behind a wire that takes its time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
import httpx

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.interaction import NO_INTERACTION, Interaction
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.request import Limits
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.payments import ProposePaymentRun, RunResult
from rutter_sandbox import Sandbox, load, open_sandbox
from support.bench import PASSCODE, START, Bench, Wire
from support.people import HearsProgress
from support.seeded import empty_store

ACCOUNT = "Operating Checking"
# An approver releases, and no limit is ever reached.
PLENTY = """
[tools]
pay_bill = "approve"
propose_payment_run = "approve"

[currencies.{0}]
approve_above = "900000000.00"
two_approvers_above = "900000000.00"
single_limit = "900000000.00"
day_limit = "900000000.00"
vendor_day_limit = "900000000.00"
"""
# States in which nothing of a line is in the ledger.
_NOT_SENT = frozenset({"released", "held", "refused", "failed", "expired", "withdrawn"})


class SlowWire(Wire):
    """A wire on which each request takes `delay_seconds`, and the answer to a payment `answer_seconds` more.

    `faults_at` are faults of the practice Rutter by the number of the payment that they strike, counted from 1; what is
    in `at` happens as the payment of that number arrives, and once.
    """

    delay_seconds = 0.0
    answer_seconds = 0.0

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.requests = 0
        self.payments = 0
        self.faults_at: dict[int, str] = {}
        self.at: dict[int, Callable[[], Awaitable[None]]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Passes a request on in its own time."""
        self.requests += 1
        is_payment = request.method == "POST" and request.url.path.endswith("/bill_payments")
        if is_payment:
            self.payments += 1
            number = self.payments
            if fault := self.faults_at.get(number):
                request.headers["X-Sandbox-Fault"] = fault
            if (happens := self.at.pop(number, None)) is not None:
                await happens()
        await anyio.sleep(self.delay_seconds)
        response = await super().handle_async_request(request)
        if is_payment:
            await anyio.sleep(self.answer_seconds)
        return response


@dataclass
class LongRun:
    """A bench with plain bills, in the order in which a run pays them; "Ana" and "Bo" may release it."""

    bench: Bench
    wire: SlowWire
    bills: list[Bill] = field(default_factory=list)

    async def propose(self, interaction: Interaction = NO_INTERACTION) -> RunResult:
        """A run of all of them."""
        ids = [one.id for one in self.bills]
        result = await self.bench.submit(ProposePaymentRun(bill_ids=ids, account=ACCOUNT), interaction)
        assert isinstance(result, RunResult)
        return result

    async def release(self, run_id: str | None, interaction: Interaction = NO_INTERACTION) -> Proposal:
        """An approver looks at a run and releases it; returns it as it is afterwards."""
        approvals, company = self.bench.app.approvals, self.bench.company
        seen = await approvals.preview(str(run_id), company)
        by = Proof("Ana", PASSCODE)
        return await approvals.approve(seen, company, by=by, channel="terminal", interaction=interaction)

    async def lines(self, run_id: str | None) -> dict[str | None, Proposal]:
        """The lines of a run by their bills."""
        found = await self.bench.app.store.read(lambda tx: tx.proposals.of_run(str(run_id)))
        return {one.bill_id: one for one in found}

    async def paid(self) -> list[list[Decimal]]:
        """What the ledger shows as paid on each bill."""
        found = [await self.bench.company.rutter.bills.get(one.id) for one in self.bills]
        return [[link.allocated_amount for link in one.linked_payments] for one in found]

    def due(self, *, but: Sequence[int] = ()) -> list[list[Decimal]]:
        """What `paid` is once each bill was paid once, except for those in these places."""
        amounts = [one.amount_due for one in self.bills]
        assert all(amounts)
        return [[] if place in but else [one] for place, one in enumerate(amounts) if one is not None]

    async def disagreements(self, run_id: str | None) -> list[str]:
        """Lines whose outcome is none, or is not what the ledger shows."""
        lines, wrong = await self.lines(run_id), []
        for bill, paid in zip(self.bills, await self.paid(), strict=True):
            state = lines[bill.id].state.value
            agrees = {
                "posted": paid == [bill.amount_due],
                "unknown": paid in ([], [bill.amount_due]),
            }.get(state, state in _NOT_SENT and paid == [])
            if not agrees:
                wrong.append(f"{bill.document_number} is {state}, and the ledger shows {paid}")
        return wrong


@asynccontextmanager
async def long_run(home: Path, bills: int, vendors: int = 0, *, limits: Limits | None = None) -> AsyncIterator[LongRun]:
    """So many open bills, each of another vendor or of so many vendors in turn; every vendor was paid before."""
    empty_store(home)
    # Each bill is followed by a paid one of its vendor, and no amount is unusual.
    shape: dict[str, Any] = {
        "_RUN": 2,
        "_PAID_HALVES": {1: 2},
        "_VENDORS_MAX": vendors or bills,
        "_BILLS_PER_VENDOR": 1,
    }
    with patch.multiple(load, _minor=lambda position: 100_00 + position, **shape):
        sandbox = open_sandbox(today=START.date(), bills=2 * bills)
    wire = SlowWire(sandbox)
    bench = Bench(home, sandbox, FixedClock(START), wire=wire, limits=limits)
    bench.policy(PLENTY.format("USD"))
    try:
        await bench.approver("Ana", "Bo")
        every = [one async for one in bench.company.rutter.bills.walk()]
        plain = [one for one in every if (one.document_number or "").startswith("LOAD-") and one.status == "open"]
        yield LongRun(bench, wire, sorted(plain, key=lambda one: int(str(one.document_number)[5:])))
        assert await bench.chain_holds()
    finally:
        await bench.app.aclose()
        sandbox.close()


class Counts(HearsProgress):
    """A client that is told how far a run is, and how many payments had arrived at Rutter each time."""

    def __init__(self, wire: SlowWire) -> None:
        super().__init__()
        self._wire = wire
        self.arrived: list[int] = []

    async def report_progress(self, done: float, total: float, _message: str) -> None:
        """Hears it."""
        await super().report_progress(done, total, _message)
        self.arrived.append(len(self._wire.carried_out))
