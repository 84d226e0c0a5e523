"""A record that cannot be used is set aside by name and hides no other; what is only a residue is rounded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.client import Client

from rutter_ap_server.reads.amounts import LedgerDataError, ledger_money
from rutter_ap_tools.money import Money, exponent_of
from support.bench import Bench
from support.bench_client import client_at_bench
from support.spoiled import GONE, spoil

AMOUNTS: dict[str, dict[str, Any]] = {
    "half a yen": {"currency_code": "JPY", "amount_due": "json:1234.5", "total_amount": "json:1234.5"},
    "half a cent": {"amount_due": "json:9.345", "total_amount": "json:9.345"},
    "no ISO currency": {"currency_code": "XBT"},
    "currency in lower case": {"currency_code": "usd"},
    "null currency": {"currency_code": None},
    "null total": {"total_amount": None},
    "no total": {"total_amount": GONE},
    "null due": {"amount_due": None},
    "total in words": {"total_amount": "many"},
    "absurd total": {"total_amount": "json:1e400"},
    "huge total": {"total_amount": "json:1e30"},
    "total is a list": {"total_amount": []},
}
OTHERS: dict[str, dict[str, Any]] = {
    "null status": {"status": None},
    "status is a number": {"status": 7},
    "nonsense due date": {"due_date": "the day after"},
    "nonsense issue date": {"issue_date": "2026-02-31T00:00:00.000Z"},
    "date is a number": {"issue_date": 20260301},
    "lines are words": {"line_items": "none"},
    "payments without amount": {"linked_payments": [{"id": "p"}]},
    "vendor is a list": {"vendor_id": ["v"]},
}
UNUSABLE = AMOUNTS | OTHERS
PAYMENTS = {
    "half a cent": {"total_amount": "json:9.345"},
    "null currency": {"currency_code": None},
    "no ISO currency": {"currency_code": "XBT"},
    "nonsense date": {"transaction_date": "soon"},
    "link without amount": {"linked_bills": [{"id": "b"}]},
}
CREDITS = {
    "null rest": {"remaining_amount": None},
    "null status": {"status": None},
    "nonsense date": {"issue_date": "soon"},
    "half a cent": {"remaining_amount": "json:9.345", "total_amount": "json:9.345"},
}
VENDORS = {
    "e-mail is a number": {"email": 5},
    "nonsense date": {"updated_at": "soon"},
    "null currencies and a list for a name": {"currency_codes": "USD", "contact_name": ["x"]},
}


@asynccontextmanager
async def at_desk(home: Path) -> AsyncIterator[tuple[Client, Bench]]:
    async with client_at_bench(home, '[tools]\npay_bill = "allow"\n') as (client, bench):
        yield client, bench


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer of a tool that does not fail."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    found: dict[str, Any] | None = answer.structured_content
    assert found is not None
    return found


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """The words of an error."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return json.dumps([one.model_dump(mode="json") for one in answer.content])


@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE)
async def test_a_bill_that_cannot_be_used_is_named_everywhere(home: Path, changes: dict[str, Any]) -> None:
    async with at_desk(home) as (client, bench):
        bad, good = await bench.bill("NW-2291"), await bench.bill("INV-1051")
        before = await ask(client, "list_bills", limit=200)
        assert {bad.id, good.id} <= {row["id"] for row in before["bills"]}
        spoil(bench.sandbox, bad.id, **changes)

        after = await ask(client, "list_bills", limit=200)
        assert {row["id"] for row in after["bills"]} == {row["id"] for row in before["bills"]} - {bad.id}
        assert sum(one["bills"] for one in after["totals"]) == sum(one["bills"] for one in before["totals"]) - 1
        named = [note for note in after["notes"] if bad.id in note]
        assert [note.startswith(f"Bill {bad.id} (‹NW-2291›) was left out: ") for note in named] == [True]
        assert "The totals do not include 1 bill that cannot be used." in after["notes"]

        summary = await ask(client, "summarize_payables")
        assert summary["complete"] is False
        assert [note for note in summary["notes"] if bad.id in note] == named
        assert sum(one["bills"] for one in summary["currencies"]) == sum(one["bills"] for one in after["totals"])

        assert (await ask(client, "get_bill", bill_id=good.id))["bill"]["id"] == good.id
        assert "ledger.unusable" in await refused(client, "get_bill", bill_id=bad.id)
        assert "ledger.unusable" in await refused(client, "pay_bill", bill_id=bad.id, account="Operating Checking")
        assert (await ask(client, "list_payments"))["payments"]
        assert (await ask(client, "list_credits", status="any"))["credits"]
        assert (await ask(client, "find_records", kind="vendor"))["records"]


