"""Link: a person picks a platform and consents, and the public token buys the connection's access token once."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from support.sandbox.client import ORIGIN, Caller, calling

PLATFORMS = [
    *("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT"),
    *("DYNAMICS365", "SAGE_BUSINESS_CLOUD", "QUICKBOOKS_DESKTOP"),
]


async def _created(caller: Caller) -> dict[str, Any]:
    return dict((await caller.post("/connections/create"))["connection"])


async def _consented(caller: Caller, link_url: str, **fields: str) -> httpx.Response:
    """What a browser sends when the form is submitted: no credentials, no headers of ours."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return await caller.client.post(link_url, data={"consent": "yes", **fields}, headers=headers)


async def _exchanged(caller: Caller, public_token: str, **changes: str) -> httpx.Response:
    given = {"client_id": caller.sandbox.client_id, "secret": caller.sandbox.client_secret}
    body = given | {"public_token": public_token} | changes
    return await caller.client.post("/versioned/item/public_token/exchange", json=body)


def _public_token(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    found = re.search(r'id="public-token">([^<]+)<', page.text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_public_token_buys_the_access_token_once(platform: str) -> None:
    async with calling() as caller:
        made = await _created(caller)
        assert made["link_url"].startswith(f"{ORIGIN}/link/")
        assert (await caller.send("GET", "/accounting/bills", token=made["access_token"])).status_code == 401
        page = await caller.client.get(made["link_url"])
        assert all(f"<option>{one}</option>" in page.text for one in PLATFORMS)
        public_token = _public_token(await _consented(caller, made["link_url"], platform=platform))
        bought = (await _exchanged(caller, public_token)).json()
        assert (bought["connection_id"], bought["access_token"]) == (made["id"], made["access_token"])
        assert (bought["platform"], bought["is_ready"]) == (platform, True)
        assert (await _exchanged(caller, public_token)).status_code == 400
        bills = (await caller.get("/accounting/bills", token=made["access_token"]))["bills"]
        assert [bill["document_number"] for bill in bills] == ["FV-1"]
        assert made["id"] in [row["id"] for row in (await caller.get("/connections"))["connections"]]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_linked_company_can_pay_its_first_bill(platform: str) -> None:
    async with calling() as caller:
        made = await _created(caller)
        await _consented(caller, made["link_url"], platform=platform)
        token = made["access_token"]
        bill = (await caller.get("/accounting/bills", token=token))["bills"][0]
        accounts = (await caller.get("/accounting/accounts", token=token))["accounts"]
        bank = next(one for one in accounts if one["account_type"] == "bank")
        link = {"id": bill["id"], "allocated_amount": bill["amount_due"]}
        fields = {"account_id": bank["id"], "transaction_date": bill["issue_date"], "linked_bills": [link]}
        await caller.post("/accounting/bill_payments", {"bill_payment": fields}, token=token)
        assert (await caller.get("/accounting/bills", token=token))["bills"][0]["status"] == "paid"


async def test_signing_in_again_restores_a_connection_and_its_token() -> None:
    async with calling() as caller:
        connection = caller.sandbox.connections[0]
        await caller.switch(f"connections/{connection.id}", {"status": "needs_reauth"})
        status = (await caller.get("/connections/status"))["status"]
        assert status["needs_update_status"] == {"needs_update": True}
        page = await caller.client.get(status["link_url"])
        assert "QUICKBOOKS" in page.text
        assert "<select" not in page.text, "the platform of a company that was linked is settled"
        public_token = _public_token(await _consented(caller, status["link_url"], platform="XERO"))
        bought = (await _exchanged(caller, public_token)).json()
        assert (bought["access_token"], bought["platform"]) == (connection.access_token, "QUICKBOOKS")
        assert (await caller.bill("FT-778"))["document_number"] == "FT-778"


@pytest.mark.parametrize("fields", [{"consent": "no", "platform": "XERO"}, {"platform": "WAVE"}, {"platform": ""}])
async def test_no_link_without_consent_or_on_a_platform_not_played(fields: dict[str, str]) -> None:
    async with calling() as caller:
        made = await _created(caller)
        refused = await _consented(caller, made["link_url"], **fields)
        assert refused.status_code == 400
        assert "<form" in refused.text
        assert (await caller.send("GET", "/accounting/bills", token=made["access_token"])).status_code == 401


async def test_a_malformed_form_is_refused_without_a_server_error() -> None:
    async with calling() as caller:
        link_url = (await _created(caller))["link_url"]
        for body in (b"", b"\xff\xfe", b"&".join([b"a=1"] * 100), b"consent=yes&platform=" + b"x" * 20_000):
            assert (await caller.client.post(link_url, content=body)).status_code == 400


async def test_a_link_that_was_never_given_out_says_so() -> None:
    async with calling() as caller:
        url = f"{ORIGIN}/link/connection/%3Cscript%3E"
        for response in (await caller.client.get(url), await _consented(caller, url, platform="XERO")):
            assert response.status_code == 404
            assert "<script" not in response.text


@pytest.mark.parametrize("changes", [{"client_id": "x"}, {"secret": "x"}])
async def test_the_exchange_needs_the_secret_and_keeps_the_token(
    changes: dict[str, str],
) -> None:
    async with calling() as caller:
        public_token = _public_token(await _consented(caller, (await _created(caller))["link_url"], platform="XERO"))
        assert (await _exchanged(caller, public_token, **changes)).status_code == 401
        assert (await _exchanged(caller, public_token)).status_code == 200


async def test_the_pages_run_no_script_load_nothing_and_escape_names() -> None:
    async with calling() as caller:
        name = "<img src=x onerror=a>"
        connection = caller.sandbox.connections[0]
        renamed = await caller.send("PATCH", f"/connections/{connection.id}", {"name": name})
        page = await caller.client.get(renamed.json()["connection"]["link_url"])
        assert "<img" not in page.text
        assert "&lt;img src=x" in page.text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert "<script" not in page.text
        assert page.headers["x-rutter-sandbox"] == "true"


@pytest.mark.parametrize("removed", ["first", "second"])
async def test_two_connections_may_lead_to_one_ledger(removed: str) -> None:
    """What is entered through one shows through all, and through those that are left when one is removed."""
    async with calling() as caller:
        first = caller.sandbox.connections[0]
        second = await _created(caller)
        _public_token(await _consented(caller, second["link_url"], ledger=first.id))
        named = {"platform": "QUICKBOOKS", "realm_id": "sandbox-1"}
        third = (await caller.post("/connections/create", named))["connection"]
        tokens = {"first": first.access_token, "second": second["access_token"], "third": third["access_token"]}
        details = [(await caller.get("/connections/access_token", token=one))["connection"] for one in tokens.values()]
        assert {one["store_unique_id"] for one in details} == {"sandbox-1"}
        assert len({one["id"] for one in details}) == 3
        vendor = {"vendor_name": "Seen twice", "contact_name": "Sam", "currency_code": "USD"}
        made = (await caller.post("/accounting/vendors", {"vendor": vendor}, token=tokens["first"]))["vendor"]
        for token in tokens.values():
            assert (await caller.get(f"/accounting/vendors/{made['id']}", token=token))["vendor"]["id"] == made["id"]
        gone = details[0]["id"] if removed == "first" else details[1]["id"]
        assert (await caller.send("DELETE", f"/connections/{gone}")).status_code == 200
        assert (await caller.send("GET", "/accounting/vendors", token=tokens.pop(removed))).status_code == 401
        for token in tokens.values():
            assert (await caller.get(f"/accounting/vendors/{made['id']}", token=token))["vendor"]["id"] == made["id"]
