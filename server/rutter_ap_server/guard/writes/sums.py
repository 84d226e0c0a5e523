"""What a document comes to with its tax, so that what is released is what the ledger should book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.parties import NAME_CHARACTERS_MAX
from rutter_ap_server.guard.writes.wording import Fields, Row, plain
from rutter_ap_server.reads.amounts import LedgerDataError, ledger_money
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_server.rutter.models.bills import BillLine
from rutter_ap_server.rutter.models.terms import TaxRate
from rutter_ap_tools.money import Money, exponent_of
from rutter_ap_tools.text import clean

_SUMS = ("net", "tax", "gross")
Line = Mapping[str, Any]
"""A prepared line: its `amount`, and the id of its `tax_rate` if it has one."""


@dataclass(frozen=True, slots=True)
class TaxFact:
    """A tax rate as the ledger shows it now; `percent` is None if the ledger does not say it, or not clearly."""

    id: str
    name: str
    status: str
    percent: Decimal | None

    @property
    def binding(self) -> dict[str, Any]:
        """What an approval is bound to."""
        rate = None if self.percent is None else f"{self.percent.normalize():f}"
        return {"id": self.id, "name": self.name, "status": self.status, "rate": rate}


@dataclass(frozen=True, slots=True)
class ExpectedSums:
    """What a document comes to; a sum that is not known is None, and `unknown` says why.

    Every line's tax is rounded half up. A ledger that rounds the tax of the whole document instead comes to something
    else by less than one minor unit for each of the `taxed_lines`.
    """

    net: Money | None
    tax: Money | None
    gross: Money | None
    unknown: str
    taxed_lines: int = 0

    @property
    def binding(self) -> dict[str, Any]:
        """What an approval is bound to, and what is kept with a prepared write."""
        shown = {"net": self.net, "tax": self.tax, "gross": self.gross}
        kept = {name: money.text if money else "" for name, money in shown.items()}
        return kept | {"unknown": self.unknown, "taxed_lines": self.taxed_lines}

    @classmethod
    def of(cls, prepared: PreparedWrite) -> ExpectedSums | None:
        """The sums a write was prepared with; None for one that has none, such as an update of a memo."""
        kept = prepared.fields.get("expected")
        if kept is None:
            return None
        currency = prepared.fields["currency"]
        net, tax, gross = (Money.of(kept[one], currency) if kept[one] else None for one in ("net", "tax", "gross"))
        return cls(net, tax, gross, kept["unknown"], kept["taxed_lines"])


def sums_rows(said: Fields, currency: str, rates: Sequence[TaxFact]) -> list[Row]:
    """What a document comes to, in words, and what its lines mean."""
    kept = said.take("expected") or {}
    inclusive, total = said.take("tax_inclusive"), said.take("total")
    shown = [
        (name.capitalize(), f"{plain(kept[name])} {plain(currency)}" if kept[name] else "not known")
        for name in _SUMS
        if kept
    ]
    percents = (f"{one.name} {one.binding['rate'] or 'not shown'} %" for one in rates)
    rows = [
        *shown,
        ("Amounts on the lines", "include tax" if inclusive else "are without tax"),
        ("Total on the document", f"{plain(total)} {plain(currency)}" if total else "not given"),
        ("Tax rates", "; ".join(percents) or "none"),
    ]
    if kept.get("unknown"):
        rows.append(("Tax cannot be known", plain(kept["unknown"])))
    if kept.get("taxed_lines"):
        rows.append(("Lines with tax", plain(kept["taxed_lines"])))
    return rows


@dataclass(frozen=True, slots=True)
class Shown:
    """The amounts a document in the ledger shows."""

    total: Money
    net: Money | None
    others: tuple[Decimal, ...]


def tax_fact(rate: TaxRate) -> TaxFact:
    """Facts of a tax rate."""
    name = clean(rate.label or rate.label_code or rate.id, NAME_CHARACTERS_MAX)
    return TaxFact(rate.id, name, rate.status or "unknown", None if rate.trouble else _percent(rate))


def _percent(rate: TaxRate) -> Decimal | None:
    """The rate that purchases are taxed at, or None where the ledger's figures leave a doubt."""
    whole = rate.effective_tax_rate
    if whole is None and not any(part.is_compound for part in rate.components):
        whole = rate.total_tax_rate
    bought = rate.additional_fields.purchase_total_tax_rate if rate.additional_fields else None
    if bought not in (None, rate.total_tax_rate, whole):
        # The figures above are for sales, or for both sides together; a compound part would not be in this one.
        whole = None if any(part.is_compound for part in rate.components) else bought
    return whole if whole is not None and whole >= 0 else None


