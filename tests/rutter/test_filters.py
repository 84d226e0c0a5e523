"""Filter and sort expressions: only confirmed forms, everything escaped, and the same meaning here as upstream."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rutter_ap_server.rutter import above, ascending, contains, descending, equal
from rutter_ap_server.rutter.filters import Filter, filter_text, sort_text
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_tools.errors import BadInput

BILL = Bill(
    id="b-1",
    amount_due=Decimal("9.34"),
    total_amount=Decimal("14.34"),
    currency_code="USD",
    status="open",
    memo='He said "no"',
    due_date=datetime(2024, 3, 1, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (equal("vendor_name", "Acme Inc"), 'vendor_name="Acme Inc"'),
        (contains("vendor_name", "Acme"), 'vendor_name~"Acme"'),
        (above("created_at", datetime(2024, 3, 1, tzinfo=UTC)), 'created_at>"2024-03-01T00:00:00.000Z"'),
        (above("due_date", date(2024, 3, 1)), 'due_date>"2024-03-01T00:00:00.000Z"'),
        (
            above("updated_at", datetime(2024, 3, 1, 1, 30, 0, 7999, timezone(timedelta(hours=2)))),
            'updated_at>"2024-02-29T23:30:00.007Z"',
        ),
        (above("balance", Decimal("-1.50")), "balance>-1.50"),
        (above("balance", Decimal("1E+3")), "balance>1000"),
        (equal("balance", 7), "balance=7"),
        (equal("name", 'a"b\\c'), 'name="a\\"b\\\\c"'),
        (equal("name", 'x" AND status="paid'), 'name="x\\" AND status=\\"paid"'),
        (equal("a", "1") & contains("b", "2") & above("c", 3), 'a="1" AND b~"2" AND c>3'),
    ],
)
def test_a_filter_is_written_as_rutter_reads_it(expression: Filter, text: str) -> None:
    assert expression.text == text


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_escapes_from_its_quotes(text: str) -> None:
    if not text.isprintable():
        with pytest.raises(BadInput):
            equal("name", text)
        return
    written = equal("name", text).text
    assert written.startswith('name="')
    # Rutter's escapes are a part of JSON's, whose reader must find one string and nothing after it.
    assert json.loads(written.removeprefix("name=")) == text


@pytest.mark.parametrize("field", ["", "Name", "a b", "a=b", "1a", "näme", "a" * 65, 'a"'])
def test_a_field_that_is_no_field_is_refused(field: str) -> None:
    with pytest.raises(BadInput):
        equal(field, "x")
    with pytest.raises(BadInput):
        ascending(field)
    with pytest.raises(BadInput):
        descending(field)


@pytest.mark.parametrize(
    "value",
    [1.5, True, None, b"x", Decimal("NaN"), Decimal("Infinity"), datetime(2024, 1, 1), "a\nb", "x" * 501],  # noqa: DTZ001
)
def test_a_value_that_cannot_be_written_exactly_is_refused(value: Any) -> None:
    with pytest.raises(BadInput):
        equal("name", value)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (equal("status", "open"), True),
        (equal("status", "Open"), False),
        (contains("memo", '"no"'), True),
        (contains("memo", "yes"), False),
        (above("amount_due", Decimal("9.33")), True),
        (above("amount_due", Decimal("9.34")), False),
        (above("amount_due", 9), True),
        (equal("amount_due", Decimal("9.340")), True),
        (above("due_date", date(2024, 2, 29)), True),
        (above("due_date", datetime(2024, 3, 1, tzinfo=UTC)), False),
        (above("due_date", "2024"), True),
        (equal("document_number", "x"), False),
        (equal("no_such_field", "x"), False),
        (equal("status", "open") & contains("memo", "no"), True),
        (equal("status", "open") & contains("memo", "yes"), False),
        (equal("status", 1), False),
    ],
)
def test_a_filter_means_the_same_here_as_upstream(expression: Filter, expected: bool) -> None:
    assert expression.matches(BILL) is expected


def test_only_documented_fields_are_taken_where_they_are_known() -> None:
    allowed = frozenset({"status", "updated_at"})
    assert filter_text(equal("status", "open"), allowed) == 'status="open"'
    assert sort_text("status", allowed) == "status"
    assert sort_text(descending("updated_at"), allowed) == "updated_at DESC"
    assert filter_text(equal("anything", "x"), None) == 'anything="x"'
    with pytest.raises(BadInput, match="it can by: status, updated_at"):
        filter_text(equal("memo", "x"), allowed)
    with pytest.raises(BadInput, match="it can by: status, updated_at"):
        sort_text("memo ASC", allowed)


@pytest.mark.parametrize("sort", ["", "updated_at asc", "updated_at  ASC", "updated_at ASC, id", "a;b", "a ASC\n"])
def test_a_sort_that_is_none_is_refused(sort: str) -> None:
    with pytest.raises(BadInput):
        sort_text(sort, None)
