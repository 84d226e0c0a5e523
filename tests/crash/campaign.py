"""The crash campaign: real stdio servers pay bills and are killed or suspended at random moments; the books must agree.

`make crash` is the long one. Rutter is a sandbox process of its own over HTTP with faults on, so that the books survive
the servers, answers get lost on the way, refusals are untrue, and reads and lists lag behind.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio

from rutter_ap_server.guard import judge
from support.reconcile import NO_LIMIT, Outcome, compare, leaks, payable_bills, paying_home, vendors_of_bills
from support.sandbox_server import sandbox_server, set_faults
from support.stdio_server import (
    GREETING,
    LINES_UNASKED_MAX,
    Message,
    StdioServer,
    hurried_server,
    in_our_environment,
    stdio_server,
    tool_call,
)

_PAYMENT: dict[str, Any] = {"method": "POST", "path": "bill_payments"}
_READ: dict[str, Any] = {"method": "GET", "path": ""}
FAULTS: list[dict[str, Any]] = [
    {"fault": "no_answer_after_commit", "rate": 0.08} | _PAYMENT,
    {"fault": "cut_before_commit", "rate": 0.05} | _PAYMENT,
    {"fault": "status_503_after_commit", "rate": 0.05} | _PAYMENT,
    {"fault": "status_450_after_commit", "rate": 0.05} | _PAYMENT,
    {"fault": "status_500_before_commit", "rate": 0.05} | _PAYMENT,
    {"fault": "truncated_json", "rate": 0.03} | _PAYMENT,
    {"fault": "slow", "rate": 0.10} | _PAYMENT,
    {"fault": "status_429", "rate": 0.02} | _READ,
    {"fault": "stale_read", "rate": 0.02} | _READ,
    {"fault": "stale_list", "rate": 0.03} | _READ,
    {"fault": "missing_from_list", "rate": 0.03} | _READ,
]
_LIFE_SECONDS_MAX = 40
_RUN_MIN = 10
# Of some vendors several bills are in a run, of most only one.
_OF_ONE_VENDOR = (1, 1, 1, 3, 5)
# Long enough for a payment, and short enough to run out while its process is suspended.
LEASE_SECONDS = 3.0
_VENDOR_DAY_LIMIT = "4000"
# Not a run itself, which is that long before the first of its payments.
_DISPATCHING = "select id, lease_owner, run_id from proposals where state = 'dispatching' and tool = 'pay_bill'"


@dataclass(frozen=True, slots=True)
class Result:
    """How a campaign ended.

    `taken_over` counts what another server took over from one that was only suspended, and `at_once` how often two
    servers were seen to send runs of their own at the same time.
    """

    outcome: Outcome
    taken_over: int
    at_once: int


class _Fresh:
    """Bills that no run was given yet."""

    def __init__(self, payable: list[tuple[str, str]], vendors: dict[str, str], chance: random.Random) -> None:
        self._chance = chance
        self._of_vendor: dict[str, list[tuple[str, str]]] = {}
        for bill in payable:
            self._of_vendor.setdefault(vendors[bill[0]], []).append(bill)

    def taken(self) -> list[tuple[str, str]]:
        """The bills of one run, ten to twenty as long as there are so many, those of one vendor among the others."""
        count, bills = self._chance.randint(_RUN_MIN, 2 * _RUN_MIN), list[tuple[str, str]]()
        while len(bills) < count and self._of_vendor:
            vendor = self._chance.choice(list(self._of_vendor))
            left = self._of_vendor[vendor]
            for _ in range(min(self._chance.choice(_OF_ONE_VENDOR), len(left), count - len(bills))):
                bills.append(left.pop())
            if not left:
                del self._of_vendor[vendor]
        self._chance.shuffle(bills)
        return bills


@dataclass(slots=True)
class _Round:
    """One life of a server, and of a second one while the first is suspended."""

    environ: dict[str, str]
    chance: random.Random
    bills: list[tuple[str, str]]
    as_run: bool
    lease_seconds: float
    logs: list[str]

    def killed(self, answers: int, seconds: float) -> None:
        """A server is killed so long after its so manieth answer, wherever it is then."""
        with self._paying(self.bills) as server:
            # Counted from an answer, so that on a slow machine not every kill comes too early.
            for _ in range(answers):
                server.next_line()
            _lives(server, seconds)

    def killed_sending(self) -> None:
        """A server is killed while it sends, or a moment after it."""
        before = self._dispatching()
        with self._paying(self.bills) as server:
            server.next_line()
            self._until_it_sends(server, before)
            _lives(server, self.chance.uniform(0.0, 4.0))

    def at_once(self, others: list[tuple[str, str]]) -> bool:
        """Two servers are each given a run, some bills in both, and killed one after the other.

        Returns whether both were seen to send.
        """
        before = self._dispatching()
        shared = self.chance.sample(self.bills, min(3, len(self.bills)))
        both = False
        with self._paying(self.bills) as one, self._paying([*others, *shared]) as other:
            one.next_line()
            other.next_line()
            until = time.monotonic() + _LIFE_SECONDS_MAX
            while one.process.poll() is None and other.process.poll() is None and time.monotonic() < until and not both:
                sending = self._dispatching() - before
                both = len({run for _, _, run in sending}) > 1 and len({_process(owner) for _, owner, _ in sending}) > 1
                time.sleep(0.005)
            _lives(one, self.chance.uniform(0.0, 2.0))
            one.process.kill()
            _lives(other, self.chance.uniform(0.0, 3.0))
        return both

    def suspended(self) -> int:
        """A server is suspended until its leases ran out and another took over, then goes on until it is killed."""
        before = self._dispatching()
        with self._paying(self.bills) as server:
            server.next_line()
            if self.chance.random() < 0.7:
                self._until_it_sends(server, before)
            else:
                _lives(server, self.chance.uniform(0.0, 3.0))
            server.process.send_signal(signal.SIGSTOP)
            sending = self._dispatching() - before
            # The other one is told to pay the same bills, in another order.
            with self._paying(reversed(self.bills)) as other:
                other.next_line()
                _lives(other, self.lease_seconds * self.chance.uniform(1.0, 2.0))
                taken_over = len(sending - self._dispatching())
                if self.chance.random() < 0.5:
                    other.process.kill()
                server.process.send_signal(signal.SIGCONT)
                _lives(server, self.chance.uniform(0.2, 2.0))
        return taken_over

    @contextmanager
    def _paying(self, bills: Iterable[tuple[str, str]]) -> Iterator[StdioServer]:
        """A server that was told to pay them; it is killed when this ends, and never lives for long."""
        with stdio_server(in_our_environment(self.environ), hurried_server(self.lease_seconds)) as server:
            latest = threading.Timer(_LIFE_SECONDS_MAX, server.process.kill)
            latest.start()
            try:
                server.send(*GREETING, *_calls(list(bills), as_run=self.as_run))
                yield server
            finally:
                latest.cancel()
                server.process.kill()
                self.logs.append(server.log())

    def _dispatching(self) -> set[tuple[str, str, str]]:
        """What is being sent, under which lease and in which run; as long as nobody keeps the store to itself."""
        store = Path(self.environ["RUTTER_AP_HOME"], "rutter-ap.db")
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=1)) as database:
            return set(database.execute(_DISPATCHING).fetchall())

    def _until_it_sends(self, server: StdioServer, before: set[tuple[str, str, str]]) -> None:
        until = time.monotonic() + _LIFE_SECONDS_MAX
        while server.process.poll() is None and time.monotonic() < until:
            if self._dispatching() - before:
                # Anywhere from reading the facts to recording the outcome.
                time.sleep(self.chance.uniform(0.0, 0.04))
                return
            time.sleep(0.005)


def campaign(
    kills: int, seed: int, folder: Path, *, day_limit: str = NO_LIMIT, lease_seconds: float = LEASE_SECONDS
) -> Result:
    """Kills or suspends that many servers at random moments, recovers, and compares."""
    chance = random.Random(seed)
    logs: list[str] = []
    taken_over = at_once = 0
    with sandbox_server(bills=max(400, kills * 20)) as announced:
        home = folder / "home"
        environ = paying_home(announced, home, day_limit=day_limit, vendor_day_limit=_VENDOR_DAY_LIMIT)
        # The story's own bills are there to be held; the generated ones have nothing against them.
        payable = anyio.run(payable_bills, environ, "LOAD-")
        chance.shuffle(payable)
        fresh = _Fresh(payable, anyio.run(vendors_of_bills, environ), chance)
        set_faults(announced, *FAULTS, seed=seed)
        for number in range(kills):
            # Every other server is given a run of new bills; the others pay one by one, some of the same bills too.
            as_run = number % 2 == 0
            bills = fresh.taken() if as_run else chance.sample(payable, 6)
            one = _Round(environ, chance, bills, as_run, lease_seconds, logs)
            match number % 8:
                case 0:
                    one.killed_sending()
                case 2 | 6:
                    at_once += one.at_once(fresh.taken())
                case 1 | 4:
                    taken_over += one.suspended()
                case 3:
                    one.killed(1, chance.uniform(0.1, 2.6))
                case _:
                    # These are let live until their first payment was answered: on a slow machine, too, some are.
                    one.killed(2, chance.uniform(0.0, 1.0))
        set_faults(announced)
        with patch.object(judge, "CHAT_LINES_MAX", LINES_UNASKED_MAX):
            outcome = anyio.run(compare, environ)
        wrong = (*outcome.problems, *leaks(environ, logs), *(_crash(log) for log in logs if "Traceback" in log))
        return Result(replace(outcome, problems=wrong), taken_over, at_once)


def _process(lease_owner: str | None) -> str:
    return (lease_owner or "").partition("/")[0]


def _lives(server: StdioServer, seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        server.process.wait(timeout=seconds)


def _crash(log: str) -> str:
    return f"a server failed: {log[-2000:]}"


def _calls(bills: list[tuple[str, str]], *, as_run: bool) -> Iterator[Message]:
    """A run of all the bills, twice; or half of each, the same half again, and the whole of it."""
    numbers = itertools.count(1)
    if as_run:
        bill_ids = [bill_id for bill_id, _ in bills]
        for _ in range(2):
            yield tool_call(next(numbers), "propose_payment_run", bill_ids=bill_ids)
        return
    for bill_id, due in bills:
        half = f"{(Decimal(due) / 2).quantize(Decimal('0.01')):f}"
        for amount in (half, half, due):
            yield tool_call(next(numbers), "pay_bill", bill_id=bill_id, amount=amount)


def _said(name: str, kills: int, result: Result) -> bool:
    """Says how a campaign ended; whether it did well, and tried what it is for."""
    outcome = result.outcome
    runs = f"{outcome.in_runs} of them in runs of up to {outcome.longest_run}"
    paid = f"{outcome.posted} payments posted, {runs}, on {outcome.booked} bills"
    met = f"{result.taken_over} taken over from a suspended server, {outcome.limited} kept back by a limit"
    met += f", {result.at_once} times two servers sent at once"
    sys.stdout.write(f"{name}: {kills} kills, {paid}; {met}\n")
    for problem in outcome.problems:
        sys.stdout.write(f"PROBLEM: {problem}\n")
    return not outcome.problems and bool(outcome.posted)


def main() -> int:
    """Runs one campaign, and one of a quarter of the length in which a day's limit is soon used up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    kills, seed = arguments.kills, arguments.seed
    quarter = -(-kills // 4)
    results = []
    with tempfile.TemporaryDirectory(prefix="rutter-ap-crash-") as folder:
        for name, rounds, limit in (("wide", kills, NO_LIMIT), ("tight", quarter, str(900 * quarter))):
            place = Path(folder, name)
            place.mkdir()
            results.append(campaign(rounds, seed, place, day_limit=limit))
            if not _said(name, rounds, results[-1]):
                return 1
    wide, tight = results
    if not (wide.outcome.longest_run >= _RUN_MIN and wide.at_once and wide.taken_over and tight.outcome.limited):
        sys.stdout.write(
            f"PROBLEM: too short: it must meet a run of {_RUN_MIN}, two servers that send at once, a takeover from a "
            "suspended server, and a limit\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
