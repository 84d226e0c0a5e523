"""How long one payment's own durable steps take, and how little of a payment that is, against fixed budgets.

    python benchmarks/judge.py [--rounds 60] [--slow-rounds 3]

Payments of the practice company's bills are taken through the whole program, one after the other: proposed, asked
about, released by a yes, claimed, authorized, sent, read back and settled. Each step that must be durable is a
transaction of its own, synced to the disk, so that a crash between any two leaves a trace. Every one of them is timed
where the store runs it, whoever asked for it, and so is the look at the store just before a request leaves: what a
payment adds up to is what the program really does, not what this page thinks it does. At most 10 ms altogether.

Then payments are taken through it whose every request to Rutter takes 300 ms, as over the internet. The time in which
no request is on its way is the program's own: at most a fiftieth of the payment.

For information, the other looks at the store are added up too, and one row is inserted by a bare sqlite3 transaction
with the same journal and the same syncing, in turn and on the same disk.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
import httpx

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.modes import Mode
from rutter_ap_tools.payments import PayBill
from support.bench import START, Bench, Wire
from support.people import accepts
from support.seeded import empty_store, seeded_sandbox

BUDGET_MS = 10
SHARE_MAX = 0.02
SLOW_SECONDS = 0.3
WARMING_UP = 5
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "fullfsync=ON")
LOOK = "PolicyFile.look_with"
# Limits in every window, so that each is summed, and none that is ever reached.
POLICY = """
[currencies.USD]
approve_above = "900000000.00"
two_approvers_above = "900000000.00"
single_limit = "900000000.00"
day_limit = "900000000.00"
week_limit = "900000000.00"
month_limit = "900000000.00"
vendor_day_limit = "900000000.00"
vendor_month_limit = "900000000.00"
"""


@dataclass(slots=True)
class Timed:
    """How many milliseconds each transaction took, by what it was for; the steps of one payment together."""

    steps: dict[str, float] = field(default_factory=dict)
    looks: dict[str, float] = field(default_factory=dict)

    def add(self, work: Callable[..., Any], mode: Mode, took: float) -> None:
        """Adds a transaction: one that may write, and the last look before sending, are steps."""
        name = _name(work)
        kept = self.steps if mode == "write" or name == LOOK else self.looks
        kept[name] = kept.get(name, 0.0) + took


def _name(work: Callable[..., Any]) -> str:
    while isinstance(work, partial):
        work = work.func
    return work.__qualname__.partition(".<locals>")[0]


class Timing:
    """Times every transaction of every store, while a payment is timed."""

    def __init__(self) -> None:
        self.payments: list[Timed] = []
        run = Store._run

        def timed(store: Store, work: Callable[[Any], Any], mode: Mode) -> Any:
            began = time.perf_counter()
            done = run(store, work, mode)
            if self.payments:
                self.payments[-1].add(work, mode, (time.perf_counter() - began) * 1000)
            return done

        # Every transaction passes here, whoever asks for it: no part of the program has to know that it is timed.
        patch.object(Store, "_run", timed).start()


class Upstream(Wire):
    """The practice Rutter, whose every answer takes as long; it knows how long any request was on its way."""

    seconds = 0.0
    _on_their_way = 0
    _since = 0.0
    waited = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Passes it on, later."""
        if not self._on_their_way:
            self._since = time.perf_counter()
        self._on_their_way += 1
        try:
            if self.seconds:
                await anyio.sleep(self.seconds)
            return await super().handle_async_request(request)
        finally:
            self._on_their_way -= 1
            if not self._on_their_way:
                self.waited += time.perf_counter() - self._since


@dataclass(frozen=True, slots=True)
class Measured:
    """The transactions of each payment, bare ones beside them, and the own share of each slow payment."""

    payments: list[Timed]
    bare: list[float]
    shares: list[float]
    slow_seconds: list[float]


