"""Webhooks: what subscribers are told, signed over the raw body, tried again with pauses, twice or out of order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.rutter.webhooks import is_genuine, read_event
from rutter_sandbox import open_sandbox
from rutter_sandbox.webhooks import ATTEMPTS_MAX, FIRST_PAUSE_MILLISECONDS, signature_of
from support.sandbox.client import Caller, calling
from support.sandbox.wire import TODAY

QUARTER_OF_AN_HOUR = 15 * 60 * 1000


class Receiver:
    """A subscriber on a socket of its own. It answers with the statuses it is given, and then with 204."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.arrived = threading.Event()
        self.server = HTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?from=sandbox"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.came.append((dict(self.headers) | {"path": self.path}, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.end_headers()
                receiver.arrived.set()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                return

        return Handler

    @property
    def codes(self) -> list[str]:
        return [json.loads(body)["code"] for _, body in self.came]

    def of(self, code: str) -> dict[str, Any]:
        return next(json.loads(body) for _, body in self.came if json.loads(body)["code"] == code)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    thread = threading.Thread(target=opened.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield opened
    opened.server.shutdown()
    thread.join()
    opened.server.server_close()


async def _subscribed(caller: Caller, receiver: Receiver, *codes: str, **more: object) -> dict[str, Any]:
    webhook = {"url": receiver.url, **({"allowed_types": list(codes)} if codes else {}), **more}
    configs: list[dict[str, Any]] = await caller.switch("webhooks", {"webhooks": [webhook]})
    return configs[0]


async def _pay(caller: Caller, number: str = "FT-778", fault: str = "") -> dict[str, Any]:
    body = await caller.payment_of(number)
    made = await caller.post("/accounting/bill_payments", body, fault=fault)
    return dict(made["bill_payment"])


async def test_a_configuration_can_be_read_and_is_replaced_by_the_next(receiver: Receiver) -> None:
    async with calling() as caller:
        assert await caller.get("/configs/webhooks") == []
        config = await _subscribed(caller, receiver, "BILL_UPDATED")
        assert await caller.get("/configs/webhooks") == [config]
        assert await caller.get(f"/configs/webhooks/{config['id']}") == config
        assert (config["url"], config["api_version"], config["disabled"]) == (receiver.url, "2024-08-31", False)
        assert config["allow_list"] == {"allowedTypes": ["BILL_UPDATED"]}
        everything = await _subscribed(caller, receiver)
        assert everything["allow_list"] is None
        assert (await caller.send("GET", f"/configs/webhooks/{config['id']}")).status_code == 410


@pytest.mark.parametrize(
    "url", ["", "ftp://host/x", "http://", "http://host:port/", "http://ho st/", "http://höst/", 7]
)
async def test_an_address_that_no_request_can_reach_is_refused(url: object) -> None:
    async with calling() as caller:
        response = await caller.client.put("/sandbox/webhooks", json={"webhooks": [{"url": url}]})
        assert response.status_code == 400
        assert await caller.get("/configs/webhooks") == []


async def test_a_payment_sends_signed_events_for_itself_bill_and_job(
    receiver: Receiver,
) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver)
        payment = await _pay(caller)
        caller.sandbox.courier.deliver_due(0)
        assert sorted(receiver.codes) == ["BILL_PAYMENT_CREATED", "BILL_UPDATED", "JOB_COMPLETED"]
        assert receiver.of("BILL_PAYMENT_CREATED")["bill_payment"] == payment
        assert receiver.of("BILL_UPDATED")["bill"]["id"] == payment["linked_bills"][0]["id"]
        assert receiver.of("JOB_COMPLETED")["job"]["response"]["body"] == {"bill_payment": payment}
        for headers, body in receiver.came:
            digest = hmac.new(caller.sandbox.client_secret.encode(), body, hashlib.sha256).digest()
            assert headers["X-Rutter-Signature"] == f"sha256={base64.b64encode(digest).decode()}"
            assert headers["path"] == "/hook?from=sandbox"


async def test_the_client_takes_a_delivery_for_what_it_is(receiver: Receiver) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver, "BILL_PAYMENT_CREATED")
        payment = await _pay(caller)
        caller.sandbox.courier.deliver_due(0)
        ((headers, body),) = receiver.came
        assert is_genuine(body, headers["X-Rutter-Signature"], caller.sandbox.client_secret)
        event = read_event(body)
        assert (event.type, event.code, event.object_id) == ("BILL_PAYMENT", "BILL_PAYMENT_CREATED", payment["id"])
        assert event.connection_id == caller.sandbox.connections[0].id


def test_the_signature_matches_a_vector_worked_out_by_hand() -> None:
    assert signature_of(b'{"type":"CONNECTION"}', "secret") == "sha256=w3+kU9B6cDiSTOoxfRjDQdcjSt70abbLrXE2N8DME34="


async def test_a_refused_write_tells_of_its_job_only(receiver: Receiver) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver)
        too_much = await caller.payment_of("FT-778", "99999.00")
        assert (await caller.send("POST", "/accounting/bill_payments", too_much)).status_code == 450
        caller.sandbox.courier.deliver_due(0)
        assert receiver.codes == ["JOB_COMPLETED"]
        assert receiver.of("JOB_COMPLETED")["job"]["status"] == "failure"


async def test_a_disabled_subscriber_hears_nothing(receiver: Receiver) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver, disabled=True)
        await _pay(caller)
        assert caller.sandbox.courier.deliver_due(0) == 0
        assert receiver.came == []


