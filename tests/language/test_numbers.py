"""Numbers of documents: one number however it is spelled, two that share their digits, and what is no number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_tools.numbers import digits_of, number_key


@pytest.mark.parametrize(
    "spelling",
    [
        "INV-7/12",
        "inv 7.12",
        "INV_007-12",
        "ＩＮＶ－７／１２",
        "ІNV-7-12",
        "Inv#7—0012",
        " i n v 7\u200b-12 ",
        "lNV-7-12",
    ],
)
def test_a_number_is_one_number_however_it_is_spelled(spelling: str) -> None:
    assert number_key(spelling) == number_key("INV-7-12") != ""


@pytest.mark.parametrize(
    ("number", "other"),
    [
        ("1-12", "11-2"),
        ("1-12", "112"),
        ("INV-7", "INV-70"),
        ("2026-1", "2025-1"),
        ("A-1", "B-1"),
        ("1-12", "INV 1-12"),
    ],
)
def test_different_numbers_are_not_joined(number: str, other: str) -> None:
    assert number_key(number) != number_key(other)


NONE = [None, "", " ", "-", "...", "#", "0", "000", "0-0", "N/A", "n.a.", "NONE", "null", "unknown", "TBD", "ohne"]


@pytest.mark.parametrize("text", [*NONE, "sans", "Ｎ／Ａ", "NОNE", "xxx", "Invoice", "No.", "without number"])
def test_a_placeholder_is_no_number(text: str | None) -> None:
    assert number_key(text) == ""


def test_a_number_that_begins_like_a_placeholder_is_one() -> None:
    assert all(number_key(one) for one in ("NA-1", "None-2", "0-1", "X-1", "Invoice 5"))


@pytest.mark.parametrize(
    ("number", "digits"), [("INV-2026/0042", "2026"), ("A-00420", "420"), ("B", ""), (None, ""), ("0", "")]
)
def test_the_longest_run_of_digits_is_searched_for(number: str | None, digits: str) -> None:
    assert digits_of(number) == digits


@given(st.text(max_size=60))
def test_a_key_depends_on_neither_case_nor_spaces(number: str) -> None:
    assert number_key(f"  {number.swapcase().swapcase()} ") == number_key(number.swapcase().swapcase())
