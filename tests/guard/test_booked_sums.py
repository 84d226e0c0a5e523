"""From the lines to the ledger: a bill is released at what it comes to, and what was booked instead is never lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from rutter_ap_server.guard.writes.create_bill import CreateBillWrite
from rutter_ap_server.guard.writes.create_credit import CreateCreditWrite
from rutter_ap_server.rutter.models.bills import BillLineDraft, BillUpdate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.rutter.wire import encode_body
from rutter_ap_tools.bills import CreateBill, UpdateBill
from rutter_ap_tools.credits import CreateCredit
from rutter_ap_tools.errors import BadInput, Refused
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.wire import WriteResult
from support.bench import Bench, a_bench, codes
from support.ledger_taxes import set_tax_rate
from support.people import accepts
from support.practice_company import practice
from support.runs import run_of

TAX = "Utility Tax 5%"
NUMBER = "NW-9001"
PAYS = '[tools]\npay_bill = "allow"\npropose_payment_run = "allow"\ncreate_credit = "allow"\n'
DIFFERENT = "bill.booked_differently"


def a_bill(amount: str = "108.88", tax: str = TAX, number: str = NUMBER, **more: Any) -> CreateBill:
    line = {"amount": amount, "account": "Utilities", "tax_rate": tax}
    made = {"vendor": "Northwind Utilities", "issue_date": "2026-03-01", "currency": "USD", "lines": [line]}
    return CreateBill.model_validate(made | {"document_number": number, "due_date": "2026-03-20"} | more)


def a_credit(**more: Any) -> CreateCredit:
    made = {"vendor": "Northwind Utilities", "issue_date": "2026-03-01", "currency": "USD"}
    lines = [{"amount": "50.00", "account": "Utilities"}]
    return CreateCredit.model_validate(made | {"document_number": "NC-1", "lines": lines} | more)


def is_new_bill(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith("/bills")


async def while_sent(bench: Bench, write: Any, meanwhile: Callable[[], Any]) -> WriteResult:
    """The write's result, with something done after its last judgement and before Rutter has it."""
    gate = bench.wire.gate(is_new_bill)
    results: list[WriteResult] = []

    async def submit() -> None:
        results.append(await bench.submit(write))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(submit)
        with anyio.fail_after(20):
            await gate.reached.wait()
        meanwhile()
        gate.go.set()
    return results[0]


async def booked_differently(bench: Bench) -> WriteResult:
    """A bill released at 114.32 that the ledger books at 119.77, because its rate has just doubled."""
    return await while_sent(bench, a_bill(), lambda: set_tax_rate(bench.sandbox, TAX, "10"))


def message(findings: list[Finding], code: str) -> str:
    (found,) = [one.message for one in findings if one.code == code]
    return found


