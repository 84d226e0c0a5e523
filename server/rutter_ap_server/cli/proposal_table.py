"""The list of proposals at a terminal: a table for each kind of books, so that practice never looks like real money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rutter_ap_server.cli.output import line, money
from rutter_ap_server.cli.screen import show_table
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.text import clean

# Real books first.
_BOOKS = {
    "production": "PRODUCTION: real books",
    "sandbox": "Rutter's sandbox: test books",
    "embedded": "Practice company: not real books",
}
_HEADS = ("id", "age", "state", "company", "amount", "released", "expires", "what", "prepared by")
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
# Enough of an id to type; every command takes a prefix.
ID_CHARACTERS = 8


def show_books(found: Sequence[Proposal], counts: Mapping[str, int], now: datetime) -> None:
    """The proposals, one table for each environment; `counts` are the people who have released each."""
    for environment, title in _BOOKS.items():
        rows = [_row(one, counts.get(one.id, 0), now) for one in found if one.environment == environment]
        if rows:
            line(title)
            show_table(_HEADS, rows)


def _row(one: Proposal, released: int, now: datetime) -> tuple[str, ...]:
    late = one.state == State.HELD and one.expires_at <= now
    return (
        one.id[:ID_CHARACTERS],
        length_of(now - one.created_at),
        "expired" if late else one.state.value,
        f"{clean(one.company_name, 60)} ({one.environment})",
        money(one.money) if one.money else "",
        f"{released} of {one.approvals_needed}" if one.approvals_needed else "not needed",
        f"in {length_of(one.expires_at - now)}" if one.state == State.HELD and not late else "",
        clean(one.summary, 1000),
        clean(one.preparer, 100),
    )


def length_of(time: timedelta) -> str:
    """A length of time in its largest unit: 3 d, 5 h, 12 min."""
    if time >= 2 * _DAY:
        return f"{time // _DAY} d"
    if time >= 2 * _HOUR:
        return f"{time // _HOUR} h"
    return f"{max(time // timedelta(minutes=1), 0)} min"
