"""Approvers whose passcode is quick to check.

A check of a passcode takes its cost from the stored hash. A hash made with small parameters goes the same way through
the program as one of the program's own, and takes a hundredth of the time.
"""

from __future__ import annotations

from argon2 import PasswordHasher

from rutter_ap_server.store.engine import Store, Tx

_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


async def add_approver(store: Store, name: str, passcode: str) -> None:
    """A person who may release, as `rutter-ap approvers add` would enter them; somebody known stays as they are."""
    hashed = _QUICK.hash(passcode)

    def add(tx: Tx) -> None:
        if name not in {one.name for one in tx.approvers.active()}:
            approver_id = tx.approvers.add(name, hashed)
            tx.audit.append("approver_added", actor="terminal", name=name, approver_id=approver_id)

    await store.write(add)
