"""An enemy at every place at once: whatever he does, a paper is paid once, within limits, and by its people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from support.enemy import World
from support.enemy_moves import Moves
from support.postgres import Postgres, running_postgres


class AnEnemyEverywhere(RuleBasedStateMachine):
    """Every rule is a step of somebody, and checks every promise afterwards; `tests/soak/enemy.py` plays it long."""

    database_url = ""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.database_url)
        self.moves = Moves(self.world)

    def _act(self, actor: str, data: st.DataObject) -> None:
        def pick(options: Any) -> Any:
            return options[data.draw(st.integers(0, len(options) - 1))]

        before = len(self.world.said)
        try:
            self.moves.act(actor, pick)
        finally:
            note("\n".join(self.world.said[before:]))

    @initialize(data=st.data())
    def an_invoice_arrives(self, data: st.DataObject) -> None:
        self._act("clerk", data)

    @rule(data=st.data())
    def the_clerk_goes_on(self, data: st.DataObject) -> None:
        self._act("clerk", data)

    @rule(data=st.data())
    def an_approver_looks(self, data: st.DataObject) -> None:
        self._act("approver", data)

    @rule(data=st.data())
    def the_assistant_calls(self, data: st.DataObject) -> None:
        self._act("assistant", data)

    @rule(data=st.data())
    def the_assistant_calls_twice_at_once(self, data: st.DataObject) -> None:
        self._act("assistant_at_once", data)

    @rule(data=st.data())
    def a_payment_is_suspended_meanwhile(self, data: st.DataObject) -> None:
        self._act("ambush", data)

    @rule(data=st.data())
    def the_ledger_lags(self, data: st.DataObject) -> None:
        self._act("lag", data)

    @rule(data=st.data())
    def somebody_works_in_the_ledger(self, data: st.DataObject) -> None:
        self._act("user", data)

    @rule(data=st.data())
    def a_person_settles(self, data: st.DataObject) -> None:
        self._act("settles", data)

    @rule(data=st.data())
    def order_is_restored(self, data: st.DataObject) -> None:
        self._act("order", data)

    @rule(data=st.data())
    def the_operator_acts(self, data: st.DataObject) -> None:
        self._act("operator", data)

    @rule(data=st.data())
    def the_machine_room_fails(self, data: st.DataObject) -> None:
        self._act("machine_room", data)

    @rule(data=st.data())
    def a_process_wakes(self, data: st.DataObject) -> None:
        self._act("wakes", data)

    @rule(data=st.data())
    def a_process_recovers(self, data: st.DataObject) -> None:
        self._act("recovery", data)

    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        self._act("later", data)

    def teardown(self) -> None:
        """Once everything works again, the promises and the records hold."""
        try:
            self.world.settles()
        finally:
            self.world.close()


def _bounds(examples: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )


AnEnemyEverywhere.TestCase.settings = _bounds(5)
TestAnEnemyEverywhere = AnEnemyEverywhere.TestCase


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this module's own."""
    with running_postgres() as server:
        yield server


def test_an_enemy_everywhere_on_postgres(postgres: Postgres) -> None:
    class OnPostgres(AnEnemyEverywhere):
        """The same, on a database that its processes share."""

        def __init__(self) -> None:
            self._store = postgres.store_url()
            self.database_url = self._store.__enter__()
            super().__init__()

        def teardown(self) -> None:
            super().teardown()
            self._store.__exit__(None, None, None)

    run_state_machine_as_test(OnPostgres, settings=_bounds(2))


def test_a_world_in_which_nobody_is_stopped_is_caught() -> None:
    """The promises are no decoration: a payment past the guard breaks them."""
    world = World()
    moves = Moves(world)
    try:
        moves.act("clerk", lambda options: options[0])
        (bill,) = world.bills()
        for amount in ("70.00", "50.01"):
            world.rewrite("bill", bill["id"], linked_payments=[*bill["linked_payments"], _link(amount)])
            bill = world.get("bill", bill["id"])
        with pytest.raises(AssertionError, match=r"NW-3101 of 120\.00 was paid 120\.01"):
            world.promises()
    finally:
        world.close()


def _link(amount: str) -> dict[str, str]:
    return {"id": f"somebody's of {amount}", "allocated_date": "2026-03-02", "allocated_amount": amount}
