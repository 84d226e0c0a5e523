"""Starts `serve` in a process of its own, as a user does, and talks to it over its socket."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_PROGRAM = """
import sys
from datetime import date
from pathlib import Path
from rutter_sandbox.serve import serve
file = Path(sys.argv[1]) if sys.argv[1] else None
sys.exit(serve(file=file, bills=int(sys.argv[2]), admin=True, today=date(2026, 3, 16)))
"""
ENDS_WITHIN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Served:
    """A running sandbox: its process, its first line, and a client with its credentials."""

    process: subprocess.Popen[bytes]
    announced: dict[str, Any]
    client: httpx.Client

    @property
    def token(self) -> str:
        return str(self.announced["connections"][0]["access_token"])

    @property
    def origin(self) -> str:
        return str(self.announced["base_url"]).removesuffix("/versioned")

    def get(self, path: str, **query: str) -> Any:
        response = self.client.get(path, params={"access_token": self.token, **query})
        assert response.status_code == 200, response.text
        return response.json()

    def a_payment(self, amount: float = 10.0) -> dict[str, Any]:
        """The body of a payment on the earliest large bill in dollars that is still due."""
        bills = self.get("/accounting/bills", sort="due_date", limit="500")["bills"]
        payable = [one for one in bills if one["status"] in {"open", "partially_paid"} and one["amount_due"] > 500]
        bill = next(one for one in payable if one["currency_code"] == "USD")
        banks = self.get("/accounting/accounts", filter='name="Operating Checking"')["accounts"]
        link = {"id": bill["id"], "allocated_amount": amount}
        fields = {"account_id": banks[0]["id"], "transaction_date": "2026-03-16", "linked_bills": [link]}
        return {"bill_payment": fields}

    def pay(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        query = {"access_token": self.token}
        return self.client.post("/accounting/bill_payments", params=query, json=body, headers=headers)

    def payments(self) -> int:
        return len(self.get("/accounting/bill_payments", limit="500")["bill_payments"])


@contextmanager
def serving(file: Path | None = None, bills: int = 0, *, keep_errors: bool = False) -> Iterator[Served]:
    arguments = [sys.executable, "-c", _PROGRAM, str(file or ""), str(bills)]
    errors = subprocess.PIPE if keep_errors else None
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors) as process:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        credentials = (announced["client_id"], announced["client_secret"])
        headers = {"X-Rutter-Version": "2024-08-31"}
        with httpx.Client(
            base_url=announced["base_url"], auth=credentials, headers=headers, timeout=10, trust_env=False
        ) as client:
            try:
                yield Served(process, announced, client)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait(ENDS_WITHIN_SECONDS)
