"""A world with an enemy in it: paper invoices, people, processes and a ledger, and what must hold whatever he does.

`promises` is asked after every step. What was paid is what the ledger took, not what the server says of it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard import lease as leases
from rutter_ap_server.guard.lease import LEASE_SECONDS
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Severity
from rutter_sandbox.companies import company_by
from rutter_sandbox.records import Books
from support.bench import START, Bench
from support.enemy_process import Process
from support.seeded import empty_store, seeded_sandbox
from support.shown_payments import people_shown

T = TypeVar("T")
Pick = Callable[[Sequence[Any]], Any]
PROCESSES = 3


@dataclass(frozen=True, slots=True)
class Paper:
    """An invoice on paper: what one vendor really asks for once."""

    vendor: str
    number: str
    day: str
    gross: Decimal

    @property
    def mark(self) -> str:
        """What its goods are called on every bill that stands for it; no rule looks at it."""
        return f"Delivery of {self.day} by {self.vendor[:5]} {sum(self.number.encode())}"


PAPERS = (
    Paper("Northwind Utilities", "NW-3101", "2026-02-20", Decimal("120.00")),
    Paper("Northwind Utilities", "NW-3102", "2026-02-26", Decimal("180.50")),
    Paper("Northwind Utilities", "NW-3103", "2026-01-29", Decimal("75.25")),
    Paper("Granite Repairs", "GR-201", "2026-02-25", Decimal("250.00")),
    Paper("Granite Repairs", "GR-202", "2026-01-30", Decimal("140.00")),
    Paper("Brightline Hosting", "BH-6001", "2026-02-24", Decimal("90.40")),
    Paper("Acme Office Supply", "INV-2001", "2026-02-18", Decimal("310.75")),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy that the operator may set, and what it promises: tiers, and limits by hours."""

    tiers: tuple[Decimal, Decimal]
    single: Decimal
    limits: tuple[tuple[int, Decimal], ...]
    vendor_day: Decimal
    tools: str = ""

    @property
    def text(self) -> str:
        """The file."""
        one, two = self.tiers
        named = dict(zip(("day", "week", "month"), (limit for _, limit in self.limits), strict=True))
        windows = "".join(f'{name}_limit = "{limit}"\n' for name, limit in named.items())
        return (
            f'[currencies.USD]\napprove_above = "{one}"\ntwo_approvers_above = "{two}"\n'
            f'single_limit = "{self.single}"\n{windows}vendor_day_limit = "{self.vendor_day}"\n{self.tools}'
        )


def _rules(one: int, two: int, single: int, day: int, week: int, month: int, vendor: int, tools: str = "") -> Rules:
    limits = ((24, Decimal(day)), (24 * 7, Decimal(week)), (24 * 30, Decimal(month)))
    return Rules((Decimal(one), Decimal(two)), Decimal(single), limits, Decimal(vendor), tools)


LOOSE = _rules(200, 300, 1000, 450, 700, 900, 320, '[tools]\npay_bill = "allow"\npropose_payment_run = "allow"\n')
ASKING = _rules(160, 260, 400, 400, 600, 800, 300)
STRICT = _rules(70, 150, 320, 320, 500, 600, 200, '[tools]\ncreate_bill = "ask"\n')
REFUSING = _rules(50, 100, 320, 320, 500, 600, 200, '[tools]\npay_bill = "refuse"\n')
POLICIES = (LOOSE, ASKING, STRICT, REFUSING)


@dataclass(frozen=True, slots=True)
class Left:
    """A payment that the ledger took from us: when, and under which rules it left."""

    key: str
    bill_id: str
    vendor: str
    amount: Decimal
    at: datetime
    rules: Rules


