"""The clock: one place that tells the time and which day it is, so that a test can."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo

STAMP_CHARACTERS = 27


class Clock:
    """The machine's clock: instants are in UTC, and days are those of a zone, the machine's own without one."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self.zone = zone

    @property
    def is_machines(self) -> bool:
        """Whether it is the machine's own, and so is to agree with everybody else's."""
        return True

    def now(self) -> datetime:
        """This instant, aware, in UTC."""
        return datetime.now(UTC)

    def today(self) -> date:
        """Today's date in the clock's zone."""
        return self.now().astimezone(self.zone).date()

    @property
    def zone_name(self) -> str:
        """The zone, for people."""
        return str(self.zone) if self.zone else f"the machine's own zone, {self.now().astimezone():%Z}"

    def in_zone(self, zone: tzinfo | None) -> Clock:
        """The same clock with the days of another zone; itself without one."""
        return self if zone is None else _ZonedClock(self, zone)


class FixedClock(Clock):
    """A clock that does not move until it is set, for tests and recordings; in UTC whatever the machine's zone."""

    def __init__(self, now: datetime, zone: tzinfo = UTC) -> None:
        super().__init__(zone)
        self.instant = now

    @property
    def is_machines(self) -> bool:
        """It is set by hand."""
        return False

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.instant


class _ZonedClock(Clock):
    """Another clock's instants, with the days of a zone."""

    def __init__(self, clock: Clock, zone: tzinfo) -> None:
        super().__init__(zone)
        self._clock = clock

    @property
    def is_machines(self) -> bool:
        """Whether the other clock is."""
        return self._clock.is_machines

    def now(self) -> datetime:
        """The other clock's instant."""
        return self._clock.now()


def stamp(instant: datetime) -> str:
    """An instant as the store writes it: fixed width, so that texts sort as times do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def unstamp(text: str) -> datetime:
    """The instant of a `stamp`."""
    if len(text) != STAMP_CHARACTERS or text[-1] != "Z":
        raise ValueError("not a stamp")
    return datetime.fromisoformat(text)
