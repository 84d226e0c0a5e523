"""The store's part of many payments at once, as the guard does it; run as a program it is a process of its own."""

from __future__ import annotations

import random
import sys
import threading

from rutter_ap_server.clock import Clock
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.money import Money
from support.store_rows import a_proposal

DAY_LIMIT = Money.parse("1000.00", "USD")
VENDOR_LIMIT = Money.parse("400.00", "USD")
VENDORS = 4
BILLS = 60
PEOPLE = 25
PAYMENTS_EACH = 2


def reserve_within_limit(tx: Tx, proposal_id: str, money: Money) -> bool:
    """Checks the day's limit alone, then reserves."""
    if tx.spend.spent("company-1", "USD", 24) + money > DAY_LIMIT:
        return False
    tx.spend.reserve(proposal_id, "company-1", "v1", money)
    return True


def reserve_within_limits(tx: Tx, payment: Proposal) -> bool:
    """Check, then reserve: what the guard's last transaction before sending does."""
    assert payment.money is not None
    for limit, vendor in ((DAY_LIMIT, None), (VENDOR_LIMIT, payment.vendor_id)):
        if (
            tx.spend.spent(payment.company_id, "USD", 24, frozenset({vendor}) if vendor else None) + payment.money
            > limit
        ):
            return False
    tx.spend.reserve(payment.id, payment.company_id, str(payment.vendor_id), payment.money)
    return True


def claim_if_alone(tx: Tx, payment: Proposal) -> bool:
    """Takes a payment for sending unless another on its bill is on its way: reads others, then changes its own."""
    if tx.proposals.of_bill(payment.company_id, str(payment.bill_id), [State.DISPATCHING, State.UNKNOWN]):
        return False
    return tx.proposals.claim(payment.id, "somebody", 120)


def pay(store: Store, payment: Proposal) -> bool:
    """Held, released, claimed and reserved in four transactions; whether it may leave."""

    def hold(tx: Tx) -> None:
        tx.proposals.add(payment)
        tx.audit.append("proposed", actor="assistant", proposal_id=payment.id)

    def release(tx: Tx) -> None:
        tx.proposals.move(payment.id, [State.HELD], State.RELEASED)
        tx.audit.append("released", actor="Ana", proposal_id=payment.id)

    def commit(tx: Tx) -> bool:
        reserved = reserve_within_limits(tx, payment)
        if not reserved:
            tx.proposals.move(payment.id, [State.DISPATCHING], State.REFUSED)
        tx.audit.append("attempt" if reserved else "refused", actor="guard", proposal_id=payment.id)
        return reserved

    store.write_now(hold)
    store.write_now(release)
    return store.write_now(lambda tx: claim_if_alone(tx, payment)) and store.write_now(commit)


def pay_many(store: Store, seed: int) -> None:
    """Twenty-five people at once, two payments each."""
    together = threading.Barrier(PEOPLE)

    def person(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        together.wait()
        for turn in range(PAYMENTS_EACH):
            cents = chance.randint(1, 9999)
            payment = a_proposal(
                digest=f"{seed:04}{number:04}{turn:04}".ljust(64, "0"),
                money=Money.of(f"{cents}e-2", "USD"),
                vendor_id=f"v{chance.randrange(VENDORS)}",
                bill_id=f"b{chance.randrange(BILLS)}",
            )
            pay(store, payment)

    people = [threading.Thread(target=person, args=(number,)) for number in range(PEOPLE)]
    for one in people:
        one.start()
    for one in people:
        one.join()


if __name__ == "__main__":
    own = Store(sys.argv[1], Clock())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    pay_many(own, int(sys.argv[2]))
    own.close()
