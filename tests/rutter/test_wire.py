"""Bytes and objects: exact both ways, and nothing but one error for whatever else comes in."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.models.base import decode_exact
from rutter_ap_server.rutter.models.bills import Bill, BillLineDraft, BillUpdate, LineItemDraft
from rutter_ap_server.rutter.models.connections import ConnectionStatus
from rutter_ap_server.rutter.models.items import Item
from rutter_ap_tools.errors import BadInput

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**18), max_value=10**18)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["2024-01-01", "NaN", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*Bill.__struct_fields__, "other"]), inner, max_size=6)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(AMOUNTS)
def test_an_amount_comes_back_as_it_went(amount: Decimal) -> None:
    body = wire.encode_body({"bill": BillLineDraft(total_amount=amount)})
    back = decode_exact(body)["bill"]["total_amount"]
    assert Decimal(back) == amount
    assert b'"' not in body.removeprefix(b'{"bill":{"total_amount":')
    raw = b'{"id":"b","amount_due":%s,"total_amount":0,"currency_code":"USD","status":"open"}'
    due = wire.decode(raw % format(amount, "f").encode(), Bill).amount_due
    assert due is not None
    assert due.as_tuple() == amount.as_tuple()


@settings(deadline=None)
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_in_there_is_one_error_at_most(raw: bytes) -> None:
    for kind in (Bill, ConnectionStatus):
        with contextlib.suppress(wire.NotReadable):
            wire.decode(raw, kind)
    with contextlib.suppress(wire.NotReadable):
        wire.decode_envelope(raw, "bills")
    with contextlib.suppress(wire.NotReadable):
        wire.decode_members(raw)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(2024, 1, 2), "2024-01-02T00:00:00.000Z"),
        (datetime(2024, 1, 2, 3, 4, 5, 678999, UTC), "2024-01-02T03:04:05.678Z"),
        (datetime(2024, 1, 1, 23, tzinfo=timezone(timedelta(hours=-2))), "2024-01-02T01:00:00.000Z"),
        (date(1, 1, 1), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_a_moment_is_written_in_utc_with_milliseconds(value: date, text: str) -> None:
    assert wire.instant_text(value) == text


def test_a_draft_sends_what_was_set_and_nothing_else() -> None:
    line = BillLineDraft(total_amount=Decimal("1.10"), item=LineItemDraft(quantity=Decimal(2)))
    body = wire.encode_body({"bill": BillUpdate(memo="", line_items=(line,)), "response_mode": "async"})
    assert body == (
        b'{"bill":{"memo":"","line_items":[{"total_amount":1.10,"item":{"quantity":2}}]},"response_mode":"async"}'
    )
    assert wire.encode_body({"bill": BillUpdate()}) == b'{"bill":{}}'


@pytest.mark.parametrize("value", [None, 1.0, b"x", object(), "\ud800", {1, 2}, datetime(2024, 1, 1)])  # noqa: DTZ001
def test_what_cannot_be_sent_exactly_is_refused_by_its_place(value: Any) -> None:
    with pytest.raises(BadInput, match=r"body\.bill\.memo|time zone"):
        wire.encode_body({"bill": BillUpdate(memo=value)})


@pytest.mark.parametrize(
    ("number", "sent"), [("1E+3", b"1000"), ("1.500", b"1.500"), ("-0.00", b"-0.00"), ("1E-5", b"0.00001")]
)
def test_numbers_are_written_without_exponents(number: str, sent: bytes) -> None:
    assert wire.encode_body({"amount": Decimal(number)}) == b'{"amount":%s}' % sent


def test_an_empty_text_for_a_number_is_nothing() -> None:
    raw = b'{"id":"i","bill_item":{"unit_price":""},"invoice_item":{"unit_price":"1.10"},"quantity_on_hand":null}'
    item = wire.decode(raw, Item)
    assert item.bill_item is not None
    assert item.invoice_item is not None
    assert (item.bill_item.unit_price, item.invoice_item.unit_price) == (None, Decimal("1.10"))
    empty = b'{"id":"b","amount_due":"","total_amount":1,"currency_code":"USD","status":"open"}'
    assert wire.decode(empty, Bill).amount_due is None
