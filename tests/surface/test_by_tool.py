"""Every documented field that a tool writes is in the ledger as it was said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.rutter.models.base import decode_exact
from support.clerk import released
from support.sandbox_server import sandbox_server, settings_of
from support.serving import bill_numbered, serving
from support.serving import done as called
from support.surface.books import first_at
from support.surface.rows import Row, by_name, fields_of_body


def by_tool(document: str, prefix: str) -> list[Row]:
    """The fields that these tests prove."""
    return [
        row
        for row in fields_of_body(document, prefix)
        if any(
            "/test_by_tool.py::" in test and test.endswith(f"[{row.item.name}]") for test in row.cells["tools"].tests
        )
    ]


def _told(row: Row, told: Any) -> Any:
    """What the tool was told in the argument that the row names."""
    return first_at(told, row.cells["tools"].places[0].partition("(")[2].removesuffix(")"))


async def _entered(home: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What create_bill was told, and the bill that is in the ledger then."""
    async with serving(home) as (client, app):

        async def id_of(kind: str, **narrowed: str) -> str:
            found: str = (await called(client, "find_records", kind=kind, **narrowed))["records"][0]["id"]
            return found

        today = app.clock.today()
        line = {
            "amount": "77.07",
            "account": await id_of("account", name="Office Supplies"),
            "description": "Three of them, at 25.69",
            "item": await id_of("item"),
            "quantity": "3",
            "unit_amount": "25.69",
            "tax_rate": await id_of("tax_rate"),
        }
        told = {
            "vendor": await id_of("vendor", name="Acme Packaging"),
            "issue_date": (today - timedelta(days=3)).isoformat(),
            "due_date": (today + timedelta(days=27)).isoformat(),
            "currency": "USD",
            "document_number": "AP-SURFACE",
            "lines": [line],
        }
        entered = await called(client, "create_bill", **told)
        assert entered["status"] == "posted" or await released(app, entered) == "posted"
        (bill,) = (await called(client, "list_bills", document_number="AP-SURFACE", status="any"))["bills"]
        company = await app.companies.get("")
        raw = (await company.rutter.bills.get(bill["id"])).raw
        assert raw is not None
        return told, decode_exact(raw)


@pytest.mark.anyio
async def test_the_tool_enters_a_subsidiary(home: Path) -> None:
    with sandbox_server() as announced:
        token = next(one["access_token"] for one in announced["connections"] if one["platform"] == "NETSUITE")
        async with serving(home, environ=settings_of(announced, token)) as (client, app):
            company = await app.companies.get("")
            branch = next(one for one in (await company.rutter.subsidiaries.list()).items if one.parent_id)
            accounts = (await called(client, "find_records", kind="account", account_type="expense"))["records"]
            told = {
                "vendor": (await called(client, "find_records", kind="vendor"))["records"][0]["id"],
                "issue_date": app.clock.today().isoformat(),
                "currency": accounts[0]["currency"],
                "subsidiary": branch.id,
                "lines": [{"amount": "77.07", "account": accounts[0]["id"]}],
            }
            entered = await called(client, "create_bill", **told)
            assert entered["status"] == "posted" or await released(app, entered) == "posted"
            latest = (await company.rutter.bills.list(limit=1, sort="created_at DESC")).items[0]
            assert latest.raw is not None
            kept = decode_exact(latest.raw)
            assert kept["subsidiary_id"] == branch.id
            assert kept["total_amount"] == Decimal("77.07")


@pytest.fixture(scope="module")
def entered(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """A bill entered by the tool."""
    return anyio.run(_entered, tmp_path_factory.mktemp("entering") / "home")


@pytest.mark.parametrize("row", by_tool("bills", "bill"), ids=by_name)
def test_the_tool_enters_it(row: Row, entered: tuple[dict[str, Any], dict[str, Any]]) -> None:
    told, kept = entered
    wanted, found = _told(row, told), first_at(kept, row.item.name.removeprefix("bill."))
    assert _same(wanted, found), (wanted, found)


async def _paid(home: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What pay_bill was told, the payment that is in the ledger then, and the bill it paid."""
    async with serving(home) as (client, app):
        bill = await bill_numbered(client, "FT-802")
        accounts = (await called(client, "find_records", kind="account", account_type="bank"))["records"]
        told = {
            "bill_id": bill["id"],
            "amount": "12.34",
            "account": next(one["id"] for one in accounts if one["currency"] == "USD"),
            "date": app.clock.today().isoformat(),
            "memo": "In part",
        }
        held = await called(client, "pay_bill", **told)
        assert held["status"] == "posted" or await released(app, held) == "posted"
        company = await app.companies.get("")
        owed = await company.rutter.bills.get(bill["id"])
        (link,) = owed.linked_payments
        paid = await company.rutter.bill_payments.get(link.id or "")
        assert owed.raw is not None
        assert paid.raw is not None
        return told, decode_exact(paid.raw), decode_exact(owed.raw)


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A payment recorded by the tool."""
    return anyio.run(_paid, tmp_path_factory.mktemp("paying") / "home")


@pytest.mark.parametrize("row", by_tool("bill_payments", "bill_payment"), ids=by_name)
def test_the_tool_pays_with_it(row: Row, paid: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]) -> None:
    """The bill names the vendor and the currency: neither is an argument, so that neither can be a wrong one."""
    told, payment, owed = paid
    name = row.item.name.removeprefix("bill_payment.")
    wanted = owed[name] if name in ("vendor_id", "currency_code") else _told(row, told)
    found = first_at(payment, name)
    assert _same(wanted, found[0]["id"] if name == "linked_bills" else found), (wanted, found)


def _same(told: Any, kept: Any) -> bool:
    """Whether the ledger has what was said: a number to the last digit, a day as its midnight, a part as a part."""
    if isinstance(kept, list | dict):
        return bool(told) and bool(kept)
    if isinstance(kept, Decimal | int):
        return Decimal(told) == kept
    return bool(kept in (told, f"{told}T00:00:00.000Z"))
