"""Money: an exact decimal in one currency, in that currency's own number of digits, never a float."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from rutter_ap_tools.currencies import ACTIVE, WITHDRAWN
from rutter_ap_tools.errors import BadInput

# A withdrawn code keeps its decimals: a vendor's old bills are still read and compared with new ones.
EXPONENTS: dict[str, int] = ACTIVE | {code: digits for code, (digits, _) in WITHDRAWN.items()}

AMOUNT_PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,18})?$"
_AMOUNT = re.compile(AMOUNT_PATTERN)
# Decimal's own default rounds at 28 digits without a word; here a lost digit is an error. Room for sums is left above.
_DIGITS_MAX = 45
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])


def exponent_of(currency: str) -> int:
    """How many digits the currency has after the point (ISO 4217: USD 2, JPY 0, KWD 3).

    Raises `BadInput` for an unknown code: without its exponent an amount cannot be judged.
    """
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise BadInput(
            "currency must be an ISO 4217 code in capital letters, such as USD or EUR", code="currency.unknown"
        ) from None


def require_active(currency: str) -> None:
    """Raises `BadInput` for a withdrawn or unknown currency: nothing new may be entered or paid in it."""
    if currency in WITHDRAWN:
        raise BadInput(
            f"{currency} was withdrawn in {WITHDRAWN[currency][1]}: nothing new can be entered or paid in it",
            code="currency.withdrawn",
            next_step="Ask the person which currency replaced it; correct existing bills in the ledger first.",
        )
    exponent_of(currency)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount and its currency; `amount` always carries exactly the currency's digits ("12.30", not "12.3")."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        digits = exponent_of(self.currency)
        if not self.amount.is_finite():
            raise BadInput("an amount must be a finite decimal", code="amount.not_a_number")
        if self.amount.adjusted() >= _DIGITS_MAX - digits:
            raise BadInput("the amount is too large", code="amount.not_a_number")
        try:
            whole = self.amount.quantize(Decimal(1).scaleb(-digits), context=_EXACT)
        except Inexact:
            raise BadInput(
                f"an amount in {self.currency} has at most {digits} decimal places",
                code="amount.precision",
            ) from None
        # A negative zero would print as "-0.00" and produce a different digest.
        object.__setattr__(self, "amount", whole or abs(whole))

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Parses an assistant's amount: plain digits with an optional decimal point, no sign, exponent or commas."""
        if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
            raise BadInput(
                'an amount must be a decimal string such as "1234.50", without a sign or commas',
                code="amount.not_a_number",
            )
        return cls(Decimal(text), currency)

    @classmethod
    def of(cls, amount: Decimal | str | int, currency: str) -> Money:
        """Builds money from an exact value; a float is rejected because it has already lost digits."""
        if isinstance(amount, float):
            raise TypeError("money is never built from a float")
        try:
            return cls(Decimal(amount), currency)
        except InvalidOperation:
            raise BadInput("an amount must be a decimal", code="amount.not_a_number") from None

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Zero in that currency."""
        return cls(Decimal(0), currency)

    @classmethod
    def total(cls, parts: Iterable[Money], currency: str) -> Money:
        """The sum of parts that are all in `currency`."""
        result = Decimal(0)
        for part in parts:
            if part.currency != currency:
                raise _mixed()
            result = _EXACT.add(result, part.amount)
        return cls(result, currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise _mixed()

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(_EXACT.add(self.amount, other.amount), self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(_EXACT.subtract(self.amount, other.amount), self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __gt__(self, other: Money) -> bool:
        return other < self

    def __ge__(self, other: Money) -> bool:
        return other <= self

    @property
    def text(self) -> str:
        """The amount alone, as a plain decimal string: "1234.50"."""
        return f"{self.amount:f}"

    @property
    def grouped(self) -> str:
        """For a person's screen only: "1,234.50 USD". A model might copy the comma into a call, which refuses it."""
        return f"{self.amount:,f} {self.currency}"

    def __str__(self) -> str:
        """The exact amount with its currency, for models and people alike: "1234.50 USD"."""
        return f"{self.text} {self.currency}"


def _mixed() -> BadInput:
    return BadInput("amounts in different currencies cannot be compared", code="currency.mismatch")
