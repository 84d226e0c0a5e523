"""Currency tables inherit field by field: own, then the default's, then the built-in ones, and none is ever missing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.guard.policy import CurrencyPolicy, Policy, parse_policy
from rutter_ap_tools.money import exponent_of
from support.bench import a_bench, codes
from support.people import accepts

BUILT_IN = {
    "approve_above": "1000",
    "two_approvers_above": "25000",
    "single_limit": "100000",
    "day_limit": "100000",
    "week_limit": "500000",
    "month_limit": "2000000",
    "vendor_day_limit": "50000",
    "vendor_month_limit": "1000000",
}
CURRENCIES = ("USD", "EUR", "JPY", "KWD", "CLF", "HUF")


def limits(policy: Policy, currency: str) -> dict[str, str]:
    return {name: policy.limit(currency, name).text for name in CurrencyPolicy.model_fields}


def in_cents(amounts: dict[str, str]) -> dict[str, str]:
    return {name: f"{text}.00" for name, text in amounts.items()}


@pytest.mark.parametrize("text", ["", "[currencies.USD]", "[currencies.default]\n[currencies.USD]"])
def test_a_table_that_says_nothing_is_the_built_in_one(text: str) -> None:
    assert limits(parse_policy(text), "USD") == in_cents(BUILT_IN)


@pytest.mark.parametrize(
    "text", ["", '[currencies.USD]\nsingle_limit = "5"', '[currencies.default]\nday_limit = "100000"']
)
def test_a_currency_nobody_names_has_limits_and_an_approver(text: str) -> None:
    assert limits(parse_policy(text), "JPY") == BUILT_IN | {"approve_above": "0"}


def test_own_fields_go_before_the_default_and_that_before_ours() -> None:
    policy = parse_policy("""
        [currencies.default]
        approve_above = "300"
        single_limit = "700.505"
        [currencies.USD]
        single_limit = "900"
        [currencies.JPY]
        week_limit = "5000"
    """)

    changed = {"approve_above": "300", "single_limit": "900"}
    assert limits(policy, "USD") == in_cents(BUILT_IN | changed)
    assert limits(policy, "JPY") == BUILT_IN | {"approve_above": "300", "single_limit": "700", "week_limit": "5000"}
    assert (limits(policy, "EUR")["single_limit"], limits(policy, "KWD")["single_limit"]) == ("700.50", "700.505")


def test_what_needs_two_approvers_needs_one_whoever_said_which() -> None:
    policy = parse_policy('[currencies.USD]\napprove_above = "50000"')

    assert limits(policy, "USD")["approve_above"] == limits(policy, "USD")["two_approvers_above"] == "25000.00"


def test_a_companys_own_tables_go_before_the_files() -> None:
    policy = parse_policy("""
        [currencies.USD]
        single_limit = "500"
        [currencies.default]
        day_limit = "400"
        [companies.c1.currencies.default]
        single_limit = "800"
        day_limit = "90"
        [companies.c1.currencies.EUR]
        day_limit = "95"
    """).of("c1")

    assert (limits(policy, "USD")["single_limit"], limits(policy, "USD")["day_limit"]) == ("500.00", "90.00")
    assert (limits(policy, "EUR")["single_limit"], limits(policy, "EUR")["day_limit"]) == ("800.00", "95.00")
    assert (limits(policy, "JPY")["single_limit"], limits(policy, "JPY")["approve_above"]) == ("800", "0")


amounts = st.integers(0, 10**7).map(str)
tables = st.dictionaries(st.sampled_from(sorted(BUILT_IN)), amounts).map(
    # Both of these in one table must be in order; that is said where the file is read.
    lambda table: {k: v for k, v in table.items() if k != "approve_above" or "two_approvers_above" not in table}
)
files = st.dictionaries(st.sampled_from(("default", "USD", "JPY", "KWD")), tables)


@given(files, files, st.sampled_from(CURRENCIES), st.sampled_from(sorted(BUILT_IN)))
def test_no_limit_is_looser_than_a_default_unless_it_is_said(
    file: dict[str, dict[str, str]], own: dict[str, dict[str, str]], currency: str, name: str
) -> None:
    policy = Policy.model_validate({"currencies": file, "companies": {"c1": {"currencies": own}}})
    said = [table[name] for table in (*map(file.get, (currency, "default")),) if table and name in table]
    said_of_company = [t[name] for t in (*map(own.get, (currency, "default")),) if t and name in t]

    of_file, of_company = (one.limit(currency, name).amount for one in (policy, policy.of("c1")))
    assert of_file <= Decimal(said[0] if said else BUILT_IN[name])
    assert of_company <= max(of_file, *map(Decimal, said_of_company), Decimal(0))
    if name in own.get(currency, {}):
        assert of_company <= Decimal(own[currency][name])
    assert of_file == of_file.quantize(Decimal(1).scaleb(-exponent_of(currency)))
    assert parse_policy("").of("c1").limit(currency, name).amount <= Decimal(BUILT_IN[name])


async def test_a_week_limit_nobody_wrote_stops_a_payment(home: Path) -> None:
    text = '[currencies.default]\nweek_limit = "600"\n[currencies.USD]\nsingle_limit = "1000"\n'
    async with a_bench(home, text) as bench:
        assert (await bench.pay("BH-5520", "249.00", accepts())).status == "posted"
        tried = await bench.pay("AP-310", "560.75", dry_run=True)

        assert "amount.over_week_limit" in codes(tried)
