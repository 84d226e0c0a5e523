"""Rutter's time is known by the date of its answers, as exactly as they tell it, and whatever is done to our clock."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from rutter_ap_server.rutter import errors
from rutter_ap_server.rutter.their_time import Difference, TheirTime
from support.scripted_upstream import TOKEN, Scripted, answer, client_for

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
AT_NOON = "Mon, 30 Nov 2026 12:00:00 GMT"


class Steady:
    """A steady clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 500.0

    def __call__(self) -> float:
        return self.seconds


def told(date: str | None = AT_NOON, *, took_seconds: float = 0.0) -> tuple[TheirTime, Steady]:
    """An answer with that date has just arrived."""
    steady = Steady()
    time = TheirTime(steady)
    asked_at = steady.seconds
    steady.seconds += took_seconds
    time.note(date, asked_at)
    return time, steady


def test_the_difference_is_known_to_the_second_and_the_duration() -> None:
    time, _ = told(took_seconds=30)
    assert time.difference(NOON) == Difference(-31.0, 0.0)
    assert time.difference(NOON + timedelta(seconds=200)) == Difference(169.0, 200.0)


def test_time_goes_on_after_the_answer() -> None:
    time, steady = told()
    steady.seconds += 3600
    assert time.difference(NOON + timedelta(hours=1)) == Difference(-1.0, 0.0)


def test_a_clock_set_after_the_answer_is_noticed_at_once() -> None:
    time, steady = told()
    steady.seconds += 5
    for jump in (timedelta(minutes=10), timedelta(minutes=-10)):
        difference = time.difference(NOON + timedelta(seconds=5) + jump)
        assert difference is not None
        assert difference.is_too_far


@pytest.mark.parametrize(
    ("seconds", "is_too_far"),
    [(119.9, False), (121, False), (121.1, True), (-119.9, False), (-120, False), (-120.1, True)],
)
def test_more_than_two_minutes_beyond_doubt_are_too_far(seconds: float, is_too_far: bool) -> None:
    difference = told()[0].difference(NOON + timedelta(seconds=seconds))
    assert difference is not None
    assert difference.is_too_far is is_too_far


def test_an_answer_that_took_long_leaves_more_in_doubt() -> None:
    difference = told(took_seconds=90)[0].difference(NOON + timedelta(seconds=200))
    assert difference is not None
    assert not difference.is_too_far
    assert str(difference) == "154 s ahead of Rutter's, give or take 46 s"


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 31 Feb 2026 12:00:00 GMT", "\ud800", "1", "0" * 5000])
def test_an_unreadable_date_tells_nothing(date: str | None) -> None:
    assert told(date)[0].difference(NOON) is None
    time, _ = told()
    time.note(date, 500.0)
    assert time.difference(NOON) == Difference(-1.0, 0.0)


@pytest.mark.parametrize(
    "date", [AT_NOON, "Monday, 30-Nov-26 12:00:00 GMT", "Mon Nov 30 12:00:00 2026", "Mon, 30 Nov 2026 12:00:00 -0000"]
)
def test_every_form_of_a_date_is_read(date: str) -> None:
    assert told(date)[0].difference(NOON) == Difference(-1.0, 0.0)


@pytest.mark.parametrize("status", [200, 404, 450, 502])
async def test_the_date_of_every_answer_counts_but_a_caches(status: int) -> None:
    def answers(**headers: str) -> list[httpx.Response]:
        return [answer(status, {"connections": []}, date=AT_NOON, **headers) for _ in range(4)]

    for headers, is_known in (({}, True), ({"age": "900"}, False)):
        async with client_for(Scripted(*answers(**headers))) as client:
            with suppress(errors.RutterError):
                await client.connections.list()
            known = client.connection(TOKEN).time.difference(NOON)
            assert (known is not None) is is_known
            assert client.time.difference(NOON) is None or is_known