def expected_sums(
    lines: Sequence[Line], currency: str, rates: Mapping[str, TaxFact], *, inclusive: bool, unknown: str = ""
) -> ExpectedSums:
    """The sums of these lines; `unknown` is a reason why the ledger's tax cannot be known whatever the lines say."""
    stated = [Money.parse(line["amount"], currency) for line in lines]
    whole = Money.total(stated, currency)
    found = [rates.get(line.get("tax_rate", "")) for line in lines]
    reason = unknown or _reason(found)
    if reason:
        return ExpectedSums(None if inclusive else whole, None, whole if inclusive else None, reason)
    percents = [Fraction(one.percent) for one in found if one is not None and one.percent is not None]
    taxes = [
        _tax_within(amount, percent) if inclusive else _tax_on(amount, percent)
        for amount, percent in zip(stated, percents, strict=True)
    ]
    tax = Money.total(taxes, currency)
    net = whole - tax if inclusive else whole
    return ExpectedSums(net, tax, net + tax, "", sum(percent > 0 for percent in percents))


def _reason(found: Sequence[TaxFact | None]) -> str:
    if any(one is None for one in found):
        return "a line has no tax rate, so the ledger may add its own tax"
    unclear = next((one for one in found if one is not None and one.percent is None), None)
    return f"the ledger does not clearly say the rate of {unclear.name}" if unclear else ""


def _tax_on(net: Money, percent: Fraction) -> Money:
    return _rounded(Fraction(net.amount) * percent / 100, net.currency)


def _tax_within(gross: Money, percent: Fraction) -> Money:
    return gross - _rounded(Fraction(gross.amount) * 100 / (100 + percent), gross.currency)


def _rounded(amount: Fraction, currency: str) -> Money:
    digits = exponent_of(currency)
    minor = (amount * 10**digits + Fraction(1, 2)).__floor__()
    return Money.of(Decimal(minor).scaleb(-digits), currency)


async def read_sums(
    lines: Sequence[Line], currency: str, company: Company, *, inclusive: bool, unknown: str = ""
) -> tuple[ExpectedSums, tuple[TaxFact, ...]]:
    """The sums, and the tax rates on the lines as the ledger shows them now."""
    named = sorted({line["tax_rate"] for line in lines if line.get("tax_rate")})
    rates = [tax_fact(await company.rutter.tax_rates.get(one)) for one in named]
    if rates and abilities_of(company.platform).support("bills", "tax_rate") is not Support.YES:
        platform = clean(company.platform, 40)
        unknown = unknown or f"Rutter does not document whether {platform} takes the tax rate of a line"
    sums = expected_sums(lines, currency, {one.id: one for one in rates}, inclusive=inclusive, unknown=unknown)
    return sums, tuple(rates)


def sum_fields(sums: ExpectedSums, total: Money | None, *, inclusive: bool) -> dict[str, Any]:
    """What a prepared write keeps of its sums; `expected` is ours and not part of the request."""
    asked = ({"tax_inclusive": True} if inclusive else {}) | ({"total": total.text} if total else {})
    return asked | {"expected": sums.binding}


def total_of(prepared: PreparedWrite) -> Money | None:
    """The document's own total, if it was given."""
    text = prepared.fields.get("total")
    return Money.parse(text, prepared.fields["currency"]) if text else None


