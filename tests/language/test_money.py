"""Money is exact, in one currency, and never a float."""

from __future__ import annotations

import random
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import EXPONENTS, Money, exponent_of, require_active


@pytest.mark.parametrize(
    ("text", "currency", "printed", "grouped"),
    [
        ("1234.5", "USD", "1234.50", "1,234.50 USD"),
        ("1234", "USD", "1234.00", "1,234.00 USD"),
        ("007.10", "USD", "7.10", "7.10 USD"),
        ("0", "USD", "0.00", "0.00 USD"),
        ("1500", "JPY", "1500", "1,500 JPY"),
        ("1500.0", "JPY", "1500", "1,500 JPY"),
        ("1.005", "KWD", "1.005", "1.005 KWD"),
        ("1", "KWD", "1.000", "1.000 KWD"),
        ("1.2345", "CLF", "1.2345", "1.2345 CLF"),
        ("999999999999999.9999", "UYW", "999999999999999.9999", "999,999,999,999,999.9999 UYW"),
        ("999999999999999.99", "USD", "999999999999999.99", "999,999,999,999,999.99 USD"),
    ],
)
def test_an_amount_is_printed_with_its_currencys_digits(text: str, currency: str, printed: str, grouped: str) -> None:
    money = Money.parse(text, currency)

    assert money.text == printed
    assert str(money) == f"{printed} {currency}"
    assert money.grouped == grouped


@pytest.mark.parametrize(
    ("text", "currency"), [("1.5", "JPY"), ("0.001", "USD"), ("1.2345", "KWD"), ("10.005", "EUR"), ("1.000001", "USD")]
)
def test_an_amount_finer_than_its_currency_is_refused(text: str, currency: str) -> None:
    with pytest.raises(BadInput) as refused:
        Money.parse(text, currency)

    assert refused.value.error_code == "amount.precision"


def test_zeros_beyond_the_currencys_digits_are_accepted() -> None:
    assert Money.parse("10.5000", "USD") == Money.parse("10.50", "USD")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "+1",
        "1,000.00",
        "1.",
        ".5",
        "1e3",
        "1E3",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        " 1.00",
        "1.00 ",
        "1.00\n",
        "1.0.0",
        "١٢",
        "１２",
        "1.00 USD",
        "$1",
        "1" * 16,
        "1." + "0" * 19,
        "9" * 100_000,
    ],
)
def test_anything_but_plain_digits_is_not_an_amount(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        Money.parse(text, "USD")

    assert (refused.value.error_code, refused.value.message) == (
        "amount.not_a_number",
        'an amount must be a decimal string such as "1234.50", without a sign or commas',
    )


@pytest.mark.parametrize("value", [12.5, None, 12, True, b"12", ["12"]])
def test_only_a_text_is_parsed(value: object) -> None:
    with pytest.raises(BadInput):
        Money.parse(value, "USD")  # type: ignore[arg-type]


def test_a_float_is_never_made_into_money() -> None:
    with pytest.raises(TypeError, match="float"):
        Money.of(0.1, "USD")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity", "abc", "1e400", "1e1000000", "1e60"])
def test_a_value_that_is_no_usable_amount_is_an_error_of_ours(value: str) -> None:
    with pytest.raises(BadInput) as refused:
        Money.of(value, "USD")

    assert refused.value.error_code == "amount.not_a_number"


@pytest.mark.parametrize("code", ["", "usd", "US", "USDT", "BTC", "ETH", "XAU", "XXX", "ZZZ", "ＵＳＤ", "USD "])
def test_a_currency_without_known_digits_is_refused(code: str) -> None:
    with pytest.raises(BadInput) as refused:
        exponent_of(code)

    assert refused.value.error_code == "currency.unknown"
    assert not code or code not in refused.value.message.replace("USD or EUR", "")


def test_currencies_have_the_digits_of_iso_4217() -> None:
    wanted = {
        "JPY": 0,
        "KRW": 0,
        "ISK": 0,
        "USD": 2,
        "EUR": 2,
        "XCG": 2,
        "ZWG": 2,
        "MGA": 2,
        "KWD": 3,
        "TND": 3,
        "UYW": 4,
    }

    assert {code: exponent_of(code) for code in wanted} == wanted
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in EXPONENTS)


