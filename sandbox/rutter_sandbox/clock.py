"""Moments as the wire writes them, and a clock that never gives the same moment twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

_NOON = time(12, 0, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def stamp(milliseconds: int) -> str:
    """ISO 8601 UTC with milliseconds, the only form in which moments are stored: it sorts as text."""
    moment = datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def day_stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"


def noon_of(day: date) -> int:
    return _since_epoch(datetime.combine(day, _NOON))


def milliseconds_of(moment: str) -> int:
    return _since_epoch(datetime.fromisoformat(moment))


def day_of(moment: str) -> date:
    return date.fromisoformat(moment[:10])


def parse_moment(text: str) -> str:
    """Read a date or an ISO 8601 timestamp into the stored form. Raises ValueError on anything else."""
    if not text or not text[0].isdigit() or "W" in text:
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(text) from None
    if not 1970 <= moment.year <= 2199:
        raise ValueError(text)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def real_milliseconds() -> int:
    return _since_epoch(datetime.now(UTC))


def http_date(seconds_ahead: int = 0) -> str:
    """The time as the `Date` header writes it, on a clock that many seconds ahead."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds_ahead)
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


def utc_today() -> date:
    return datetime.now(UTC).date()


def days_from(day: date, days: int) -> date:
    return day + timedelta(days=days)


def _since_epoch(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
