"""Whatever an argument is, a caller meets one of the client's own errors, and nothing wrong is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from operator import and_
from typing import Any

import httpx
import pytest

from rutter_ap_server.rutter import (
    CompanyClient,
    Credentials,
    Limits,
    RutterClient,
    above,
    ascending,
    contains,
    descending,
    equal,
    errors,
)
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft, BillUpdate
from rutter_ap_server.rutter.webhooks import is_genuine, read_event, sign
from support.scripted_upstream import CLIENT_ID, CLIENT_SECRET, TOKEN, Scripted, client_for
from support.scripted_writes import NEW_BILL

HALF = "\ud800"
DAY = date(2024, 1, 2)
BEYOND = datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))


class NoOffset(tzinfo):
    """A time zone that does not say what it is."""

    def utcoffset(self, _: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


VAGUE = datetime(2024, 1, 2, tzinfo=NoOffset())
Ask = Callable[[RutterClient, CompanyClient], Any]


async def refused(ask: Ask) -> None:
    """Asserts that nothing is sent, and that the caller is told."""
    script = Scripted()

    async def asked(client: RutterClient) -> None:
        answer = ask(client, client.connection(TOKEN))
        await (anext(answer) if inspect.isasyncgen(answer) else answer)

    async with client_for(script) as client:
        with pytest.raises(errors.InvalidInput) as refusal:
            await asked(client)
    assert HALF not in str(refusal.value)
    assert script.requests == []


LISTS: list[dict[str, Any]] = [
    {"filter": 5},
    {"filter": f'memo="{HALF}"'},
    {"filter": "a=\n"},
    {"filter": "x" * 10_000},
    {"sort": 5},
    {"sort": HALF},
    {"cursor": 5},
    {"cursor": HALF},
    {"cursor": ""},
    {"match": 5},
    {"match": {"document_number": 5}},
    {"match": {"document_number": None}},
    {"match": {"document_number": HALF}},
    {"match": {5: "x"}},
    {"match": {"access_token": "x"}},
    {"match": {"limit": "9999"}},
    {"updated_at_min": "2024-01-01"},
    {"updated_at_max": DAY},
    {"last_synced_at_min": 5},
    {"last_synced_at_min": BEYOND},
    {"updated_at_min": VAGUE},
    {"limit": "5"},
    {"limit": 5.0},
    {"limit": True},
]


@pytest.mark.parametrize("options", LISTS)
async def test_a_list_takes_nothing_it_cannot_send(options: dict[str, Any]) -> None:
    await refused(lambda _, books: books.bills.list(**options))
    if "cursor" not in options:
        walked = {"page_size" if name == "limit" else name: value for name, value in options.items()}
        await refused(lambda _, books: books.bills.walk(**walked))


@pytest.mark.parametrize("pages_max", ["x", 0, True, None])
async def test_a_walk_takes_no_number_of_pages_that_is_none(pages_max: Any) -> None:
    await refused(lambda _, books: books.bills.walk(pages_max=pages_max))


RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)
NOT_TO_SEND: list[Any] = [
    {None: "x"},
    {1: "x"},
    {HALF: "x"},
    Decimal("1E1000000"),
    Decimal("0." + "1" * 1000),
    10**30,
    10**5000,
    1.5,
    None,
    b"x",
    {1},
    RECURSIVE,
    BEYOND,
    VAGUE,
    HALF,
    timedelta(1),
]


@pytest.mark.parametrize("value", NOT_TO_SEND, ids=range(len(NOT_TO_SEND)))
async def test_no_draft_holds_what_cannot_be_sent(value: Any) -> None:
    lines = (BillLineDraft(total_amount=value),)
    draft = BillCreate(vendor_id="v-1", issue_date=DAY, currency_code="USD", line_items=lines)
    await refused(lambda _, books: books.bills.create(draft, idempotency_key="k"))


@pytest.mark.parametrize("draft", [None, 5, "x", {}, {"vendor_id": "v-1"}])
async def test_what_is_no_draft_is_not_written(draft: Any) -> None:
    await refused(lambda _, books: books.vendors.create(draft, idempotency_key="k"))
    await refused(lambda _, books: books.vendors.update("v-1", draft, idempotency_key="k"))


ODD: list[Any] = [None, 5, b"x", "", HALF, ["x"], {}]


@pytest.mark.parametrize("odd", ODD, ids=repr)
async def test_no_id_key_or_name_is_taken_that_is_none(odd: Any) -> None:
    asks: list[Ask] = [
        lambda _, books: books.bills.get(odd),
        lambda _, books: books.bills.delete(odd),
        lambda _, books: books.bills.create(NEW_BILL, idempotency_key=odd),
        lambda _, books: books.bills.update(odd, BillUpdate(), idempotency_key="k"),
        lambda _, books: books.bill_payments.void(odd, idempotency_key="k"),
        lambda _, books: books.bills.outcome(odd),
        lambda _, books: books.attachments.outcome(odd),
        lambda _, books: books.bill_credit_applications.outcome(odd),
        lambda _, books: books.attachments.list(odd),
        lambda _, books: books.attachments.download(odd, "a-1").__aenter__(),
        lambda _, books: books.attachments.upload("b-1", odd, b"x", idempotency_key="k"),
        lambda _, books: books.events(type=odd),
        lambda client, _: client.job(odd),
        lambda client, _: client.webhook_config(odd),
        lambda client, _: client.exchange_public_token(odd),
        lambda client, _: client.connection(odd),
        lambda client, _: client.connections.rename("c-1", odd),
        lambda client, _: client.connections.delete(odd),
    ]
    for ask in asks:
        await refused(ask)


@pytest.mark.parametrize("odd", [5, b"x", "x", HALF, ["x"], {}], ids=repr)
async def test_no_choice_is_taken_that_is_not_offered(odd: Any) -> None:
    asks: list[Ask] = [
        lambda _, books: books.bills.get("b-1", id_type=odd),
        lambda _, books: books.bills.create(NEW_BILL, idempotency_key="k", response_mode=odd),
        lambda _, books: books.bills.delete("b-1", response_mode=odd),
        lambda client, _: client.connections.list(status=odd),
    ]
    for ask in asks:
        await refused(ask)


@pytest.mark.parametrize("odd", [5, b"x", "bill", [5], [None], [HALF], {"bill": 1}], ids=repr)
async def test_a_list_of_texts_is_one_of_texts(odd: Any) -> None:
    asks: list[Ask] = [
        lambda _, books: books.incremental_sync(odd),
        lambda _, books: books.backfill(start_date=DAY, object_types=odd),
        lambda _, books: books.events(resources=odd),
        lambda _, books: books.walk_events(resources=odd),
    ]
    for ask in asks:
        await refused(ask)


@pytest.mark.parametrize("odd", ["x", 5, [1, 2], ""])
async def test_a_file_is_bytes(odd: Any) -> None:
    await refused(lambda _, books: books.attachments.upload("b-1", "invoice.pdf", odd, idempotency_key="k"))


@pytest.mark.parametrize("day", ["2024-01-01", 5])
async def test_a_day_is_a_date(day: Any) -> None:
    await refused(lambda _, books: books.backfill(start_date=day, object_types=["bill"]))


@pytest.mark.parametrize("platform", [5, "", HALF, ["X"]], ids=repr)
async def test_a_platform_is_a_text(platform: Any) -> None:
    await refused(lambda client, _: client.connections.create(platform, oauth_client_id="x"))


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (equal, (5, "x")),
        (equal, ("memo", [1])),
        (and_, (equal("memo", "x"), 5)),
        (contains, ("memo", 5)),
        (above, ("due_date", BEYOND)),
        (above, ("due_date", VAGUE)),
        (ascending, (None,)),
        (descending, (5,)),
        (read_event, (None,)),
        (read_event, (5,)),
        (read_event, ("{}",)),
        (sign, ("x", "secret")),
        (sign, (b"x", None)),
    ],
)
def test_what_is_built_by_hand_is_checked(make: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    with pytest.raises(errors.InvalidInput):
        make(*arguments)


@pytest.mark.parametrize(
    ("body", "header", "secret"),
    [("b", "h", "s"), (None, "h", "s"), (b"b", b"h", "s"), (b"b", 5, "s"), (b"b", "h", None), (b"b", "h", HALF)],
)
def test_what_cannot_be_signed_is_not_genuine(body: Any, header: Any, secret: Any) -> None:
    assert not is_genuine(body, header, secret)


def credentials(client_id: Any, secret: Any) -> Credentials:
    """Of anything, as a program without type checks may make them."""
    return Credentials(client_id, secret)


@pytest.mark.parametrize(
    "options",
    [
        {"credentials": None},
        {"credentials": "x"},
        *({"credentials": credentials(*pair)} for pair in ((5, "x"), ("x", None), ("x", b"x"), ("x", HALF))),
        {"base_url": None},
        {"base_url": 5},
        {"base_url": "https://xn--/versioned"},
        {"base_url": "https://[::1/versioned"},
        {"proxy": 5},
        {"proxy": "http://"},
        {"proxy": b"http://x"},
        {"limits": 5},
    ],
    ids=str,
)
def test_a_client_is_not_made_of_what_it_cannot_use(options: dict[str, Any]) -> None:
    with pytest.raises(errors.Misconfigured):
        RutterClient(**{"credentials": Credentials(CLIENT_ID, CLIENT_SECRET)} | options)


@pytest.mark.parametrize(
    "limits",
    [
        {"concurrency": 0},
        {"downloads": "x"},
        {"requests_max": 0},
        {"attempts_max": True},
        {"body_bytes_max": 1.5},
        {"call_seconds": -1.0},
        {"walk_seconds": float("nan")},
        {"attempt_seconds": float("inf")},
        {"job_wait_seconds": None},
    ],
    ids=str,
)
def test_a_limit_that_bounds_nothing_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(errors.Misconfigured):
        Limits(**limits)


async def test_what_can_be_sent_is_sent() -> None:
    script = Scripted(httpx.Response(200, content=b'{"bills":[],"connection":{"platform":"XERO"}}'))
    async with client_for(script) as client:
        page = await client.connection(TOKEN).bills.list(
            filter='memo="é"', match={"document_number": "INV 1"}, updated_at_min=datetime(2024, 1, 1, tzinfo=UTC)
        )
    assert page.items == ()
    params = script.requests[0].url.params
    assert (params["filter"], params["document_number"]) == ('memo="é"', "INV 1")
    assert params["updated_at_min"] == "1704067200000"
