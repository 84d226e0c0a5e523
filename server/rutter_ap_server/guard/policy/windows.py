"""The rolling windows a policy can limit, defined once for the guard, `explain` and the backtest."""

from __future__ import annotations

from dataclasses import dataclass

_DAY_HOURS = 24


@dataclass(frozen=True, slots=True)
class Window:
    """Payments of one currency in the last `hours`: all of a company's, or only those to one vendor."""

    limit: str
    code: str
    hours: int
    per_vendor: bool

    @property
    def words(self) -> str:
        """What is limited, as a phrase."""
        length = f"{self.hours} hours" if self.hours == _DAY_HOURS else f"{self.hours // _DAY_HOURS} days"
        return f"payments to this vendor in {length}" if self.per_vendor else f"this company's payments in {length}"


WINDOWS = (
    Window("day_limit", "amount.over_day_limit", _DAY_HOURS, per_vendor=False),
    Window("week_limit", "amount.over_week_limit", 7 * _DAY_HOURS, per_vendor=False),
    Window("month_limit", "amount.over_month_limit", 30 * _DAY_HOURS, per_vendor=False),
    Window("vendor_day_limit", "amount.over_vendor_limit", _DAY_HOURS, per_vendor=True),
    Window("vendor_month_limit", "amount.over_vendor_limit", 30 * _DAY_HOURS, per_vendor=True),
)
