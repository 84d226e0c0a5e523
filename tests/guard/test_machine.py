"""Two processes, people, faults and time in any order: whatever happens, nothing is paid twice or past a limit."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.lease import LEASE_SECONDS
from rutter_ap_server.interaction import Reply
from rutter_ap_server.rutter.models.vendors import VendorUpdate
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES
from rutter_ap_tools.errors import ApError, Refused
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money
from support.bench import PASSCODE, START, Bench, PowerCut, codes
from support.people import Answering
from support.runs import run_of
from support.seeded import empty_store, seeded_sandbox
from support.shown_payments import people_shown

T = TypeVar("T")
POLICY = """
[currencies.USD]
approve_above = "300"
two_approvers_above = "600"
single_limit = "1000"
day_limit = "1500"
vendor_day_limit = "1500"
"""
DAY_LIMIT = Decimal(1500)
BILLS = ("NW-2291", "NW-2304", "GR-88")
VENDORS = ("Northwind Utilities", "Granite Repairs")
AMOUNTS = ("", "100.00", "250.01", "400.00")
DATES = ("", "2026-03-02", "2026-03-01")
MEMOS = ("", "", "A part of it")
ONE, TWO = Decimal(300), Decimal(600)
ALL_HOURS = 24 * 365
FAULTS = ("none",) * 4 + (
    "lost before",
    "lost after",
    "cut off after",
    "power cut before",
    "power cut after",
    "error after",
)
COUNTED = ("dispatching", "unknown", "posted")

bills = st.sampled_from(BILLS)
faults = st.lists(st.sampled_from(FAULTS), min_size=1, max_size=2)
which = st.integers(min_value=0, max_value=1)
answers = st.sampled_from([*[Reply.ACCEPTED] * 4, Reply.DECLINED, Reply.NONE])
nth = st.integers(min_value=0, max_value=7)
names = st.sampled_from(["Ana", "Bo"])
reasons = st.sampled_from(["", "A corrected invoice is on its way"])


@dataclass
class World:
    """What is true outside: the books as somebody sees them whose wire is never cut."""

    observer: Bench
    by_hand: set[str] = field(default_factory=set)

    async def payments(self) -> dict[str, dict[str, Decimal]]:
        """The payments on each bill, by id."""
        found = {}
        for number in BILLS:
            bill = await self.observer.bill(number)
            assert bill.amount_due is not None
            assert bill.amount_due >= 0
            found[number] = {link.id or "": link.allocated_amount for link in bill.linked_payments}
        return found


def _freeze(tx: Tx) -> None:
    tx.controls.freeze("Ana")


def _unfreeze(tx: Tx) -> None:
    tx.controls.unfreeze()


class PayingIsSafe(RuleBasedStateMachine):
    """Invariants are checked after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.home = Path(tempfile.mkdtemp(prefix="rutter-ap-machine-"))
        (self.home / "policy.toml").write_text(POLICY)
        empty_store(self.home)
        self.sandbox = seeded_sandbox(today=START.date())
        self.clock = FixedClock(START)
        self.processes = [self.run(self._open()) for _ in range(2)]
        self.world = World(self.run(self._open()))
        self.run(self.world.observer.approver("Ana", "Bo"))
        self.keys = 0
        self.frozen = False

    async def _open(self) -> Bench:
        return Bench(self.home, self.sandbox, self.clock)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs to its end, or to the power cut."""
        return self.runner.run(work)

    def held(self) -> list[Proposal]:
        """What waits for a person, in a settled order."""
        found = [p for p in self.run(self.world.observer.proposals()) if p.state == "held"]
        return sorted(found, key=lambda p: (p.created_at, p.summary, p.id))

    def payments_proposed(self) -> list[Proposal]:
        """Every payment that was proposed, alone or as part of a run."""
        return [p for p in self.run(self.world.observer.proposals()) if p.tool == "pay_bill"]

    @rule(
        process=which,
        number=bills,
        amount=st.sampled_from(AMOUNTS),
        day=st.sampled_from(DATES),
        memo=st.sampled_from(MEMOS),
        answer=answers,
        faults=faults,
    )
    def propose(
        self, process: int, number: str, amount: str, day: str, memo: str, answer: Reply, faults: list[str]
    ) -> None:
        """An assistant asks for a payment, and somebody in the chat says something."""
        bench = self.processes[process]
        bench.wire.faults = list(faults)
        with suppress(ApError, PowerCut):
            self.run(bench.pay(number, amount, Answering(answer), date=day, memo=memo))
        bench.wire.faults = []

    @precondition(lambda self: self.held())
    @rule(
        process=which,
        pick=nth,
        yes=st.sampled_from([True, True, True, True, False]),
        name=names,
        reason=reasons,
        faults=faults,
    )
    def decide(self, process: int, pick: int, yes: bool, name: str, reason: str, faults: list[str]) -> None:
        """An approver releases something, though never what looks like a repeat, or declines it."""
        bench, held = self.processes[process], self.held()
        proposal = held[pick % len(held)]
        bench.wire.faults = list(faults)

        async def look_and_decide() -> None:
            approvals = bench.app.approvals
            seen = await approvals.preview(proposal.id, bench.company)
            if "payment.repeat" in codes(seen.proposal):
                assert seen.proposal.verdict >= Severity.APPROVE
            elif yes:
                await approvals.approve(seen, bench.company, by=Proof(name, PASSCODE), channel="terminal")
            else:
                await approvals.decline(proposal.id, by=Proof(name, PASSCODE), channel="terminal", reason=reason)

        with suppress(ApError, PowerCut):
            self.run(look_and_decide())
        bench.wire.faults = []

    @rule(process=which, faults=faults)
    def recover(self, process: int, faults: list[str]) -> None:
        """A process takes up what is open."""
        bench = self.processes[process]
        bench.wire.faults = list(faults)
        with suppress(PowerCut):
            self.run(bench.app.recover())
        bench.wire.faults = []

    @rule(event=st.sampled_from(["wire", "by hand", "vendor", "freeze", "later", "later", "later"]), choice=nth)
    def meanwhile(self, event: str, choice: int) -> None:
        """The world outside goes on."""
        match event:
            case "wire":
                wire = self.processes[choice % 2].wire
                wire.is_down = not wire.is_down
            case "by hand":
                self.run(self._pay_by_hand(BILLS[choice % 3], ("50.00", "100.00", "250.01")[choice % 3]))
            case "vendor":
                self.run(self._change_vendor(VENDORS[choice % 2]))
            case "freeze":
                self.frozen = not self.frozen
                self.world.observer.app.store.write_now(_freeze if self.frozen else _unfreeze)
            case "later":
                seconds = (1, LEASE_SECONDS + 1, LEASE_SECONDS + 1, 3600 * 13, 3600 * 25, -60)[choice % 6]
                self.clock.instant += timedelta(seconds=seconds)

    async def _pay_by_hand(self, number: str, amount: str) -> None:
        observer = self.world.observer
        due = (await observer.bill(number)).amount_due
        if due is not None and due >= Decimal(amount):
            self.keys += 1
            self.world.by_hand.add(await observer.pay_by_hand(number, amount, f"by hand {self.keys}"))

    async def _change_vendor(self, name: str) -> None:
        self.keys += 1
        company = self.world.observer.company
        vendor = await company.directory.vendor(name)
        change = VendorUpdate(email=f"change-{self.keys}@example.com")
        await company.rutter.vendors.update(vendor.id, change, idempotency_key=f"change {self.keys}")

    @invariant()
    def the_books_and_our_records_agree(self) -> None:
        """Checked after every step."""
        proposals = self.payments_proposed()
        payments = self.run(self.world.payments())
        carried = {key for bench in self.processes for key in bench.wire.carried_out if key.count("-") == 4}
        by_id = {p.id: p for p in proposals}

        # One payment a key, and one key an intent: nobody here releases what looks like a repeat.
        assert sum(len(found) for found in payments.values()) == len(carried) + len(self.world.by_hand)
        digests = [by_id[key].digest for key in carried]
        assert len(set(digests)) == len(digests)
        # What we call posted is in the ledger, each its own payment, of that amount.
        booked = {key: amount for found in payments.values() for key, amount in found.items()}
        posted = [p for p in proposals if p.state == "posted"]
        ids = [(p.record or {})["id"] for p in posted]
        assert len(set(ids)) == len(ids)
        assert [booked[i] for i in ids] == [p.money.amount for p in posted if p.money]
        # What left is counted, what did not is not, and no limit is passed.
        counted = Money.total((p.money for p in proposals if p.state in COUNTED and p.money), "USD")
        spent, day = self.run(self._spent(ALL_HOURS)), self.run(self._spent(24))
        assert spent == counted
        assert day.amount <= DAY_LIMIT
        assert {by_id[key].state for key in carried} <= set(COUNTED)
        # The platform never had to refuse what the guard let through.
        assert not [p for p in proposals if p.state == "failed"]
        # What was booked is what enough different people were shown, to the bill, the account, the day and the memo.
        for proposal in (by_id[key] for key in carried):
            assert proposal.money is not None
            people, in_chat = self.run(self._shown_to(proposal))
            amount = proposal.money.amount
            by_amount = 2 if amount > TWO else 1 if amount > ONE else 0
            needed = max(by_amount, proposal.approvals_needed if proposal.verdict >= Severity.APPROVE else 0)
            assert len(people) >= needed, proposal.summary
            assert people or in_chat, proposal.summary
        assert self.run(self.world.observer.chain_holds())

    async def _spent(self, hours: int) -> Money:
        company = self.world.observer.company.id
        return await self.world.observer.app.store.read(lambda tx: tx.spend.spent(company, "USD", hours))

    async def _shown_to(self, proposal: Proposal) -> tuple[set[str], bool]:
        return await self.world.observer.app.store.read(lambda tx: people_shown(tx, proposal))

    async def _booked_as_written(self, proposal: Proposal) -> None:
        """The ledger's payment is the proposal's, field by field."""
        assert proposal.record is not None
        payment = await self.world.observer.company.rutter.bill_payments.get(proposal.record["id"])
        fields = proposal.fields
        assert payment.transaction_date is not None
        assert payment.transaction_date.date().isoformat() == fields["date"]
        assert (payment.account_id, payment.memo or "") == (fields["account_id"], fields["memo"])
        shares = [(link.id, link.allocated_amount) for link in payment.linked_bills]
        assert shares == [(fields["bill_id"], Decimal(fields["amount"]))]

    def teardown(self) -> None:
        """Once everything works again, nothing is left half done but what only a person can tell."""
        try:
            self.clock.instant += timedelta(seconds=LEASE_SECONDS + 3601)
            self.world.observer.app.store.write_now(_unfreeze)
            for bench in self.processes:
                bench.wire.is_down, bench.wire.faults = False, []
            for _ in range(3):
                for bench in self.processes:
                    with suppress(Refused):
                        self.run(bench.app.recover())
            self.the_books_and_our_records_agree()
            proposals = self.payments_proposed()
            for posted in (p for p in proposals if p.state == "posted"):
                self.run(self._booked_as_written(posted))
            doubtful = {p.bill_id for p in proposals if p.state == "unknown"}
            assert not [p for p in proposals if p.state == "dispatching"]
            assert not [p for p in proposals if p.state == "released" and p.bill_id not in doubtful]
        finally:
            for bench in (*self.processes, self.world.observer):
                self.run(bench.app.aclose())
            self.runner.close()
            self.sandbox.close()
            shutil.rmtree(self.home)


PayingIsSafe.TestCase.settings = settings(
    max_examples=25, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPayingIsSafe = PayingIsSafe.TestCase


parts_of_a_run = st.lists(st.sampled_from(BILLS), min_size=1, max_size=3, unique=True)


class RunsAreSafe(PayingIsSafe):
    """What holds of payments holds whether they are proposed alone or together."""

    def runs(self) -> list[Proposal]:
        """Every run that was proposed."""
        return [p for p in self.run(self.world.observer.proposals()) if p.tool == "propose_payment_run"]

    def lines(self, run: Proposal) -> list[Proposal]:
        """The payments of a run."""
        return self.run(self.world.observer.app.store.read(lambda tx: tx.proposals.of_run(run.id)))

    @rule(process=which, numbers=parts_of_a_run, memo=st.sampled_from(["", "again"]), answer=answers, faults=faults)
    def propose_run(self, process: int, numbers: list[str], memo: str, answer: Reply, faults: list[str]) -> None:
        """An assistant asks for a run."""
        bench = self.processes[process]
        bench.wire.faults = list(faults)
        with suppress(ApError, PowerCut):
            self.run(run_of(bench, *numbers, interaction=Answering(answer), memo=memo))
        bench.wire.faults = []

    @invariant()
    def a_run_says_of_its_lines_what_is_so(self) -> None:
        """Its receipt is what they paid; while one of them is open it is, too."""
        for run in self.runs():
            lines = self.lines(run)
            if run.state in ("held", "released", "refused", "declined", "expired"):
                assert lines == []
            if run.state in ("posted", "failed"):
                assert not [line for line in lines if line.run_id is None]
                paid = Money.total((p.money for p in lines if p.state == "posted" and p.money), "USD")
                shown = (run.record or {}).get("amount", {}).get("amount", "0.00")
                assert shown == paid.text

    def teardown(self) -> None:
        """Once everything works again no run is left half done, but where a person has to tell."""
        try:
            self.clock.instant += timedelta(seconds=LEASE_SECONDS + 3601)
            self.world.observer.app.store.write_now(_unfreeze)
            for bench in self.processes:
                bench.wire.is_down, bench.wire.faults = False, []
            for _ in range(4):
                for bench in self.processes:
                    with suppress(ApError):
                        self.run(bench.app.recover())
            self.a_run_says_of_its_lines_what_is_so()
            for run in self.runs():
                in_flight = [line for line in self.lines(run) if line.state in IN_FLIGHT_STATES]
                assert run.state not in IN_FLIGHT_STATES or in_flight, "a run is open though none of its lines is"
        finally:
            super().teardown()


RunsAreSafe.TestCase.settings = settings(
    max_examples=20, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRunsAreSafe = RunsAreSafe.TestCase
