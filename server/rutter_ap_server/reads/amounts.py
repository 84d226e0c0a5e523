"""Amounts as the ledger gives them: exact in their currency, or not used at all."""

from __future__ import annotations

from decimal import Decimal

from rutter_ap_tools.errors import BadInput, OperatorError
from rutter_ap_tools.money import Money


class LedgerDataError(OperatorError):
    """The ledger shows something that cannot be judged, such as an amount finer than its currency."""

    code = "ledger.unusable"
    default_next_step = "A person must look at this record in the accounting platform."


def ledger_money(amount: Decimal | None, currency: str | None, what: str) -> Money:
    """Money out of a ledger record; `what` names it for the error.

    Raises `LedgerDataError` when the amount or currency is missing, unknown or too fine: rounding it would be a guess.
    """
    if amount is None or not currency:
        raise LedgerDataError(f"the ledger shows no {what}, or no currency for it")
    try:
        return Money.of(amount, currency)
    except BadInput:
        raise LedgerDataError(f"the ledger's {what} does not fit its currency") from None
