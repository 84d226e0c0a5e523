"""The page at the root says what this is and what it holds, to anyone who looks, without harm."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape

import httpx
import pytest

from support.sandbox.client import calling
from support.sandbox.wire import COMPANIES

PAGE_BYTES_MAX = 200_000


async def test_the_page_says_it_is_not_rutter_and_shows_all_books() -> None:
    async with calling() as caller:
        page = await caller.client.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["x-rutter-sandbox"] == "true"
        assert "This is not Rutter" in page.text
        for name in (escape(one) for one in COMPANIES):
            assert name in page.text
        assert "Debits and credits agree." in page.text
        assert "do not agree" not in page.text
        assert "Operating Checking" in page.text
        assert "Fjord Timber AS" in page.text


async def test_the_page_gives_no_token_and_no_secret_away() -> None:
    async with calling() as caller:
        page = await caller.client.get("/")
        assert caller.sandbox.client_secret not in page.text
        assert not any(one.access_token in page.text for one in caller.sandbox.connections)


async def test_a_payment_is_seen_on_the_page() -> None:
    async with calling() as caller:
        await caller.post("/accounting/bill_payments", await caller.payment_of("FT-778", "4321.09"))
        page = await caller.client.get("/")
        assert "<td>4321.09</td>" in page.text
        assert "<td>8158.91</td>" in page.text
        assert "<td>/versioned/accounting/bill_payments</td><td>200</td>" in page.text


async def test_a_call_that_was_never_answered_is_on_the_page() -> None:
    async with calling() as caller:
        with pytest.raises(httpx.TransportError):
            await caller.send("GET", "/accounting/currencies", fault="cut_before_commit")
        page = await caller.client.get("/")
        assert "<td>/versioned/accounting/currencies</td><td>no answer</td>" in page.text


async def test_text_from_outside_is_shown_as_text() -> None:
    async with calling() as caller:
        await caller.client.get("/<script>alert(1)</script>")
        vendor = {"vendor_name": '"><script>alert(2)</script>', "contact_name": "x", "currency_code": "USD"}
        vendor_id = (await caller.post("/accounting/vendors", {"vendor": vendor}))["vendor"]["id"]
        line = {"total_amount": 1, "account_id": (await caller.account("Utilities"))["id"]}
        bill = {"vendor_id": vendor_id, "issue_date": "2026-03-01", "currency_code": "USD", "line_items": [line]}
        await caller.post("/accounting/bills", {"bill": bill | {"document_number": "<b>bold</b>"}})
        page = await caller.client.get("/")
        assert "<script" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
        assert "&lt;script&gt;alert(2)" in page.text
        assert "&lt;b&gt;bold" in page.text


async def test_the_page_runs_no_script_and_names_its_one_style() -> None:
    async with calling() as caller:
        page = await caller.client.get("/")
        style = re.search("<style>(.*?)</style>", page.text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert f"style-src 'sha256-{digest}'" in policy
        assert not re.search(r"<(script|img|link|iframe|object)\b|\bon\w+=", page.text)


async def test_the_page_stays_small_whatever_it_holds() -> None:
    async with calling(bills=2000) as caller:
        for number in range(60):
            await caller.client.get(f"/{number}/{'x' * 5000}")
        page = await caller.client.get("/")
        assert len(page.content) < PAGE_BYTES_MAX
        assert "2,0" not in page.text
        assert re.search(r"20\d\d bills", page.text)


async def test_only_a_look_is_answered() -> None:
    async with calling() as caller:
        assert (await caller.client.post("/")).status_code == 404
        assert (await caller.client.get("/nothing")).status_code == 404


async def test_the_switches_are_shut_unless_asked_for() -> None:
    async with calling(admin=False) as caller:
        for name in ("faults", "webhooks", f"connections/{caller.sandbox.connections[0].id}"):
            assert (await caller.client.put(f"/sandbox/{name}", json={"rules": []})).status_code == 404
