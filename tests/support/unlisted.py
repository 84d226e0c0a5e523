"""A company in Business Central: whether its payments are listed depends on an extension that it may not have."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
from mcp.client import Client

from support.bench import Bench
from support.bench_client import client_at_bench

BUSINESS_CENTRAL = "DYNAMICS365"
EXTENSION = "Rutter's extension in Business Central"
Lists = Literal["empty", "not found", "not allowed", "whole"]
"""How the list of payments answers; "whole" is a company that has the extension."""
WITHOUT: tuple[Lists, ...] = ("empty", "not found", "not allowed")
_REFUSED = {
    "not found": (404, {"error_type": "INVALID_REQUEST", "error_code": "NOT_FOUND", "error_message": "no such thing"}),
    "not allowed": (400, {"error_type": "X", "error_code": "PRODUCT_NOT_ALLOWED", "error_message": "not in the plan"}),
}


@asynccontextmanager
async def business_central(
    home: Path, policy: str = "", *, lists: Lists = "empty", bills_show_payments: bool = False, **more: Any
) -> AsyncIterator[tuple[Client, Bench]]:
    """A client and its bench, in the story's company as Rutter shows it there. "Ana" and "Bo" are approvers."""
    async with client_at_bench(home, policy, platform=BUSINESS_CENTRAL, **more) as (client, bench):
        bench.wire.answers = answering(lists, bills_show_payments=bills_show_payments)
        yield client, bench


def answering(
    lists: Lists,
    *,
    bills_show_payments: bool = False,
    listed: set[str] | None = None,
    each_readable: bool = False,
) -> Callable[[httpx.Request, httpx.Response], httpx.Response]:
    """What Rutter answers there; of the payments, only those `listed` if the list is "whole" and they are named.

    `each_readable`: a payment can be read by its id all the same, as what was written through Rutter can.
    """

    def answer(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        path = request.url.path.removeprefix("/versioned/accounting/")
        if lists == "whole" and listed is None:
            return _shown(response, lambda body: None)
        if path.startswith("bill_payments/") and lists != "whole" and not each_readable:
            return _answer(404, {"error_type": "INVALID_REQUEST", "error_code": "NOT_FOUND", "error_message": "no"})
        if path == "bill_payments" and lists in _REFUSED:
            return _answer(*_REFUSED[lists])
        if path == "bill_payments":
            return _shown(response, lambda body: _keep(body, listed or set()))
        if path.startswith("bills") and not bills_show_payments:
            return _shown(response, _without_links)
        return _shown(response, lambda body: None)

    return answer


def _answer(status: int, body: object) -> httpx.Response:
    return httpx.Response(status, json=body)


def _shown(response: httpx.Response, change: Callable[[dict[str, Any]], None]) -> httpx.Response:
    """The answer of a company on that platform, changed."""
    if not response.is_success or "json" not in response.headers.get("content-type", ""):
        return response
    # As text, so that no number changes its digits.
    body = json.loads(response.content.replace(b'"QUICKBOOKS"', b'"DYNAMICS365"'), parse_float=_Digits)
    change(body)
    return httpx.Response(response.status_code, headers={"content-type": "application/json"}, text=_text(body))


class _Digits(float):
    """A number that is written again as it was read."""

    def __new__(cls, text: str) -> _Digits:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str

    def __repr__(self) -> str:
        return self.text


def _text(body: object) -> str:
    if isinstance(body, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_text(value)}" for key, value in body.items()) + "}"
    if isinstance(body, list):
        return "[" + ",".join(map(_text, body)) + "]"
    return repr(body) if isinstance(body, _Digits) else json.dumps(body)


def _keep(body: dict[str, Any], ids: set[str]) -> None:
    body["bill_payments"] = [one for one in body.get("bill_payments", ()) if one["id"] in ids]


def _without_links(body: dict[str, Any]) -> None:
    for bill in [*body.get("bills", ()), *filter(None, [body.get("bill")])]:
        bill["linked_payments"] = []


def emptying(*lists: str) -> Callable[[httpx.Request, httpx.Response], httpx.Response]:
    """Those lists show nothing, and their records can be read one by one all the same."""

    def answer(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if name not in lists or not response.is_success:
            return response
        return _answer(200, json.loads(response.content) | {name: [], "next_cursor": None})

    return answer


def refusing(name: str) -> Callable[[httpx.Request, httpx.Response], httpx.Response]:
    """Lists of that name are not offered on the platform."""

    def answer(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        is_it = request.url.path.rpartition("/")[2] == name
        return (
            _answer(404, {"error_type": "X", "error_code": "NOT_FOUND", "error_message": "no"}) if is_it else response
        )

    return answer


def claims_none(text: str) -> list[str]:
    """What a text says that is known only of a list that can be read: that there is nothing of the kind."""
    said = [
        "no payments match",
        "no earlier payment",
        "shows no earlier",
        "no credits match",
        "no document is attached",
        "no file is attached",
        "has no document",
        "nothing was paid",
        "no payments",
        "no open credits",
        "has no bill credit memos",
        "before: nothing",
        "there are no ",
    ]
    lowered = text.lower()
    return [one for one in said if one in lowered]