@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE)
async def test_it_does_not_stop_what_is_written_beside_it(home: Path, changes: dict[str, Any]) -> None:
    async with at_desk(home) as (client, bench):
        bad = await bench.bill("NW-2291")
        entered = {
            "vendor": bad.vendor_id,
            "currency": "USD",
            "issue_date": "2026-03-01",
            "lines": [{"amount": "61.20", "account": "Utilities"}],
        }
        made = await ask(client, "create_bill", document_number="NW-3000", **entered)
        assert made["status"] == "posted"
        spoil(bench.sandbox, bad.id, **changes)

        paid = await ask(client, "pay_bill", bill_id=made["record"]["id"], account="Operating Checking")
        assert paid["status"] == "posted", paid
        again = await client.call_tool("create_bill", {"document_number": "nw 2291"} | entered)
        assert "bill.duplicate" in str(again.structured_content)
        # Its amount cannot be compared, or is another one: then a person may say that it is another bill.
        assert again.is_error is (changes.keys() != {"amount_due"})
        run = await ask(client, "propose_payment_run", due_to="2027-12-31", account="Operating Checking")
        assert run["status"] in ("held", "posted")
        assert bad.id not in {line["bill_id"] for line in run["lines"]}


@pytest.mark.parametrize("status", ["unknown", "zombie", ""])
async def test_a_bill_of_unclear_status_may_be_owed(home: Path, status: str) -> None:
    async with at_desk(home) as (client, bench):
        bad = await bench.bill("NW-2291")
        spoil(bench.sandbox, bad.id, status=status)
        page = await ask(client, "list_bills", limit=200)
        assert bad.id not in {row["id"] for row in page["bills"]}
        assert [bad.id in note and "does not say whether it is unpaid" in note for note in page["notes"]] == [
            True,
            False,
        ]
        summary = await ask(client, "summarize_payables")
        assert (summary["complete"], [bad.id in note for note in summary["notes"]]) == (False, [True])
        assert bad.id in {row["id"] for row in (await ask(client, "list_bills", status="any", limit=200))["bills"]}
        assert "bill.not_payable" in await refused(client, "pay_bill", bill_id=bad.id, account="Operating Checking")
        run = await ask(client, "propose_payment_run", due_to="2027-12-31", account="Operating Checking")
        assert bad.id not in {line["bill_id"] for line in run["lines"]}
        assert bad.id in {one["bill_id"] for one in run["left_out"]}


async def test_an_unusable_bill_of_the_same_days_asks(home: Path) -> None:
    async with at_desk(home) as (client, bench):
        bad = await bench.bill("NW-2291")
        assert bad.issue_date is not None
        spoil(bench.sandbox, bad.id, total_amount=None)
        bill = {
            "vendor": bad.vendor_id,
            "currency": "USD",
            "lines": [{"amount": "61.20", "account": "Utilities"}],
        }
        near = await ask(
            client, "create_bill", document_number="NW-3001", issue_date=f"{bad.issue_date:%Y-%m-%d}", **bill
        )
        assert (near["status"], near["verdict"]) == ("held", "ask")
        (found,) = [one for one in near["findings"] if one["code"] == "ledger.unusable"]
        assert "bill NW-2291 of this vendor cannot be compared with this one" in found["message"]