async def test_a_refused_delivery_is_tried_six_times_in_15_minutes(receiver: Receiver) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver, "BILL_PAYMENT_CREATED")
        await _pay(caller)
        receiver.statuses = [500, 404, 302, 500, 500, 500, 500]
        now, pauses = 0, []
        for attempt in range(ATTEMPTS_MAX):
            assert caller.sandbox.courier.deliver_due(now) == 1
            pauses.append(FIRST_PAUSE_MILLISECONDS * 2**attempt)
            assert caller.sandbox.courier.deliver_due(now + pauses[-1] - 1) == 0, "the pause is kept"
            now += pauses[-1]
        assert caller.sandbox.courier.deliver_due(now * 1000) == 0, "after the last attempt it has failed"
        assert len({body for _, body in receiver.came}) == 1
        assert len(receiver.came) == ATTEMPTS_MAX
        assert sum(pauses[:-1]) == pytest.approx(QUARTER_OF_AN_HOUR, rel=0.1)


async def test_a_subscriber_that_is_not_up_yet_gets_delivery_later(receiver: Receiver) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver, "BILL_PAYMENT_CREATED")
        await _pay(caller)
        receiver.statuses = [503]
        caller.sandbox.courier.deliver_due(0)
        caller.sandbox.courier.deliver_due(FIRST_PAUSE_MILLISECONDS)
        assert receiver.codes == ["BILL_PAYMENT_CREATED"] * 2
        assert caller.sandbox.courier.deliver_due(10**12) == 0


async def test_nobody_listening_is_a_failed_attempt_and_no_error() -> None:
    async with calling() as caller:
        gone = Receiver()
        gone.server.server_close()
        await _subscribed(caller, gone, "BILL_PAYMENT_CREATED")
        await _pay(caller)
        assert caller.sandbox.courier.deliver_due(0) == 1
        assert caller.sandbox.courier.deliver_due(FIRST_PAUSE_MILLISECONDS) == 1


async def test_a_duplicated_delivery_comes_twice_with_the_same_key(receiver: Receiver) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver, "BILL_PAYMENT_CREATED")
        await _pay(caller, fault="duplicate_webhooks")
        caller.sandbox.courier.deliver_due(0)
        assert receiver.codes == ["BILL_PAYMENT_CREATED"] * 2
        assert len({read_event(body).key for _, body in receiver.came}) == 1


async def test_reordered_deliveries_come_last_first(receiver: Receiver) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver)
        await _pay(caller)
        caller.sandbox.courier.deliver_due(0)
        in_order, receiver.came = receiver.codes, []
        await _pay(caller, fault="reordered_webhooks")
        caller.sandbox.courier.deliver_due(0)
        assert receiver.codes == in_order[::-1]


@pytest.mark.parametrize(
    ("status", "code", "extra"),
    [
        ("needs_reauth", "CONNECTION_NEEDS_UPDATE", "update_url"),
        ("disabled", "CONNECTION_DISABLED", ""),
        ("active", "CONNECTION_UPDATED", "store_unique_id"),
    ],
)
async def test_a_connection_tells_of_its_state(receiver: Receiver, status: str, code: str, extra: str) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver)
        connection = caller.sandbox.connections[0]
        await caller.switch(f"connections/{connection.id}", {"status": status})
        caller.sandbox.courier.deliver_due(0)
        told = receiver.of(code)
        assert (told["type"], told["connection_id"], told["access_token"]) == (
            "CONNECTION",
            connection.id,
            connection.access_token,
        )
        assert not extra or told[extra]


async def test_the_end_of_a_sync_and_of_a_backfill_is_told(receiver: Receiver) -> None:
    async with calling() as caller:
        await _subscribed(caller, receiver)
        await caller.post("/connections/incremental_sync")
        await caller.post("/connections/backfill", {"start_date": "2025-06-01", "object_types": ["bill"]})
        caller.sandbox.courier.deliver_due(0)
        assert receiver.codes == ["INCREMENTAL_SYNC_COMPLETED", "BACKFILL_COMPLETED"]


async def test_delivering_does_not_move_the_time_of_the_books(receiver: Receiver) -> None:
    async with calling() as caller, calling() as quiet:
        await _subscribed(caller, receiver)
        await quiet.switch("webhooks", {"webhooks": []})
        for one in (caller, quiet):
            await _pay(one, "FT-778")
            one.sandbox.courier.deliver_due(0)
        assert (await _pay(caller, "FT-802"))["created_at"] == (await _pay(quiet, "FT-802"))["created_at"]


def test_undelivered_events_are_delivered_after_a_restart(receiver: Receiver, tmp_path: Path) -> None:
    sandbox = open_sandbox(tmp_path / "books.db", today=TODAY, admin=True)
    with sandbox.asgi.database.writing() as tx:
        row = ("config", receiver.url, None, 0, tx.now, tx.now)
        tx.sql.execute("INSERT INTO webhook_configs VALUES (?, ?, ?, ?, ?, ?)", row)
        query = "INSERT INTO deliveries (config_id, code, body, due_at) VALUES ('config', 'X', ?, 0)"
        tx.sql.execute(query, (b"{}",))
    sandbox.close()
    again = open_sandbox(tmp_path / "books.db", today=TODAY)
    again.courier.start()
    assert receiver.arrived.wait(20)
    again.courier.stop()
    again.close()
    assert [body for _, body in receiver.came] == [b"{}"]
