"""The soak: many assistants at once, reading and writing while Rutter misbehaves; then the books must agree.

`make soak` is the long one. One server's app serves every assistant, as it would over HTTP.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from crash.campaign import FAULTS
from rutter_ap_server.app import App
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.bills import CreateBill, GetBill, ListBills, NewBillLine
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.payments import PayBill
from support.reconcile import Outcome, compare, payable_bills, paying_home
from support.sandbox_server import sandbox_server, set_faults

READ_FAULTS = [
    {"fault": "status_503_before_commit", "method": "GET", "path": "", "rate": 0.02},
    {"fault": "html", "method": "GET", "path": "", "rate": 0.01},
    {"fault": "stale_read", "method": "GET", "path": "", "rate": 0.02},
]


@dataclass(slots=True)
class Tally:
    """What the assistants were answered, and how much memory the process ever held."""

    answers: Counter[str] = field(default_factory=Counter)
    outcome: Outcome | None = None
    peak_mebibytes: int = 0


async def soak(seconds: float, assistants: int, seed: int, folder: Path) -> Tally:
    """Runs that many assistants for that long, recovers, and compares."""
    tally = Tally()
    with sandbox_server(bills=400) as announced:
        environ = paying_home(announced, folder / "home")
        payable = await payable_bills(environ)
        set_faults(announced, *FAULTS, *READ_FAULTS, seed=seed)
        app = App(read_settings(environ))
        try:
            with anyio.move_on_after(seconds):
                async with anyio.create_task_group() as tasks:
                    for number in range(assistants):
                        tasks.start_soon(_assistant, app, random.Random(seed * 1000 + number), payable, tally)
        finally:
            await app.aclose()
        set_faults(announced)
        tally.outcome = await compare(environ)
    tally.peak_mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return tally


async def _assistant(app: App, chance: random.Random, payable: list[tuple[str, str]], tally: Tally) -> None:
    while True:
        name, call = _next_call(app.backend("soak", NO_INTERACTION), chance, payable)
        try:
            result = await call
        except ApError as error:
            tally.answers[f"{name}: {error.error_code}"] += 1
        else:
            tally.answers[f"{name}: {getattr(result, 'status', 'read')}"] += 1
        await anyio.lowlevel.checkpoint()


def _next_call(backend: Any, chance: random.Random, payable: list[tuple[str, str]]) -> tuple[str, Any]:
    bill_id, _ = chance.choice(payable)
    cents = chance.randrange(1, 500)
    match chance.randrange(5):
        case 0:
            return "list_bills", backend.read(ListBills(limit=20, overdue=chance.random() < 0.5))
        case 1:
            return "get_bill", backend.read(GetBill(bill_id=bill_id))
        case 2:
            line = NewBillLine(amount=f"{cents}.07", account="Utilities")
            bill = CreateBill(
                vendor="Northwind Utilities",
                issue_date=datetime.now(UTC).date().isoformat(),
                currency="USD",
                document_number=f"SOAK-{chance.randrange(10**9)}",
                lines=[line],
            )
            return "create_bill", backend.submit(bill)
        case _:
            return "pay_bill", backend.submit(
                PayBill(bill_id=bill_id, amount=f"0.{cents % 100:02d}" if cents % 100 else "1.00")
            )


def main() -> int:
    """Runs one soak and says how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--assistants", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rutter-ap-soak-") as folder:
        tally = anyio.run(soak, arguments.seconds, arguments.assistants, arguments.seed, Path(folder))
    assert tally.outcome is not None
    for name, count in sorted(tally.answers.items()):
        sys.stdout.write(f"{count:>7}  {name}\n")
    sys.stdout.write(f"{tally.outcome.posted} payments posted, peak {tally.peak_mebibytes} MiB\n")
    for problem in tally.outcome.problems:
        sys.stdout.write(f"PROBLEM: {problem}\n")
    return 1 if tally.outcome.problems or not tally.outcome.posted else 0


if __name__ == "__main__":
    sys.exit(main())
