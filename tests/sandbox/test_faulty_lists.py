"""Lists whose array is null, or is not there: every one of them, and nothing that is no list."""

from __future__ import annotations

import httpx
import pytest

from support.sandbox.client import Caller, calling

LISTS: list[tuple[str, dict[str, str], str]] = [
    *((f"/accounting/{plural}", {}, plural) for plural in ("bills", "bill_payments", "bill_credit_memos", "vendors")),
    *((f"/accounting/{plural}", {}, plural) for plural in ("accounts", "items", "purchase_orders", "payment_terms")),
    *((f"/accounting/{plural}", {}, plural) for plural in ("customers", "classes", "departments", "tax_rates")),
    *((f"/accounting/{plural}", {}, plural) for plural in ("payment_methods", "currencies")),
    ("/events", {"type": "object_deleted"}, "events"),
    ("/connections", {}, "connections"),
]


@pytest.mark.parametrize(("path", "query", "key"), LISTS, ids=[row[0] for row in LISTS])
async def test_a_list_may_come_with_null_or_without_its_array(path: str, query: dict[str, str], key: str) -> None:
    async with calling() as caller:
        whole = await caller.get(path, **query)
        assert isinstance(whole[key], list)
        null = (await caller.send("GET", path, fault="list_null", **query)).json()
        assert null == whole | {key: None}
        gone = (await caller.send("GET", path, fault="list_missing", **query)).json()
        assert gone == {name: part for name, part in whole.items() if name != key}


async def test_attachments_and_webhooks_may_be_null_and_one_bill_not() -> None:
    async with calling() as caller:
        bill = await caller.bill("FT-778")
        one, files = f"/accounting/bills/{bill['id']}", f"/accounting/bills/{bill['id']}/attachments"
        assert (await _null(caller, files)).json() == {"attachments": None}
        assert (await caller.send("GET", files, fault="list_missing")).json() == {}
        assert (await _null(caller, "/configs/webhooks")).json() is None
        assert (await _null(caller, one)).json()["bill"] == bill
        assert (await _null(caller, "/accounting/bills/none")).status_code == 410


async def _null(caller: Caller, path: str) -> httpx.Response:
    return await caller.send("GET", path, fault="list_null")
