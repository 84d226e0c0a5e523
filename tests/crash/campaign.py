"""The crash campaign: a real stdio server pays bills and is killed at random moments; afterwards the books must agree.

`make crash` is the long one. Rutter is a sandbox process of its own over HTTP with faults on, so that the books survive
the server and answers get lost on the way as well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx

from rutter_ap_server.app import App
from rutter_ap_server.clock import FixedClock
from rutter_ap_server.settings import read_settings

# Every payment is allowed, so that what is tried here is the sending and not the asking.
POLICY = """
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
repeat_days = 0
[rules.severity]
"amount.unusual_for_vendor" = "off"
"""
FAULTS: dict[str, Any] = {
    "rules": [
        {"fault": "no_answer_after_commit", "method": "POST", "path": "bill_payments", "rate": 0.10},
        {"fault": "cut_before_commit", "method": "POST", "path": "bill_payments", "rate": 0.05},
        {"fault": "status_503_after_commit", "method": "POST", "path": "bill_payments", "rate": 0.05},
        {"fault": "status_500_before_commit", "method": "POST", "path": "bill_payments", "rate": 0.05},
        {"fault": "status_429", "method": "GET", "path": "", "rate": 0.03},
        {"fault": "truncated_json", "method": "POST", "path": "bill_payments", "rate": 0.03},
    ]
}


_LIFE_SECONDS_MAX = 15


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the books and our records say after the campaign; `problems` is empty when they agree."""

    kills: int
    posted: int
    in_runs: int
    booked: int
    open: int
    problems: tuple[str, ...]


def campaign(kills: int, seed: int, folder: Path) -> Outcome:
    """Kills that many servers at random moments, recovers, and compares."""
    chance = random.Random(seed)
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "policy.toml").write_text(POLICY)
    with sandbox(bills=max(60, kills * 2)) as found:
        environ = settings_of(found, home)
        # The story's own bills are there to be held; the generated ones have nothing against them.
        payable = anyio.run(payable_bills, environ, "LOAD-")
        set_faults(found, {"seed": seed, **FAULTS})
        for kill in range(kills):
            # Every other server is let live until its first payment was answered: on a slow machine, too, some are.
            answers, seconds = (1, chance.uniform(0.1, 2.6)) if kill % 2 else (2, chance.uniform(0.0, 1.0))
            # Every third server is given a run; the others pay one by one, some of the same bills too.
            _pay_and_be_killed(environ, _requests(chance.sample(payable, 6), as_run=kill % 3 == 0), answers, seconds)
        set_faults(found, {"rules": []})
        return anyio.run(compare, environ, kills)


@contextmanager
def sandbox(*, bills: int) -> Iterator[dict[str, Any]]:
    """A sandbox of its own process, with the endpoints that switch faults on."""
    code = f"from rutter_sandbox.serve import serve; serve(bills={bills}, admin=True)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        first: dict[str, Any] = json.loads(process.stdout.readline())
        yield first
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


def settings_of(found: dict[str, Any], home: Path) -> dict[str, str]:
    """The settings of a server in front of that sandbox."""
    return {
        "RUTTER_AP_HOME": str(home),
        "RUTTER_ENVIRONMENT": "sandbox",
        "RUTTER_BASE_URL": found["base_url"],
        "RUTTER_CLIENT_ID": found["client_id"],
        "RUTTER_CLIENT_SECRET": found["client_secret"],
        "RUTTER_ACCESS_TOKEN": found["connections"][0]["access_token"],
    }


def set_faults(found: dict[str, Any], plan: dict[str, Any]) -> None:
    """Tells the sandbox what goes wrong from now on."""
    root = found["base_url"].removesuffix("/versioned")
    httpx.put(f"{root}/sandbox/faults", json=plan, timeout=10).raise_for_status()


