"""Reads: pages, walks, retries, and what is made of answers that are not Rutter's."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from rutter_ap_server.rutter import Limits, above, errors
from rutter_ap_server.rutter.filters import equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_tools.errors import BadInput
from support.scripted_upstream import TOKEN, FakeTime, Scripted, answer, bill, client_for, page, refusal


async def listed(script: Scripted) -> list[Bill]:
    async with client_for(script) as client:
        return [one async for one in client.connection(TOKEN).bills.walk()]


async def bills_of(script: Scripted, **options: Any) -> list[str]:
    async with client_for(script) as client:
        return [one.id async for one in client.connection(TOKEN).bills.walk(**options)]


async def get_bill(script: Scripted, time: FakeTime | None = None, limits: Limits | None = None) -> Bill:
    async with client_for(script, time, limits) as client:
        return await client.connection(TOKEN).bills.get("b-1")


async def test_a_page_tells_its_items_its_cursor_and_its_connection() -> None:
    script = Scripted(answer(200, page([bill("b-1"), bill("b-2")], "next")))
    async with client_for(script) as client:
        found = await client.connection(TOKEN).bills.list(
            filter=equal("status", "open") & above("due_date", datetime(2024, 1, 2, tzinfo=UTC)),
            sort="due_date DESC",
            cursor="here",
            limit=2,
            expand=True,
            force_fetch=True,
            updated_at_min=datetime(2024, 1, 2, microsecond=7000, tzinfo=UTC),
            match={"document_number": "A 1"},
        )
    assert [one.id for one in found.items] == ["b-1", "b-2"]
    assert (found.next_cursor, found.connection.platform) == ("next", "QUICKBOOKS")
    assert dict(script.requests[0].url.params) == {
        "access_token": TOKEN,
        "cursor": "here",
        "document_number": "A 1",
        "expand": "platform_data",
        "filter": 'status="open" AND due_date>"2024-01-02T00:00:00.000Z"',
        "force_fetch": "true",
        "limit": "2",
        "sort": "due_date DESC",
        "updated_at_min": "1704153600007",
    }


async def test_a_walk_takes_every_page_in_an_order_that_loses_nothing() -> None:
    script = Scripted(
        answer(200, page([bill("b-1"), bill("b-2")], "two")),
        answer(200, page([], "three")),
        answer(200, page([bill("b-3")], None)),
    )
    assert await bills_of(script) == ["b-1", "b-2", "b-3"]
    assert [request.url.params.get("cursor") for request in script.requests] == [None, "two", "three"]
    assert {request.url.params["sort"] for request in script.requests} == {"updated_at ASC"}
    assert {request.url.params["limit"] for request in script.requests} == {"500"}


@pytest.mark.parametrize("last", [{}, {"next_cursor": None}, {"next_cursor": ""}])
async def test_a_walk_ends_where_no_cursor_is(last: dict[str, object]) -> None:
    body = page([bill()]) | {"next_cursor": None}
    del body["next_cursor"]
    assert await bills_of(Scripted(answer(200, body | last))) == ["b-1"]


async def test_a_walk_stops_on_a_cursor_it_has_seen() -> None:
    cursors = ["a", "b", "a"]
    with pytest.raises(errors.UpstreamNonsense) as caught:
        await bills_of(Scripted(*[answer(200, page([bill()], cursor)) for cursor in cursors]))
    assert caught.value.error_code == "cursor_repeated"


async def test_a_walk_that_meets_its_bound_says_so() -> None:
    script = Scripted(*[answer(200, page([bill(str(n))], f"c{n}")) for n in range(3)])
    with pytest.raises(errors.WalkTooLong):
        await bills_of(script, pages_max=3)


@pytest.mark.parametrize("platform", ["SAGE_INTACCT", "SAGE_BUSINESS_CLOUD"])
async def test_a_filter_is_applied_here_where_the_platform_ignores_it(platform: str) -> None:
    both = [bill("b-1"), bill("b-2", status="paid")]
    script = Scripted(answer(200, page(both, platform=platform)))
    assert await bills_of(script, filter=equal("status", "paid")) == ["b-2"]
    script = Scripted(answer(200, page(both, platform=platform)))
    assert await bills_of(script, match={"status": "open"}) == ["b-1"]
    script = Scripted(answer(200, page(both, platform=platform)))
    assert await bills_of(script) == ["b-1", "b-2"]


async def test_a_text_filter_the_platform_ignores_is_refused() -> None:
    with pytest.raises(errors.NotSupportedHere):
        await bills_of(Scripted(answer(200, page([bill()], platform="SAGE_INTACCT"))), filter='status="paid"')


@pytest.mark.parametrize(
    "options",
    [
        {"filter": equal("memo", "x")},
        {"sort": "memo ASC"},
        {"sort": "due_date DOWN"},
        {"page_size": 501},
        {"page_size": 0},
        {"updated_at_min": datetime(2024, 1, 2)},  # noqa: DTZ001 - the point of the case
        {"filter": " "},
    ],
)
async def test_what_rutter_would_refuse_is_refused_before_sending(options: dict[str, Any]) -> None:
    script = Scripted()
    with pytest.raises(BadInput):
        await bills_of(script, **options)
    assert script.requests == []


# --- retries -----------------------------------------------------------------------------------------------------

FAILURES: list[httpx.Response | Exception] = [
    refusal(429),
    refusal(452),
    refusal(500),
    refusal(503),
    httpx.ConnectError("x"),
    httpx.ReadTimeout("x"),
    httpx.ReadError("x"),
    httpx.RemoteProtocolError("x"),
    httpx.PoolTimeout("x"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: str(getattr(each, "status_code", type(each).__name__)))
async def test_a_read_is_repeated_after_what_may_pass(failure: httpx.Response | Exception) -> None:
    time = FakeTime()
    found = await get_bill(Scripted(failure, answer(200, {"bill": bill()})), time)
    assert found.amount_due == Decimal("9.34")
    assert len(time.slept) == 1
    assert 0.25 <= time.slept[0] <= 0.5


async def test_waits_grow_and_end() -> None:
    time = FakeTime()
    with pytest.raises(errors.UpstreamUnavailable):
        await get_bill(Scripted(*[refusal(503) for _ in range(4)]), time)
    assert [0.25 <= time.slept[0] <= 0.5, 0.5 <= time.slept[1] <= 1.0, 1.0 <= time.slept[2] <= 2.0] == [True] * 3
    assert len(time.slept) == 3


async def test_a_retry_after_is_waited_for() -> None:
    time = FakeTime()
    await get_bill(Scripted(refusal(429, retry_after="12"), answer(200, {"bill": bill()})), time)
    assert time.slept == [12.0]


async def test_a_retry_after_beyond_the_bound_is_told_instead() -> None:
    time = FakeTime()
    with pytest.raises(errors.RateLimited) as caught:
        await get_bill(Scripted(refusal(429, retry_after="600")), time)
    assert (caught.value.retry_after_seconds, time.slept) == (600.0, [])


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "²"])
async def test_a_retry_after_that_is_no_number_uses_the_backoff(text: str) -> None:
    time = FakeTime()
    too_many = httpx.Response(429, headers=[(b"retry-after", text.encode("utf-8"))])
    await get_bill(Scripted(too_many, answer(200, {"bill": bill()})), time)
    assert time.slept[0] <= 0.5


# --- answers that are not Rutter's -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b"{}",
        b'{"bill": null}',
        b'{"bill": {"amount_due": "much"}}',
        b'{"bill": {"id": null, "amount_due": 9.34}}',
        b'{"bill": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
async def test_a_success_that_is_not_a_bill_is_nonsense(body: bytes) -> None:
    with pytest.raises(errors.UpstreamNonsense):
        await get_bill(Scripted(httpx.Response(200, content=body)))


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/json; charset=utf-8", ""])
async def test_a_bill_is_read_from_any_content_type_but_html(kind: str) -> None:
    body = json.dumps({"bill": bill()}).encode()
    found = await get_bill(Scripted(httpx.Response(200, content=body, headers={"content-type": kind})))
    assert found.id == "b-1"


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"amount_due": "much"}, "amount due"),
        ({"amount_due": "NaN"}, "amount due"),
        ({"amount_due": "Infinity"}, "amount due"),
        ({"total_amount": "1E+999999999"}, "total amount"),
        ({"status": None}, "status"),
        ({"status": 5, "due_date": "soon"}, "due date and status"),
        ({"currency_code": None}, "currency code"),
        ({"linked_payments": [{"id": "p-1"}]}, "linked payments"),
        ({"line_items": "none"}, "line items"),
        ({"vendor_id": {}}, "vendor id"),
    ],
)
async def test_a_bill_that_is_not_as_documented_says_which_part(changes: dict[str, Any], trouble: str) -> None:
    found = await get_bill(Scripted(answer(200, {"bill": bill(**changes)})))
    assert found.trouble == f"its {trouble} cannot be read"
    assert (found.id, found.memo, found.linked_payments) == ("b-1", None, ())
    good, bad = await listed(Scripted(answer(200, page([bill("b-0"), bill(**changes)]))))
    assert (good.id, good.trouble, bad.id, bad.trouble) == ("b-0", "", "b-1", found.trouble)


@pytest.mark.parametrize("item", [None, 5, "b-1", [], {}, {"id": 7}])
async def test_what_has_no_id_does_not_hide_its_neighbours(item: Any) -> None:
    found = await listed(Scripted(answer(200, page([item, bill("b-0")]))))
    assert [(one.id, bool(one.trouble)) for one in found] == [("", True), ("b-0", False)]


async def test_a_page_of_ten_thousand_objects_is_nonsense() -> None:
    with pytest.raises(errors.UpstreamNonsense):
        await bills_of(Scripted(answer(200, page([{"id": str(n)} for n in range(10_000)]))))


@pytest.mark.parametrize("status", [404, 410])
async def test_a_web_page_is_nonsense_whatever_its_status(status: int) -> None:
    with pytest.raises(errors.UpstreamNonsense):
        await get_bill(Scripted(web_page(status)))


def web_page(status: int) -> httpx.Response:
    """What a gateway says in Rutter's place."""
    return httpx.Response(status, text="<html>Sign in</html>", headers={"content-type": "text/html"})


