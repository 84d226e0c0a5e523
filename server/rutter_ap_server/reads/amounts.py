"""Amounts read from the ledger, used only where they are certain; a record that cannot be used is named, not hidden."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.rutter.models.bills import BILL_STATUSES
from rutter_ap_tools.errors import BadInput, OperatorError
from rutter_ap_tools.money import Money, exponent_of
from rutter_ap_tools.text import clean, quote

_NAMED_MAX = 10
_WIDE = Context(prec=60)


class LedgerDataError(OperatorError):
    """The ledger holds a value that cannot be used, such as an amount with too many decimals for its currency."""

    code = "ledger.unusable"
    default_next_step = "A person must check this record in the accounting platform."


def ledger_money(amount: Decimal | None, currency: str | None, what: str) -> Money:
    """Money from a ledger record; `what` names the amount in the error.

    Some platforms compute in floats, and show 9.340000000001 for 9.34: less than half a minor unit is rounded away.
    Raises `LedgerDataError` when the amount or currency is missing or unknown, or when it is not clear which of two
    amounts is meant (1234.5 JPY): rounding that would be a guess.
    """
    if amount is None:
        raise LedgerDataError(f"the ledger has no {what}")
    if not currency:
        raise LedgerDataError(f"the ledger has no currency for its {what}")
    try:
        return Money.of(amount, currency)
    except BadInput as error:
        if error.error_code == "currency.unknown":
            words = f"the currency of the ledger's {what}, {quote(currency, 12)}, is not in ISO 4217"
            raise LedgerDataError(words) from None
        nearest = _nearest(amount, currency)
    if nearest is None:
        raise LedgerDataError(f"the ledger's {what} of {clean(str(amount), 40)} is not valid in {currency}")
    return nearest


def readable_money(amount: Decimal | None, currency: str | None) -> Money | None:
    """The amount, or None where the ledger's figures cannot be used and nothing depends on them."""
    try:
        return ledger_money(amount, currency, "amount")
    except LedgerDataError:
        return None


def _nearest(amount: Decimal, currency: str) -> Money | None:
    """The amount without a residue of less than half a minor unit; None for anything else."""
    digits = exponent_of(currency)
    try:
        rounded = Money.of(amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN, _WIDE), currency)
    except (ArithmeticError, BadInput):
        return None
    # As fractions, because no context holds every digit that JSON may carry.
    residue = abs(Fraction(amount) - Fraction(rounded.amount))
    return rounded if residue * 2 * 10**digits < 1 else None


def is_amount(shown: Decimal | None, money: Money) -> bool:
    """Whether the ledger shows this amount, but for what a platform that computes in floats adds to it."""
    try:
        return ledger_money(shown, money.currency, "amount") == money
    except LedgerDataError:
        return False


def require_usable(record: Record) -> None:
    """Raises `LedgerDataError` for a record with fields that cannot be read: what it really says is not known."""
    if record.trouble:
        raise LedgerDataError(record.trouble)


def is_unclear(status: str) -> bool:
    """Whether a status says nothing of whether a document is unpaid: none that Rutter documents, or its "unknown"."""
    return status == "unknown" or status not in BILL_STATUSES


def require_clear(record: Record, status: str) -> None:
    """Raises `LedgerDataError` for a record that cannot be used, or of which nobody knows whether it is unpaid."""
    require_usable(record)
    if is_unclear(status):
        raise LedgerDataError(f"its status {quote(status, 30)} does not say whether it is unpaid")


def rounding_words(pairs: Iterable[tuple[str, Decimal | None, Money]]) -> str:
    """What was rounded of a record, as "total 9.340000000001 read as 9.34 USD"; empty if nothing."""
    changed = [
        f"{what} {clean(str(shown), 40)} read as {money}"
        for what, shown, money in pairs
        if shown is not None and shown != money.amount
    ]
    return ", ".join(changed)


@dataclass(slots=True)
class SetAside:
    """The records of one read that cannot be used, each named with the reason, so that the rest can go on.

    `kind` is "Bill". Only the first few are named; all of them are counted.
    """

    kind: str
    why: dict[str, str] = field(default_factory=dict)

    def add(self, record: Record, error: LedgerDataError) -> None:
        """Sets a record aside. One that was met before is counted once."""
        number = quote(record_number(record), 60)
        name = f"{clean(record.id, 100) or 'without an id'}{f' ({number})' if number else ''}"
        self.why.setdefault(name, error.message)

    def __len__(self) -> int:
        return len(self.why)

    @property
    def notes(self) -> list[str]:
        """One sentence for each, and one for those that are not named."""
        named = list(self.why.items())[:_NAMED_MAX]
        said = [f"{self.kind} {name} was left out: {why}." for name, why in named]
        rest = len(self.why) - len(named)
        return [*said, f"{rest} more were left out because they cannot be used."] if rest else said


def record_number(record: Record) -> str:
    """The number of a document, or else the name of a record; empty if it has none that can be read."""
    return getattr(record, "document_number", None) or record.label or record.label_code
