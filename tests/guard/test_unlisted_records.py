"""Records that may be there and are not listed: nothing is entered as new, or taken for unbooked, because of that."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_server.rutter.models.credits import BillCreditMemoCreate, CreditLineDraft
from rutter_ap_server.rutter.outcomes import Done
from support.bench import START, Bench
from support.bench_client import client_at_bench
from support.serving import done, failed
from support.unlisted import emptying, refusing

ALL = ("bills", "bill_credit_memos", "vendors", "accounts", "classes", "items")
_TOOLS = ("create_bill", "create_credit", "save_vendor", "link_account", "create_record")
ALLOWED = "[tools]\n" + "".join(f'{tool} = "allow"\n' for tool in _TOOLS)
ALLOWED += '[records]\nmay_create = ["class", "item"]\n'


async def calls(bench: Bench) -> dict[str, tuple[str, dict[str, Any], str]]:
    """A new record of each kind: its tool and arguments, and the finding that the others of its kind are not known."""
    bill = await bench.bill("NW-2291")
    expense = (await bench.company.directory.account("Utilities")).id
    document = {
        "vendor": bill.vendor_id,
        "issue_date": "2026-03-01",
        "currency": "USD",
        "document_number": "BRAND-NEW-1",
        "lines": [{"amount": "12.34", "account": expense}],
    }
    account = {"name": "New Checking", "account_type": "bank", "currency": "USD"}
    return {
        "bills": ("create_bill", document, "ledger.unusable"),
        "bill_credit_memos": ("create_credit", document, "ledger.unusable"),
        "vendors": ("save_vendor", {"name": "Brand New Ltd", "currency": "USD"}, "vendor.unverified"),
        "accounts": ("link_account", {"role": "funding", "create": account}, "ledger.unusable"),
        "classes": ("create_record", {"kind": "class", "name": "Brand New"}, "ledger.unusable"),
        "items": ("create_record", {"kind": "item", "name": "Brand New"}, "ledger.unusable"),
    }


async def credit_by_hand(bench: Bench) -> None:
    """Somebody enters another credit of the story's vendor in the accounting platform."""
    [known] = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
    line = CreditLineDraft(account_id=known.line_items[0].account_id or "", total_amount=Decimal("5.00"))
    another = BillCreditMemoCreate(vendor_id=known.vendor_id or "", issue_date=START, line_items=(line,))
    outcome = await bench.company.rutter.bill_credit_memos.create(another, idempotency_key="by hand")
    assert isinstance(outcome, Done)


@pytest.mark.parametrize("many", ALL)
async def test_a_new_record_is_held_where_others_may_not_be_listed(home: Path, many: str) -> None:
    async with client_at_bench(home, ALLOWED, platform="SOMETHING_NEW") as (client, bench):
        tool, call, code = (await calls(bench))[many]
        known = await done(client, tool, **call, dry_run=True)
        bench.company.directory.forget()
        bench.wire.answers = emptying(many)
        unknown = await done(client, tool, **call, dry_run=True)

    assert code not in [one["code"] for one in known["findings"]]
    found = [one for one in unknown["findings"] if one["code"] == code]
    assert [one["severity"] for one in found] == ["ask"]
    assert f"Rutter does not document that it lists the {many.replace('_', ' ')}" in found[0]["message"]


@pytest.mark.parametrize("many", ALL)
async def test_a_lost_record_that_may_not_be_listed_waits_for_a_person(home: Path, many: str) -> None:
    async with client_at_bench(home, ALLOWED, platform="SOMETHING_NEW") as (client, bench):
        tool, call, _ = (await calls(bench))[many]
        if many == "bill_credit_memos":
            # A single one in the list may be the lost one.
            await credit_by_hand(bench)
        held = await done(client, tool, **call)
        assert held["status"] == "held"
        bench.wire.faults = ["lost before"]
        lost = await bench.approve(held["proposal_id"])
        assert lost.state == "unknown"
        sent = len(bench.wire.writes)
        bench.company.directory.forget()
        bench.wire.answers = emptying(many)
        for _ in range(3):
            bench.clock.instant += LAG_MAX + timedelta(minutes=1)
            await bench.app.recover()

        assert (await bench.proposal(lost.id)).state == "unknown"
        assert len(bench.wire.writes) == sent
        bench.wire.answers = lambda _, response: response
        bench.company.directory.forget()
        await bench.app.recover()
        assert (await bench.proposal(lost.id)).state == "posted"


async def test_a_run_does_not_say_that_an_unlisted_vendor_is_gone(home: Path) -> None:
    async with client_at_bench(home, platform="SOMETHING_NEW") as (client, bench):
        bills = [(await bench.bill("NW-2291")).id]
        bench.wire.answers = emptying("vendors")
        told = await failed(client, "propose_payment_run", bill_ids=bills, account="Operating Checking")

    assert told["code"] == "run.empty"
    assert "NW-2291: its vendor is not listed; check it in the accounting platform" in told["message"]


async def test_a_payee_may_have_a_second_record_that_is_not_listed(home: Path) -> None:
    async with client_at_bench(home, platform="SOMETHING_NEW") as (_, bench):
        bench.wire.answers = emptying("vendors")
        held = await bench.pay("NW-2291", "100.00", dry_run=True)

    said = [one.message for one in held.findings if one.code == "vendor.unverified"]
    assert any("second record that is not shown" in words for words in said)


@pytest.mark.parametrize("platform", ["DYNAMICS365", "SOMETHING_NEW"])
async def test_credits_that_are_refused_do_not_end_a_payment(home: Path, platform: str) -> None:
    async with client_at_bench(home, platform=platform) as (_, bench):
        bench.wire.answers = refusing("bill_credit_memos")
        held = await bench.pay("NW-2291", "100.00", dry_run=True)

    assert "ask credit.unknown" in [f"{one.severity.word} {one.code}" for one in held.findings]


async def test_files_that_are_refused_are_said_to_be(home: Path) -> None:
    async with client_at_bench(home, platform="QUICKBOOKS_DESKTOP") as (client, bench):
        bill = await bench.bill("NW-2291")
        (home / "invoice.txt").write_text("Invoice NW-2291")
        bench.wire.answers = refusing("attachments")
        told = await failed(client, "attach_file", bill_id=bill.id, path=str(home / "invoice.txt"))

    assert told["code"] == "platform.unsupported"
    assert "Rutter does not provide the files" in told["message"]
