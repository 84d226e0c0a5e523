"""The crash campaign: a real stdio server pays bills and is killed at random moments; afterwards the books must agree.

`make crash` is the long one. Rutter is a sandbox process of its own over HTTP with faults on, so that the books survive
the server and answers get lost on the way as well.
"""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio

from support.reconcile import Outcome, compare, payable_bills, paying_home
from support.sandbox_server import sandbox_server, set_faults
from support.stdio_server import GREETING, Message, in_our_environment, stdio_server, tool_call

FAULTS: list[dict[str, Any]] = [
    {"fault": "no_answer_after_commit", "method": "POST", "path": "bill_payments", "rate": 0.10},
    {"fault": "cut_before_commit", "method": "POST", "path": "bill_payments", "rate": 0.05},
    {"fault": "status_503_after_commit", "method": "POST", "path": "bill_payments", "rate": 0.05},
    {"fault": "status_500_before_commit", "method": "POST", "path": "bill_payments", "rate": 0.05},
    {"fault": "status_429", "method": "GET", "path": "", "rate": 0.03},
    {"fault": "truncated_json", "method": "POST", "path": "bill_payments", "rate": 0.03},
]
_LIFE_SECONDS_MAX = 15


def campaign(kills: int, seed: int, folder: Path) -> Outcome:
    """Kills that many servers at random moments, recovers, and compares."""
    chance = random.Random(seed)
    with sandbox_server(bills=max(60, kills * 2)) as announced:
        environ = paying_home(announced, folder / "home")
        # The story's own bills are there to be held; the generated ones have nothing against them.
        payable = anyio.run(payable_bills, environ, "LOAD-")
        set_faults(announced, *FAULTS, seed=seed)
        for kill in range(kills):
            # Every other server is let live until its first payment was answered: on a slow machine, too, some are.
            answers, seconds = (1, chance.uniform(0.1, 2.6)) if kill % 2 else (2, chance.uniform(0.0, 1.0))
            # Every third server is given a run; the others pay one by one, some of the same bills too.
            calls = _calls(chance.sample(payable, 6), as_run=kill % 3 == 0)
            _pay_and_be_killed(environ, calls, answers, seconds)
        set_faults(announced)
        return anyio.run(compare, environ)


def _pay_and_be_killed(environ: dict[str, str], calls: Iterator[Message], answers: int, after_seconds: float) -> None:
    """It is killed when this ends, wherever it is then."""
    with stdio_server(in_our_environment(environ)) as server:
        server.send(*GREETING, *calls)
        # Counted from an answer, so that on a slow machine not every kill comes too early; and never waited for long.
        latest = threading.Timer(_LIFE_SECONDS_MAX, server.process.kill)
        latest.start()
        for _ in range(answers):
            server.next_line()
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(timeout=after_seconds)
        latest.cancel()


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


def main() -> int:
    """Runs one campaign and says how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rutter-ap-crash-") as folder:
        outcome = campaign(arguments.kills, arguments.seed, Path(folder))
    paid = f"{outcome.posted} payments posted, {outcome.in_runs} of them in runs"
    sys.stdout.write(f"{arguments.kills} kills, {paid}, {outcome.booked} bills with payments\n")
    for problem in outcome.problems:
        sys.stdout.write(f"PROBLEM: {problem}\n")
    return 1 if outcome.problems or not outcome.posted or not outcome.in_runs else 0


if __name__ == "__main__":
    sys.exit(main())
