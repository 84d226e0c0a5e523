"""Controls: the emergency stop and the policy version, which outlive the process."""

from __future__ import annotations

from datetime import timedelta

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.controls import HELD_SECONDS, InForce
from rutter_ap_server.store.engine import Store
from support.store_rows import START


def test_a_freeze_says_who_and_when_and_the_last_one_counts(store: Store, clock: FixedClock) -> None:
    assert store.read_now(lambda tx: tx.controls.frozen_by()) is None
    store.write_now(lambda tx: tx.controls.freeze("Ana"))
    assert store.read_now(lambda tx: tx.controls.frozen_by()) == "Ana at 2026-03-02T09:30:00.000000Z"

    clock.instant = START + timedelta(minutes=1)
    store.write_now(lambda tx: tx.controls.freeze("Bo"))
    assert store.read_now(lambda tx: tx.controls.frozen_by()) == "Bo at 2026-03-02T09:31:00.000000Z"
    store.write_now(lambda tx: tx.controls.unfreeze())
    store.write_now(lambda tx: tx.controls.unfreeze())
    assert store.read_now(lambda tx: tx.controls.frozen_by()) is None


def test_a_frozen_store_stays_frozen_when_it_is_opened_again(store: Store, store_url: str, clock: FixedClock) -> None:
    store.write_now(lambda tx: tx.controls.freeze("Ana"))
    store.close()

    again = Store(store_url, clock)
    assert again.read_now(lambda tx: tx.controls.frozen_by()) is not None
    again.close()


def test_the_policy_put_in_force_last_is_returned(store: Store) -> None:
    assert store.read_now(lambda tx: tx.controls.policy_in_force()) is None
    store.write_now(lambda tx: tx.controls.put_policy_in_force(InForce("v1", "here", from_file=True)))
    store.write_now(lambda tx: tx.controls.put_policy_in_force(InForce("v2", "here", from_file=True)))
    assert store.read_now(lambda tx: tx.controls.policy_in_force()) == InForce("v2", "here", from_file=True)


def test_what_a_process_holds_counts_for_three_minutes(store: Store, clock: FixedClock) -> None:
    store.write_now(lambda tx: tx.controls.hold_policy("a", "v1", "here"))
    store.write_now(lambda tx: tx.controls.hold_policy("b", "v1", "there"))

    def versions() -> dict[str, str]:
        return store.read_now(lambda tx: {name: one.version for name, one in tx.controls.policies_held().items()})

    assert versions() == {"a": "v1", "b": "v1"}
    clock.instant = START + timedelta(seconds=HELD_SECONDS - 1)
    store.write_now(lambda tx: tx.controls.hold_policy("c", "v2", "here"))
    assert versions() == {"a": "v2", "b": "v1", "c": "v2"}
    clock.instant = START + timedelta(seconds=HELD_SECONDS)
    assert versions() == {"c": "v2"}
    store.write_now(lambda tx: tx.controls.let_policy_go("c"))
    assert versions() == {}
