"""Rutter's webhooks: only what it signed is taken, each delivery once, and an open outcome is found out at once."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from rutter_ap_server.http.webhooks import PATH, WAITING_MAX, Webhooks
from rutter_ap_server.reads.mirror import BillMirror
from rutter_ap_server.rutter.webhooks import BODY_BYTES_MAX, SIGNATURE_HEADER, read_event, sign
from rutter_ap_server.secret import Secret
from rutter_ap_server.store.bill_mirror import MirroredBill
from rutter_ap_server.store.engine import Tx
from support.bench import Bench, a_bench
from support.http_server import http_server
from support.people import accepts
from support.sandbox_server import first_token, sandbox_server, settings_of

SECRET = "the client's own secret"


@dataclass
class Receiving:
    """A bench, what receives its webhooks, and a client in front of that."""

    bench: Bench
    webhooks: Webhooks
    client: httpx.AsyncClient

    async def deliver(self, event: dict[str, Any] | bytes, signature: str | None = None) -> int:
        """The status of the answer to a delivery, signed unless it says otherwise."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        signature = sign(body, SECRET) if signature is None else signature
        headers = {SIGNATURE_HEADER: signature} if signature else {}
        return (await self.client.post(PATH, content=body, headers=headers)).status_code

    def event(
        self, kind: str = "BILL", code: str = "BILL_UPDATED", object_id: str = "a bill", **more: Any
    ) -> dict[str, Any]:
        """A delivery about an object of the bench's company."""
        about = {"id": object_id, "updated_at": "2026-03-02T10:00:00Z", **more}
        return {"type": kind, "code": code, "connection_id": self.bench.company.id, kind.lower(): about}


@asynccontextmanager
async def receiving(home: Path, *, working: bool = True) -> AsyncIterator[Receiving]:
    async with a_bench(home) as bench:
        bench.app.settings = replace(bench.app.settings, client_secret=Secret(SECRET))
        webhooks = Webhooks(bench.app)
        app = Starlette(routes=[Route(PATH, webhooks.receive, methods=["POST"])])
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ap.example.com") as client,
            anyio.create_task_group() as tasks,
        ):
            if working:
                tasks.start_soon(webhooks.work)
            yield Receiving(bench, webhooks, client)
            tasks.cancel_scope.cancel()


async def test_an_unknown_payment_is_settled_by_a_delivery(home: Path) -> None:
    async with receiving(home) as here:
        here.bench.wire.faults = ["lost before"]
        lost = await here.bench.pay("NW-2291", "10.00", accepts())
        assert (await here.bench.proposal(lost.proposal_id)).state == "unknown"

        assert await here.deliver(here.event("BILL_PAYMENT", "BILL_PAYMENT_CREATED", "a payment")) == 200
        with anyio.fail_after(30):
            while (await here.bench.proposal(lost.proposal_id)).state == "unknown":
                await anyio.lowlevel.checkpoint()
        assert (await here.bench.proposal(lost.proposal_id)).state == "posted"
        assert await here.bench.paid("NW-2291") == [Decimal("10.00")]


@pytest.mark.parametrize(
    "signature",
    ["", "sha256=", "sha256=AAAA", "nonsense", "\x00", sign(b"{}", SECRET), sign(b"other", "another secret")],
)
async def test_what_rutter_did_not_sign_is_not_taken(signature: str, home: Path) -> None:
    async with receiving(home, working=False) as here:
        assert await here.deliver(here.event(), signature) == 401
        assert await here.deliver(here.event()) == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b'{"type": "BILL"}', b"\xff\xfe", b"[" * 100_000, b'{"type": 7, "code": []}'],
)
async def test_a_signed_body_that_is_no_event_is_refused(body: bytes, home: Path) -> None:
    async with receiving(home) as here:
        assert await here.deliver(body) == 400
        assert await here.deliver(here.event()) == 200


async def test_a_body_beyond_its_limit_is_not_read(home: Path) -> None:
    async with receiving(home, working=False) as here:
        assert await here.deliver(b"x" * (BODY_BYTES_MAX + 1)) == 413


