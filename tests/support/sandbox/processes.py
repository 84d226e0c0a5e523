"""Sandboxes in processes of their own, and callers that reach them over real sockets."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from support.sandbox.wire import ENVELOPES, TODAY, VERSION, Answered, Json, basic, encoded

_SOURCES = Path(__file__).resolve().parents[3] / "sandbox"
_CODE = """
import sys
from datetime import date
from pathlib import Path
from rutter_sandbox.serve import serve
serve(file=Path(sys.argv[1]) if sys.argv[1] else None, today=date.fromisoformat(sys.argv[2]), admin=True)
"""


class Served:
    """One running sandbox. Any number of threads may call it, each over a connection of its own."""

    def __init__(self, file: Path | None, *, today: str) -> None:
        command = [sys.executable, "-W", "error", "-c", _CODE, str(file or ""), today]
        environ = {**os.environ, "PYTHONPATH": str(_SOURCES)}
        self.process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first, self.process.communicate()[1].decode()
        self.line: Json = json.loads(first)
        self.base_url: str = self.line["base_url"]
        self.token: str = self.line["connections"][0]["access_token"]
        self.authorization = basic(self.line["client_id"], self.line["client_secret"])
        self.errors = ""
        self._numbers = itertools.count(1)

    @cached_property
    def client(self) -> httpx.Client:
        """One connection after another, for calls that end in errors of the client's own."""
        credentials = (self.line["client_id"], self.line["client_secret"])
        headers = {"X-Rutter-Version": VERSION}
        return httpx.Client(base_url=self.base_url, auth=credentials, headers=headers, timeout=10, trust_env=False)

    @property
    def origin(self) -> str:
        """Where the page and the switches are."""
        return self.base_url.removesuffix("/versioned")

    def next_number(self) -> int:
        """A number that nobody else gets, for names that must be unique."""
        return next(self._numbers)

    def call(self, method: str, path: str, body: object = None, *, key: str | None = None, **query: str) -> Answered:
        target = urlsplit(self.base_url)
        headers = {"Authorization": self.authorization, "X-Rutter-Version": VERSION}
        if key is not None:
            headers["Idempotency-Key"] = key
        content = None if body is None else encoded(body)
        text = urlencode({"access_token": self.token} | query)
        connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
        try:
            connection.request(method, f"{target.path}{path}?{text}", content, headers)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, named, answer.read())
        finally:
            connection.close()

    def send(self, plural: str, fields: Json, *, key: str | None = None) -> Answered:
        return self.call("POST", f"/accounting/{plural}", {ENVELOPES[plural]: fields}, key=key)

    def every(self, plural: str) -> list[Json]:
        found: list[Json] = self.call("GET", f"/accounting/{plural}", limit="500").json[plural]
        return found

    def by_number(self, number: str) -> Json:
        return next(one for one in self.every("bills") if one["document_number"] == number)

    def get(self, path: str, **query: str) -> Any:
        """The body of a read that must succeed, its numbers as floats."""
        response = self.client.get(path, params={"access_token": self.token, **query})
        assert response.status_code == 200, response.text
        return response.json()

    def a_payment(self, amount: float = 10.0) -> Json:
        """The body of a payment on the earliest large bill in dollars that is still due."""
        bills = self.get("/accounting/bills", sort="due_date", limit="500")["bills"]
        payable = [one for one in bills if one["status"] in {"open", "partially_paid"} and one["amount_due"] > 500]
        bill = next(one for one in payable if one["currency_code"] == "USD")
        banks = self.get("/accounting/accounts", filter='name="Operating Checking"')["accounts"]
        link = {"id": bill["id"], "allocated_amount": amount}
        fields = {"account_id": banks[0]["id"], "transaction_date": "2026-03-16", "linked_bills": [link]}
        return {"bill_payment": fields}

    def pay(self, body: Json, **headers: str) -> httpx.Response:
        query = {"access_token": self.token}
        return self.client.post("/accounting/bill_payments", params=query, json=body, headers=headers)

    def payments(self) -> int:
        """How many payments the books hold."""
        return len(self.every("bill_payments"))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stops the process, keeps what it said on stderr, and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.errors = self.process.communicate(timeout=30)[1].decode()
        if "client" in self.__dict__:
            self.client.close()
        return self.process.returncode


@contextmanager
def served(file: Path | None = None, *, today: str = TODAY.isoformat()) -> Iterator[Served]:
    """A sandbox that says nothing on stderr for as long as it is used."""
    one = Served(file, today=today)
    try:
        yield one
    finally:
        one.end()
    assert one.errors == "", one.errors


def all_at_once(calls: Sequence[Callable[[], Answered]]) -> list[Answered]:
    """Every call in a thread of its own, all on their way together."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(one) for one in calls]]