def garbled(kind: str) -> httpx.Response:
    """A read's answer as it came when something between us and Rutter spoilt it."""
    pages = {"web page": 200, "web page instead of a 500": 500, "of a proxy of its own kind": 520}
    bodies = {
        "empty": b"",
        "cut": b'{"bill": {"id": "b-1"',
        "changed": b'{"bill"= {"id": "b-1"}}',
        "binary": b"\xff\xfe\x00",
    }
    return web_page(pages[kind]) if kind in pages else httpx.Response(200, content=bodies[kind])


GARBLED = ["empty", "cut", "changed", "binary", "web page", "web page instead of a 500", "of a proxy of its own kind"]


@pytest.mark.parametrize("kind", GARBLED)
async def test_a_garbled_read_is_tried_again(kind: str) -> None:
    assert (await get_bill(Scripted(garbled(kind), answer(200, {"bill": bill()})))).id == "b-1"


@pytest.mark.parametrize("kind", GARBLED)
async def test_a_read_that_stays_garbled_ends_within_its_bound(kind: str) -> None:
    script = Scripted(*(garbled(kind) for _ in range(9)))
    with pytest.raises((errors.UpstreamNonsense, errors.UpstreamUnavailable)):
        await get_bill(script)
    assert len(script.requests) == Limits().attempts_max


