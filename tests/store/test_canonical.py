"""One value has one spelling, so that digests and the audit chain mean something."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.store.canonical import canonical, digest, parsed

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ({"a": "é\u202e\ud800"}, '{"a":"\\u00e9\\u202e\\ud800"}'),
        ((1, "2"), '[1,"2"]'),
        ({}, "{}"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_keys_are_sorted_and_text_is_ascii_without_spaces(value: object, spelling: str) -> None:
    assert canonical(value) == spelling


@pytest.mark.parametrize("value", [1.0, {"a": 0.1}, [[{"a": (1, 2.5)}]], float("nan"), {"amount": float("inf")}])
def test_a_float_anywhere_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="float"):
        digest(value)


@pytest.mark.parametrize("value", [{1: "a"}, {None: "a"}, {"a": {True: 1}}])
def test_a_key_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="keys"):
        canonical(value)


@pytest.mark.parametrize("value", [Decimal("1.0"), {"a": b"x"}, {"a": {1, 2}}, object()])
def test_a_value_with_no_spelling_of_its_own_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)


def test_a_digest_is_sha_256_of_the_spelling() -> None:
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(st.dictionaries(st.text(max_size=8), _VALUES, min_size=2, max_size=6))
def test_the_order_in_which_keys_were_written_does_not_matter(value: dict[str, object]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@given(_VALUES, _VALUES)
def test_different_values_have_different_spellings(one: object, other: object) -> None:
    assert (canonical(one) == canonical(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )
    assert json.loads(canonical(one)) == one


@given(_VALUES)
def test_what_was_spelt_is_read_as_it_was(value: object) -> None:
    assert parsed(canonical(value)) == value


@pytest.mark.parametrize("text", ['"\\ud800"', '{"a":"\\udfff x"}', "NaN", "1" * 40, '{"a":1,"a":2}'])
def test_json_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert repr(parsed(text)) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["", "{", "[1,]", "'a'"])
def test_what_is_no_json_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parsed(text)
