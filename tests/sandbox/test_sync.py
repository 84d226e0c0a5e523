"""Staying in step with a company: deletions by pull, syncs on demand, and states in which nothing may be asked."""

from __future__ import annotations

from datetime import datetime

import pytest

from support.sandbox.client import Caller, calling


async def _deleted(caller: Caller, count: int) -> list[str]:
    bills = (await caller.get("/accounting/bills", filter='status="open"', limit=count))["bills"]
    for bill in bills:
        response = await caller.send("DELETE", f"/accounting/bills/{bill['id']}")
        assert response.json() == {"code": "deleted", "success": True}
    return [bill["id"] for bill in bills]


async def _state(caller: Caller, status: str, **more: str) -> None:
    await caller.switch(f"connections/{caller.sandbox.connections[0].id}", {"status": status, **more})


async def test_deletions_are_paged_in_the_order_they_happened() -> None:
    async with calling() as caller:
        deleted = await _deleted(caller, 3)
        found, cursor = [], ""
        while True:
            page = await caller.get("/events", type="object_deleted", limit=1, cursor=cursor)
            found += page["events"]
            cursor = page["next_cursor"] or ""
            if not cursor:
                break
        assert [event["data"]["id"] for event in found] == deleted
        ids = {event["id"] for event in found}
        assert len(ids) == len(deleted)
        assert not ids & set(deleted), "an event has an id of its own"
        assert {(event["type"], event["resource"]) for event in found} == {("object_deleted", "BILL")}


async def test_deletions_are_narrowed_by_resource_and_by_moment() -> None:
    async with calling() as caller:
        await _deleted(caller, 2)
        item = (await caller.get("/accounting/items", limit=1))["items"][0]
        await caller.send("DELETE", f"/accounting/items/{item['id']}")
        events = (await caller.get("/events", type="object_deleted", resources="ITEMS,VENDOR"))["events"]
        assert [event["data"]["id"] for event in events] == [item["id"]]
        moment = _milliseconds(events[0]["last_synced_at"])
        later = await caller.get("/events", type="object_deleted", last_synced_at_min=moment)
        assert [event["resource"] for event in later["events"]] == ["ITEMS"]
        none = await caller.get("/events", type="object_deleted", last_synced_at_min=moment + 1)
        assert none == {"events": [], "next_cursor": None}


async def test_a_platform_that_tells_of_no_deletions_lists_none() -> None:
    async with calling() as caller:
        for connection in caller.sandbox.connections:
            if connection.platform not in {"SAGE_INTACCT", "NETSUITE"}:
                continue
            fields = {"vendor_name": "Soon gone", "contact_name": "Soon gone", "currency_code": "USD"}
            made = await caller.post("/accounting/vendors", {"vendor": fields}, token=connection.access_token)
            path = f"/accounting/vendors/{made['vendor']['id']}"
            gone = await caller.send("DELETE", path, token=connection.access_token)
            assert gone.json() == {"code": "deleted", "success": True}
            events = await caller.get("/events", type="object_deleted", token=connection.access_token)
            assert len(events["events"]) == (connection.platform == "NETSUITE")


def _milliseconds(stamp: str) -> int:
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"type": "object_created"},
        {"type": "object_deleted", "limit": "0"},
        {"type": "object_deleted", "limit": "501"},
        {"type": "object_deleted", "resources": "bill"},
        {"type": "object_deleted", "cursor": "not-a-cursor"},
        {"type": "object_deleted", "last_synced_at_min": "yesterday"},
    ],
)
async def test_a_malformed_question_about_deletions_is_refused(query: dict[str, str]) -> None:
    async with calling() as caller:
        response = await caller.send("GET", "/events", **query)
        assert response.status_code == 400
        assert response.json()["error_type"] == "API_REQUEST_ERROR"


async def test_one_company_does_not_see_what_another_deleted() -> None:
    async with calling() as caller:
        await _deleted(caller, 1)
        other = caller.sandbox.connections[1].access_token
        assert (await caller.get("/events", type="object_deleted", token=other))["events"] == []