@pytest.mark.parametrize(("code", "text", "month"), [("BGN", "12.30", "2026-01"), ("BYR", "1500", "2017-01")])
def test_a_withdrawn_currency_is_read_but_nothing_new_is_in_it(code: str, text: str, month: str) -> None:
    assert str(Money.of(text, code)) == f"{text} {code}"

    with pytest.raises(BadInput) as refused:
        require_active(code)
    assert refused.value.error_code == "currency.withdrawn"
    assert f"{code} was withdrawn in {month}" in refused.value.message


def test_only_known_currencies_are_active() -> None:
    require_active("EUR")
    with pytest.raises(BadInput) as refused:
        require_active("BTC")
    assert refused.value.error_code == "currency.unknown"


def test_amounts_in_different_currencies_are_never_mixed() -> None:
    dollars, euros = Money.parse("1", "USD"), Money.parse("1", "EUR")

    for mix in (
        lambda: dollars + euros,
        lambda: dollars - euros,
        lambda: dollars < euros,
        lambda: dollars <= euros,
        lambda: dollars > euros,
        lambda: dollars >= euros,
        lambda: Money.total([dollars, euros], "USD"),
        lambda: Money.total([euros], "USD"),
    ):
        with pytest.raises(BadInput) as refused:
            mix()
        assert refused.value.error_code == "currency.mismatch"
    assert dollars != euros


def test_the_same_amount_has_one_form_however_it_was_written() -> None:
    forms = [Money.parse("1.5", "USD"), Money.parse("1.50", "USD"), Money.of(Decimal("15E-1"), "USD")]

    assert {(m, m.text, hash(m)) for m in forms} == {(forms[0], "1.50", hash(forms[0]))}


def test_a_negative_zero_is_zero() -> None:
    assert Money.of("-0.00", "USD").text == "0.00"
    assert (Money.parse("1", "USD") - Money.parse("1", "USD")).text == "0.00"


def test_the_sum_of_nothing_is_zero_in_the_currencys_digits() -> None:
    assert [Money.total([], code).text for code in ("JPY", "USD", "KWD")] == ["0", "0.00", "0.000"]


def test_a_lowered_decimal_context_costs_no_digit() -> None:
    with localcontext() as context:
        context.prec = 5
        total = Money.parse("123456789012345.67", "USD") + Money.parse("0.01", "USD")

    assert total.text == "123456789012345.68"


_CURRENCIES = st.sampled_from(["JPY", "USD", "KWD", "CLF"])


def _texts(currency: str) -> st.SearchStrategy[str]:
    digits = exponent_of(currency)
    whole = st.integers(min_value=0, max_value=10**15 - 1).map(str)
    if digits == 0:
        return whole
    fraction = st.integers(min_value=0, max_value=10**digits - 1).map(lambda n: str(n).zfill(digits))
    return st.tuples(whole, fraction).map(".".join)


_MONEY = _CURRENCIES.flatmap(lambda code: _texts(code).map(lambda text: (text, code)))


@given(_MONEY)
def test_what_is_printed_is_read_back_as_the_same_money(pair: tuple[str, str]) -> None:
    text, currency = pair
    money = Money.parse(text, currency)

    assert Money.parse(money.text, currency) == money
    assert Fraction(money.text) == Fraction(text)


@given(_CURRENCIES.flatmap(lambda c: st.tuples(st.just(c), st.lists(_texts(c), max_size=30))), st.randoms())
def test_a_sum_is_exact_to_the_last_digit_in_any_order(pair: tuple[str, list[str]], chance: random.Random) -> None:
    currency, texts = pair
    shuffled = chance.sample(texts, len(texts))
    total = Money.total((Money.parse(t, currency) for t in texts), currency)

    assert Fraction(total.text) == sum((Fraction(t) for t in texts), Fraction(0))
    assert Money.total((Money.parse(t, currency) for t in shuffled), currency) == total


@given(_CURRENCIES.flatmap(lambda c: st.tuples(st.just(c), _texts(c), _texts(c))))
def test_subtracting_undoes_adding_and_order_agrees_with_it(triple: tuple[str, str, str]) -> None:
    currency, left, right = triple
    one, other = Money.parse(left, currency), Money.parse(right, currency)

    assert (one + other) - other == one
    assert (one < other) == (Fraction(left) < Fraction(right))
    assert (one >= other) == (not one < other)
