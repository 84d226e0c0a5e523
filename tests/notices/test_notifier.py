"""People are told once, in few words, and again only as long as it did not get through."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.clock import FixedClock, unstamp
from rutter_ap_server.notices import notifier
from rutter_ap_server.notices.addresses import Address, Desktop, read_addresses
from rutter_ap_server.notices.channels import NotDelivered
from rutter_ap_server.notices.notifier import QUIET, SETTLING, Notifier
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.states import State
from support.store_rows import put, seen_from_outside

WHERE = "Decide at https://ap.example/approvals"


async def where() -> str:
    return WHERE


class Told:
    """A channel that keeps what it delivers, or fails while it is told to."""

    def __init__(self, store: Store, addresses: tuple[Address, ...] = (Desktop(),)) -> None:
        self.texts: list[str] = []
        self.titles: list[str] = []
        self.problem = ""
        self.notifier = Notifier(store, addresses, where, self.send)

    async def send(self, address: Address, title: str, text: str) -> None:
        if self.problem:
            raise NotDelivered(self.problem)
        self.titles.append(title)
        self.texts.append(text)

    def look(self) -> list[str]:
        """What is said at one more look."""
        before = len(self.texts)
        anyio.run(self.notifier.tell)
        return self.texts[before:]


@pytest.fixture
def told(store: Store) -> Told:
    return Told(store)


def later(clock: FixedClock, by: timedelta) -> None:
    clock.instant += by


def held(store: Store, clock: FixedClock, **changed: Any) -> str:
    """A held proposal that nobody answered in the chat."""
    at = clock.now()
    values = {"created_at": at, "updated_at": at, "expires_at": at + timedelta(hours=72)}
    proposal = put(store, **values | changed)
    later(clock, SETTLING)
    return proposal.id


def move(store: Store, proposal_id: str, state: State) -> None:
    store.write_now(lambda tx: tx.proposals.move(proposal_id, list(State), state))


def test_what_is_held_is_told_once_and_says_no_more_than_it_must(store: Store, clock: FixedClock, told: Told) -> None:
    held(store, clock, summary="Pay 4,820.00 USD to Acme", vendor_name="Acme")
    assert told.look() == [f"1 proposal waits for a person at Harbor & Pine (embedded).\n{WHERE}"]
    assert told.titles == ["rutter-ap: 1 proposal waits for a person at Harbor & Pine (embedded)"]
    later(clock, timedelta(hours=1))
    assert told.look() == []


def test_what_is_answered_in_the_chat_at_once_is_not_told(store: Store, clock: FixedClock, told: Told) -> None:
    proposal = put(store, created_at=clock.now(), expires_at=clock.now() + timedelta(hours=72))
    later(clock, SETTLING - timedelta(seconds=1))
    assert told.look() == []
    move(store, proposal.id, State.POSTED)
    later(clock, timedelta(minutes=10))
    assert told.look() == []


def test_several_are_one_message_and_the_next_waits(store: Store, clock: FixedClock, told: Told) -> None:
    held(store, clock)
    held(store, clock, company_name="Brook & Field", environment="production")
    held(store, clock)
    (text,) = told.look()
    assert text.splitlines() == [
        "1 proposal waits for a person at Brook & Field (production).",
        "2 proposals wait for a person at Harbor & Pine (embedded).",
        WHERE,
    ]
    held(store, clock)
    assert told.look() == []
    later(clock, QUIET)
    assert told.look() == [f"1 proposal waits for a person at Harbor & Pine (embedded).\n{WHERE}"]


def test_a_freeze_and_an_unknown_outcome_do_not_wait(store: Store, clock: FixedClock, told: Told) -> None:
    held(store, clock)
    assert len(told.look()) == 1
    unknown = put(store, state=State.UNKNOWN, updated_at=clock.now())
    later(clock, SETTLING)
    store.write_now(lambda tx: tx.controls.freeze("a person at the terminal"))
    (text,) = told.look()
    assert text.splitlines()[:2] == [
        "All writes are stopped.",
        "The outcome of 1 write is unknown at Harbor & Pine (embedded).",
    ]
    assert unknown.id not in text
    assert told.look() == []


def test_a_second_freeze_is_told_again(store: Store, clock: FixedClock, told: Told) -> None:
    for _ in range(2):
        store.write_now(lambda tx: tx.controls.freeze("a person at the terminal"))
        assert told.look() == [f"All writes are stopped.\n{WHERE}"]
        assert told.look() == []
        store.write_now(lambda tx: tx.controls.unfreeze())
        later(clock, timedelta(minutes=1))


def test_a_second_approver_is_asked_for(store: Store, clock: FixedClock, told: Told) -> None:
    proposal_id = held(store, clock, approvals_needed=2)
    assert len(told.look()) == 1
    store.write_now(
        lambda tx: tx.proposals.approve(
            proposal_id, "Dana", "terminal", "f" * 64, covers=frozenset(), statement="s" * 64, approver_id="d"
        )
    )
    later(clock, QUIET)
    assert told.look() == [f"1 proposal waits for a second approver at Harbor & Pine (embedded).\n{WHERE}"]


def test_it_is_told_again_before_it_expires_and_not_after(store: Store, clock: FixedClock, told: Told) -> None:
    held(store, clock)
    assert len(told.look()) == 1
    later(clock, timedelta(hours=69))
    assert told.look() == []
    later(clock, timedelta(hours=1, minutes=30))
    assert told.look() == [f"1 proposal expires soon at Harbor & Pine (embedded).\n{WHERE}"]
    later(clock, timedelta(hours=2))
    held(store, clock)
    assert told.look() == [f"1 proposal waits for a person at Harbor & Pine (embedded).\n{WHERE}"]


def test_what_fails_is_tried_later_and_later_for_a_day(
    store: Store, clock: FixedClock, told: Told, tmp_path: Path
) -> None:
    held(store, clock)
    told.problem = "no connection"
    pauses = list[timedelta]()
    for _ in range(40):
        told.look()
        ((next_at, outcome),) = seen_from_outside(
            f"sqlite:///{tmp_path / 'ap.db'}", "select next_at, outcome from notices"
        )
        if outcome:
            break
        pauses.append(unstamp(next_at) - clock.now())
        later(clock, pauses[-1])
    assert outcome == "given_up"
    assert pauses[:7] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32, 60)]
    assert timedelta(hours=24) <= sum(pauses, timedelta()) <= timedelta(hours=25)
    assert store.read_now(lambda tx: tx.notices.problem("desktop")) == "no connection"
    told.problem = ""
    later(clock, timedelta(hours=2))
    assert told.look() == []


def test_a_channel_that_works_again_tells_what_is_still_open(store: Store, clock: FixedClock, told: Told) -> None:
    over, still_open = held(store, clock), held(store, clock)
    told.problem = "no connection"
    told.look()
    assert store.read_now(lambda tx: tx.notices.problem("desktop")) == "no connection"
    move(store, over, State.DECLINED)
    told.problem = ""
    later(clock, timedelta(minutes=3))
    assert told.look() == [f"1 proposal waits for a person at Harbor & Pine (embedded).\n{WHERE}"]
    assert store.read_now(lambda tx: tx.notices.problem("desktop")) is None
    assert still_open


def test_a_channel_that_fails_holds_no_other_up(store: Store, clock: FixedClock) -> None:
    broken, works = read_addresses("https://broken.example/hook desktop")
    reached = list[str]()

    async def send(address: Address, title: str, text: str) -> None:
        reached.append(address.id)
        if address == broken:
            raise NotDelivered("no connection")

    held(store, clock)
    for _ in range(2):
        anyio.run(Notifier(store, (broken, works), where, send).tell)
    assert reached == [broken.id, works.id]


def test_of_two_processes_one_tells(store: Store, clock: FixedClock) -> None:
    first, second = Told(store), Told(store)
    held(store, clock)

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.notifier.tell)
            tasks.start_soon(second.notifier.tell)

    anyio.run(both)
    assert len(first.texts + second.texts) == 1


def test_what_a_process_claimed_that_died_is_told_by_another(store: Store, clock: FixedClock, told: Told) -> None:
    class Killed(BaseException):
        pass

    async def dies(address: Address, title: str, text: str) -> None:
        raise Killed

    held(store, clock)
    with pytest.raises(Killed):
        anyio.run(Notifier(store, (Desktop(),), where, dies).tell)
    assert told.look() == []
    later(clock, notifier.CLAIMED)
    assert len(told.look()) == 1


def test_a_companys_name_is_cleaned(store: Store, clock: FixedClock, told: Told) -> None:
    held(store, clock, company_name="Acme\n<script>\u202e" + "x" * 500)
    (text,) = told.look()
    assert len(text.splitlines()) == 2
    assert "\u202e" not in text
    assert len(text) < 200