async def test_a_sync_on_demand_moves_the_last_sync_time_if_any_is_due() -> None:
    async with calling() as caller:
        before = (await caller.get("/connections/status"))["status"]["last_sync_completed_at"]
        assert await caller.post("/connections/incremental_sync", {"object_types": []}) == {"success": True}
        assert (await caller.get("/connections/status"))["status"]["last_sync_completed_at"] == before
        assert await caller.post("/connections/incremental_sync", {"object_types": ["bill"]}) == {"success": True}
        assert (await caller.get("/connections/status"))["status"]["last_sync_completed_at"] > before
        assert (await caller.send("POST", "/connections/incremental_sync", {"object_types": ["x"]})).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"start_date": "2025-01-01", "object_types": ["bill"]}, 200),
        ({"start_date": "2025-01-01", "end_date": "2025-06-30", "object_types": ["bill", "vendor"]}, 200),
        ({"start_date": "2019-01-01", "object_types": ["bill"]}, 400),
        ({"start_date": "2025-06-30", "end_date": "2025-01-01", "object_types": ["bill"]}, 400),
        ({"start_date": "2025-01-01"}, 400),
        ({"start_date": "2025-01-01", "object_types": ["BILL"]}, 400),
    ],
)
async def test_a_backfill_reaches_five_years_back_at_most(body: dict[str, object], status: int) -> None:
    async with calling() as caller:
        response = await caller.send("POST", "/connections/backfill", body)
        assert response.status_code == status, response.text


async def test_a_rotated_token_replaces_the_old_one_at_once() -> None:
    async with calling() as caller:
        old = caller.token
        new = (await caller.post("/connections/access_token/invalidate"))["new_access_token"]
        assert (await caller.send("GET", "/accounting/bills", token=old)).status_code == 401
        assert (await caller.send("GET", "/accounting/bills", token=new)).status_code == 200
        assert caller.token == new


@pytest.mark.parametrize(("status", "code"), [("needs_reauth", "NEEDS_UPDATE"), ("disabled", "CONNECTION_DISABLED")])
async def test_a_forbidden_platform_refuses_everything_about_its_data(status: str, code: str) -> None:
    async with calling() as caller:
        payment = await caller.payment_of("FT-778")
        await _state(caller, status)
        asked = [
            await caller.send("GET", "/accounting/bills", force_fetch="true"),
            await caller.send("POST", "/accounting/bill_payments", payment),
            await caller.send("GET", "/events", type="object_deleted"),
            await caller.send("POST", "/connections/incremental_sync"),
        ]
        assert [(one.status_code, one.json()["error_code"]) for one in asked] == [(400, code)] * 4
        detail = (await caller.get("/connections/access_token"))["connection"]
        assert (detail["needs_update"], detail["disabled"]) == (status == "needs_reauth", status == "disabled")
        await _state(caller, "active")
        assert (await caller.send("GET", "/accounting/bills")).status_code == 200


async def test_a_disabled_connection_says_why() -> None:
    async with calling() as caller:
        await _state(caller, "disabled", disabled_reason="SHOP_IS_LOCKED")
        status = (await caller.get("/connections/status"))["status"]
        assert status["disabled_status"] == {"is_disabled": True, "disabled_reason": "SHOP_IS_LOCKED"}
        listed = {row["id"] for row in (await caller.get("/connections"))["connections"]}
        assert caller.sandbox.connections[0].id not in listed
        every = (await caller.get("/connections", status="any"))["connections"]
        assert [row["status"] for row in every if row["access_token"] == caller.token] == ["disabled"]


async def test_before_the_first_sync_only_a_forced_read_succeeds() -> None:
    async with calling() as caller:
        await _state(caller, "not_ready")
        refused = await caller.send("GET", "/accounting/bills")
        assert (refused.status_code, refused.json()["error_code"]) == (400, "PRODUCT_NOT_READY")
        assert (await caller.send("GET", "/accounting/bills", force_fetch="false")).status_code == 400
        assert (await caller.send("GET", "/accounting/bills", force_fetch="yes")).status_code == 400
        assert (await caller.get("/accounting/bills", force_fetch="true"))["bills"]
        assert (await caller.get("/connections/status"))["status"]["is_ready"] is False


@pytest.mark.parametrize("status", ["asleep", "", None])
async def test_an_unknown_state_is_refused(status: str | None) -> None:
    async with calling() as caller:
        path = f"/sandbox/connections/{caller.sandbox.connections[0].id}"
        assert (await caller.client.put(path, json={"status": status})).status_code == 400
        assert (await caller.client.put("/sandbox/connections/none", json={"status": "active"})).status_code == 410
