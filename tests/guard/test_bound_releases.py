"""A person releases what they were shown: whatever changes before it is sent, nothing is sent and people are asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.rutter.models.vendors import VendorUpdate
from rutter_ap_tools.bills import CreateBill, NewBillLine, UpdateBill
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.statement import render_statement
from rutter_ap_tools.vendors import SaveVendor
from support.bench import PASSCODE, START, Bench, a_bench, codes
from support.meanwhile import (
    a_duplicate,
    an_instruction,
    another_bank_account,
    another_due_date,
    another_email,
    another_memo,
    changed_since,
    release_unsent,
    statement_now,
    stricter,
)
from support.runs import FIRST, PLAIN, ROOMY, SECOND, lines_of, run_of

BILL = "FT-802"
Change = Callable[[Bench, str], Awaitable[None]]
LONG_NAME = "Northwind Utilities and Power Company of the Greater Harbor Region, Water and Sewage Division " * 2
LONG_MEMO = "All of it was delivered as agreed. " * 28
STRICTER = '[tools]\npay_bill = "approve"\n'
# What happens, and words of what the statement then says has changed.
CHANGES = [
    pytest.param(a_duplicate, "bill.duplicate", id="a duplicate is entered"),
    pytest.param(another_email, "vendor.changed", id="the e-mail address changes"),
    pytest.param(another_bank_account, "bank account ending in 9876", id="the bank account changes"),
    pytest.param(an_instruction, "text.suspicious", id="the memo gives instructions"),
    pytest.param(another_memo, "Facts behind it", id="the memo changes"),
    pytest.param(stricter(STRICTER), "policy.approve", id="the policy is stricter"),
    pytest.param(another_due_date, "due 2026-04-", id="the due date moves"),
]


async def assert_asked_again(bench: Bench, proposal_id: str, words: str) -> None:
    """Nothing was sent, no release counts, and the statement says why."""
    assert bench.wire.payments_sent == []
    assert (await bench.proposal(proposal_id)).state == "held"
    assert await bench.app.store.read(lambda tx: tx.proposals.approvals(proposal_id)) == ()
    changed = await changed_since(bench, proposal_id)
    assert [one for one in changed if words in one], changed


async def two_release(bench: Bench, proposal_id: str) -> None:
    """Only both together release what has changed."""
    assert (await bench.approve(proposal_id, "Ana")).state == "held"
    assert bench.wire.payments_sent == []
    assert (await bench.approve(proposal_id, "Bo")).state == "posted"


async def held_payment(bench: Bench) -> str:
    await bench.approver("Ana", "Bo")
    held = await bench.pay(BILL)
    assert held.proposal_id is not None
    return held.proposal_id


@pytest.mark.parametrize(("change", "words"), CHANGES)
async def test_between_two_people_a_change_voids_the_first(home: Path, change: Change, words: str) -> None:
    async with a_bench(home) as bench:
        proposal_id = await held_payment(bench)
        assert (await bench.approve(proposal_id, "Ana")).state == "held"
        await change(bench, BILL)

        await bench.app.approvals.preview(proposal_id, bench.company)
        await assert_asked_again(bench, proposal_id, words)
        await two_release(bench, proposal_id)


@pytest.mark.parametrize(("change", "words"), CHANGES)
async def test_a_change_after_the_look_voids_what_others_gave(home: Path, change: Change, words: str) -> None:
    async with a_bench(home) as bench:
        proposal_id = await held_payment(bench)
        await bench.approve(proposal_id, "Ana")
        seen = await bench.app.approvals.preview(proposal_id, bench.company)
        await change(bench, BILL)

        with pytest.raises(NotReleased) as moved:
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Bo", PASSCODE), channel="terminal")
        assert moved.value.error_code == "approval.facts_moved"
        await assert_asked_again(bench, proposal_id, words)
        await two_release(bench, proposal_id)


@pytest.mark.parametrize(("change", "words"), CHANGES)
async def test_a_change_while_rutter_was_down_voids_all(home: Path, change: Change, words: str) -> None:
    async with a_bench(home) as bench:
        proposal_id = await held_payment(bench)
        await release_unsent(bench, proposal_id, "Ana", "Bo")
        bench.wire.is_down = True
        await bench.app.recover()
        assert (await bench.proposal(proposal_id)).state == "released"
        bench.wire.is_down = False
        await change(bench, BILL)

        await bench.app.recover()
        await assert_asked_again(bench, proposal_id, words)
        await two_release(bench, proposal_id)


@pytest.mark.parametrize(("change", "words"), CHANGES)
async def test_a_change_to_one_line_of_a_run_holds_that_line(home: Path, change: Change, words: str) -> None:
    async with a_bench(home, ROOMY) as bench:
        await bench.approver("Ana", "Bo")
        run = await run_of(bench, *PLAIN)
        assert run.proposal_id is not None
        gate = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.approve, run.proposal_id)
            with anyio.fail_after(20):
                await gate.reached.wait()
            first = (await lines_of(bench, run.proposal_id))[FIRST]
            # Whichever line is on the wire, the change is to one that is not.
            changed = SECOND if first.state == "dispatching" else FIRST
            await (stricter(ROOMY + STRICTER) if words == "policy.approve" else change)(bench, changed)
            gate.go.set()

        line = (await lines_of(bench, run.proposal_id))[changed]
        assert line.state == "held"
        assert line.id not in bench.wire.payments_sent
        assert await bench.paid(changed) == []
        assert await bench.app.store.read(lambda tx: tx.proposals.approvals(line.id)) == ()
        said = await changed_since(bench, line.id)
        assert [one for one in said if (words if words != "due 2026-04-" else ", due 2026-") in one], said
        assert (await bench.approve(line.id)).state == "posted"


@pytest.mark.parametrize(("change", "words"), CHANGES)
async def test_a_change_before_a_run_is_opened_voids_its_release(home: Path, change: Change, words: str) -> None:
    async with a_bench(home, ROOMY) as bench:
        await bench.approver("Ana", "Bo")
        run = await run_of(bench, *PLAIN)
        assert run.proposal_id is not None
        await release_unsent(bench, run.proposal_id, "Ana")
        await (stricter(ROOMY + STRICTER) if words == "policy.approve" else change)(bench, SECOND)

        await bench.app.recover()
        await assert_asked_again(bench, run.proposal_id, ", due 2026-" if words == "due 2026-04-" else words)
        assert await lines_of(bench, run.proposal_id) == {}


async def test_a_finding_that_disappears_voids_nothing(home: Path) -> None:
    async with a_bench(home, STRICTER) as bench:
        proposal_id = await held_payment(bench)
        assert "policy.approve" in codes(await bench.proposal(proposal_id))
        await bench.approve(proposal_id, "Ana")
        bench.policy('[tools]\npay_bill = "allow"\n')

        await bench.app.approvals.preview(proposal_id, bench.company)
        assert "policy.approve" not in codes(await bench.proposal(proposal_id))
        assert await changed_since(bench, proposal_id) == []
        assert (await bench.approve(proposal_id, "Bo")).state == "posted"
        assert await bench.paid(BILL) == [Decimal("27350.00")]


async def test_a_release_older_than_a_finding_never_counts_again(home: Path) -> None:
    async with a_bench(home) as bench:
        proposal_id = await held_payment(bench)
        await bench.approve(proposal_id, "Ana")
        bench.policy(STRICTER)
        await bench.app.approvals.preview(proposal_id, bench.company)
        # It goes as it came, but what was void stays void.
        bench.policy(STRICTER.replace("approve", "ask"))
        await bench.app.approvals.preview(proposal_id, bench.company)

        assert (await bench.approve(proposal_id, "Bo")).state == "held"
        assert bench.wire.payments_sent == []
        assert (await bench.approve(proposal_id, "Ana")).state == "posted"


async def test_each_release_names_the_statement_it_was_given_on(home: Path) -> None:
    async with a_bench(home) as bench:
        proposal_id = await held_payment(bench)
        shown = []
        for name in ("Ana", "Bo"):
            await bench.app.approvals.preview(proposal_id, bench.company)
            shown.append((await statement_now(bench, proposal_id)).digest)
            await bench.approve(proposal_id, name)

        given = await bench.app.store.read(lambda tx: tx.proposals.approvals(proposal_id))
        kept = await bench.app.store.read(lambda tx: tx.proposals.statements(proposal_id))
        assert [one.statement for one in given] == shown
        assert set(shown) == set(kept)
        assert len(set(shown)) == 2


async def test_long_names_and_texts_are_shown_to_their_end(home: Path) -> None:
    async with a_bench(home) as bench:
        vendor_id = (await bench.bill(FIRST)).vendor_id or ""
        change = VendorUpdate(vendor_name=LONG_NAME.strip())
        await bench.company.rutter.vendors.update(vendor_id, change, idempotency_key="renamed")
        bill_id, number = (await bench.bill(FIRST)).id, f"NW-{'7' * 190}-END"
        memo = f"{LONG_MEMO}END"
        line = NewBillLine(amount="10.00", account="Utilities", description=memo)
        day = START.date().isoformat()
        asked: list[Any] = [
            PayBill(bill_id=bill_id, amount="1.00", account="Operating Checking", memo=memo),
            UpdateBill(bill_id=bill_id, document_number=number, memo=memo),
            CreateBill(
                vendor=vendor_id, issue_date=day, currency="USD", document_number=number, memo=memo, lines=[line]
            ),
            SaveVendor(vendor_id=vendor_id, name=f"{'North ' * 32}END", email="ap@northwind.example"),
            SaveVendor(name=f"{'North ' * 32}END", currency="USD"),
        ]
        tools = ("pay_bill", "update_bill", "create_bill", "save_vendor")
        bench.policy("\n".join(["[tools]", *(f'{tool} = "approve"' for tool in tools)]))
        for one in asked:
            with suppress(Refused):
                await bench.submit(one)
        found = await bench.proposals()
        assert len(found) == len(asked)
        for proposal in found:
            text = render_statement(await statement_now(bench, proposal.id))
            assert "…" not in text, text
            assert "END" in text