@pytest.mark.parametrize("changes", PAYMENTS.values(), ids=PAYMENTS)
async def test_a_payment_that_cannot_be_used_is_named(home: Path, changes: dict[str, Any]) -> None:
    async with at_desk(home) as (client, bench):
        before = (await ask(client, "list_payments", limit=200))["payments"]
        bad = before[0]
        spoil(bench.sandbox, bad["id"], **changes)
        after = await ask(client, "list_payments", limit=200)
        assert [one["id"] for one in after["payments"]] == [one["id"] for one in before[1:]]
        assert [bad["id"] in note for note in after["notes"]] == [True]
        assert (await ask(client, "list_bills"))["bills"]
        paid = await ask(client, "pay_bill", bill_id=(await bench.bill("NW-2291")).id, account="Operating Checking")
        assert paid["status"] in ("posted", "held")
        assert "ledger.unusable" in await refused(client, "void_payment", payment_id=bad["id"])


@pytest.mark.parametrize("changes", CREDITS.values(), ids=CREDITS)
async def test_a_credit_that_cannot_be_used_is_named(home: Path, changes: dict[str, Any]) -> None:
    async with at_desk(home) as (client, bench):
        (credit,) = [
            one for one in (await ask(client, "list_credits"))["credits"] if one["vendor"]["name"][:4] == "Acme"
        ]
        spoil(bench.sandbox, credit["id"], **changes)
        after = await ask(client, "list_credits")
        assert credit["id"] not in {one["id"] for one in after["credits"]}
        assert [credit["id"] in note for note in after["notes"]] == [True]
        summary = await ask(client, "summarize_payables", vendor="Acme Office Supply")
        assert [credit["id"] in note for note in summary["notes"]] == [True]
        detail = await ask(client, "get_bill", bill_id=(await bench.bill("INV-1051")).id)
        assert credit["id"] in detail["next_step"]
        paid = await ask(
            client, "pay_bill", bill_id=(await bench.bill("INV-1051")).id, amount="1.00", account="Operating Checking"
        )
        (found,) = [one for one in paid["findings"] if one["code"] == "ledger.unusable"]
        assert (found["severity"], credit["id"] in found["message"]) == ("ask", True)


async def test_the_rest_of_a_credit_counts_without_its_total(home: Path) -> None:
    async with at_desk(home) as (client, bench):
        (credit,) = (await ask(client, "list_credits", vendor="Acme Office Supply"))["credits"]
        spoil(bench.sandbox, credit["id"], total_amount=None)
        after = await ask(client, "list_credits")
        assert [credit["id"] in note for note in after["notes"]] == [True]
        summary = await ask(client, "summarize_payables", vendor="Acme Office Supply")
        assert summary["currencies"][0]["open_credits"] == credit["remaining"]


@pytest.mark.parametrize("changes", VENDORS.values(), ids=VENDORS)
async def test_a_vendor_that_cannot_be_used_stops_only_itself(home: Path, changes: dict[str, Any]) -> None:
    async with at_desk(home) as (client, bench):
        bad, good = await bench.bill("NW-2291"), await bench.bill("INV-1051")
        assert bad.vendor_id is not None
        spoil(bench.sandbox, bad.vendor_id, **changes)
        found = await ask(client, "find_records", kind="vendor")
        assert [bad.vendor_id in note for note in found["notes"]] == [True]
        assert bad.vendor_id in {one["id"] for one in found["records"]}
        assert {bad.id, good.id} <= {row["id"] for row in (await ask(client, "list_bills", limit=200))["bills"]}
        assert "ledger.unusable" in await refused(client, "pay_bill", bill_id=bad.id, account="Operating Checking")
        assert (await ask(client, "pay_bill", bill_id=good.id, account="Operating Checking"))["proposal_id"]
        run = await ask(client, "propose_payment_run", due_to="2027-12-31", account="Operating Checking")
        assert bad.id not in {line["bill_id"] for line in run["lines"]}
        (why,) = [one["reason"] for one in run["left_out"] if one["bill_id"] == bad.id]
        assert "cannot be read" in why