def released_amount(sums: ExpectedSums, total: Money | None) -> Money:
    """What people release: the gross, or else the document's own total, but never less than the lines say."""
    if sums.gross is not None:
        return sums.gross
    assert sums.net is not None
    return max(total, sums.net) if total is not None else sums.net


def sums_words(sums: ExpectedSums, total: Money | None) -> str:
    """The amount for people, with how sure it is: "118.54 USD (108.88 net + 9.66 tax)"."""
    released = released_amount(sums, total)
    if sums.gross is not None:
        parts = f"{sums.net.text} net + {sums.tax.text} tax" if sums.net and sums.tax else "tax included"
        return f"{released} ({parts})"
    if total is None or total != released:
        return f"{released} before tax, if the ledger adds any,"
    lines = "" if total == sums.net else f"; its lines add up to {sums.net} before tax"
    return f"{released} (the document's total{lines})"


def is_same_amount(ours: ExpectedSums, total: Money | None, other_total: Money | None, other_net: Money | None) -> bool:
    """Whether two documents are for one amount: gross compared with gross, and net with net.

    Where our gross is not known, our net is compared with both: the other one may have been entered either way.
    """
    gross = ours.gross or total
    pairs = [(gross, other_total), (ours.net, other_net)]
    if ours.gross is None:
        pairs.append((ours.net, other_total))
    return any(one is not None and other is not None and _near(one, other, ours.taxed_lines) for one, other in pairs)


def _near(one: Money, other: Money, minor_units: int) -> bool:
    if one.currency != other.currency:
        return False
    return abs(one.amount - other.amount) <= minor_units * Decimal(1).scaleb(-exponent_of(one.currency))


def shown_amounts(
    total: Money, sub_total: Decimal | None, tax_amount: Decimal | None, lines: Sequence[BillLine]
) -> Shown:
    """What a document in the ledger shows. Its net is its own subtotal, or follows from its tax or its lines."""
    of_lines = [
        sum((part for part in parts if part is not None), Decimal(0))
        for parts in ([line.sub_total for line in lines], [line.total_amount for line in lines])
        if parts and None not in parts
    ]
    has_subtotals = bool(lines) and all(line.sub_total is not None for line in lines)
    net = sub_total
    if net is None and tax_amount is not None:
        net = total.amount - tax_amount
    if net is None and has_subtotals:
        net = of_lines[0]
    try:
        exact = ledger_money(net, total.currency, "net amount")
    except LedgerDataError:
        exact = None
    return Shown(total, exact, tuple(one for one in (sub_total, net, *of_lines) if one is not None))


def may_be_booked_as(prepared: PreparedWrite, shown: Shown) -> bool:
    """Whether a document with these amounts can be the one that was sent, whatever tax the ledger put on it."""
    assert prepared.money is not None
    sums = ExpectedSums.of(prepared) or ExpectedSums(prepared.money, None, None, "")
    wanted = [one.amount for one in (prepared.money, total_of(prepared), sums.net, sums.gross) if one is not None]
    slack = sums.taxed_lines * Decimal(1).scaleb(-exponent_of(prepared.money.currency))
    return any(abs(one - other) <= slack for one in wanted for other in (shown.total.amount, *shown.others))


def difference_from_released(prepared: PreparedWrite, booked: Money, tax: Decimal | None) -> str | None:
    """How what the ledger booked differs from what was released, in words; None if it does not.

    A cent of rounding counts only against a total that the document itself states.
    """
    released = prepared.money
    if released is None:
        return None
    sums, total = ExpectedSums.of(prepared), total_of(prepared)
    is_sure = sums is not None and sums.gross is not None
    if _near(released, booked, sums.taxed_lines if sums is not None and is_sure and total is None else 0):
        return None
    untaxed = "" if is_sure or total == released else " before tax"
    with_tax = f", {tax:f} of it tax" if tax else ""
    return f"{released}{untaxed} was released, but the ledger booked {booked}{with_tax}"