@dataclass
class World:
    """Everything there is. `said` is what happened, step by step."""

    database_url: str = ""
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runner = asyncio.Runner()
        self.home = Path(tempfile.mkdtemp(prefix="rutter-ap-enemy-"))
        self.truth = FixedClock(START)
        self.sandbox = seeded_sandbox(today=START.date())
        self.connection_id = self.sandbox.connections[0].id
        if not self.database_url:
            empty_store(self.home)
        self.files: dict[Path, Rules | None] = {}
        self.write_policy("policy.toml", ASKING)
        self.is_frozen = False
        self.broken: list[str] = []
        self.left: dict[str, Left] = {}
        self.last_look: dict[Process, tuple[bool, Rules | None]] = {}
        self.left_under: dict[Process, Rules | None] = {}
        self.stands_for: dict[str, Paper] = {}
        self.vendors: dict[str, list[str]] = {}
        self.by_hand: set[str] = set()
        self.moved = True
        self.checked: set[str] = set()
        self._elapsed, leases.elapsed_seconds = leases.elapsed_seconds, self.steady
        self.processes = [self.run(self._opened()) for _ in range(PROCESSES)]
        self.observer = self.run(self._observing())
        self.run(self.observer.approver("Ana", "Bo"))
        for vendor in self.every("vendor"):
            self.vendors.setdefault(vendor["vendor_name"], []).append(vendor["id"])

    def steady(self) -> float:
        """Seconds that nobody can set."""
        return self.truth.instant.timestamp()

    async def _opened(self) -> Process:
        process = Process(self.home, self.sandbox, self.truth, self, self.database_url, self.steady)
        await process.bench.app.policy.note()
        return process

    async def _observing(self) -> Bench:
        bench = Bench(self.home, self.sandbox, self.truth, self.database_url)
        bench.app.policy.may_write = False
        return bench

    def run(self, work: Any) -> Any:
        """Runs it to its end."""
        return self.runner.run(work)

    @property
    def awake(self) -> list[Process]:
        """The processes that run."""
        return [one for one in self.processes if one.asleep is None and not one.is_gone]

    def replace_gone(self) -> None:
        """Starts a process for each that ended."""
        for place, process in enumerate(self.processes):
            if process.is_gone:
                self.run(process.closes())
                self.processes[place] = self.run(self._opened())

    # What the watcher sees.

    def rules_of(self, process: Process) -> Rules | None:
        """What that process reads, if there is a file."""
        return self.files.get(process.bench.app.policy.path)

    def looks(self, process: Process) -> None:
        """A process looks for the last time whether a write may leave: what happens after that, it cannot know."""
        self.last_look[process] = (self.is_frozen, self.rules_of(process))

    def leaves(self, process: Process, path: str) -> None:
        """A write leaves."""
        if process not in self.last_look:
            self.broken.append(f"{path} left without a last look")
            return
        was_frozen, rules = self.last_look.pop(process)
        if was_frozen:
            self.broken.append(f"{path} left while everything was frozen")
        if rules is None:
            self.broken.append(f"{path} left without a policy")
        elif path.endswith("/bill_payments") and rules is REFUSING:
            self.broken.append("a payment left though the policy refuses all")
        self.left_under[process] = rules

    def took(self, process: Process, path: str, key: str, body: dict[str, Any]) -> None:
        """The ledger carried a write out."""
        self.moved = True
        if not path.endswith("/bill_payments") or key in self.left:
            return
        payment = body.get("bill_payment", body)
        (link,) = payment["linked_bills"]
        bill = self.get("bill", link["id"])
        vendor = self.paper_vendor(bill["vendor_id"])
        amount = Decimal(str(link["allocated_amount"]))
        rules = self.left_under[process] or LOOSE
        self.left[key] = Left(key, link["id"], vendor, amount, self.truth.instant, rules)

    # The books and the file as they are.

    def every(self, kind: str) -> list[dict[str, Any]]:
        """All records of a kind in the ledger, without any lag."""
        with self.sandbox._database.reading() as tx:
            company = company_by(tx.sql, "id", self.connection_id)
            assert company is not None
            return Books(tx, company).every(kind)

    def get(self, kind: str, record_id: str) -> dict[str, Any]:
        """One record."""
        with self.sandbox._database.reading() as tx:
            company = company_by(tx.sql, "id", self.connection_id)
            assert company is not None
            return Books(tx, company).get(kind, record_id)

    def rewrite(self, kind: str, record_id: str, **changed: Any) -> None:
        """Somebody changes a record in the ledger, also what Rutter lets nobody change."""
        with self.sandbox._database.writing() as tx:
            company = company_by(tx.sql, "id", self.connection_id)
            assert company is not None
            books = Books(tx, company)
            stamped = f"{self.truth.instant:%Y-%m-%dT%H:%M:%S.000Z}"
            books.save_quietly(kind, books.get(kind, record_id) | {"updated_at": stamped} | changed)
        self.moved = True

    def paper_vendor(self, vendor_id: str) -> str:
        """Who is really paid by that record of a vendor."""
        return next((name for name, ids in self.vendors.items() if vendor_id in ids), vendor_id)

    def write_policy(self, name: str, rules: Rules | None) -> None:
        """The operator writes a file, or takes it away."""
        path = self.home / name
        self.files[path] = rules
        if rules is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(rules.text)

    def bills(self) -> list[dict[str, Any]]:
        """The bills that stand for a paper, the oldest first."""
        found = []
        for bill in self.every("bill"):
            marks = {line.get("description") for line in bill["line_items"]}
            paper = self.stands_for.get(bill["id"]) or next((one for one in PAPERS if one.mark in marks), None)
            if paper is not None:
                self.stands_for[bill["id"]] = paper
                found.append(bill)
        return found

    # What must hold.

    def promises(self) -> None:
        """Checked after every step."""
        assert not self.broken, self.broken
        if not self.moved:
            return
        self.moved = False
        self._each_paper_is_paid_once()
        for left in [one for key, one in self.left.items() if key not in self.checked]:
            self._left_with_its_people(left)
            self._within_limits(left)
            self.checked.add(left.key)

    def _each_paper_is_paid_once(self) -> None:
        paid: dict[Paper, Decimal] = {}
        for bill in self.bills():
            ours = [link for link in bill["linked_payments"] if link["id"] not in self.by_hand]
            paper = self.stands_for[bill["id"]]
            amount = sum((Decimal(str(link["allocated_amount"])) for link in ours), Decimal(0))
            paid[paper] = paid.get(paper, Decimal(0)) + amount
        for paper, amount in paid.items():
            assert amount <= paper.gross, f"{paper.number} of {paper.gross} was paid {amount}"

    def _proposal(self, key: str) -> Proposal:
        found: Proposal | None = self.run(self.observer.app.store.read(lambda tx: tx.proposals.get(key)))
        assert found is not None, f"{key} was sent, and is no proposal"
        return found

    def _left_with_its_people(self, left: Left) -> None:
        proposal = self._proposal(left.key)
        assert proposal.money is not None
        assert (proposal.tool, proposal.bill_id, proposal.money.amount) == ("pay_bill", left.bill_id, left.amount)
        people, in_chat = self.run(self.observer.app.store.read(lambda tx: people_shown(tx, proposal)))
        one, two = left.rules.tiers
        owed = sum(each.amount for each in self.left.values() if each.bill_id == left.bill_id and each.at <= left.at)
        needed = max(
            2 if owed > two else 1 if owed > one else 0,
            proposal.approvals_needed if proposal.verdict >= Severity.APPROVE else 0,
        )
        assert len(people) >= needed, f"{proposal.summary}: {len(people)} of {needed} people, {owed} owed"
        assert people or in_chat or left.rules is LOOSE, f"{proposal.summary}: nobody was asked"

    def _within_limits(self, left: Left) -> None:
        assert left.amount <= left.rules.single
        before = [one for one in self.left.values() if one.at <= left.at]
        for place, (hours, _) in enumerate(left.rules.limits):
            window = [one for one in before if left.at - one.at < timedelta(hours=hours, minutes=-5)]
            loosest = max(one.rules.limits[place][1] for one in window)
            assert sum(one.amount for one in window) <= loosest, f"{hours} hours: {window}"
        own = [
            one for one in before if one.vendor == left.vendor and left.at - one.at < timedelta(hours=23, minutes=55)
        ]
        assert sum(one.amount for one in own) <= max(one.rules.vendor_day for one in own), f"{left.vendor}: {own}"

    def records_hold(self) -> None:
        """The chain holds, every table is as it says, and what is called posted is in the ledger."""

        def look(tx: Tx) -> tuple[Any, Any, list[Proposal]]:
            posted = [one for one in tx.proposals.in_states([State.POSTED]) if one.tool == "pay_bill"]
            return tx.audit.verify(), tx.checks.everything(), posted

        chain, compared, posted = self.run(self.observer.app.store.read(look))
        assert chain.holds, chain
        assert not compared.differences, compared.differences
        ids = [(one.record or {})["id"] for one in posted]
        assert len(set(ids)) == len(ids), "one record is the outcome of two payments"
        assert {one.id for one in posted} <= self.left.keys(), "posted, and never sent"

    def settles(self) -> None:
        """Once everything works again, what is open is found out, or waits for a person."""
        for process in self.processes:
            process.bench.wire.faults, process.bench.wire.read_faults = [], {}
            process.bench.wire.is_down, process.clock.ahead = False, timedelta()
            process.bench.app.policy.path = self.home / "policy.toml"
            process.stops_in = process.ends_in = process.stops_sending_in = None
            while process.asleep is not None:
                self.run(process.wake())
        self.replace_gone()
        self.truth.instant += timedelta(seconds=LEASE_SECONDS + 3 * 24 * 3600)
        self.write_policy("policy.toml", ASKING)
        self.is_frozen = False
        self.observer.app.store.write_now(lambda tx: tx.controls.unfreeze())
        for _ in range(2):
            for process in self.processes:
                self.run(process.run(process.bench.app.recover()))
        self.moved = True
        self.promises()
        self.records_hold()

    def close(self) -> None:
        """Takes everything down."""
        try:
            for process in self.processes:
                self.run(process.closes())
            self.run(self.observer.app.aclose())
        finally:
            leases.elapsed_seconds = self._elapsed
            self.runner.close()
            self.sandbox.close()
            shutil.rmtree(self.home)
