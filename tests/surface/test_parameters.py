"""Every documented parameter of listing and fetching: sent by the client as documented, and honoured by the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.reads.bills import list_bills
from rutter_ap_server.reads.payments import list_payments
from rutter_ap_server.rutter import above, contains, equal, errors
from rutter_ap_server.rutter.filters import Filter, ascending, descending
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.payments import ListPayments
from support.practice_company import practice
from support.surface.books import Ledger, ledger

pytestmark = pytest.mark.anyio
COLLECTIONS = pytest.mark.parametrize("name", ["bills", "bill_payments"])
PAGE_OBJECTS_DEFAULT = 50
FILTERABLE = ("document_number", "vendor_id", "due_date", "status", "created_at", "updated_at", "last_synced_at")


def collection(books: Ledger, name: str, platform: str = "QUICKBOOKS") -> Any:
    return getattr(books.company(platform), name)


async def written(books: Ledger, name: str, platform: str = "QUICKBOOKS") -> list[dict[str, Any]]:
    """Every record of the company as the sandbox writes it, in the order of a list without a sort."""
    assert (await collection(books, name, platform).list(limit=500)).next_cursor is None
    found: list[dict[str, Any]] = books.wire.answer[name]
    return found


@COLLECTIONS
async def test_pages_follow_each_other_until_the_last(name: str) -> None:
    async with ledger() as books:
        every = [one["id"] for one in await written(books, name)]
        seen: list[str] = []
        cursor = None
        while True:
            page = await collection(books, name).list(limit=20, cursor=cursor)
            assert books.wire.query == {"limit": "20"} | ({"cursor": cursor} if cursor else {})
            seen += [one.id for one in page.items]
            assert page.next_cursor == books.wire.answer["next_cursor"]
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.items) == 20
        assert seen == every
        assert len(every) > 20


@COLLECTIONS
async def test_a_page_holds_fifty_where_nothing_is_said(name: str) -> None:
    async with ledger(bills=200) as books:
        page = await collection(books, name).list()
        assert books.wire.query == {}
        assert len(page.items) == PAGE_OBJECTS_DEFAULT
        assert page.next_cursor


@COLLECTIONS
async def test_an_answer_names_its_connection(name: str) -> None:
    async with ledger() as books:
        page = await collection(books, name).list(limit=1)
        one = await collection(books, name).get(page.items[0].id)
        assert books.wire.answer[name.removesuffix("s")]["id"] == one.id
        named = books.wire.answer["connection"]
        assert named["id"] == books.connection().id
        assert (page.connection.id, page.connection.org_id, page.connection.platform) == (
            named["id"],
            named["orgId"],
            "QUICKBOOKS",
        )
        assert page.connection.org_id


def _middle(every: list[dict[str, Any]], field: str) -> Any:
    held = sorted(one[field] for one in every if one[field] is not None)
    return held[len(held) // 2]


@pytest.mark.parametrize("field", FILTERABLE)
async def test_a_filter_keeps_exactly_what_matches(field: str) -> None:
    async with ledger() as books:
        every = await written(books, "bills")
        value = _middle(every, field)
        is_moment = field.endswith("_at") or field == "due_date"
        text = value if is_moment else value[1:5]
        cases: list[tuple[Filter, str, Callable[[str], bool]]] = [
            (equal(field, datetime.fromisoformat(value) if is_moment else value), "=", lambda held: held == value),
            (above(field, datetime.fromisoformat(value)), ">", lambda held: held > value)
            if is_moment
            else (contains(field, text), "~", lambda held: text in held),
        ]
        for chosen, operator, matches in cases:
            page = await books.company().bills.list(filter=chosen, limit=500)
            assert books.wire.query["filter"] == f'{field}{operator}"{value if operator != "~" else text}"'
            kept = {one.id for one in page.items}
            assert kept == {one["id"] for one in every if one[field] is not None and matches(one[field])}
            assert kept


async def test_conditions_are_joined_and_all_must_hold() -> None:
    async with ledger() as books:
        every = await written(books, "bills")
        vendor = _middle(every, "vendor_id")
        page = await books.company().bills.list(filter=equal("vendor_id", vendor) & equal("status", "paid"), limit=500)
        assert books.wire.query["filter"] == f'vendor_id="{vendor}" AND status="paid"'
        assert {one.id for one in page.items} == {
            one["id"] for one in every if (one["vendor_id"], one["status"]) == (vendor, "paid")
        }


async def test_only_the_documented_fields_filter_and_sort() -> None:
    async with ledger() as books:
        bills = books.company().bills
        assert bills.endpoint.allowed == frozenset(FILTERABLE)
        for refused in (
            bills.list(filter=equal("memo", "x")),
            bills.list(sort="total_amount ASC"),
        ):
            with pytest.raises(BadInput):
                await refused
        assert books.wire.requests == []
        # A text is sent as it stands, and Rutter refuses it.
        for field in ("memo", "total_amount"):
            with pytest.raises(errors.BadRequest):
                await bills.list(filter=f'{field}="1"')


@pytest.mark.parametrize("field", FILTERABLE)
async def test_a_sort_orders_by_its_field(field: str) -> None:
    async with ledger() as books:
        bills = books.company().bills
        orders = {}
        for sort in (ascending(field), descending(field), field):
            await bills.list(sort=sort, limit=500)
            assert books.wire.query["sort"] == sort
            orders[sort] = [one[field] for one in books.wire.answer["bills"] if one[field] is not None]
        assert orders[ascending(field)] == sorted(orders[field])
        assert orders[descending(field)] == sorted(orders[field], reverse=True)
        # Without a direction it ascends.
        assert orders[field] == orders[ascending(field)]
        assert len(set(orders[field])) > 1


async def test_without_a_sort_the_latest_change_comes_first() -> None:
    async with ledger() as books:
        changed = [one["updated_at"] for one in await written(books, "bills")]
        assert "sort" not in books.wire.query
        assert changed == sorted(changed, reverse=True)
        assert len(set(changed)) > 1


async def test_a_document_number_is_matched_exactly() -> None:
    async with ledger() as books:
        number = _middle(await written(books, "bills"), "document_number")
        page = await books.company().bills.list(match={"document_number": number})
        assert books.wire.query == {"document_number": number}
        assert {one.document_number for one in page.items} == {number}
        assert (await books.company().bills.list(match={"document_number": number[:-1]})).items == ()


@pytest.mark.parametrize("bound", ["updated_at_min", "updated_at_max", "last_synced_at_min"])
@COLLECTIONS
async def test_a_bound_in_milliseconds_is_part_of_the_range(name: str, bound: str) -> None:
    async with ledger() as books:
        every = await written(books, name)
        field, _, side = bound.rpartition("_")
        middle = _middle(every, field)
        moment = datetime.fromisoformat(middle)
        page = await collection(books, name).list(**{bound: moment}, limit=500)
        assert books.wire.query[bound] == str(int(moment.timestamp()) * 1000)
        expected = {one["id"] for one in every if (one[field] >= middle if side == "min" else one[field] <= middle)}
        assert {one.id for one in page.items} == expected
        assert 0 < len(expected) < len(every)
        beyond = moment + timedelta(milliseconds=1 if side == "min" else -1)
        kept = {one.id for one in (await collection(books, name).list(**{bound: beyond}, limit=500)).items}
        assert kept == {one["id"] for one in every if one["id"] in expected and one[field] != middle}


@COLLECTIONS
async def test_the_platforms_record_comes_where_it_is_asked_for(name: str) -> None:
    async with ledger() as books:
        plain = await collection(books, name).list(limit=3)
        assert {one.platform_data for one in plain.items} == {None}
        asked = await collection(books, name).list(limit=3, expand=True)
        assert books.wire.query == {"limit": "3", "expand": "platform_data"}
        assert [one.platform_data for one in asked.items] == [one["platform_data"] for one in books.wire.answer[name]]
        assert all(one.platform_data for one in asked.items)


@COLLECTIONS
async def test_before_the_first_sync_only_a_forced_read_answers(name: str) -> None:
    async with ledger(admin=True) as books:
        every = [one["id"] for one in await written(books, name)]
        await books.switch(f"connections/{books.connection().id}", {"status": "not_ready"})
        kind = collection(books, name)
        for refused in (kind.list(), kind.get(every[0])):
            with pytest.raises(errors.NotReady):
                await refused
        assert [one.id for one in (await kind.list(limit=500, force_fetch=True)).items] == every
        assert books.wire.query["force_fetch"] == "true"
        assert (await kind.get(every[0], force_fetch=True)).id == every[0]
        assert books.wire.query == {"force_fetch": "true"}


@COLLECTIONS
async def test_an_object_is_fetched_by_its_id(name: str) -> None:
    async with ledger() as books:
        first, *_ = (await collection(books, name).list(limit=3)).items
        assert await collection(books, name).get(first.id) == first
        assert books.wire.requests[-1].url.path == f"/versioned/accounting/{name}/{first.id}"
        assert books.wire.query == {}
        with pytest.raises(errors.NotFoundUpstream):
            await collection(books, name).get("unknown")


async def test_a_bill_is_fetched_by_the_id_of_its_platform() -> None:
    async with ledger() as books:
        first, *_ = (await books.company().bills.list(limit=3)).items
        assert first.platform_id
        assert await books.company().bills.get(first.platform_id, id_type="platform") == first
        assert books.wire.query == {"id_type": "platform"}
        assert await books.company().bills.get(first.id, id_type="rutter") == first
        with pytest.raises(errors.NotFoundUpstream):
            await books.company().bills.get(first.platform_id)


@pytest.mark.parametrize(
    "platform",
    ["SAGE_INTACCT", "SAGE_BUSINESS_CLOUD"],
)
async def test_a_sage_platform_ignores_what_it_does_not_know(platform: str) -> None:
    """The client then applies a filter itself, and the sandbox answers as if nothing had been asked."""
    async with ledger() as books:
        every = await written(books, "bills", platform)
        bills = books.company(platform).bills
        paid = {one["id"] for one in every if one["status"] == "paid"}
        assert {one.id for one in (await bills.list(filter=equal("status", "paid"))).items} == paid
        assert len(books.wire.answer["bills"]) == len(every) > len(paid) > 0
        number = _middle(every, "document_number")
        assert {one.document_number for one in (await bills.list(match={"document_number": number})).items} == {number}
        assert len(books.wire.answer["bills"]) == len(every)
        with pytest.raises(errors.NotSupportedHere):
            await bills.list(filter='status="paid"')
        # The older bounds are known there too.
        latest = max(one["updated_at"] for one in every)
        kept = await bills.list(updated_at_min=datetime.fromisoformat(latest))
        assert {one.id for one in kept.items} == {one["id"] for one in every if one["updated_at"] == latest}


async def test_the_token_is_in_the_query_of_every_call() -> None:
    async with ledger() as books:
        for name in ("bills", "bill_payments"):
            kind = collection(books, name)
            (first,) = (await kind.list(limit=1)).items
            await kind.get(first.id)
        token = books.connection().access_token
        assert {request.url.params.get("access_token") for request in books.wire.requests} == {token}
        assert all(token not in str(request.headers) for request in books.wire.requests)


async def test_a_company_is_refused_without_its_token() -> None:
    async with ledger() as books:
        unknown = books.client.connection("unknown")
        for refused in (unknown.bills.list(), unknown.bill_payments.list(), unknown.bills.get("x")):
            with pytest.raises(errors.CredentialsRejected):
                await refused


@pytest.mark.parametrize(
    ("tool", "rows"), [("list_bills", "bills"), ("list_payments", "payments")], ids=["list_bills", "list_payments"]
)
async def test_a_page_of_a_tool_holds_fifty_too(tool: str, rows: str, tmp_path: Path) -> None:
    reads: dict[str, Callable[[Any], Any]] = {
        "list_bills": lambda company: list_bills(company, ListBills(status="any")),
        "list_payments": lambda company: list_payments(company, ListPayments()),
    }
    async with practice(tmp_path, bills=200) as (company, _):
        page = await reads[tool](company)
        assert len(getattr(page, rows)) == PAGE_OBJECTS_DEFAULT
        assert page.next_cursor
