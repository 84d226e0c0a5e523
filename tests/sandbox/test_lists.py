"""Lists as documented: keyset cursors, limits, filters and sorts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from support.sandbox.bodies import bill_fields, refused
from support.sandbox.wire import Json, Wire


def test_a_walk_sees_every_object_once_at_any_page_size(wire: Wire) -> None:
    whole = [one["id"] for one in wire.every("bills")]
    for limit in (1, 7, 50):
        walked = [one["id"] for page in wire.pages("bills", limit=limit) for one in page]
        assert walked == whole
    assert len(wire.get("/accounting/bills")["bills"]) == min(50, len(whole))


@pytest.mark.parametrize("limit", ["0", "-1", "501", "1.5", "ten", "", "1e2", " 5", "9" * 5000])
def test_a_limit_outside_one_to_five_hundred_is_refused(wire: Wire, limit: str) -> None:
    refused(wire.call("GET", "/accounting/bills", limit=limit), 400)


def test_the_last_page_has_no_cursor_even_when_it_is_full(wire: Wire) -> None:
    count = len(wire.every("vendors"))
    assert wire.get("/accounting/vendors", limit=count)["next_cursor"] is None
    assert wire.get("/accounting/vendors", limit=count - 1)["next_cursor"]


def test_a_change_during_an_ascending_walk_returns_at_its_end(wire: Wire) -> None:
    pages = wire.pages("bills", limit=5, sort="updated_at ASC")
    seen = [one["id"] for one in next(pages)]
    wire.send("PATCH", f"bills/{wire.by_number('FT-802')['id']}", {"memo": "later"})
    changed = wire.by_number("FT-802")["id"]
    early = seen[0]
    refused_or_done = wire.send("PATCH", f"bills/{early}", {"memo": "again"})
    rest = [one["id"] for page in pages for one in page]
    assert rest.count(changed) == 1
    # What was seen already is seen once more if it changed, and otherwise not.
    assert rest.count(early) == (1 if refused_or_done.status == 200 else 0)
    assert set(seen) | set(rest) == {one["id"] for one in wire.every("bills")}


def test_a_change_during_a_descending_walk_is_missed_until_next(wire: Wire) -> None:
    pages = wire.pages("bills", limit=5)
    seen = [one["id"] for one in next(pages)]
    later = next(one["id"] for one in wire.every("bills") if one["id"] not in seen and one["status"] == "open")
    assert wire.send("PATCH", f"bills/{later}", {"memo": "jumps to the front"}).status == 200
    rest = [one["id"] for page in pages for one in page]
    assert later not in rest
    assert wire.every("bills")[0]["id"] == later


def test_an_object_made_during_an_ascending_walk_is_found_by_it(wire: Wire) -> None:
    pages = wire.pages("bills", limit=20, sort="updated_at ASC")
    next(pages)
    made = wire.create("bills", **bill_fields(wire))["id"]
    assert [one["id"] for page in pages for one in page][-1] == made


def test_a_cursor_belongs_to_its_list_filter_and_sort(wire: Wire) -> None:
    cursor = wire.get("/accounting/bills", limit=1)["next_cursor"]
    refused(wire.call("GET", "/accounting/vendors", cursor=cursor), 400, "INVALID_CURSOR")
    refused(wire.call("GET", "/accounting/bills", cursor=cursor, sort="due_date"), 400, "INVALID_CURSOR")
    refused(wire.call("GET", "/accounting/bills", cursor=cursor, filter='status="paid"'), 400, "INVALID_CURSOR")


def test_a_cursor_that_was_tampered_with_is_refused(wire: Wire) -> None:
    walk, _, record_id = json.loads(base64.urlsafe_b64decode(wire.get("/accounting/bills", limit=1)["next_cursor"]))
    forged: list[Any] = [[walk, 10**30, record_id], [walk, None, record_id], [walk, {}, record_id], [walk, "x", 1]]
    forged += [[walk], {}, "x", 1, None, [[]], {"a": 1, "b": 2, "c": 3}]
    texts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode() for one in forged]
    for cursor in [*texts, "x", "é", "=", "AAAA", "\0", "%", "a" * 10_000]:
        refused(wire.call("GET", "/accounting/bills", cursor=cursor), 400, "INVALID_CURSOR")


# Filters and sorts

FILTERS: list[tuple[str, str, Callable[[Json], bool]]] = [
    ("bills", 'status="paid"', lambda one: one["status"] == "paid"),
    ("bills", 'status = "paid"', lambda one: one["status"] == "paid"),
    ("bills", 'status!="paid"', lambda one: one["status"] != "paid"),
    ("bills", 'document_number~"104"', lambda one: "104" in one["document_number"]),
    ("bills", 'document_number="inv-1043"', lambda one: False),
    ("bills", 'due_date>"2026-03-16"', lambda one: one["due_date"] > "2026-03-16T00:00:00.000Z"),
    ("bills", 'due_date>="2026-03-24T00:00:00Z"', lambda one: one["due_date"] >= "2026-03-24T00:00:00.000Z"),
    ("bills", 'due_date<"2026-03-16T00:00:00Z"', lambda one: one["due_date"] < "2026-03-16"),
    ("bills", 'due_date<="2026-03-24T02:00:00+02:00"', lambda one: one["due_date"] <= "2026-03-24T00:00:00.000Z"),
    (
        "bills",
        'status="open" AND due_date<"2026-03-16" AND document_number~"FT"',
        lambda one: one["document_number"] == "FT-778",
    ),
    ("vendors", 'vendor_name~"Acme"', lambda one: "Acme" in one["vendor_name"]),
    ("vendors", 'vendor_name~"acme"', lambda one: False),
    ("vendors", r'vendor_name="a \"quoted\" name"', lambda one: False),
    ("vendors", 'vendor_name~"\' OR 1=1 --"', lambda one: False),
    ("vendors", 'vendor_name~"%"', lambda one: False),
    ("accounts", 'account_type="expense"', lambda one: one["account_type"] == "expense"),
    ("accounts", "balance>1000", lambda one: one["balance"] > 1000),
    ("accounts", "balance<=-0.01", lambda one: one["balance"] < 0),
    ("accounts", 'balance!="0.00"', lambda one: one["balance"] != 0),
    ("accounts", 'nominal_code>"6000"', lambda one: one["nominal_code"] > "6000"),
    ("accounts", 'name="Timber" AND status="active"', lambda one: one["name"] == "Timber"),
    ("items", 'name~"box"', lambda one: "box" in one["name"]),
    ("classes", 'name="Workshop"', lambda one: one["name"] == "Workshop"),
    ("bill_credit_memos", 'document_number="CM-0117"', lambda one: True),
    ("payment_terms", 'created_at>"2020-01-01"', lambda one: True),
    ("tax_rates", 'updated_at>"2030-01-01"', lambda one: False),
]


@pytest.mark.parametrize(("plural", "expression", "wanted"), FILTERS, ids=[row[1] for row in FILTERS])
def test_a_filter_gives_exactly_what_it_asks_for(
    wire: Wire, plural: str, expression: str, wanted: Callable[[Json], bool]
) -> None:
    whole = wire.every(plural)
    expected = [one["id"] for one in whole if wanted(one)]
    assert [one["id"] for one in wire.every(plural, filter=expression)] == expected


def test_a_balance_filter_is_right_with_zero_or_three_decimals(wire: Wire) -> None:
    for code, name in (("JPY", "Yen"), ("KWD", "Dinar")):
        wire.create("accounts", name=name, account_type="bank", currency_code=code)
    below, above = wire.every("accounts", filter="balance<0.001"), wire.every("accounts", filter="balance>=0.001")
    assert {one["name"] for one in below} >= {"Yen", "Dinar"}
    assert len(below) + len(above) == len(wire.every("accounts"))
    assert [one["balance"] for one in wire.every("accounts", sort="balance")] == sorted(
        one["balance"] for one in wire.every("accounts")
    )


BAD_FILTERS = [
    "",
    "status",
    "status=",
    "status=paid",
    "status='paid'",
    'status="paid',
    'status=="paid"',
    'STATUS="paid"',
    'memo~"x"',
    'total_amount>"1"',
    'status="paid" and status="open"',
    'status="paid"  AND  status="open"',
    'status="paid" AND ',
    ' status="paid"',
    'status="paid" ',
    'status="paid" OR status="open"',
    '(status="paid")',
    'status IN ("paid")',
    "status=null",
    "status=true",
    "due_date=null",
    'due_date~"2026"',
    'due_date>"yesterday"',
    'due_date>"2026-13-01"',
    'due_date>"9999-12-31T23:00:00-05:00"',
    'due_date>"0001-01-01T00:00:00+05:00"',
    'created_at>""',
    'status="\\',
    'status="' + "x" * 5000 + '"',
    'status="x"; DROP TABLE objects',
]


@pytest.mark.parametrize("expression", BAD_FILTERS, ids=[one[:40] for one in BAD_FILTERS])
def test_a_filter_outside_the_known_grammar_is_refused(wire: Wire, expression: str) -> None:
    refused(wire.call("GET", "/accounting/bills", filter=expression), 400, "INVALID_FILTER")


@pytest.mark.parametrize(
    "expression", ["balance>abc", 'balance>"1e9"', 'balance~"1"', "balance>1.23456", "balance=NaN"]
)
def test_a_balance_is_compared_with_a_plain_number_only(wire: Wire, expression: str) -> None:
    refused(wire.call("GET", "/accounting/accounts", filter=expression), 400, "INVALID_FILTER")


@pytest.mark.parametrize(
    ("sort", "field", "descending"),
    [
        ("due_date", "due_date", False),
        ("due_date ASC", "due_date", False),
        ("due_date DESC", "due_date", True),
        ("status DESC", "status", True),
        ("document_number", "document_number", False),
        ("created_at DESC", "created_at", True),
        (None, "updated_at", True),
    ],
)
def test_a_list_is_sorted_as_asked_over_all_its_pages(
    wire: Wire,
    sort: str | None,
    field: str,
    descending: bool,
) -> None:
    rows = [one for page in wire.pages("bills", limit=7, sort=sort) for one in page]
    assert len({one["id"] for one in rows}) == len(rows) == len(wire.every("bills"))
    values = [one[field] for one in rows]
    assert values == sorted(values, reverse=descending)


@pytest.mark.parametrize(
    "sort", ["", "memo", "due_date asc", "due_date  ASC", "due_date ASC,status", "id", "body DESC"]
)
def test_a_sort_by_anything_else_is_refused(wire: Wire, sort: str) -> None:
    refused(wire.call("GET", "/accounting/bills", sort=sort), 400, "INVALID_SORT")


def test_the_older_parameters_still_narrow_a_list(wire: Wire) -> None:
    assert [one["document_number"] for one in wire.every("bills", document_number="FT-802")] == ["FT-802"]
    assert {one["account_type"] for one in wire.every("accounts", account_type="bank")} == {"bank"}
    middle = wire.every("bills")[20]["updated_at"]
    stamp = round(datetime.fromisoformat(middle).timestamp() * 1000)
    newer = wire.every("bills", updated_at_min=stamp)
    older = wire.every("bills", updated_at_max=stamp)
    # Both bounds include their own moment.
    assert len(newer) + len(older) == len(wire.every("bills")) + 1
    assert wire.every("bills", last_synced_at_min=stamp) == newer
    for value in ("now", "-1", "1.5", "2026-01-01", "9" * 30):
        refused(wire.call("GET", "/accounting/bills", updated_at_min=value), 400)