async def test_a_delivery_is_taken_once_whichever_process_has_it(home: Path) -> None:
    async with receiving(home, working=False) as here:
        other = here.bench.another()
        other.app.settings = here.bench.app.settings
        app = Starlette(routes=[Route(PATH, Webhooks(other.app).receive, methods=["POST"])])
        body = json.dumps(here.event()).encode()
        headers = {SIGNATURE_HEADER: sign(body, SECRET)}
        said = []

        async def send(client: httpx.AsyncClient) -> None:
            said.append((await client.post(PATH, content=body, headers=headers)).text)

        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ap.example.com") as beside,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(4):
                tasks.start_soon(send, here.client)
                tasks.start_soon(send, beside)
        assert sorted(said) == ["taken", *["taken before"] * 7]
        # Another change of the same bill is another event.
        assert await here.deliver(here.event(updated_at="2026-03-02T10:00:01Z")) == 200
        await other.app.aclose()


async def test_more_than_can_wait_is_to_come_again(home: Path) -> None:
    async with receiving(home, working=False) as here:
        for number in range(WAITING_MAX):
            here.webhooks._waiting.put_nowait(read_event(json.dumps(here.event(object_id=str(number))).encode()))
        assert await here.deliver(here.event()) == 503
        here.webhooks._waiting.get_nowait()
        assert await here.deliver(here.event()) == 200


async def test_a_delivery_for_nobody_or_about_nothing_ends_nothing(home: Path) -> None:
    async with receiving(home) as here:
        for odd in (
            here.event() | {"connection_id": "of somebody else"},
            here.event() | {"connection_id": None},
            here.event(object_id="no such bill"),
            here.event("CONNECTION", "CONNECTION_UPDATED"),
            here.event("SOMETHING_NEW", "SOMETHING_NEW_CREATED"),
        ):
            assert await here.deliver(odd) == 200
        here.bench.wire.is_down = True
        assert await here.deliver(here.event(object_id="another bill")) == 200
        await anyio.wait_all_tasks_blocked()
        here.bench.wire.is_down = False
        await copy_follows(here)


async def test_bills_it_names_are_read_again_into_the_copy(home: Path) -> None:
    async with receiving(home) as here:
        await copy_follows(here)


async def copy_follows(here: Receiving) -> None:
    """A bill that somebody paid is read again as soon as it is heard of."""
    store, company = here.bench.app.store, here.bench.company
    await BillMirror(store, company).bring_up_to_date()
    bill = await here.bench.bill("NW-2291")
    await here.bench.pay_by_hand("NW-2291", "10.00")

    def kept(tx: Tx) -> MirroredBill:
        return next(row for row in tx.bill_mirrors.by_vendor(company.ledger_id, None, None) if row.bill_id == bill.id)

    before = await store.read(kept)
    assert await here.deliver(here.event(object_id=bill.id)) == 200
    with anyio.fail_after(30):
        while (await store.read(kept)) == before:
            await anyio.lowlevel.checkpoint()


def test_the_sandbox_delivers_to_a_server_process(home: Path) -> None:
    with sandbox_server() as announced:
        settings = settings_of(announced, first_token(announced))
        with http_server(home, None, **settings) as server:
            switch = announced["base_url"].replace("/versioned", "/sandbox/webhooks")
            subscribed = httpx.put(switch, json={"webhooks": [{"url": f"{server.address}{PATH}"}]})
            assert subscribed.status_code == 200, subscribed.text
            made = httpx.post(
                f"{announced['base_url']}/accounting/vendors",
                params={"access_token": first_token(announced)},
                auth=(announced["client_id"], announced["client_secret"]),
                headers={"X-Rutter-Version": "2024-08-31", "Idempotency-Key": "one"},
                json={"vendor": {"vendor_name": "Anew", "contact_name": "Anew", "currency_code": "USD"}},
            )
            assert made.status_code == 200, made.text
            until = time.monotonic() + 30
            while "POST /webhooks/rutter 200" not in server.log():
                assert time.monotonic() < until, server.log()
                time.sleep(0.05)
