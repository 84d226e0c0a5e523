"""Rutter's webhooks: signed over the raw body, taken once, answered at once, worked on after (Rutter docs: Webhooks).

A delivery is only ever a hint to look: nothing in it is believed, and one that is lost or never comes costs time, since
what is open is looked for every minute anyway.
"""

from __future__ import annotations

import asyncio
import logging

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from rutter_ap_server.reads.mirror import BillMirror
from rutter_ap_server.rutter.errors import InvalidInput
from rutter_ap_server.rutter.webhooks import (
    BODY_BYTES_MAX,
    SIGNATURE_HEADER,
    WebhookEvent,
    is_genuine,
    read_event,
)
from rutter_ap_server.serving import ServingApp
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.errors import ApError

PATH = "/webhooks/rutter"
WAITING_MAX = 1000
_BODY_SECONDS = 10
# Longer than Rutter tries, a quarter of an hour, and than anybody should need to replay one.
_REMEMBERED_SECONDS = 7 * 24 * 3600
logger = logging.getLogger("rutter_ap.http")


class Webhooks:
    """Takes deliveries, and does what they ask for in a task of its own, many at once."""

    def __init__(self, app: ServingApp) -> None:
        self._app = app
        self._secret = app.settings.client_secret
        self._waiting = asyncio.Queue[WebhookEvent](WAITING_MAX)

    async def receive(self, request: Request) -> Response:
        """Answers 200 to what Rutter signed, new or not; 503 to what it should deliver again later."""
        body = await _body_of(request)
        if body is None:
            return _said(413, "This is larger than any delivery.")
        if not is_genuine(body, request.headers.get(SIGNATURE_HEADER), self._secret):
            return _said(401, "This is not signed by Rutter.")
        try:
            event = read_event(body)
        except InvalidInput:
            return _said(400, "This is no event.")
        if self._waiting.full():
            return _said(503, "Too many deliveries wait.")
        try:
            is_new = await self._app.store.write(
                lambda tx: tx.tickets.is_first("webhook", event.key, seconds=_REMEMBERED_SECONDS)
            )
            if is_new:
                await self._waiting.put(event)
        except StoreError:
            return _said(503, "It cannot be taken now.")
        return _said(200, "taken" if is_new else "taken before")

    async def work(self) -> None:
        """Does what deliveries ask for, those that came together together."""
        while True:
            came = [await self._waiting.get()]
            while not self._waiting.empty():
                came.append(self._waiting.get_nowait())
            for connection_id in dict.fromkeys(one.connection_id for one in came):
                try:
                    await self._look_at([one for one in came if one.connection_id == connection_id])
                except ApError as error:
                    logger.warning("webhooks: %s", error.error_code)
                except Exception as error:  # noqa: BLE001 - one delivery must not end the others, and its text may hold anything
                    logger.error("webhooks: an unexpected %s", type(error).__name__)

    async def _look_at(self, events: list[WebhookEvent]) -> None:
        """Looks at the ledger of one connection, of which these came; at none for a connection that is not known."""
        found = [one for one in await self._app.companies.all() if one.id == events[0].connection_id]
        if not found:
            return
        [company] = found
        bills = [one.object_id for one in events if one.type == "BILL" and one.object_id]
        if bills:
            await BillMirror(self._app.store, company).bills_changed(bills)
        if not self._app.settings.read_only and any(one.type != "CONNECTION" for one in events):
            await self._app.recover_of(company)


async def _body_of(request: Request) -> bytes | None:
    """The raw bytes; None for a body that is too long, or takes too long."""
    body = bytearray()
    try:
        with anyio.fail_after(_BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > BODY_BYTES_MAX:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    return bytes(body)


def _said(status: int, words: str) -> Response:
    return PlainTextResponse(words, status, {"cache-control": "no-store", "x-content-type-options": "nosniff"})
