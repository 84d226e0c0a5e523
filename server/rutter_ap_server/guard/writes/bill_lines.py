"""The lines of a bill in the ledger: a release is bound to all of them, and people are shown where they are booked."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import to_builtins

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.writes.wording import names_for, names_in, plain
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.store.canonical import canonical, digest

Booked = tuple[tuple[str, str], ...]
"""The accounts of a bill's lines by id, each with what is booked to it; "not shown" if a line has no amount."""


def bound_lines(bill: Bill) -> str:
    """The hash of every line with all that the ledger says of it, in any order, since platforms use their own."""
    return digest(sorted(canonical(_plain(to_builtins(line, builtin_types=(Decimal,)))) for line in bill.line_items))


def booked_to(bill: Bill) -> Booked:
    """The accounts that the lines are booked to, in the order of the lines."""
    sums: dict[str, Decimal | None] = {}
    for line in bill.line_items:
        before, amount = sums.get(line.account_id or "", Decimal(0)), line.total_amount
        sums[line.account_id or ""] = None if before is None or amount is None else before + amount
    return tuple((account, "not shown" if amount is None else f"{amount:f}") for account, amount in sums.items())


async def booked_names(company: Company, booked: Booked) -> dict[str, str]:
    """The names of these accounts, by id."""
    return await names_for(company, [("account", account) for account, _ in booked if account])


def booked_words(booked: Booked, currency: str, names: Mapping[str, str]) -> str:
    """Where the lines are booked, for people."""
    parts = (
        f"{amount} {plain(currency)} to {names_in(names, account) if account else 'no account'}"
        for account, amount in booked
    )
    return "; ".join(parts) or "the bill shows no lines"


def _plain(value: Any) -> Any:
    """One form for equal values: 10.0 and 10.00 are one amount. A platform's own id of a line says nothing of it."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if key != "platform_id"}
    return [_plain(one) for one in value] if isinstance(value, list) else value
