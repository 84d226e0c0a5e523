"""How judging and reserving a payment durably compares with a bare SQLite transaction that inserts one row.

    python benchmarks/judge.py [--rounds 300]

The store's part of one payment, as the guard does it: held, released, claimed, then judged again, reserved and
journalled, each a transaction of its own with its audit entries, so that a crash between any two leaves a trace. The
peer is Python's sqlite3 with the same journal and the same syncing. Both write to files in one folder, in turn, and
each round gives its ratios, so that whatever else the disk does falls on both sides.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from rutter_ap_server.clock import Clock
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money

RATIO_MAX = 2
FINDINGS = (Finding(code="policy.ask", severity=Severity.ASK, message="Every payment asks a person."),)
AMOUNT = Money.parse("684.20", "USD")
LIMIT = Money.parse("900000000.00", "USD")
DIGITS = "0" * 64
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "fullfsync=ON")
Step = Callable[[Tx, Proposal], None]


def a_payment(number: int) -> Proposal:
    """A payment as it is frozen."""
    now = Clock().now()
    bill = f"b{number % 500}"
    return Proposal(
        id=str(uuid.uuid4()),
        digest=uuid.uuid4().hex * 2,
        company_id="8d5f6a70-7c5c-4a2b-9f3e-2b1d7a1c0c11",
        company_name="Harbor & Pine",
        environment="embedded",
        tool="pay_bill",
        fields={"bill_id": bill, "amount": "684.20", "account": "a1", "date": "2026-03-02", "memo": "March"},
        summary="Pay 684.20 USD to Northwind Utilities for bill NW-2291 from Operating Checking",
        state="held",
        verdict=Severity.ASK,
        approvals_needed=1,
        fingerprint=DIGITS,
        findings=FINDINGS,
        policy_version=DIGITS,
        preparer="assistant",
        money=AMOUNT,
        vendor_id=f"v{number % 50}",
        vendor_name="Northwind Utilities",
        bill_id=bill,
        record=None,
        created_at=now,
        updated_at=now,
        expires_at=now + timedelta(hours=72),
    )


def hold(tx: Tx, payment: Proposal) -> None:
    assert tx.proposals.open_with_digest(payment.company_id, payment.digest) is None
    tx.proposals.add(payment)
    note(tx, payment, "proposed", fields=payment.fields)


def release(tx: Tx, payment: Proposal) -> None:
    tx.proposals.approve(payment.id, "Ana", "terminal", payment.fingerprint)
    assert tx.proposals.move(payment.id, ["held"], "released")
    note(tx, payment, "released", channel="terminal")


def claim(tx: Tx, payment: Proposal) -> None:
    assert tx.proposals.get(payment.id) is not None
    assert not tx.proposals.of_bill(payment.company_id, str(payment.bill_id), ["dispatching", "unknown"])
    assert tx.proposals.claim(payment.id, "a-process", 120)


def commit(tx: Tx, payment: Proposal) -> None:
    """The last look: what else is on its way, what was paid before, both rolling limits; then the reservation."""
    assert tx.proposals.get(payment.id) is not None
    assert tx.people.frozen() is None
    tx.proposals.of_bill(payment.company_id, str(payment.bill_id), ["posted"])
    for vendor in (None, payment.vendor_id):
        assert tx.spend.spent(payment.company_id, "USD", 24, vendor) + AMOUNT < LIMIT
    assert len(tx.proposals.approvals(payment.id)) == 1
    tx.proposals.rejudge(
        payment.id, findings=FINDINGS, verdict=Severity.ASK, needed=1, fingerprint=DIGITS, policy=DIGITS
    )
    note(tx, payment, "judged", verdict="ask", fingerprint=DIGITS)
    tx.spend.reserve(payment.id, payment.company_id, str(payment.vendor_id), AMOUNT)
    tx.attempts.add(payment.id, payment.id, {"due": "684.20"})
    note(tx, payment, "attempt", key=payment.id)


def settle(tx: Tx, payment: Proposal) -> None:
    """Not measured: makes room, as the answer from Rutter would."""
    tx.proposals.move(payment.id, ["dispatching"], "posted")
    tx.spend.settle(payment.id, "post" if payment.vendor_id == "v1" else "void")


def note(tx: Tx, payment: Proposal, kind: str, **body: object) -> None:
    tx.audit.append(kind, actor="guard", proposal_id=payment.id, **body)


STEPS: tuple[Step, ...] = (hold, release, claim, commit)


def bare(path: Path) -> Callable[[], float]:
    """One transaction that inserts one row, and the time it took."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")

    def insert() -> float:
        began = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows (text) VALUES (?)", (DIGITS,))
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


def compare(rounds: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synced = sync_ms(folder)
        insert, store = bare(folder / "bare.db"), Store(f"sqlite:///{folder / 'ap.db'}", Clock())
        ours: dict[str, list[float]] = {step.__name__: [] for step in STEPS}
        bares: dict[str, list[float]] = {step.__name__: [] for step in STEPS}
        # The first rounds fill caches and compile statements, which is not what is compared.
        for number in range(-20, rounds):
            payment = a_payment(number)
            for step in STEPS:
                peer = insert()
                began = time.perf_counter()
                store.write_now(lambda tx, step=step, payment=payment: step(tx, payment))  # type: ignore[misc]
                took = (time.perf_counter() - began) * 1000
                if number >= 0:
                    ours[step.__name__].append(took)
                    bares[step.__name__].append(peer)
            store.write_now(lambda tx, payment=payment: settle(tx, payment))  # type: ignore[misc]
        store.close()
    return report(ours, bares, rounds, synced)


def report(ours: dict[str, list[float]], bares: dict[str, list[float]], rounds: int, synced: float) -> int:
    every_bare = [one for each in bares.values() for one in each]
    bare_ms = statistics.median(every_bare)
    whole_ms = sum(statistics.median(each) for each in ours.values())
    print(f"{rounds} payments, medians; one sync of this disk takes {synced:.2f} ms")
    print(f"  bare transaction, one row   {bare_ms:6.2f} ms")
    for name, each in ours.items():
        least = statistics.median(a / b for a, b in zip(each, bares[name], strict=True))
        print(f"  {name:27} {statistics.median(each):6.2f} ms   {least:.2f} bare transactions")
    ratio = statistics.median(
        statistics.mean(each[i] for each in ours.values()) / statistics.mean(each[i] for each in bares.values())
        for i in range(rounds)
    )
    print(f"  whole payment               {whole_ms:6.2f} ms in {len(ours)} transactions")
    print(f"  ratio to a bare transaction, each durable step    {ratio:.2f} (at most {RATIO_MAX})")
    print(f"  ratio to a bare transaction, whole payment        {whole_ms / bare_ms:.2f} (for information)")
    return 0 if ratio <= RATIO_MAX else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    return compare(max(parser.parse_args().rounds, 1))


if __name__ == "__main__":
    sys.exit(main())
