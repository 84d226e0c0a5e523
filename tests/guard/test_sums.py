"""What a document comes to: exact in every currency, known only where the ledger says every rate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes import sums_rules as rules
from rutter_ap_server.guard.writes.base import ability_of
from rutter_ap_server.guard.writes.create_bill_rules import BillFacts, bill_similar
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_server.guard.writes.sums import (
    ExpectedSums,
    TaxFact,
    difference_from_released,
    expected_sums,
    is_same_amount,
    may_be_booked_as,
    released_amount,
    shown_amounts,
    sum_fields,
    sums_words,
    tax_fact,
)
from rutter_ap_server.rutter.abilities import Support
from rutter_ap_server.rutter.models.terms import TaxComponent, TaxRate, TaxRateExtras
from rutter_ap_server.rutter.platforms import PLATFORMS, named
from rutter_ap_server.store.documents import Document
from rutter_ap_tools.money import Money, exponent_of
from rutter_sandbox.money import tax_on_net, tax_within_gross, to_minor
from support.facts import a_prepared_write, a_vendor, usd

CURRENCIES = ("USD", "EUR", "JPY", "KWD", "CLP", "BHD")
FIVE = TaxFact("t5", "Utility Tax 5%", "active", Decimal(5))
ODD = TaxFact("t8", "Sales tax", "active", Decimal("8.875"))
UNCLEAR = TaxFact("t?", "Odd tax", "active", None)
RATES = {rate.id: rate for rate in (FIVE, ODD, UNCLEAR)}
percents = st.decimals(min_value=0, max_value=100, places=4)
currencies = st.sampled_from(CURRENCIES)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[tuple[Money, Decimal]]]:
    """A currency, and lines with their amounts and rates."""
    currency = draw(currencies)
    minors = draw(st.lists(st.tuples(st.integers(0, 10**11), percents), min_size=1, max_size=12))
    digits = exponent_of(currency)
    return currency, [(Money.of(Decimal(minor).scaleb(-digits), currency), percent) for minor, percent in minors]


def summed(currency: str, lines: Sequence[tuple[Money, Decimal]], *, inclusive: bool) -> ExpectedSums:
    rates = {str(place): TaxFact(str(place), "a tax", "active", percent) for place, (_, percent) in enumerate(lines)}
    given_lines = [{"amount": amount.text, "tax_rate": str(place)} for place, (amount, _) in enumerate(lines)]
    return expected_sums(given_lines, currency, rates, inclusive=inclusive)


def unit(currency: str) -> Fraction:
    return Fraction(1, 10 ** exponent_of(currency))


@given(documents())
def test_net_and_tax_make_the_gross_to_the_last_unit(document: Any) -> None:
    currency, lines = document
    whole = Money.total((amount for amount, _ in lines), currency)
    for inclusive in (False, True):
        sums = summed(currency, lines, inclusive=inclusive)
        assert sums.net is not None
        assert sums.tax is not None
        assert sums.net + sums.tax == sums.gross
        assert whole == (sums.gross if inclusive else sums.net)
        assert (sums.unknown, sums.taxed_lines) == ("", sum(percent > 0 for _, percent in lines))


@given(documents())
def test_each_line_is_rounded_half_up_as_the_sandbox_does(document: Any) -> None:
    currency, lines = document
    for amount, percent in lines:
        minor = to_minor(amount.amount, currency)
        on_net, within = (summed(currency, [(amount, percent)], inclusive=one).tax for one in (False, True))
        assert on_net is not None
        assert within is not None
        assert to_minor(on_net.amount, currency) == tax_on_net(minor, percent)
        assert to_minor(within.amount, currency) == tax_within_gross(minor, percent)


@given(documents())
def test_rounding_the_whole_stays_within_a_unit_a_line(document: Any) -> None:
    currency, lines = document
    sums = summed(currency, lines, inclusive=False)
    exact = sum((Fraction(amount.amount) * Fraction(percent) / 100 for amount, percent in lines), Fraction(0))
    assert sums.tax is not None
    assert abs(Fraction(sums.tax.amount) - exact) <= sums.taxed_lines * unit(currency) / 2
    whole = (exact / unit(currency) + Fraction(1, 2)).__floor__() * unit(currency)
    assert abs(Fraction(sums.tax.amount) - whole) <= sums.taxed_lines * unit(currency)


@given(documents())
def test_a_ledger_that_rounds_the_whole_books_the_same(document: Any) -> None:
    currency, lines = document
    sums = summed(currency, lines, inclusive=False)
    exact = sum((Fraction(amount.amount) * Fraction(percent) / 100 for amount, percent in lines), Fraction(0))
    minor = (exact / unit(currency) + Fraction(1, 2)).__floor__()
    tax = Money.of(Decimal(minor).scaleb(-exponent_of(currency)), currency)
    assert sums.net is not None
    booked = sums.net + tax
    fields = {"currency": currency} | sum_fields(sums, None, inclusive=False)
    write = a_prepared_write(released_amount(sums, None), fields=fields)

    assert difference_from_released(write, booked, tax.amount) is None
    assert may_be_booked_as(write, shown_amounts(booked, None, None, ()))
    assert is_same_amount(sums, None, booked, None)


@given(documents(), st.booleans())
def test_sums_survive_being_kept_with_their_write(document: Any, inclusive: bool) -> None:
    currency, lines = document
    sums = summed(currency, lines, inclusive=inclusive)
    fields = {"currency": currency} | sum_fields(sums, None, inclusive=inclusive)

    assert ExpectedSums.of(a_prepared_write(fields=fields)) == sums
    assert all(not isinstance(value, float) for value in fields["expected"].values())


@given(documents())
def test_a_document_is_itself_however_it_was_entered(document: Any) -> None:
    currency, lines = document
    taxed = summed(currency, lines, inclusive=False)
    untaxed = expected_sums([{"amount": amount.text} for amount, _ in lines], currency, {}, inclusive=False)
    assert taxed.gross is not None

    assert is_same_amount(taxed, None, taxed.gross, taxed.net)
    assert is_same_amount(untaxed, None, taxed.gross, taxed.net)
    assert is_same_amount(untaxed, taxed.gross, taxed.gross, None)


@pytest.mark.parametrize(
    ("lines", "inclusive", "net", "tax", "gross", "reason"),
    [
        ([("108.88", "t8")], False, "108.88", "9.66", "118.54", ""),
        ([("118.54", "t8")], True, "108.88", "9.66", "118.54", ""),
        ([("0.10", "t5"), ("0.10", "t5")], False, "0.20", "0.02", "0.22", ""),
        ([("100.00", "t5"), ("1.00", "")], False, "101.00", None, None, "a line has no tax rate"),
        ([("100.00", "")], False, "100.00", None, None, "a line has no tax rate"),
        ([("100.00", "")], True, None, None, "100.00", "a line has no tax rate"),
        ([("100.00", "t?")], False, "100.00", None, None, "does not clearly say the rate of Odd tax"),
    ],
)
def test_a_sum_is_known_only_where_every_rate_is(
    lines: Any, inclusive: bool, net: str | None, tax: str | None, gross: str | None, reason: str
) -> None:
    sums = expected_sums([{"amount": a, "tax_rate": t} for a, t in lines], "USD", RATES, inclusive=inclusive)

    assert [one and one.text for one in (sums.net, sums.tax, sums.gross)] == [net, tax, gross]
    assert reason in sums.unknown
    assert bool(sums.unknown) == (tax is None)


def rate(**changed: Any) -> TaxRate:
    made: dict[str, Any] = {
        "id": "t1",
        "platform_id": "1",
        "name": "Tax",
        "created_at": None,
        "updated_at": None,
        "last_synced_at": None,
        "status": "active",
    }
    known = {name: value for name, value in (made | changed).items() if name in TaxRate.__struct_fields__}
    return TaxRate(**known)


COMPOUND = (TaxComponent(rate=Decimal(10)), TaxComponent(rate=Decimal(5), is_compound=True))


@pytest.mark.parametrize(
    ("shown", "percent"),
    [
        ({"effective_tax_rate": Decimal("15.5"), "total_tax_rate": Decimal(15), "components": COMPOUND}, "15.5"),
        ({"total_tax_rate": Decimal(15)}, "15"),
        ({"total_tax_rate": Decimal(15), "components": COMPOUND}, None),
        ({}, None),
        ({"effective_tax_rate": Decimal(-5)}, None),
        (
            {"total_tax_rate": Decimal(10), "additional_fields": TaxRateExtras(purchase_total_tax_rate=Decimal(4))},
            "4",
        ),
        (
            {"effective_tax_rate": Decimal(9), "additional_fields": TaxRateExtras(purchase_total_tax_rate=Decimal(9))},
            "9",
        ),
        (
            {
                "effective_tax_rate": Decimal("15.5"),
                "components": COMPOUND,
                "additional_fields": TaxRateExtras(purchase_total_tax_rate=Decimal(15)),
            },
            None,
        ),
    ],
)
def test_a_rate_is_the_one_purchases_are_taxed_at(shown: dict[str, Any], percent: str | None) -> None:
    fact = tax_fact(rate(**shown))

    assert fact.percent == (None if percent is None else Decimal(percent))
    assert fact.binding["rate"] == percent


NET = ExpectedSums(usd("100.00"), None, None, "why")
TAXED = ExpectedSums(usd("100.00"), usd("5.00"), usd("105.00"), "", 1)
INSIDE = ExpectedSums(None, None, usd("105.00"), "why")


def entry(sums: ExpectedSums, total: str = "", tool: str = "create_bill") -> PreparedWrite:
    stated = usd(total) if total else None
    fields = {"currency": "USD", "issue_date": "2026-03-01", "document_number": "X-1"}
    return a_prepared_write(
        released_amount(sums, stated), tool=tool, fields=fields | sum_fields(sums, stated, inclusive=False)
    )


@pytest.mark.parametrize(
    ("sums", "total", "words", "found"),
    [
        (TAXED, "", "105.00 USD (100.00 net + 5.00 tax)", []),
        (TAXED, "105.00", "105.00 USD (100.00 net + 5.00 tax)", []),
        (TAXED, "105.01", "105.00 USD (100.00 net + 5.00 tax)", ["approve bill.total_differs"]),
        (TAXED, "100.00", "105.00 USD (100.00 net + 5.00 tax)", ["approve bill.total_differs"]),
        (INSIDE, "", "105.00 USD (tax included)", []),
        (INSIDE, "104.00", "105.00 USD (tax included)", ["approve bill.total_differs"]),
        (NET, "", "100.00 USD before tax, if the ledger adds any,", []),
        (NET, "100.00", "100.00 USD (the document's total)", []),
        (
            NET,
            "105.00",
            "105.00 USD (the document's total; its lines add up to 100.00 USD before tax)",
            ["ask bill.total_unchecked"],
        ),
        (NET, "99.99", "100.00 USD before tax, if the ledger adds any,", ["approve bill.total_differs"]),
    ],
)
def test_a_stated_total_is_compared_or_said_to_be_unchecked(
    sums: ExpectedSums, total: str, words: str, found: list[str]
) -> None:
    seen = BillFacts(a_vendor(), (), (), None, sums)
    said = [rule(entry(sums, total), seen, Policy()) for rule in (rules.total_differs, rules.total_unchecked)]

    assert sums_words(sums, usd(total) if total else None) == words
    assert [f"{one.severity.word} {one.code}" for one in said if one] == found
    assert all(total in one.message for one in said if one)


def test_a_credit_has_codes_of_its_own() -> None:
    seen = BillFacts(a_vendor(), (), (), None, TAXED)
    found = rules.total_differs(entry(TAXED, "1.00", tool="create_credit"), seen, Policy())

    assert found is not None
    assert found.code == "credit.total_differs"


def test_a_rate_that_is_inactive_or_has_changed_refuses() -> None:
    retired = TaxFact("t5", "Old tax", "inactive", Decimal(5))
    seen = BillFacts(a_vendor(), (), (), None, TAXED, (retired,))
    same = BillFacts(a_vendor(), (), (), None, TAXED, (FIVE,))
    inactive = rules.tax_inactive(entry(TAXED), seen, Policy())
    changed = rules.tax_changed(entry(NET), same, Policy())

    assert inactive is not None
    assert inactive.code == "tax.inactive"
    assert changed is not None
    assert changed.code == "tax.changed"
    assert rules.tax_inactive(entry(TAXED), same, Policy()) is None
    assert rules.tax_changed(entry(TAXED), same, Policy()) is None


@pytest.mark.parametrize(
    ("sums", "total", "booked", "differs"),
    [
        (TAXED, "", "105.00", False),
        (TAXED, "", "105.01", False),
        (TAXED, "105.00", "105.01", True),
        (TAXED, "", "105.02", True),
        (TAXED, "", "100.00", True),
        (NET, "", "100.00", False),
        (NET, "", "100.01", True),
        (NET, "105.00", "105.00", False),
        (NET, "105.00", "104.99", True),
    ],
)
def test_what_was_booked_is_compared_with_what_was_released(
    sums: ExpectedSums, total: str, booked: str, differs: bool
) -> None:
    words = difference_from_released(entry(sums, total), usd(booked), Decimal("4.99"))

    assert (words is not None) == differs
    assert words is None or (f"{booked} USD, 4.99 of it tax" in words and str(entry(sums, total).money) in words)


@pytest.mark.parametrize(
    ("sums", "total", "other_total", "other_net", "same"),
    [
        (TAXED, "", "105.00", None, True),
        (TAXED, "", "105.01", None, True),
        (TAXED, "", "105.02", "99.00", False),
        (TAXED, "", "120.00", "100.00", True),
        (TAXED, "", "100.00", None, False),
        (NET, "", "105.00", "100.00", True),
        (NET, "", "100.00", "95.00", True),
        (NET, "", "105.00", None, False),
        (NET, "105.00", "105.00", None, True),
        (NET, "", "100.01", None, False),
    ],
)
def test_gross_is_compared_with_gross_and_net_with_net(
    sums: ExpectedSums, total: str, other_total: str, other_net: str | None, same: bool
) -> None:
    earlier = Document(
        "bill", "b0", "v1", "X-0", date(2026, 2, 28), usd(other_total), usd(other_net) if other_net else None
    )
    found = bill_similar(entry(sums, total), BillFacts(a_vendor(), (), (earlier,), None, sums), Policy())

    assert (found is not None) == same
    assert not is_same_amount(sums, None, Money.of("105", "JPY"), Money.of("100", "JPY"))


@pytest.mark.parametrize(
    ("tool", "takes"),
    [("create_bill", named("NS QBO QBD X")), ("create_credit", named("X")), ("update_bill", frozenset())],
)
def test_amounts_with_tax_go_only_where_they_are_understood(tool: str, takes: frozenset[str]) -> None:
    asked = a_prepared_write(tool=tool, fields={"tax_inclusive": True, "changes": {}})
    write = write_named(tool)
    for platform in sorted(PLATFORMS):
        ability = ability_of(platform, write.needed(asked))
        assert ability is not None
        assert ability.support is (Support.YES if platform in takes else Support.NO), platform
    assert not any("tax_inclusive" in need.verb for need in write.needed(a_prepared_write(fields={"changes": {}})))