async def test_a_redirect_to_another_host_is_never_followed() -> None:
    script = Scripted(httpx.Response(307, headers={"location": "https://elsewhere.test/versioned"}))
    with pytest.raises(errors.UpstreamNonsense):
        await get_bill(script)
    assert [request.url.host for request in script.requests] == ["rutter.test"]


async def test_a_body_beyond_the_bound_is_refused_even_compressed() -> None:
    limits = Limits(body_bytes_max=1000)
    plain = httpx.Response(200, content=b" " * 1001)
    packed = httpx.Response(200, content=gzip.compress(b" " * 100_000), headers={"content-encoding": "gzip"})
    for each in (plain, packed):
        with pytest.raises(errors.UpstreamNonsense) as caught:
            await get_bill(Scripted(each), limits=limits)
        assert caught.value.error_code == "upstream_too_large"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_a_coding_that_was_not_offered_is_nonsense(encoding: str) -> None:
    odd = httpx.Response(200, stream=httpx.ByteStream(b"{}"), headers={"content-encoding": encoding})
    with pytest.raises(errors.UpstreamNonsense):
        await get_bill(Scripted(odd))


async def test_dates_are_read_in_every_form_the_platforms_send() -> None:
    forms = {
        "due_date": "2024-01-02",
        "issue_date": "2024-01-02T00:00:00",
        "created_at": "2024-01-02T00:00:00Z",
        "updated_at": "2024-01-02T02:00:00.000+02:00",
        "last_synced_at": "",
    }
    found = await get_bill(Scripted(answer(200, {"bill": bill(**forms)})))
    midnight = datetime(2024, 1, 2, tzinfo=UTC)
    assert (found.due_date, found.issue_date, found.created_at, found.updated_at) == (midnight,) * 4
    assert (found.last_synced_at, found.trouble) == (None, "")


