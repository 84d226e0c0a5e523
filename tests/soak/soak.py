"""The soak: many assistants at once, reading and writing while Rutter misbehaves; then the books must agree.

`make soak` is the long one, on SQLite; `--postgres` starts a PostgreSQL of its own instead. One server's app serves
every assistant, as it would over HTTP, and holds no more memory and files at the end than once it was warm.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
from support.postgres import running_postgres
from support.reconcile import Outcome, compare, leaks, payable_bills, paying_home
from support.sandbox_server import sandbox_server, set_faults

READ_FAULTS = [
    {"fault": "status_503_before_commit", "method": "GET", "path": "", "rate": 0.02},
    {"fault": "html", "method": "GET", "path": "", "rate": 0.01},
    {"fault": "cut_mid_body", "method": "GET", "path": "", "rate": 0.01},
]
# What grows for a while are the page caches of the store's connections, of two mebibytes each.
MEBIBYTES_GROWN_MAX = 32
FILES_GROWN_MAX = 8
# By then every kind of call was made many times, and what is kept for good is there.
_WARM_AFTER = 0.25
_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds: memory, and open files, sockets and pipes among them."""

    mebibytes: int
    files: int


@dataclass(slots=True)
class Tally:
    """What the assistants were answered, and what the process held when it was warm and at the end."""

    answers: Counter[str] = field(default_factory=Counter)
    outcome: Outcome | None = None
    warm: Held | None = None
    end: Held | None = None
    problems: list[str] = field(default_factory=list)


def held() -> Held:
    """As Linux counts it, once the allocator has given back what it only keeps for later."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(pages * os.sysconf("SC_PAGE_SIZE") // _MEBIBYTE, len(list(Path("/proc/self/fd").iterdir())))


async def soak(seconds: float, assistants: int, seed: int, folder: Path, database_url: str = "") -> Tally:
    """Runs that many assistants for that long, recovers, and compares."""
    tally = Tally()
    with sandbox_server(bills=400) as announced:
        environ = paying_home(announced, folder / "home")
        if database_url:
            environ["RUTTER_AP_DATABASE_URL"] = database_url
        payable = await payable_bills(environ)
        set_faults(announced, *FAULTS, *READ_FAULTS, seed=seed)
        app = App(read_settings(environ))
        try:
            with anyio.move_on_after(seconds):
                async with anyio.create_task_group() as tasks:
                    for number in range(assistants):
                        tasks.start_soon(_assistant, app, random.Random(seed * 1000 + number), payable, tally)
                    await anyio.sleep(seconds * _WARM_AFTER)
                    tally.warm = held()
            tally.end = held()
        finally:
            await app.aclose()
        set_faults(announced)
        tally.outcome = await compare(environ)
        tally.problems = [*tally.outcome.problems, *leaks(environ, ()), *_grown(tally.warm, tally.end)]
    return tally


def _grown(warm: Held | None, end: Held | None) -> Iterator[str]:
    assert warm is not None
    assert end is not None
    if end.mebibytes - warm.mebibytes > MEBIBYTES_GROWN_MAX:
        yield f"memory grew from {warm.mebibytes} to {end.mebibytes} MiB, by more than {MEBIBYTES_GROWN_MAX}"
    if end.files - warm.files > FILES_GROWN_MAX:
        yield f"open files grew from {warm.files} to {end.files}, by more than {FILES_GROWN_MAX}"


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


@contextmanager
def _database(*, postgres: bool) -> Iterator[str]:
    """The address of the store; empty for the SQLite of the home."""
    if not postgres:
        yield ""
        return
    with running_postgres() as server, server.store_url() as url:
        yield url


def main() -> int:
    """Runs one soak and says how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--assistants", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="keep the store in a PostgreSQL instead of SQLite")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="rutter-ap-soak-") as folder,
        _database(postgres=arguments.postgres) as database_url,
    ):
        tally = anyio.run(soak, arguments.seconds, arguments.assistants, arguments.seed, Path(folder), database_url)
    for name, count in sorted(tally.answers.items()):
        sys.stdout.write(f"{count:>7}  {name}\n")
    assert tally.outcome is not None
    sys.stdout.write(f"{tally.outcome.posted} payments posted; when warm {tally.warm}, at the end {tally.end}\n")
    for problem in tally.problems:
        sys.stdout.write(f"PROBLEM: {problem}\n")
    return 1 if tally.problems or not tally.outcome.posted else 0


if __name__ == "__main__":
    sys.exit(main())
