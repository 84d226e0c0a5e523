"""Controls: the emergency stop and the policy version, which outlive the process."""

from __future__ import annotations

from datetime import timedelta

from rutter_ap_server.clock import FixedClock
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


def test_the_policy_version_recorded_last_is_returned(store: Store) -> None:
    assert store.read_now(lambda tx: tx.controls.policy_version()) is None
    store.write_now(lambda tx: tx.controls.set_policy_version("v1"))
    store.write_now(lambda tx: tx.controls.set_policy_version("v2"))
    assert store.read_now(lambda tx: tx.controls.policy_version()) == "v2"
