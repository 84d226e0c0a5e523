"""Amounts read from the ledger, used only when they are exact in their currency."""

from __future__ import annotations

from decimal import Decimal

from rutter_ap_tools.errors import BadInput, OperatorError
from rutter_ap_tools.money import Money


class LedgerDataError(OperatorError):
    """The ledger holds a value that cannot be used, such as an amount with too many decimals for its currency."""

    code = "ledger.unusable"
    default_next_step = "A person must check this record in the accounting platform."


def ledger_money(amount: Decimal | None, currency: str | None, what: str) -> Money:
    """Money from a ledger record; `what` names the amount in the error.

    Raises `LedgerDataError` when the amount or currency is missing or unknown, or the amount has too many decimals:
    rounding it would be a guess.
    """
    if amount is None or not currency:
        raise LedgerDataError(f"the ledger has no {what}, or no currency for it")
    try:
        return Money.of(amount, currency)
    except BadInput:
        raise LedgerDataError(f"the ledger's {what} is not valid in its currency") from None
