"""Many at once, threads and processes, on either database: no limit is passed by a cent, no bill is paid twice over."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from rutter_ap_server.clock import Clock
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.money import Money
from support import concurrent_payments
from support.concurrent_payments import DAY_LIMIT, PAYMENTS_EACH, PEOPLE, VENDOR_LIMIT, VENDORS, claim_if_alone
from support.store_rows import put


def everything(tx: Tx) -> list[Proposal]:
    return tx.proposals.in_states([State.HELD, State.RELEASED, State.DISPATCHING, State.REFUSED], limit=1000)


def holds_after(store: Store, count: int) -> None:
    """Whatever the order was: no limit is passed, nothing that would have fitted was refused, nothing is lost."""
    payments = store.read_now(everything)
    assert len(payments) == count
    sent = [p for p in payments if p.state == "dispatching"]
    assert all(store.read_now(lambda tx, p=p: tx.spend.is_reserved(p.id)) for p in sent)  # type: ignore[misc]
    assert max(Counter(p.bill_id for p in sent).values()) == 1

    def spent(vendor: str | None) -> Money:
        return store.read_now(
            lambda tx: tx.spend.spent("company-1", "USD", 24, frozenset({vendor}) if vendor else None)
        )

    by_vendor = {f"v{n}": spent(f"v{n}") for n in range(VENDORS)}
    assert (
        spent(None) == Money.total((p.money for p in sent if p.money), "USD") == Money.total(by_vendor.values(), "USD")
    )
    assert spent(None) <= DAY_LIMIT
    assert all(amount <= VENDOR_LIMIT for amount in by_vendor.values())
    refused = [p for p in payments if p.state == "refused"]
    assert refused
    for p in refused:
        assert p.money is not None
        assert p.vendor_id is not None
        assert p.money + spent(None) > DAY_LIMIT or p.money + by_vendor[p.vendor_id] > VENDOR_LIMIT

    chain = store.read_now(lambda tx: tx.audit.verify())
    assert chain.holds
    kinds = Counter(entry.kind for entry in store.read_now(lambda tx: list(tx.audit.entries())))
    assert (kinds["proposed"], kinds["attempt"], kinds["refused"]) == (count, len(sent), len(refused))


def test_fifty_payments_of_many_threads_keep_every_limit(store: Store) -> None:
    concurrent_payments.pay_many(store, 1)

    holds_after(store, PEOPLE * PAYMENTS_EACH)


def test_two_processes_of_many_threads_keep_every_limit(store_url: str) -> None:
    store = Store(store_url, Clock())
    processes = [
        subprocess.Popen(
            [sys.executable, str(Path(concurrent_payments.__file__)), store_url, str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        for seed in (2, 3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=120) and process.returncode for process in processes] == [0, 0]

    holds_after(store, 2 * PEOPLE * PAYMENTS_EACH)
    store.close()


@pytest.mark.parametrize("others", [0, 1])
def test_of_fifty_payments_on_one_bill_one_is_sent_at_a_time(store: Store, others: int) -> None:
    """Each reads what the others are, then changes its own row: no lock on a row could keep them apart."""
    for _ in range(others):
        put(store, bill_id="b1", state="unknown")
    payments = [put(store, bill_id="b1", state="released") for _ in range(50)]
    together, claimed = threading.Barrier(len(payments)), list[str]()

    def claim(payment: Proposal) -> None:
        together.wait()
        if store.write_now(lambda tx: claim_if_alone(tx, payment)):
            claimed.append(payment.id)

    threads = [threading.Thread(target=claim, args=(payment,)) for payment in payments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    on_their_way = store.read_now(lambda tx: tx.proposals.of_bill("company-1", "b1", [State.DISPATCHING]))
    assert [p.id for p in on_their_way] == claimed
    assert len(claimed) == 1 - others