async def test_a_taxed_bill_is_booked_as_it_was_released(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        posted = await bench.submit(a_bill(total="114.32"))

        assert (posted.status, codes(posted)) == ("posted", [])
        assert posted.summary.startswith(f"Create bill {NUMBER} for 114.32 USD (108.88 net + 5.44 tax) from Northwind")
        assert posted.record is not None
        assert posted.record.amount is not None
        assert posted.record.amount == posted.record.expected
        assert posted.record.difference is None
        assert (await bench.proposal(posted.proposal_id)).money == posted.record.amount.money
        assert DIFFERENT not in codes(await bench.pay(NUMBER))


async def test_lines_that_miss_the_stated_total_are_held(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.submit(a_bill(total="118.54"))

        assert (held.status, held.verdict) == ("held", "approve")
        words = message(held.findings, "bill.total_differs")
        assert "118.54 USD" in words
        assert "114.32 USD" in words
        assert bench.wire.writes == []


async def test_a_total_that_cannot_be_checked_is_asked_about(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.submit(a_bill(tax="", total="118.54"))
        person = accepts()
        posted = await bench.submit(a_bill(tax="", total="118.54"), person)

        assert (held.status, codes(held)) == ("held", ["bill.total_unchecked"])
        assert "its lines add up to 108.88 USD before tax" in person.questions[0].text
        assert posted.status == "posted"
        assert DIFFERENT in codes(posted)


async def test_what_was_booked_differently_is_said_and_kept(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        posted = await booked_differently(bench)

        assert posted.status == "posted"
        assert posted.record is not None
        assert posted.record.expected is not None
        assert posted.record.amount is not None
        assert (posted.record.expected.amount, posted.record.amount.amount) == ("114.32", "119.77")
        words = "114.32 USD was released, but the ledger booked 119.77 USD, 10.89 of it tax"
        assert posted.record.difference == message(posted.findings, DIFFERENT) == words
        assert "not at the amount that was released" in posted.next_step
        assert codes(await bench.proposal(posted.proposal_id)) == [DIFFERENT]
        entries = await bench.app.store.read(lambda tx: list(tx.audit.entries(posted.proposal_id)))
        (entry,) = [json.loads(one.body) for one in entries if one.kind == "posted"]
        assert entry["record"]["difference"] == words


async def test_its_next_payment_waits_for_an_approver(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        await bench.approver("Ana")
        await booked_differently(bench)
        held = await bench.pay(NUMBER, "50.00")
        again = await bench.another().pay(NUMBER, "50.00")

        assert (held.status, again.status) == ("held", "held")
        words = "this bill was released for 114.32 USD, but the ledger booked 119.77 USD"
        assert message(held.findings, DIFFERENT) == words
        assert (await bench.approve(held.proposal_id)).state == "posted"
        # Ana knew, so the rest is judged as any other payment.
        rest = await bench.pay(NUMBER)
        assert DIFFERENT not in codes(rest)


async def test_a_run_with_such_a_bill_waits_for_an_approver(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        await bench.approver("Ana")
        await booked_differently(bench)
        held = await run_of(bench, NUMBER, "NW-2291")

        assert held.status == "held"
        assert "was released for 114.32 USD" in message(held.findings, DIFFERENT)
        assert NUMBER in message(held.findings, DIFFERENT)
        assert (await bench.approve(held.proposal_id)).state == "posted"


async def test_a_yes_in_the_chat_does_not_pay_such_a_bill(home: Path) -> None:
    async with a_bench(home) as bench:
        await booked_differently(bench)

        assert (await bench.pay(NUMBER, interaction=accepts())).status == "held"
        assert await bench.paid(NUMBER) == []


@pytest.mark.parametrize("by", ["hand", "us"])
async def test_a_bill_put_right_is_paid_like_any_other(home: Path, by: str) -> None:
    async with a_bench(home, PAYS) as bench:
        await booked_differently(bench)
        bill = await bench.bill(NUMBER)
        set_tax_rate(bench.sandbox, TAX, "5")
        line = {"amount": "108.88", "account": "Utilities", "tax_rate": TAX, "description": "again"}
        if by == "us":
            changed = await bench.submit(UpdateBill.model_validate({"bill_id": bill.id, "lines": [line]}), accepts())
            assert changed.record is not None
            assert (changed.status, changed.record.difference) == ("posted", None)
            assert "105.44" not in changed.summary
            assert "new lines totaling 114.32 USD (108.88 net + 5.44 tax) instead of 119.77 USD" in changed.summary
        else:
            [shown] = bill.line_items
            draft = BillLineDraft(
                account_id=str(shown.account_id), tax_rate_id=str(shown.tax_rate_id), total_amount=Decimal("108.88")
            )
            update = BillUpdate(line_items=(draft,))
            assert isinstance(await bench.company.rutter.bills.update(bill.id, update, idempotency_key="x"), Done)

        paid = await bench.pay(NUMBER)
        assert DIFFERENT not in codes(paid)
        kept = await bench.app.store.read(lambda tx: tx.bookings.of_bill(bench.company.id, bill.id))
        assert kept is not None
        assert (str(kept.released), str(kept.booked)) == ("114.32 USD", f"{'114.32' if by == 'us' else '119.77'} USD")


async def change_by_hand(bench: Bench, amount: str) -> None:
    """The total of the bill becomes this in the ledger."""
    bill = await bench.bill(NUMBER)
    draft = BillLineDraft(account_id=str(bill.line_items[0].account_id), total_amount=Decimal(amount))
    update = BillUpdate(line_items=(draft,))
    assert isinstance(await bench.company.rutter.bills.update(bill.id, update, idempotency_key=amount), Done)


async def test_a_total_that_changes_later_needs_an_approver(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        await bench.approver("Ana")
        assert codes(await bench.submit(a_bill())) == []
        assert codes(await bench.pay(NUMBER, "10.00")) == []
        await change_by_hand(bench, "900.00")

        held = await bench.pay(NUMBER, "20.00")
        words = "this bill was released for 114.32 USD, but the ledger now shows 900.00 USD"
        assert (held.status, message(held.findings, DIFFERENT)) == ("held", words)
        assert (await bench.approve(held.proposal_id)).state == "posted"
        # Ana knew that total, and no other.
        assert DIFFERENT not in codes(await bench.pay(NUMBER, "30.00", dry_run=True))
        await change_by_hand(bench, "950.00")
        assert DIFFERENT in codes(await bench.pay(NUMBER, "30.00", dry_run=True))


async def test_an_approver_before_the_change_did_not_know_it(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        await bench.submit(a_bill())
        assert (await bench.approve((await bench.pay(NUMBER, "10.00")).proposal_id)).state == "posted"
        await change_by_hand(bench, "900.00")

        assert DIFFERENT in codes(await bench.pay(NUMBER, "20.00", dry_run=True))


async def test_lines_changed_through_us_renew_what_is_released(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        await bench.submit(a_bill())
        line = {"amount": "200.00", "account": "Utilities", "tax_rate": TAX}
        change = {"bill_id": (await bench.bill(NUMBER)).id, "lines": [line]}
        assert (await bench.submit(UpdateBill.model_validate(change), accepts())).status == "posted"

        assert DIFFERENT not in codes(await bench.pay(NUMBER, "20.00"))


async def test_tax_that_the_ledger_adds_on_its_own_is_said(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        bench.wire.adds_tax = set_tax_rate(bench.sandbox, TAX, "8.875")
        posted = await bench.submit(a_bill(tax=""))

        assert "for 108.88 USD before tax, if the ledger adds any, from" in posted.summary
        assert posted.status == "posted"
        assert message(posted.findings, DIFFERENT) == (
            "108.88 USD before tax was released, but the ledger booked 118.54 USD, 9.66 of it tax"
        )
        assert (await bench.pay(NUMBER)).status == "held"


@pytest.mark.parametrize("number", [NUMBER, ""])
async def test_a_lost_answer_is_found_whatever_tax_was_added(home: Path, number: str) -> None:
    async with a_bench(home, PAYS) as bench:
        bench.wire.adds_tax = set_tax_rate(bench.sandbox, TAX, "8.875")
        bench.wire.faults = ["lost after"]
        lost = await bench.submit(a_bill(tax="", number=number))
        assert lost.status == "unknown"
        found = await bench.app.recovery.resolve(await bench.proposal(lost.proposal_id), bench.company)

        assert found.state == "posted"
        assert codes(found) == [DIFFERENT]
        assert len(bench.wire.writes) == 1


@pytest.mark.parametrize(
    ("amount", "tax", "similar"),
    [("600.00", "", True), ("630.00", "", True), ("600.00", TAX, True), ("630.00", TAX, False), ("601.00", "", False)],
)
async def test_a_similar_bill_is_known_by_its_net_or_its_gross(
    home: Path, amount: str, tax: str, similar: bool
) -> None:
    async with a_bench(home) as bench:
        # NW-2304 is in the ledger: 600.00 net, 630.00 with tax.
        issued = (await bench.bill("NW-2304")).issue_date
        assert issued is not None
        tried = await bench.submit(a_bill(amount, tax, issue_date=issued.date().isoformat(), dry_run=True))

        assert ("bill.similar" in codes(tried)) == similar


async def test_amounts_with_tax_are_sent_as_such(home: Path) -> None:
    async with a_bench(home) as bench:
        posted = await bench.submit(a_bill("114.32", tax_inclusive=True, total="114.32"))
        bill = await bench.bill(NUMBER)

        assert (posted.status, codes(posted)) == ("posted", [])
        assert "for 114.32 USD (108.88 net + 5.44 tax)" in posted.summary
        assert [str(one) for one in (bill.total_amount, bill.sub_total, bill.tax_amount)] == [
            "114.32",
            "108.88",
            "5.44",
        ]


async def test_nothing_is_sent_where_tax_inside_is_not_understood(home: Path) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("NW-2291")
        line = {"amount": "684.20", "account": "Utilities", "description": "x"}
        change = UpdateBill.model_validate({"bill_id": bill.id, "lines": [line], "tax_inclusive": True})
        for write in (change, a_credit(tax_inclusive=True)):
            with pytest.raises(Refused) as refused:
                await bench.submit(write)
            assert "platform.unsupported" in [one.code for one in refused.value.findings]
        assert bench.wire.writes == []


async def test_new_lines_where_tax_is_inside_leave_the_gross_open(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.submit(a_bill("114.32", tax_inclusive=True))
        bill = await bench.bill(NUMBER)
        lines = [{"amount": "120.00", "account": "Utilities", "tax_rate": TAX, "description": "corrected"}]
        change = UpdateBill.model_validate({"bill_id": bill.id, "lines": lines, "total": "120.00"})
        changed = await bench.submit(change, accepts())

        assert "new lines totaling 120.00 USD (the document's total) instead of 114.32 USD" in changed.summary
        assert (changed.status, codes(changed)) == ("posted", ["bill.lines_replaced"])
        assert (await bench.bill(NUMBER)).total_amount == Decimal("120.00")


async def test_a_total_without_lines_is_a_mistake(home: Path) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("NW-2291")
        for extra in ({"total": "1.00"}, {"tax_inclusive": True}):
            with pytest.raises(BadInput):
                await bench.submit(UpdateBill.model_validate({"bill_id": bill.id, "memo": "x"} | extra))


async def test_a_rate_that_changes_before_the_release_voids_it(home: Path) -> None:
    async with a_bench(home, '[tools]\ncreate_bill = "approve"\n') as bench:
        await bench.approver("Ana")
        held = await bench.submit(a_bill())
        set_tax_rate(bench.sandbox, TAX, "10")
        seen = await bench.app.approvals.preview(str(held.proposal_id), bench.company)

        assert seen.proposal.state == "refused"
        assert "tax.changed" in codes(seen.proposal)
        fresh = await bench.submit(a_bill())
        assert fresh.status == "held"
        assert "for 119.77 USD (108.88 net + 10.89 tax)" in fresh.summary
        assert (await bench.approve(fresh.proposal_id)).state == "posted"


async def test_an_inactive_rate_is_refused_before_it_is_sent(home: Path) -> None:
    async with a_bench(home) as bench:
        set_tax_rate(bench.sandbox, TAX, "5", "inactive")
        with pytest.raises(Refused) as refused:
            await bench.submit(a_bill())

        assert [one.code for one in refused.value.findings] == ["tax.inactive"]
        assert bench.wire.writes == []


async def test_a_credit_booked_with_tax_is_said_to_differ(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        bench.wire.adds_tax = set_tax_rate(bench.sandbox, TAX, "8.875")
        posted = await bench.submit(a_credit())
        again = await bench.submit(a_credit(document_number="NC-2", dry_run=True))

        assert (posted.status, codes(posted)) == ("posted", ["credit.booked_differently"])
        assert posted.record is not None
        assert posted.record.difference is not None
        assert "the ledger booked 54.44 USD" in posted.record.difference
        assert "credit.similar" in codes(again)


async def test_a_credits_stated_total_is_never_taken_on_trust(home: Path) -> None:
    async with a_bench(home, PAYS) as bench:
        short = await bench.submit(a_credit(total="49.99", dry_run=True))
        more = await bench.submit(a_credit(total="54.44", dry_run=True))
        equal = await bench.submit(a_credit(total="50.00", dry_run=True))

        assert [codes(one) for one in (short, more, equal)] == [
            ["credit.total_differs"],
            ["credit.total_unchecked"],
            [],
        ]


async def no_account(_role: str) -> str | None:
    return None


async def test_xero_is_told_that_a_credit_contains_its_tax(tmp_path: Path) -> None:
    async with practice(tmp_path, "XERO") as (company, _):
        write, lines = CreateCreditWrite(), [{"amount": "60.00", "account": "General Expenses"}]
        asked = a_credit(vendor="Penrose Print", currency="GBP", lines=lines, tax_inclusive=True, total="60.00")
        plain = a_credit(vendor="Penrose Print", currency="GBP", lines=lines)
        inside = await write.prepare(asked, company, no_account)
        outside = await write.prepare(plain, company, no_account)
        sent, unsaid = await write.draft(inside, company), await write.draft(outside, company)

        assert json.loads(encode_body({"it": sent}))["it"]["additional_fields"] == {"tax_inclusive": True}
        assert "additional_fields" not in json.loads(encode_body({"it": unsaid}))["it"]
        assert "for 60.00 GBP (tax included) from" in inside.summary
        assert "for 60.00 GBP before tax, if the ledger adds any, from" in outside.summary


async def test_where_a_tax_rate_may_be_dropped_the_gross_is_unknown(tmp_path: Path) -> None:
    async with practice(tmp_path, "SAGE_INTACCT") as (company, _):
        currency = (await anext(company.rutter.bills.walk())).currency_code
        line = {"amount": "100.00", "tax_rate": "Standard 20%", "account": "General Expenses"}
        vendor = next(iter(await company.directory.vendors()))
        asked = a_bill(vendor=vendor, currency=currency, lines=[line], total="120.00")
        prepared = await CreateBillWrite().prepare(asked, company, no_account)

        expected = prepared.fields["expected"]
        assert (expected["net"], expected["gross"]) == ("100.00", "")
        assert expected["unknown"] == "Rutter does not document whether SAGE_INTACCT takes the tax rate of a line"
        assert prepared.money == Money.of("120.00", currency)
