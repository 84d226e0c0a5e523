"""How a currency's limits are found: its own table, then the default's, then the built-in ones. None is ever missing.

What one unit of a currency is worth is not known here, so a default's amounts are in each currency's own units, and in
a currency that no table names every payment needs an approver, unless the default says above which amount.
"""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal

from pydantic import BaseModel, ConfigDict

from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import AMOUNT_PATTERN, Money, exponent_of
from rutter_ap_tools.text import clean

# The key of the table that the others inherit from; no currency has a code like it.
DEFAULT = "default"
# More than this bounds nothing in any currency: it is a mistake, or a limit that is meant not to be one.
AMOUNT_MAX = 10**12


class Table(BaseModel):
    """The base of all tables."""

    # An unknown field may be a misspelled limit, so it is an error and never ignored.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CurrencyPolicy(Table):
    """Tiers and limits for payments in one currency, as decimal strings in that currency.

    Above `approve_above` a named approver must release, above `two_approvers_above` two different ones. `single_limit`
    limits one payment; `day_limit`, `week_limit` and `month_limit` limit the company's payments in any 24 hours, 7 days
    and 30 days; `vendor_day_limit` and `vendor_month_limit` those to one vendor. An omitted field is that of
    `[currencies.default]`, and else the built-in one.
    """

    approve_above: str | None = None
    two_approvers_above: str | None = None
    single_limit: str | None = None
    day_limit: str | None = None
    week_limit: str | None = None
    month_limit: str | None = None
    vendor_day_limit: str | None = None
    vendor_month_limit: str | None = None


Tables = dict[str, CurrencyPolicy]

_BUILT_IN = CurrencyPolicy(
    approve_above="1000",
    two_approvers_above="25000",
    single_limit="100000",
    day_limit="100000",
    week_limit="500000",
    month_limit="2000000",
    vendor_day_limit="50000",
    vendor_month_limit="1000000",
)
_NOTHING_SAID = CurrencyPolicy()


def whole(tables: Tables) -> Tables:
    """The file's tables with every field, and the table of the currencies that it does not name."""
    given = tables.get(DEFAULT, _NOTHING_SAID)
    # A thousand of an unknown currency may be worth anything.
    unnamed = _over(given, _BUILT_IN.model_copy(update={"approve_above": "0"}))
    below = _over(given, _BUILT_IN)
    named = {code: _over(own, in_digits(below, code)) for code, own in tables.items() if code != DEFAULT}
    return {DEFAULT: unnamed} | named


def built_in() -> Tables:
    """The tables where there is no file, or it has none: those of currencies whose units are of like worth."""
    return whole(dict.fromkeys(("AUD", "CAD", "CHF", "EUR", "GBP", "NZD", "USD"), _BUILT_IN))


def of_company(file: Tables, own: Tables) -> Tables:
    """The file's whole tables under a company's own, which go first, field by field.

    What the file says of a currency by name is loosened only by the company's table of that currency: its default is in
    no currency's units, so it can only tighten it.
    """
    given = own.get(DEFAULT, _NOTHING_SAID)
    unnamed = _over(given, file[DEFAULT])
    tables = {DEFAULT: unnamed}
    for code in (file.keys() | own.keys()) - {DEFAULT}:
        below = in_digits(unnamed if code not in file else _stricter(given, file[code]), code)
        tables[code] = _over(own.get(code, _NOTHING_SAID), below)
    return tables


def in_digits(table: CurrencyPolicy, currency: str) -> CurrencyPolicy:
    """The table in a currency's own number of digits. What does not fit is rounded down, which is stricter."""
    unit = Decimal(1).scaleb(-exponent_of(currency))
    rounded = {name: f"{Decimal(text).quantize(unit, rounding=ROUND_DOWN):f}" for name, text in _given(table).items()}
    return table.model_copy(update=rounded)


def amount_of(text: str, currency: str) -> Money:
    """An amount in the policy. Raises a `ValueError` that names the currency, as pydantic requires."""
    try:
        exponent_of(currency)
        money = Money.parse(text, currency)
    except BadInput as error:
        raise ValueError(f"{clean(currency, 10)}: {error.message}") from None
    _check_bounds(money.amount, currency)
    return money


def fitting(tables: Tables) -> Tables:
    """The tables, after checking that each amount is valid in its currency. Raises `ValueError`."""
    for code, table in tables.items():
        amounts = {name: _amount_in(text, code) for name, text in _given(table).items()}
        if amounts.get("two_approvers_above", AMOUNT_MAX) < amounts.get("approve_above", 0):
            raise ValueError(f"{clean(code, 10)}: two_approvers_above is below approve_above")
    return tables


def _amount_in(text: str, code: str) -> Decimal:
    if code != DEFAULT:
        return amount_of(text, code).amount
    if not re.fullmatch(AMOUNT_PATTERN, text):
        raise ValueError(f'{DEFAULT}: an amount must be a decimal string such as "1234.50", without a sign or commas')
    _check_bounds(Decimal(text), code)
    return Decimal(text)


def _check_bounds(amount: Decimal, code: str) -> None:
    if amount > AMOUNT_MAX:
        raise ValueError(f"{code}: an amount of more than {AMOUNT_MAX} would limit nothing")


def _given(table: CurrencyPolicy) -> dict[str, str]:
    given: dict[str, str] = table.model_dump(exclude_none=True)
    return given


def _over(own: CurrencyPolicy, below: CurrencyPolicy) -> CurrencyPolicy:
    """`below`, which is whole, with each amount of `own`. What needs two approvers needs one, whoever said which."""
    amounts = _given(below) | _given(own)
    first, second = amounts["approve_above"], amounts["two_approvers_above"]
    return CurrencyPolicy(**amounts | {"approve_above": min(first, second, key=Decimal)})


def _stricter(one: CurrencyPolicy, other: CurrencyPolicy) -> CurrencyPolicy:
    """`other`, which is whole, with each amount of `one` that is lower."""
    lower = {name: text for name, text in _given(one).items() if Decimal(text) < Decimal(_given(other)[name])}
    return other.model_copy(update=lower)
