"""Connections, Rutter Link and synchronisation, which have no idempotency keys and are therefore sent with care."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from rutter_ap_server.rutter import RutterClient, Secret, errors
from rutter_ap_tools.errors import BadInput
from support.scripted_upstream import CLIENT_ID, CLIENT_SECRET, TOKEN, Scripted, answer, client_for, refusal

ENTRY = {"id": "c-1", "access_token": "new-token", "link_url": "https://link.test/1", "name": None}


async def test_link_begins_with_an_empty_body_and_masked_secrets() -> None:
    script = Scripted(answer(200, {"connection": ENTRY}))
    async with client_for(script) as client:
        made = await client.connections.create()
    assert (script.paths, script.bodies) == (["POST /versioned/connections/create"], [b"{}"])
    assert made.access_token.reveal() == "new-token"
    assert repr(made) == "ConnectionEntry(…)"


async def test_credentials_of_a_platform_go_along_when_given() -> None:
    script = Scripted(answer(200, {"connection": ENTRY}))
    async with client_for(script) as client:
        await client.connections.create("NETSUITE", token_id="t", token_secret=Secret("s"))
        with pytest.raises(BadInput):
            await client.connections.create(None, token_id="t")
    assert json.loads(script.bodies[0]) == {"platform": "NETSUITE", "token_id": "t", "token_secret": "s"}


async def test_a_public_token_is_exchanged_with_the_client_secret() -> None:
    body = {"connection_id": "c-1", "access_token": "a-1", "is_ready": False, "platform": "XERO", "name": None}
    script = Scripted(answer(200, body))
    async with client_for(script) as client:
        exchanged = await client.exchange_public_token("public-1")
    assert script.paths == ["POST /versioned/item/public_token/exchange"]
    assert json.loads(script.bodies[0]) == {
        "client_id": CLIENT_ID,
        "secret": CLIENT_SECRET,
        "public_token": "public-1",
    }
    assert (exchanged.access_token, exchanged.is_ready, exchanged.platform) == (Secret("a-1"), False, "XERO")


async def test_connections_are_asked_for_by_status() -> None:
    script = Scripted(answer(200, {"connections": [ENTRY | {"status": "a_later_one"}]}))
    async with client_for(script) as client:
        (found,) = await client.connections.list(status="any")
        with pytest.raises(BadInput):
            await client.connections.list(status="happy")
    assert found.status == "a_later_one"
    assert dict(script.requests[0].url.params) == {"status": "any"}


@pytest.mark.parametrize("name", ["", " ", "x" * 31])
async def test_a_name_rutter_would_refuse_is_refused_first(name: str) -> None:
    async with client_for(Scripted()) as client:
        with pytest.raises(BadInput):
            await client.connections.rename("c-1", name)


@pytest.mark.parametrize(
    "lost", [httpx.ReadTimeout("x"), httpx.ReadError("x"), refusal(500), refusal(504)], ids=lambda each: str(each)[:30]
)
async def test_a_rotation_without_a_reply_is_unknown_and_not_repeated(lost: httpx.Response | Exception) -> None:
    script = Scripted(lost)
    async with client_for(script) as client:
        with pytest.raises(errors.WriteOutcomeUnknown):
            await client.connection(TOKEN).rotate_token()
    assert len(script.requests) == 1


async def test_a_rotation_that_never_left_is_tried_again() -> None:
    script = Scripted(httpx.ConnectError("x"), answer(200, {"new_access_token": "fresh"}))
    async with client_for(script) as client:
        assert (await client.connection(TOKEN).rotate_token()).reveal() == "fresh"


UNREADABLE = [
    answer(200, {"success": False}),
    answer(200, []),
    answer(200, {}),
    httpx.Response(200, content=b'{"success": tr'),
    httpx.Response(200, content=b"<html>", headers={"content-type": "text/html"}),
    httpx.Response(200, content=b"x", headers={"content-encoding": "br"}),
    refusal(408),
    refusal(451),
    refusal(303),
]


def changes(client: RutterClient) -> list[Callable[[], Awaitable[object]]]:
    """Every call that changes something outside the books, and so has no key to be repeated under."""
    company = client.connection(TOKEN)
    return [
        company.rotate_token,
        company.incremental_sync,
        lambda: company.backfill(start_date=date(2024, 1, 1), object_types=["bill"]),
        lambda: client.exchange_public_token("public-1"),
        client.connections.create,
        lambda: client.connections.rename("c-1", "Name"),
        lambda: client.connections.delete("c-1"),
    ]


@pytest.mark.parametrize("said", UNREADABLE, ids=lambda each: f"{each.status_code} {each.content[:12]!r}")
@pytest.mark.parametrize("number", range(7))
async def test_a_change_whose_answer_cannot_be_read_may_have_been_made(said: httpx.Response, number: int) -> None:
    script = Scripted(said)
    async with client_for(script) as client:
        with pytest.raises(errors.WriteOutcomeUnknown) as failure:
            await changes(client)[number]()
    assert len(script.requests) == 1
    assert "token" not in failure.value.message


@pytest.mark.parametrize("number", range(7))
async def test_a_change_that_is_refused_was_not_made(number: int) -> None:
    async with client_for(Scripted(refusal(400))) as client:
        with pytest.raises(errors.BadRequest):
            await changes(client)[number]()


async def test_synchronisations_are_asked_for_as_documented() -> None:
    script = Scripted(*[answer(200, {"success": True}) for _ in range(3)])
    async with client_for(script) as client:
        company = client.connection(TOKEN)
        await company.incremental_sync()
        await company.incremental_sync(["bill"])
        await company.backfill(start_date=date(2024, 1, 1), object_types=["bill"], include_webhooks=True)
        with pytest.raises(BadInput):
            await company.incremental_sync([])
    assert [json.loads(body) for body in script.bodies] == [
        {},
        {"object_types": ["bill"]},
        {"start_date": "2024-01-01", "object_types": ["bill"], "include_webhooks": True},
    ]


async def test_deletions_are_pulled_as_events() -> None:
    about: list[Any] = [{"id": "b-1"}, {}, None, "b-1", {"id": 7}, [1]]
    common = {"type": "object_deleted", "resource": "BILL", "last_synced_at": "2024-01-01"}
    events = [{"id": f"e-{number}", "data": data} | common for number, data in enumerate(about)]
    script = Scripted(answer(200, {"events": events, "next_cursor": "two"}), answer(200, {"events": []}))
    async with client_for(script) as client:
        found = [
            event
            async for event in client.connection(TOKEN).walk_events(
                resources=["BILL", "VENDOR"], last_synced_at_min=datetime(2024, 1, 1, tzinfo=UTC)
            )
        ]
    assert [event.id for event in found] == [f"e-{number}" for number in range(len(about))]
    # The event's id is its own; what it is about stands in its data, or is not said.
    assert [event.object_id for event in found] == ["b-1", None, None, None, None, None]
    assert dict(script.requests[1].url.params) == {
        "access_token": TOKEN,
        "cursor": "two",
        "last_synced_at_min": "1704067200000",
        "limit": "500",
        "resources": "BILL,VENDOR",
        "type": "object_deleted",
    }


async def test_webhook_configurations_are_read() -> None:
    config = {"id": "w-1", "url": "https://x.test/", "allow_list": {"allowedTypes": ["BILL_UPDATED"]}}
    script = Scripted(answer(200, [config]), answer(200, config))
    async with client_for(script) as client:
        (listed,) = await client.webhook_configs()
        one = await client.webhook_config("w-1")
    assert listed == one
    assert one.allow_list is not None
    assert one.allow_list.allowed_types == ("BILL_UPDATED",)


async def test_a_status_tells_what_a_person_must_do() -> None:
    body = {
        "status": {
            "is_ready": True,
            "is_healthy": False,
            "link_url": "https://link.test/1",
            "platform": "XERO",
            "needs_update_status": {"needs_update": True},
            "disabled_status": {"is_disabled": True, "disabled_reason": "FAILED TO AUTHENTICATE"},
            "historical_sync_status": {"historical_sync_completed": True, "total": {"bill": {"synced_count": 3}}},
        }
    }
    async with client_for(Scripted(answer(200, body))) as client:
        status = await client.connection(TOKEN).status()
    assert status.needs_update_status.needs_update
    assert (status.is_healthy, status.disabled_status.disabled_reason) == (False, "FAILED TO AUTHENTICATE")
    assert status.historical_sync_status.total["bill"]["synced_count"] == 3