async def measure(home: Path, rounds: int, slow_rounds: int) -> Measured:
    """Pays so many bills, the first ones unmeasured, because they fill caches."""
    empty_store(home)
    sandbox = seeded_sandbox(today=START.date(), bills=10 * (rounds + slow_rounds + WARMING_UP))
    wire = Upstream(sandbox)
    bench = Bench(home, sandbox, FixedClock(START), wire=wire)
    bench.policy(POLICY)
    timing, insert = Timing(), bare(home / "bare.db")
    bills, bares = await payable(bench), list[float]()
    while len(timing.payments) < rounds + WARMING_UP:
        bares.append(insert())
        timing.payments.append(Timed())
        if not await is_paid(bench, next(bills)):
            timing.payments.pop()
    measured, timing.payments = timing.payments[WARMING_UP:], []
    shares, slow = list[float](), list[float]()
    wire.seconds = SLOW_SECONDS
    while len(shares) < slow_rounds:
        wire.waited, began = 0.0, time.perf_counter()
        paid = await is_paid(bench, next(bills))
        took = time.perf_counter() - began
        if paid:
            shares.append((took - wire.waited) / took)
            slow.append(took)
    await bench.app.aclose()
    sandbox.close()
    return Measured(measured, bares, shares, slow)


async def payable(bench: Bench) -> Iterator[Bill]:
    """Bills in dollars of which nothing is paid yet."""
    bills = [
        bill
        async for bill in bench.company.rutter.bills.walk()
        if bill.currency_code == "USD" and bill.status == "open" and bill.total_amount == bill.amount_due
    ]
    return reversed(bills)


async def is_paid(bench: Bench, bill: Bill) -> bool:
    """One payment, from what is asked to what the ledger shows; not if it takes more than a yes in the chat."""
    paid = await bench.submit(PayBill(bill_id=bill.id, account="Operating Checking"), accepts())
    assert paid.status in ("posted", "held"), paid
    return paid.status == "posted"


def bare(path: Path) -> Callable[[], float]:
    """One transaction that inserts one row, and the milliseconds it took."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")

    def insert() -> float:
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows (text) VALUES (?)", ("0" * 64,))
        connection.execute("COMMIT")
        return (time.perf_counter() - began) * 1000

    return insert


def sync_ms(folder: Path) -> float:
    """What this disk takes to sync one page, which neither side can do anything about."""
    with (folder / "page").open("wb") as file:
        times = []
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def medians(of_each: list[dict[str, float]]) -> dict[str, float]:
    """The median of each step, in the order of a payment; one that a payment did not need took it nothing."""
    names = dict.fromkeys(name for one in of_each for name in one)
    return {name: statistics.median(one.get(name, 0.0) for one in of_each) for name in names}


def report(measured: Measured, synced: float) -> int:
    """Prints the figures; 1 when a promise is not kept."""
    steps = medians([one.steps for one in measured.payments])
    looks = medians([one.looks for one in measured.payments])
    whole_ms, share = sum(steps.values()), statistics.median(measured.shares)
    print(f"{len(measured.payments)} payments, medians; one sync of this disk takes {synced:.2f} ms")
    print(f"  bare transaction, one row             {statistics.median(measured.bare):6.2f} ms")
    for name, took in steps.items():
        print(f"  {name:36}  {took:6.2f} ms")
    print(f"  budget: durable steps of a whole payment  {whole_ms:.2f} ms (at most {BUDGET_MS} ms)")
    print(f"  all other looks at the store          {sum(looks.values()):6.2f} ms in {len(looks)} kinds")
    slow = statistics.median(measured.slow_seconds)
    print(f"{len(measured.shares)} payments of {slow:.2f} s, with {SLOW_SECONDS * 1000:.0f} ms a request")
    print(f"  ratio of own time to a payment at 300 ms a request  {share:.3f} (at most {SHARE_MAX})")
    return 0 if whole_ms <= BUDGET_MS and share <= SHARE_MAX else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--slow-rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        synced = sync_ms(Path(name))
        measured = anyio.run(measure, Path(name) / "home", max(asked.rounds, 1), max(asked.slow_rounds, 1))
    return report(measured, synced)


if __name__ == "__main__":
    sys.exit(main())