async def test_a_vendor_that_is_gone_stops_no_payment_run(home: Path) -> None:
    async with at_desk(home) as (client, bench):
        bad = await bench.bill("NW-2291")
        spoil(bench.sandbox, bad.id, vendor_id="no-such-vendor")
        assert bad.id in {row["id"] for row in (await ask(client, "list_bills", limit=200))["bills"]}
        run = await ask(client, "propose_payment_run", due_to="2027-12-31", account="Operating Checking")
        assert bad.id not in {line["bill_id"] for line in run["lines"]}


async def test_a_residue_is_rounded_and_said_everywhere(home: Path) -> None:
    async with at_desk(home) as (client, bench):
        bill = await bench.bill("INV-1051")
        assert bill.amount_due is not None
        due = f"{bill.amount_due:.2f}"
        spoil(bench.sandbox, bill.id, amount_due=f"json:{due}0000000001", total_amount=f"json:{due}0000000001")
        page = await ask(client, "list_bills", limit=200)
        (row,) = [one for one in page["bills"] if one["id"] == bill.id]
        assert (row["due"]["amount"], row["total"]["amount"]) == (due, due)
        said = f"Bill {bill.id}: total {due}0000000001 read as {due} USD, amount due {due}0000000001 read as {due} USD."
        assert page["notes"] == [said]
        assert said in (await ask(client, "summarize_payables"))["notes"]
        assert said in (await ask(client, "get_bill", bill_id=bill.id))["next_step"]
        paid = await ask(client, "pay_bill", bill_id=bill.id, account="Operating Checking")
        statement = await bench.app.approvals.preview(paid["proposal_id"], bench.company)
        assert f"balance due {due}0000000001 read as {due} USD" in str(statement)


async def test_a_payment_of_a_rounded_bill_is_read_back(home: Path) -> None:
    """Ledgers that compute in floats show the payment with a residue too."""
    async with at_desk(home) as (client, bench):
        bill, original = await bench.bill("NW-2291"), bench.sandbox.asgi.handle

        def with_residue(call: Any) -> Any:
            response = original(call)
            if call.method == "GET":
                response.body = response.body.replace(b":84.20,", b":84.20000000000001,").replace(
                    b":600.00,", b":599.9999999,"
                )
            return response

        bench.sandbox.asgi.handle = with_residue  # type: ignore[method-assign]
        paid = await ask(client, "pay_bill", bill_id=bill.id, amount="84.20", account="Operating Checking")
        assert (paid["status"], paid["record"]["bill_due"]["amount"]) == ("posted", "600.00")


UNITS = st.sampled_from(["USD", "JPY", "KWD"])
CENTS = st.integers(-(10**15), 10**15)


@given(UNITS, CENTS, st.decimals("-0.499999999999", "0.499999999999", places=12))
def test_less_than_half_a_minor_unit_is_rounded_away(currency: str, minor: int, residue: Decimal) -> None:
    digits = exponent_of(currency)
    exact = Decimal(minor).scaleb(-digits)
    shown = (Decimal(minor) + residue).scaleb(-digits)
    assert ledger_money(shown, currency, "total") == Money(exact, currency)


@given(UNITS, CENTS)
def test_exactly_half_a_minor_unit_is_never_rounded(currency: str, minor: int) -> None:
    shown = (Decimal(minor) + Decimal("0.5")).scaleb(-exponent_of(currency))
    with pytest.raises(LedgerDataError, match="is not valid in"):
        ledger_money(shown, currency, "total")
