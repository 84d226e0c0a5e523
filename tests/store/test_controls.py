"""Controls: the emergency stop and the policy version, which outlive the process."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.store.controls import UNREADABLE, Held, InForce, held_in
from rutter_ap_server.store.engine import Store, Tx
from support.store_rows import START, behind_its_back


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
    clock.instant = START + timedelta(seconds=179)
    store.write_now(lambda tx: tx.controls.hold_policy("c", "v2", "here"))
    assert versions() == {"a": "v2", "b": "v1", "c": "v2"}
    clock.instant = START + timedelta(seconds=180)
    assert versions() == {"c": "v2"}
    store.write_now(lambda tx: tx.controls.hold_policy("d", "v2", "here"))
    store.write_now(lambda tx: tx.controls.let_policy_go("c"))
    assert versions() == {"d": "v2"}


def test_a_process_says_what_it_holds_and_what_is_new(store: Store, clock: FixedClock) -> None:
    def said(version: str, place: str, seconds: int) -> Held:
        clock.instant = START + timedelta(seconds=seconds)
        store.write_now(lambda tx: tx.controls.hold_policy("a", version, place))
        return store.read_now(lambda tx: tx.controls.policies_held()["a"])

    assert said("v1", "here", 0) == Held("v1", "here", START)
    assert said("v1", "here", 60) == Held("v1", "here", START)
    assert said("v1", "here", 61) == Held("v1", "here", clock.instant)
    assert said("v1", "there", 62) == Held("v1", "there", clock.instant)
    # The same file says it to all that read it, whenever they were last heard of.
    assert said("v2", "there", 63) == Held("v2", "there", START + timedelta(seconds=62))


@pytest.mark.parametrize("ahead", [-181, -180, 180, 181])
def test_a_note_from_another_time_counts_for_nobody(ahead: int, store: Store, store_url: str) -> None:
    note = json.dumps({"a": ["v1", "here", stamp(START + timedelta(seconds=ahead))]})
    behind_its_back(store_url, f"INSERT INTO meta VALUES ('policy_held', '{note}')")

    assert store.read_now(lambda tx: tx.controls.policies_held()) == {}


@pytest.mark.parametrize(
    "note",
    [
        "x",
        "[]",
        "1",
        '{"a": 1}',
        '{"a": ["v1", "here"]}',
        '{"a": ["v1", "here", 1]}',
        '{"a": ["v1", "here", "x"]}',
        "[" * 100_000,
    ],
    ids=lambda note: note[:30],
)
def test_a_note_nobody_can_read_may_name_any_policy(note: str) -> None:
    (held,) = held_in(note, START).values()

    assert (held.version, held.at) == (UNREADABLE, START)


def test_a_freeze_removed_by_hand_still_holds(store: Store, store_url: str, clock: FixedClock) -> None:
    def frozen_by() -> str | None:
        return store.read_now(lambda tx: tx.controls.frozen_by())

    def freeze(tx: Tx) -> None:
        tx.controls.freeze("Ana")
        tx.audit.append("frozen", actor="Ana")

    def unfreeze(tx: Tx) -> None:
        tx.controls.unfreeze()
        tx.audit.append("unfrozen", actor="Ana")

    store.write_now(freeze)
    store.write_now(lambda tx: tx.controls.freeze("Bo"))
    assert frozen_by() == "Bo at 2026-03-02T09:30:00.000000Z"
    clock.instant = START + timedelta(minutes=1)
    behind_its_back(store_url, "DELETE FROM meta WHERE key = 'freeze'")
    assert frozen_by() == "Ana at 2026-03-02T09:30:00.000000Z"
    store.write_now(unfreeze)
    assert frozen_by() is None
    # A freeze counts however it came there.
    behind_its_back(store_url, "INSERT INTO meta VALUES ('freeze', 'Bo')")
    assert frozen_by() == "Bo"


def test_what_a_person_was_shown_only_grows(store: Store, store_url: str) -> None:
    def last_look() -> datetime | None:
        return store.read_now(lambda tx: tx.controls.last_look())

    def note_look(up_to: datetime) -> None:
        store.write_now(lambda tx: tx.controls.note_look(up_to))

    looks = []
    for minutes in (0, 2, 1, 3):
        note_look(START + timedelta(minutes=minutes))
        looks.append(last_look())
    assert looks == [START + timedelta(minutes=minutes) for minutes in (0, 2, 2, 3)]
    behind_its_back(store_url, "UPDATE meta SET value = 'x' WHERE key = 'last_look'")
    assert last_look() is None


V1 = InForce("v1", "here", from_file=True)


@pytest.mark.parametrize(
    ("entry", "change", "found"),
    [
        ({}, "", V1),
        ({}, "DELETE FROM meta WHERE key = 'policy'", None),
        ({}, "UPDATE meta SET value = 'x' WHERE key = 'policy_origin'", InForce("v1", "", from_file=None)),
        ({}, "UPDATE meta SET value = '[1]' WHERE key = 'policy_origin'", InForce("v1", "", from_file=None)),
        ({}, "UPDATE meta SET value = '1' WHERE key = 'policy_origin'", InForce("v1", "", from_file=None)),
        ({}, "UPDATE meta SET value = '[1, 2]' WHERE key = 'policy_origin'", InForce("v1", "1", from_file=None)),
        ({}, "DELETE FROM meta WHERE key = 'policy_origin'", InForce("v1", "", from_file=None)),
        ({"version": "v1"}, "", V1),
        (
            {"version": "v1", "from_file": True},
            "UPDATE meta SET value = '[\"here\", false]' WHERE key = 'policy_origin'",
            V1,
        ),
        ({"version": "v2", "from_file": True}, "", InForce("v2", "", from_file=True)),
        ({"version": "v2"}, "", InForce("v2", "", from_file=None)),
        ({"version": "v1", "from_file": True}, "DELETE FROM meta", InForce("v1", "", from_file=True)),
        ({"version": "v3", "from_file": True, "kind": "policy_reset"}, "", InForce("v3", "", from_file=False)),
    ],
    ids=str,
)
def test_the_policy_in_force_is_what_the_chain_said_last(
    store: Store, store_url: str, entry: dict[str, Any], change: str, found: InForce | None
) -> None:
    store.write_now(lambda tx: tx.controls.put_policy_in_force(V1))
    if entry:
        said = {"kind": "policy_changed"} | entry
        store.write_now(lambda tx: tx.audit.append(said.pop("kind"), actor="operator", **said))
    if change:
        behind_its_back(store_url, change)

    assert store.read_now(lambda tx: tx.controls.policy_in_force()) == found


def test_a_policy_outlives_a_freeze(store: Store) -> None:
    store.write_now(lambda tx: tx.controls.put_policy_in_force(V1))
    store.write_now(lambda tx: tx.controls.freeze("Ana"))
    store.write_now(lambda tx: tx.controls.unfreeze())

    assert store.read_now(lambda tx: tx.controls.policy_in_force()) == V1
