"""Delivers queued webhooks in a background thread: signed, and retried with growing pauses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import sqlite3
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from rutter_sandbox import clock
from rutter_sandbox.database import Database
from rutter_sandbox.wire import CLIENT_SECRET

ATTEMPTS_MAX = 6
"""Six attempts over about a quarter of an hour (Rutter docs: Webhooks)."""
FIRST_PAUSE_MILLISECONDS = 28_000
_TIMEOUT_SECONDS = 5
_BATCH = 20
_IDLE_SECONDS = 0.5


def signature_of(body: bytes, secret: str = CLIENT_SECRET) -> str:
    """The value of X-Rutter-Signature: base64 of the HMAC-SHA256 of the raw body."""
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


class Courier:
    """Delivers due webhooks. `deliver_due` does one round, for tests and for the thread alike."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sandbox-webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits for the current delivery; the rest stays queued for the next start."""
        self._stopping.set()
        self._thread.join(timeout=2 * _TIMEOUT_SECONDS)

    def _work(self) -> None:
        while not self._stopping.wait(_IDLE_SECONDS):
            # Another process may hold the file for long; due deliveries wait for the next round.
            with suppress(sqlite3.OperationalError):
                self.deliver_due(clock.real_milliseconds())

    def deliver_due(self, now_milliseconds: int) -> int:
        """Tries the deliveries that are due by then, the oldest first. Returns how many were tried."""
        query = """SELECT d.number, d.body, d.attempts, c.url FROM deliveries d
            JOIN webhook_configs c ON c.id = d.config_id
            WHERE d.state = 'waiting' AND d.due_at <= ? ORDER BY d.due_at, d.number LIMIT ?"""
        with self._database.reading() as tx:
            due = tx.sql.execute(query, (now_milliseconds, _BATCH)).fetchall()
        tried = 0
        for number, body, attempts, url in due:
            if self._stopping.is_set():
                break
            self._note(number, attempts + 1, now_milliseconds, delivered=_post(url, body))
            tried += 1
        return tried

    def _note(self, number: int, attempts: int, now_milliseconds: int, *, delivered: bool) -> None:
        state = "delivered" if delivered else "failed" if attempts >= ATTEMPTS_MAX else "waiting"
        due = now_milliseconds + FIRST_PAUSE_MILLISECONDS * 2 ** (attempts - 1)
        query = "UPDATE deliveries SET attempts = ?, state = ?, due_at = ? WHERE number = ?"
        with self._database.noting() as sql:
            sql.execute(query, (attempts, state, due, number))


def _post(url: str, body: bytes) -> bool:
    """Whether the receiver accepted it, with any 2xx status."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    headers = {"Content-Type": "application/json", "X-Rutter-Signature": signature_of(body)}
    try:
        connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("POST", target, body, headers)
            return 200 <= connection.getresponse().status < 300
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return False