async def payable_bills(environ: dict[str, str], numbered: str = "") -> list[tuple[str, str]]:
    """Open bills in US dollars whose number starts so, and what is due; the funding account is linked on the way."""
    from rutter_ap_server.interaction import Silent
    from rutter_ap_tools.accounts import LinkAccount

    app = App(read_settings(environ))
    try:
        await app.backend("campaign", Silent()).submit(LinkAccount(role="funding", account="Operating Checking"))
        books = (await app.companies.get("")).rutter
        return [
            (bill.id, f"{bill.amount_due:f}")
            async for bill in books.bills.walk()
            if (bill.status, bill.currency_code) == ("open", "USD")
            and bill.amount_due > 1
            and (bill.document_number or "").startswith(numbered)
        ]
    finally:
        await app.aclose()


def _pay_and_be_killed(environ: dict[str, str], requests: Iterator[bytes], answers: int, after_seconds: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "rutter_ap_server", "stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | environ,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        process.stdin.write(b"".join(requests))
        process.stdin.flush()
        # Counted from an answer, so that on a slow machine not every kill comes too early; and never waited for long.
        latest = threading.Timer(_LIFE_SECONDS_MAX, process.kill)
        latest.start()
        for _ in range(answers):
            process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=after_seconds)
        latest.cancel()
        process.kill()
        process.wait()


def _requests(bills: list[tuple[str, str]], *, as_run: bool) -> Iterator[bytes]:
    """A handshake, then a run of all the bills, twice; or half of each, the same half again, and the whole of it."""
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "campaign", "version": "1"},
    }
    yield _line({"id": 0, "method": "initialize", "params": hello})
    yield _line({"method": "notifications/initialized"})
    number = 0
    if as_run:
        arguments: dict[str, Any] = {"bill_ids": [bill_id for bill_id, _ in bills]}
        run = {"name": "propose_payment_run", "arguments": arguments}
        for number in (1, 2):
            yield _line({"id": number, "method": "tools/call", "params": run})
        return
    for bill_id, due in bills:
        half = f"{(Decimal(due) / 2).quantize(Decimal('0.01')):f}"
        for amount in (half, half, due):
            number += 1
            arguments = {"bill_id": bill_id, "amount": amount}
            yield _line({"id": number, "method": "tools/call", "params": {"name": "pay_bill", "arguments": arguments}})


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n"


async def compare(environ: dict[str, str], kills: int) -> Outcome:
    """Recovers what is open, then holds our records against the books."""
    # The leases of the killed must have run out: a clock a little ahead stands for the waiting.
    app = App(read_settings(environ), FixedClock(datetime.now(UTC) + timedelta(minutes=10)))
    try:
        for _ in range(6):
            await app.recover()
        return await _outcome(app, kills)
    finally:
        await app.aclose()


async def _outcome(app: App, kills: int) -> Outcome:
    problems: list[str] = []
    proposals = app.store.read_now(lambda tx: tx.proposals.in_states(list(_ALL_STATES), limit=1_000_000))
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
        if bill.amount_due < 0 or booked[bill.id] > bill.total_amount:
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
    return Outcome(kills, count, in_runs, bookings, len(still_open), tuple(problems))


_ALL_STATES = (
    "held",
    "superseded",
    "released",
    "dispatching",
    "unknown",
    "posted",
    "refused",
    "declined",
    "expired",
    "failed",
)


def main() -> int:
    """Runs one campaign and says how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rutter-ap-crash-") as folder:
        outcome = campaign(arguments.kills, arguments.seed, Path(folder))
    paid = f"{outcome.posted} payments posted, {outcome.in_runs} of them in runs"
    sys.stdout.write(f"{outcome.kills} kills, {paid}, {outcome.booked} bills with payments\n")
    for problem in outcome.problems:
        sys.stdout.write(f"PROBLEM: {problem}\n")
    return 1 if outcome.problems or not outcome.posted or not outcome.in_runs else 0


if __name__ == "__main__":
    sys.exit(main())
