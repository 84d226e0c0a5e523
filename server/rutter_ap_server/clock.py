"""The clock: one place that tells the time, so that a test can."""

from __future__ import annotations

from datetime import UTC, date, datetime

STAMP_CHARACTERS = 27


class Clock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """This instant, aware, in UTC."""
        return datetime.now(UTC)

    def today(self) -> date:
        """Today's date in UTC."""
        return self.now().date()


class FixedClock(Clock):
    """A clock that does not move until it is set, for tests and recordings."""

    def __init__(self, now: datetime) -> None:
        self.instant = now

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.instant


def stamp(instant: datetime) -> str:
    """An instant as the store writes it: fixed width, so that texts sort as times do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def unstamp(text: str) -> datetime:
    """The instant of a `stamp`."""
    if len(text) != STAMP_CHARACTERS or text[-1] != "Z":
        raise ValueError("not a stamp")
    return datetime.fromisoformat(text)