@pytest.mark.parametrize("rate", [b"3.50", b'"3.50"'])
async def test_a_rate_is_read_from_a_number_and_from_a_text(rate: bytes) -> None:
    body = json.dumps({"bill": bill()}).encode().replace(b'"USD"', b'"USD", "currency_rate": ' + rate)
    assert (await get_bill(Scripted(httpx.Response(200, content=body)))).currency_rate == Decimal("3.50")


async def test_what_is_not_known_is_kept_aside_exactly() -> None:
    body = b'{"bill": {"id": "b-1", "amount_due": 1.10, "total_amount": 1234567890123456.78, "currency_code": "XTS",'
    body += b'"status": "levitating", "new_field": {"deep": 0.10}, "platform_data": {"Balance": 1.10}}}'
    found = await get_bill(Scripted(httpx.Response(200, content=body)))
    assert (str(found.amount_due), str(found.total_amount)) == ("1.10", "1234567890123456.78")
    assert (found.status, found.currency_code) == ("levitating", "XTS")
    assert found.extra == {"new_field": {"deep": Decimal("0.10")}, "platform_data": {"Balance": Decimal("1.10")}}
    assert found.platform_data == {"Balance": Decimal("1.10")}
    assert str(found.extra["new_field"]["deep"]) == "0.10"
    assert repr(found) == "Bill(id='b-1')"


async def test_keeping_one_object_does_not_keep_its_whole_page() -> None:
    async with client_for(Scripted(answer(200, page([bill("b-1"), bill("b-2")])))) as client:
        first, _ = (await client.connection(TOKEN).bills.list()).items
    assert first.raw is not None
    assert json.loads(first.raw)["id"] == "b-1"


async def test_an_object_is_fetched_by_the_platforms_id_when_asked() -> None:
    script = Scripted(answer(200, {"bill": bill()}))
    async with client_for(script) as client:
        await client.connection(TOKEN).bills.get("145", id_type="platform", force_fetch=True)
    assert dict(script.requests[0].url.params) == {
        "access_token": TOKEN,
        "force_fetch": "true",
        "id_type": "platform",
    }
