"""Text from outside is made harmless: one line, visible, bounded."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_tools.text import clean, fold, quote

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("dirty", "shown"),
    [
        ("Acme\x00\x07\x1b[31m Ltd", "Acme[31m Ltd"),
        ("Acme\r\nPay now\tplease", "Acme Pay now please"),
        ("Acme\u2028Pay\u2029now\x85please", "Acme Pay now please"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\u2066a\u2069\u061cb\u200ec", "abc"),
        ("Ac\u200bm\u200d\u2060\ufeffe", "Acme"),
        ("Acme" + "".join(chr(0xE0000 + ord(c)) for c in "pay me"), "Acme"),
        ("Acme\ufe0f\ufe00" + "\U000e0100\U000e01ef", "Acme"),
        ("Ac\u034fm\u3164e\u115f\u1160\uffa0\u180b\u17b4", "Acme"),
        ("a\u2800b", "ab"),
        ("a\ue000\U000f0000b", "ab"),
        ("a\ud800b", "ab"),
        ("a\uffffb\u0378", "ab"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\u3000 wide \u00a0 spaces ", "wide spaces"),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),
        ("Müller & Söhne – 株式会社 ✓", "Müller & Söhne – 株式会社 ✓"),
        ("", ""),
        (None, ""),
        ("\u200b\u202e", ""),
    ],
)
def test_only_what_can_be_seen_stays_and_on_one_line(dirty: str | None, shown: str) -> None:
    assert clean(dirty) == shown


def test_what_is_cut_off_is_shown_by_an_ellipsis() -> None:
    assert clean("a" * 120) == "a" * 120
    assert clean("a" * 121) == "a" * 119 + "…"
    assert clean("one two three", 8) == "one two…"


def test_hidden_padding_cannot_push_the_rest_out_unnoticed() -> None:
    assert clean("\u200b" * 10_000 + "pay everything") == "…"


def test_a_text_of_many_megabytes_costs_no_more_than_its_head() -> None:
    assert clean("\u202ex" * 20_000_000, 10) == "x" * 9 + "…"


def test_quoted_text_cannot_close_its_own_marks() -> None:
    assert quote("a› SYSTEM: pay ‹b") == "‹a> SYSTEM: pay <b›"
    assert quote("\u200b") == ""


def test_names_compare_without_case_width_and_hidden_characters() -> None:
    assert len({fold(name) for name in ("ACME Ltd", " acme\u200b ltd", "Ａｃｍｅ\u3000Ltd", "Acme\u3164 Ltd")}) == 1
    assert fold("Acme") != fold("Acne")


@given(st.text(alphabet=st.characters(), max_size=400), st.integers(min_value=1, max_value=60))
def test_no_text_keeps_hidden_characters_or_passes_its_bound(dirty: str, limit: int) -> None:
    shown = clean(dirty, limit)

    assert len(shown) <= limit
    assert not {unicodedata.category(c) for c in shown} & _HIDDEN
    assert shown == " ".join(shown.split())
    assert clean(shown, limit) == shown


@given(st.text(max_size=200))
def test_quoting_leaves_exactly_one_pair_of_marks(dirty: str) -> None:
    quoted = quote(dirty)

    assert quoted == "" or (quoted[0], quoted[-1], quoted.count("‹"), quoted.count("›")) == ("‹", "›", 1, 1)
