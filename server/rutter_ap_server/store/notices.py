"""Notices: what people are told, one row for each channel and matter, kept until it got through or is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.schema import notices

# As long as anything stays open; a matter is told of once in this time.
KEPT = timedelta(days=60)
_FAILED_LATELY = timedelta(hours=24)


class Kind(StrEnum):
    """Why a person is told."""

    HELD = "held"
    SECOND = "second"
    EXPIRING = "expiring"
    UNKNOWN = "unknown"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing to tell: `about` is the proposal, or the freeze, which is of no company."""

    kind: Kind
    about: str
    company_name: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A matter on its way by one channel; `attempts` is how often that failed."""

    id: int
    matter: Matter
    at: datetime
    attempts: int


class Notices:
    """Reads and writes inside the caller's transaction. A channel is known by an id that holds no secret."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def told(self, channel: str) -> set[tuple[str, str]]:
        """The kind and subject of every matter that a channel was told of, or will be."""
        query = select(notices.c.kind, notices.c.about).where(notices.c.channel == channel)
        return {(row.kind, row.about) for row in self._connection.execute(query)}

    def add(self, channel: str, matter: Matter) -> None:
        """Notes that a channel is to be told; forgets what was long ago."""
        self._connection.execute(delete(notices).where(notices.c.at < stamp(self._now - KEPT)))
        values = {
            "channel": channel,
            "kind": matter.kind,
            "about": matter.about,
            "company_name": matter.company_name,
            "environment": matter.environment,
            "at": stamp(self._now),
            "next_at": stamp(self._now),
        }
        self._connection.execute(insert(notices).values(**values))

    def due(self, channel: str) -> list[Notice]:
        """What is to be delivered by now, oldest first."""
        c = notices.c
        query = select(notices).where(c.channel == channel, c.outcome.is_(None), c.next_at <= stamp(self._now))
        rows = self._connection.execute(query.order_by(c.id))
        return [one for one in map(_notice, rows) if one is not None]

    def last_sent(self, channel: str) -> datetime | None:
        """When a channel last delivered something."""
        query = select(func.max(notices.c.settled_at).label("at")).where(
            notices.c.channel == channel, notices.c.outcome == "sent"
        )
        at = self._connection.execute(query).one().at
        return _instant(at)

    def problem(self, channel: str) -> str | None:
        """Why a channel does not deliver; None if its last delivery got through or it never had one."""
        c = notices.c
        tried = select(c.problem, c.outcome).where(c.channel == channel, (c.attempts > 0) | (c.outcome == "sent"))
        lately = c.outcome.is_(None) | (c.settled_at >= stamp(self._now - _FAILED_LATELY))
        row = self._connection.execute(
            tried.where(lately, c.outcome.is_distinct_from("over")).order_by(c.id.desc())
        ).first()
        return str(row.problem) if row is not None and row.outcome != "sent" else None

    def postpone(self, ids: Collection[int], until: datetime, problem: str | None = None) -> None:
        """Tries them again then; `problem` is why that failed just now."""
        values: dict[str, Any] = {"next_at": stamp(until)}
        if problem is not None:
            values |= {"problem": problem, "attempts": notices.c.attempts + 1}
        self._update(ids, values)

    def sent(self, ids: Collection[int]) -> None:
        """They got through."""
        self._settle(ids, "sent")

    def over(self, ids: Collection[int]) -> None:
        """Nobody needs to be told any more."""
        self._settle(ids, "over")

    def give_up(self, ids: Collection[int], problem: str) -> None:
        """They did not get through for too long."""
        self._update(ids, {"problem": problem})
        self._settle(ids, "given_up")

    def _settle(self, ids: Collection[int], outcome: str) -> None:
        self._update(ids, {"outcome": outcome, "settled_at": stamp(self._now)})

    def _update(self, ids: Collection[int], values: dict[str, Any]) -> None:
        if ids:
            self._connection.execute(update(notices).where(notices.c.id.in_(list(ids))).values(**values))


def _notice(row: Row[Any]) -> Notice | None:
    """None for one that was edited by hand: it is not delivered, and holds no other up."""
    at, is_counted = _instant(row.at), isinstance(row.attempts, int)
    if at is None or not is_counted or row.kind not in set(Kind):
        return None
    return Notice(row.id, Matter(Kind(row.kind), row.about, row.company_name, row.environment), at, row.attempts)


def _instant(text: object) -> datetime | None:
    try:
        return unstamp(str(text))
    except ValueError:
        return None
