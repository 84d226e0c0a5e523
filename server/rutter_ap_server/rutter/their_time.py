"""Rutter's time, by the `Date` of its answers (RFC 9110 §6.6.1): a clock beside ours that nobody here can set.

It is kept against the steady clock and not against the wall clock, so that a wall clock which is set after the last
answer is noticed at once. What one answer tells is an interval: it was made between our request and its arrival, in a
second of which the fraction is not told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from rutter_ap_server.rutter.limiter import Clock

APART_SECONDS_MAX: Final = 120


def steady_seconds() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps where the system has one that does."""
    source = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if source is None else time.clock_gettime(source)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a clock is ahead of Rutter's, in seconds: at least and at most; negative when it is behind."""

    least: float
    most: float

    @property
    def is_too_far(self) -> bool:
        """Whether they are more than two minutes apart beyond doubt."""
        return self.least > APART_SECONDS_MAX or self.most < -APART_SECONDS_MAX

    def __str__(self) -> str:
        middle, doubt = (self.least + self.most) / 2, (self.most - self.least) / 2
        side = "ahead of" if middle > 0 else "behind"
        return f"{abs(middle):.0f} s {side} Rutter's, give or take {doubt:.0f} s"


class TheirTime:
    """What the latest answer with a readable date told; nothing until there was one."""

    def __init__(self, steady: Clock = steady_seconds) -> None:
        self.steady = steady
        # The least and the most that Rutter's time is ahead of the steady clock.
        self._ahead: tuple[float, float] | None = None

    def note(self, date: str | None, asked_at: float) -> None:
        """Keeps what the date of an answer tells that has just arrived; `asked_at` is by the steady clock."""
        told = http_date(date)
        if told is not None:
            moment = told.timestamp()
            self._ahead = (moment - self.steady(), moment + 1 - asked_at)

    def difference(self, now: datetime) -> Difference | None:
        """How far a clock that shows `now` is ahead; None while Rutter's time is not known."""
        if self._ahead is None:
            return None
        shown, (least, most) = now.timestamp() - self.steady(), self._ahead
        return Difference(shown - most, shown - least)


def http_date(text: str | None) -> datetime | None:
    """A date as HTTP writes it (RFC 9110 §5.6.7); None for anything else."""
    try:
        moment = parsedate_to_datetime(text or "")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
