"""Names of people: one name however it is spelled, and names a reader could take for each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_tools.names import canonical_name, is_mixed, is_rare, look_of, payee_look

MARIA = "maria lopez"


@pytest.mark.parametrize(
    "spelling",
    [
        "Maria Lopez",
        "MARIA LOPEZ",
        "María López",
        "Mari\u0301a Lo\u0301pez",
        "  maria \t lopez ",
        "maria\u00a0\u3000lopez",
        "ma\u200bria\ufe0f lo\u00adpez",
        "Ｍａｒｉａ　Ｌｏｐｅｚ",
        "𝓜𝓪𝓻𝓲𝓪 𝕃𝕠𝕡𝕖𝕫",
        "Mari\u0338a Lopez",
        "Maria\u20dd Lopez",
    ],
)
def test_a_name_is_one_name_however_it_is_spelled(spelling: str) -> None:
    assert canonical_name(spelling) == MARIA


def test_vowel_signs_and_voicing_are_letters_not_accents() -> None:
    assert canonical_name("कि") != canonical_name("कु")
    assert canonical_name("が") != canonical_name("か")
    assert canonical_name("Straße") == canonical_name("STRASSE")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Dana Reyes", "Dаna Rеуes"),
        ("Dana Reyes", "DАNА REYЕS"),
        ("Dana Reyes", "ꓓana Reyes"),
        ("Hana", "Ηana"),
        ("Zoe", "ΖΟΕ"),
        ("Olga", "0lga"),
        ("Lily", "1i|y"),
        ("Ian", "lan"),
        ("Paul", "PauI"),
        ("Arno", "Amo"),
        ("Wim", "VVim"),
        ("Soren", "Søren"),
        ("Dana", "ᴅᴀɴᴀ"),
        ("Dana", "ᎠAΝA"),
        ("Maria Lopez", "Maria-Lopez"),
        ("O'Brien", "O’Brien"),
        ("Sam Ito", "SamIto"),
        ("Sam", "5am"),
    ],
)
def test_names_that_look_alike_have_one_look(name: str, other: str) -> None:
    assert look_of(name) == look_of(other)


@pytest.mark.parametrize(("name", "other"), [("Dana", "Diana"), ("Ana", "Bo"), ("Иван", "Иванка"), ("Maria", "Mario")])
def test_different_names_look_different(name: str, other: str) -> None:
    assert look_of(name) != look_of(other)


@pytest.mark.parametrize(
    ("name", "mixed"),
    [
        ("Dana Reyes", False),
        ("Dаna", True),
        ("Ноra", True),
        ("Иван Ivanov", False),
        ("Kaʻiulani O’Brien", False),
        ("山田たろう", False),
        ("김민준 (CFO)", False),
        ("Danaⵔ", True),
        ("Ｄana", False),
        ("R2D2", False),
    ],
)
def test_a_word_in_two_alphabets_is_noticed(name: str, mixed: bool) -> None:
    assert is_mixed(name) is mixed


@pytest.mark.parametrize(
    "name",
    [
        *("Dana Reyes", "Søren Ðorđević", "Ｄana", "Иван Петров", "Ηλίας", "Արամ", "გიორგი", "דנה", "محمد", "ދިވެހި"),
        *("प्रिया", "সুমন", "ਗੁਰਪ੍ਰੀਤ", "પ્રિયા", "ପ୍ରିୟା", "தமிழ்", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "සිංහල", "สมชาย", "ລາວ"),
        *(
            "བསྟན་འཛིན",
            "မြန်မာ",
            "አበበ",
            "ខ្មែរ",
            "김민준 (CFO)",
            "山田たろう",
            "佐々木 マリー",
            "ㄅㄆㄇ",
            "Kaʻiulani O’Brien-2",
        ),
    ],
)
def test_a_name_in_a_script_of_today_is_not_rare(name: str) -> None:
    assert not is_rare(name)


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("ᗪᗩᑎᗩ", "Canadian syllabics"),
        ("ᎠᎪNᎪ", "Cherokee"),
        ("ꓓꓮꓠꓮ", "Lisu"),
        ("ⲆⲀⲚⲀ", "Coptic"),
        ("ⵠⵔⵙ", "Tifinagh"),
        ("𐌃𐌀𐌍𐌀", "Old Italic"),
        ("𐊅𐊠𐊯𐊠", "Carian"),
        ("ꓓana", "one letter of Lisu"),
        ("ᛞᚨᚾᚨ", "Runic"),
        ("Dana🅰", "a letter in a box"),
    ],
)
def test_a_name_in_a_script_few_can_read_is_rare(name: str, script: str) -> None:
    assert is_rare(name), script


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [
        ("Northwind Utilities", "NORTHWIND UTILITIES, Inc.", True),
        ("Northwind Utilities", "North-Wind Utilities L.L.C.", True),
        ("Müller GmbH", "Muller G.m.b.H.", True),
        ("Café Crème SA", "Cafe Creme S.A.", True),
        ("Sørensen A/S", "Sorensen", True),
        ("The Quill & Co", "Quill and Company", True),
        ("Macy's", "Macys Ltd", True),
        ("Nоrthwind", "Northwind", True),
        ("Acme Lтd", "Acme", True),
        ("Müller GmbH & Co. KG", "Muller", True),
        ("Acme Sp. z o.o.", "ACME S. r. o.", True),
        ("ООО Ромашка", "Ромашка", True),
        ("株式会社アクメ", "アクメ", True),
        ("Limited", "Company", False),
        ("Northwind Utilities", "Northwind Freight", False),
        ("Acme 1", "Acme 2", False),
        ("", "Acme", False),
    ],
)
def test_payees_that_look_alike_are_one_whatever_their_form(name: str, other: str, same: bool) -> None:
    assert (payee_look(name) == payee_look(other)) is same


def test_a_name_without_letters_looks_like_nothing() -> None:
    assert (payee_look(None), payee_look("---")) == ("", "")


@given(st.text(max_size=100))
def test_what_was_folded_once_stays_as_it_is(name: str) -> None:
    assert canonical_name(canonical_name(name)) == canonical_name(name)
    assert look_of(look_of(name)) == look_of(name)
