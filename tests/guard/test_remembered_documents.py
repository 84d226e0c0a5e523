"""What was seen once is remembered: a paid bill that is renamed or deleted in the ledger is not paid again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.rutter.models.credits import BillCreditMemoUpdate
from rutter_ap_tools.attachments import AttachFile
from rutter_ap_tools.bills import CreateBill, DeleteBill, GetBill, UpdateBill
from rutter_ap_tools.credits import CreateCredit
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.wire import WriteResult
from support.bench import Bench, a_bench, codes
from support.ledger_rewrites import rename_bill, rewrite, rewrite_vendor, second_record, vendor_of, void_by_hand
from support.people import accepts

BILL = "NW-2291"
VENDOR = "Northwind Utilities"


async def the_invoice(bench: Bench, number: str = BILL, **changed: Any) -> CreateBill:
    """The invoice behind that bill, as it was entered the first time."""
    bill = await bench.bill(number)
    assert bill.issue_date is not None
    made = {
        "vendor": bill.vendor_id,
        "issue_date": bill.issue_date.date().isoformat(),
        "currency": bill.currency_code,
        "document_number": number,
        "lines": [{"amount": changed.pop("amount", f"{bill.total_amount:.2f}"), "account": "Utilities"}],
    }
    return CreateBill.model_validate(made | changed)


def said(result: WriteResult, code: str) -> str:
    (found,) = [one.message for one in result.findings if one.code == code]
    return found


def refusal(error: Refused) -> list[str]:
    return [one.code for one in error.findings if isinstance(one, Finding)]


async def renamed(bench: Bench, bill_id: str) -> None:
    await rename_bill(bench, bill_id, document_number="ZZ-1", issue_date=datetime(2026, 2, 27, tzinfo=UTC))


async def renumbered(bench: Bench, bill_id: str) -> None:
    await rename_bill(bench, bill_id, document_number="ZZ-1")


async def given_to_another(bench: Bench, bill_id: str) -> None:
    rewrite(bench, "bill", bill_id, vendor_id=await second_record(bench, "Somebody Unknown"))


async def deleted(bench: Bench, bill_id: str) -> None:
    bill = await bench.company.rutter.bills.get(bill_id)
    for link in bill.linked_payments:
        await void_by_hand(bench, link.id or "")
    await bench.company.rutter.bills.delete(bill_id)


@pytest.mark.parametrize("rewritten", [renamed, renumbered, given_to_another, deleted])
async def test_a_paid_invoice_is_known_whatever_became_of_it(
    home: Path, rewritten: Callable[[Bench, str], Awaitable[None]]
) -> None:
    async with a_bench(home) as bench:
        again, bill_id = await the_invoice(bench), (await bench.bill(BILL)).id
        paid = await bench.pay(BILL, "", accepts())
        await rewritten(bench, bill_id)

        held = await bench.submit(again, accepts())

        assert (held.status, held.verdict) == ("held", "approve")
        words = said(held, "bill.duplicate")
        assert f"bill {BILL} for 684.20 USD" in words
        assert f"({bill_id})" in words
        assert f"proposal {paid.proposal_id}" in words
        assert len(bench.wire.carried_out) >= 1
        await bench.approver("Ana")
        assert (await bench.approve(held.proposal_id)).state == "posted"


async def test_an_invoice_entered_here_is_known_after_a_rename(home: Path) -> None:
    async with a_bench(home) as bench:
        entry = await the_invoice(bench, document_number="NW-9001", issue_date="2026-03-01")
        first = await bench.submit(entry)
        assert first.record is not None
        await renamed(bench, first.record.id)

        held = await bench.submit(entry.model_copy(update={"memo": "again"}), accepts())

        assert (held.status, f"({first.record.id})" in said(held, "bill.duplicate")) == ("held", True)


async def test_a_changed_number_does_not_hide_the_amount(home: Path) -> None:
    async with a_bench(home) as bench:
        entry, bill_id = await the_invoice(bench), (await bench.bill(BILL)).id
        await bench.pay(BILL, "", accepts())
        await renamed(bench, bill_id)

        held = await bench.submit(entry.model_copy(update={"document_number": "NW-2291-B"}), accepts())

        assert (held.status, codes(held)) == ("held", ["bill.similar"])


async def test_a_second_entry_of_a_paid_bill_is_held_when_paid(home: Path) -> None:
    """Somebody enters it in the ledger itself, so that only the payment is judged."""
    async with a_bench(home) as bench:
        await bench.pay(BILL, "10.00", accepts())
        await renumbered(bench, (await bench.bill(BILL)).id)
        other = await bench.bill("NW-2304")
        await rename_bill(bench, other.id, document_number="nw 02291")

        held = await bench.submit(PayBill(bill_id=other.id, account="Operating Checking"), accepts())

        assert (held.status, "bill.duplicate" in codes(held)) == ("held", True)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"document_number": "ZZ-1"}, "bill.identity_changed"),
        ({"issue_date": "2026-01-02"}, "bill.issue_date_moved"),
        ({"due_date": "2026-04-02"}, "bill.identity_changed"),
        ({"lines": [{"amount": "684.21", "account": "Utilities"}]}, "bill.lines_replaced"),
    ],
)
async def test_a_part_paid_bill_keeps_its_identity(home: Path, change: dict[str, Any], code: str) -> None:
    async with a_bench(home) as bench:
        await bench.pay(BILL, "10.00", accepts())
        bill = await bench.bill(BILL)

        held = await bench.submit(UpdateBill.model_validate({"bill_id": bill.id, **change}), accepts())

        assert (held.status, held.verdict, code in codes(held)) == ("held", "approve", True)


async def test_a_paid_bill_keeps_its_number(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.pay(BILL, "", accepts())
        bill = await bench.bill(BILL)

        held = await bench.submit(UpdateBill(bill_id=bill.id, document_number="ZZ-1"), accepts())
        memo = await bench.submit(UpdateBill(bill_id=bill.id, memo="for the file"), accepts())

        assert (held.status, codes(held)) == ("held", ["bill.identity_changed"])
        assert memo.status == "posted"


LOOSE = '[tools]\ndelete_bill = "allow"\nvoid_payment = "allow"\n[rules.severity]\n"bill.issue_date_moved" = "off"\n'


@pytest.mark.parametrize("change", [{"document_number": "ZZ-1"}, {"issue_date": "2026-01-02"}, None])
async def test_a_bill_paid_here_is_not_forgotten_after_a_void(home: Path, change: dict[str, Any] | None) -> None:
    """The ledger shows it as never paid, and the policy is as loose as it can be."""
    async with a_bench(home, LOOSE) as bench:
        await bench.pay(BILL, "", accepts())
        bill = await bench.bill(BILL)
        await void_by_hand(bench, bill.linked_payments[0].id or "")
        write = UpdateBill.model_validate({"bill_id": bill.id, **change}) if change else DeleteBill(bill_id=bill.id)

        held = await bench.submit(write, accepts())

        assert (held.status, "bill.identity_changed" in codes(held)) == ("held", True)


async def test_a_bill_is_paid_once_whatever_the_ledger_says_later(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.pay(BILL, "", accepts())
        await void_by_hand(bench, (await bench.bill(BILL)).linked_payments[0].id or "")
        bench.clock.instant += timedelta(days=200)

        held = await bench.pay(BILL, "", accepts())

        assert "was already released for this bill" in said(held, "payment.repeat")


async def test_the_rest_of_a_bill_is_no_repeat(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.pay(BILL, "84.20", accepts())
        bench.clock.instant += timedelta(days=200)

        assert "payment.repeat" not in codes(await bench.pay(BILL, "600.00", accepts()))


async def test_a_credit_is_known_after_it_was_renamed(home: Path) -> None:
    async with a_bench(home, '[tools]\ncreate_credit = "allow"\n') as bench:
        lines = [{"amount": "50.00", "account": "Utilities"}]
        made = {"vendor": VENDOR, "issue_date": "2026-03-01", "currency": "USD", "document_number": "NC-1"}
        entry = CreateCredit.model_validate(made | {"lines": lines})
        first = await bench.submit(entry)
        assert first.record is not None
        await bench.company.rutter.bill_credit_memos.update(
            first.record.id, BillCreditMemoUpdate(document_number="ZZ"), idempotency_key="x"
        )

        held = await bench.submit(entry.model_copy(update={"memo": "again"}), accepts())

        assert (held.status, "credit.duplicate" in codes(held)) == ("held", True)


async def test_a_document_saved_anew_is_the_same_document(home: Path) -> None:
    async with a_bench(home) as bench:
        first, second = await bench.bill(BILL), await bench.bill("BH-5520")
        (home / "one.txt").write_text(f"Invoice {BILL}\nNorthwind Utilities\nTotal 684.20 USD\n")
        (home / "two.txt").write_text(f"INVOICE  {BILL}\n\nnorthwind utilities   Total 684.20 USD")
        one = await bench.submit(AttachFile(bill_id=first.id, path=str(home / "one.txt")), accepts())

        two = await bench.submit(AttachFile(bill_id=second.id, path=str(home / "two.txt")), accepts())

        assert (one.status, two.status) == ("posted", "held")
        assert first.id in said(two, "document.reused")


NUMBERS = [
    ("1-12", "11-2", "posted"),
    ("1-12", "1/12", "refused"),
    ("INV-7", "inv 007", "refused"),
    ("N/A", "N/A", "posted"),
    ("none", "0", "posted"),
    ("", "", "posted"),
]


@pytest.mark.parametrize(("first", "second", "outcome"), NUMBERS)
async def test_which_numbers_are_one_number(home: Path, first: str, second: str, outcome: str) -> None:
    async with a_bench(home) as bench:
        one = await the_invoice(bench, document_number=first, issue_date="2026-01-05", amount="77.00")
        same_amount = one.lines if outcome == "refused" else [one.lines[0].model_copy(update={"amount": "77.01"})]
        changes = {"document_number": second, "issue_date": "2026-02-20", "lines": same_amount}
        assert (await bench.submit(one)).status == "posted"

        if outcome == "refused":
            with pytest.raises(Refused) as refused:
                await bench.submit(one.model_copy(update=changes))
            assert refusal(refused.value) == ["bill.duplicate"]
        else:
            assert (await bench.submit(one.model_copy(update=changes))).status == outcome


@pytest.mark.parametrize("change", [{"issue_date": "2027-01-20"}, {"amount": "77.01"}])
async def test_a_number_used_again_is_held_for_an_approver(home: Path, change: dict[str, str]) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        one = await the_invoice(bench, document_number="2026-7", issue_date="2026-01-05", amount="77.00")
        assert (await bench.submit(one)).status == "posted"
        lines = [one.lines[0].model_copy(update={"amount": change.get("amount", one.lines[0].amount)})]
        day = change.get("issue_date", one.issue_date)

        held = await bench.submit(one.model_copy(update={"issue_date": day, "lines": lines}), accepts())

        assert (held.status, "bill.duplicate" in codes(held)) == ("held", True)
        assert (await bench.approve(held.proposal_id)).state == "posted"


TWINS: dict[str, tuple[str, dict[str, str]]] = {
    "suffix": ("Northwind Utilities GmbH", {}),
    "case and accents": ("NÖRTHWIND utilities", {}),
    "punctuation": ("North-wind. Utilities, Inc.", {}),
    "look-alike letters": ("Nоrthwind Utilitiеs", {}),
    "tax number": ("Quite Another Name", {"tax_number": "DE 123.456-789"}),
    "e-mail": ("Quite Another Name", {"email": "Accounts@Northwind.example"}),
    "bank account": ("Quite Another Name", {"bank_account_number": "20-00-00 55779911"}),
}
KNOWN_BY = {
    "tax_number": "DE123456789",
    "email": "accounts@northwind.example",
    "bank_account_number": "2000-0055779911",
}


async def twin(bench: Bench, which: str) -> str:
    """A second record of the vendor of the bill; returns its id."""
    name, fields = TWINS[which]
    rewrite_vendor(bench, await vendor_of(bench, BILL), **KNOWN_BY)
    other = await second_record(bench, name)
    rewrite_vendor(bench, other, **fields)
    return other


@pytest.mark.parametrize("which", TWINS)
async def test_an_invoice_of_a_twin_is_the_same_invoice(home: Path, which: str) -> None:
    async with a_bench(home) as bench:
        other = await twin(bench, which)
        again = await the_invoice(bench, vendor=other)

        with pytest.raises(Refused) as refused:
            await bench.submit(again)

        assert refusal(refused.value)[0] == "bill.duplicate"


@pytest.mark.parametrize("which", TWINS)
async def test_a_paid_invoice_of_a_twin_is_remembered(home: Path, which: str) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill(BILL)
        other = await twin(bench, which)
        again = await the_invoice(bench, vendor=other)
        await bench.pay(BILL, "10.00", accepts())
        await renamed(bench, bill.id)

        held = await bench.submit(again, accepts())

        assert (held.status, f"({bill.id})" in said(held, "bill.duplicate")) == ("held", True)


async def test_a_twin_is_remembered_when_its_details_have_changed(home: Path) -> None:
    """The first record loses what it shared before the second one is used."""
    async with a_bench(home) as bench:
        bill, first = await bench.bill(BILL), await vendor_of(bench, BILL)
        rewrite_vendor(bench, first, **KNOWN_BY)
        again = await the_invoice(bench)
        await bench.pay(BILL, "10.00", accepts())
        await bench.approver("Ana")
        for one in await bench.proposals():
            if one.state == "held":
                await bench.approve(one.id)
        await renamed(bench, bill.id)
        rewrite_vendor(bench, first, vendor_name="Nobody", display_name="Nobody", email="", tax_number="")
        other = await second_record(bench, "Quite Another Name", tax_number="DE123456789")

        held = await bench.submit(again.model_copy(update={"vendor": other}), accepts())

        assert (held.status, f"({bill.id})" in said(held, "bill.duplicate")) == ("held", True)


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "invoices@northwind.example"},
        {"email": "accounts@elsewhere.example"},
        {"tax_number": "000000000"},
        {"tax_number": "n/a"},
        {"bank_account_number": "0"},
    ],
)
async def test_vendors_that_share_nothing_are_two(home: Path, fields: dict[str, str]) -> None:
    async with a_bench(home) as bench:
        first = KNOWN_BY if "email" in fields else KNOWN_BY | fields
        rewrite_vendor(bench, await vendor_of(bench, BILL), **first)
        other = await second_record(bench, "Quite Another Name")
        rewrite_vendor(bench, other, **{"email": "somebody@elsewhere.example"} | fields)

        assert (await bench.submit(await the_invoice(bench, vendor=other))).status == "posted"


async def test_an_entry_of_a_twin_with_an_unknown_outcome_is_known(home: Path) -> None:
    async with a_bench(home) as bench:
        other = await twin(bench, "tax number")
        entry = await the_invoice(bench, document_number="NW-9001", issue_date="2026-03-01", amount="77.00")
        bench.wire.faults = ["lost before"]
        first = await bench.submit(entry)
        assert first.status == "unknown"

        held = await bench.submit(entry.model_copy(update={"vendor": other}), accepts())

        assert (held.status, f"proposal {first.proposal_id}" in said(held, "bill.duplicate")) == ("held", True)


@pytest.mark.parametrize("amounts", [{"total_amount": 10.0, "sub_total": 10.0}, {"total_amount": None}])
async def test_a_paid_bill_whose_amount_was_rewritten_is_known(home: Path, amounts: dict[str, float | None]) -> None:
    async with a_bench(home) as bench:
        bill, again = await bench.bill(BILL), await the_invoice(bench, document_number="ZZ-77")
        await bench.pay(BILL, "", accepts())
        rewrite(bench, "bill", bill.id, **amounts)

        held = await bench.submit(again, accepts())

        assert (held.status, f"({bill.id})" in said(held, "bill.similar")) == ("held", True)


async def test_an_entry_with_tax_is_shown_as_it_was_released(home: Path) -> None:
    """The ledger's own rules then find it, and once."""
    async with a_bench(home) as bench:
        rates = [one async for one in bench.company.rutter.tax_rates.walk()]
        bench.wire.adds_tax = next(one.id for one in rates if one.total_tax_rate)
        entry = await the_invoice(bench, document_number="NW-9001", issue_date="2026-03-01", amount="55.00")
        assert (await bench.submit(entry, accepts())).record is not None

        held = await bench.submit(entry.model_copy(update={"document_number": "NW-9002"}), accepts())

        assert codes(held).count("bill.similar") == 1


async def compared(bench: Bench, _: str) -> None:
    """Another bill of its vendor is entered."""
    entry = await the_invoice(bench, document_number="NW-9003", issue_date="2026-03-01", amount="55.00")
    assert (await bench.submit(entry)).status == "posted"


async def read(bench: Bench, bill_id: str) -> None:
    await bench.backend().read(GetBill(bill_id=bill_id))


@pytest.mark.parametrize("seen", [compared, read])
async def test_a_bill_that_was_only_seen_here_is_remembered(
    home: Path, seen: Callable[[Bench, str], Awaitable[None]]
) -> None:
    async with a_bench(home) as bench:
        bill, again = await bench.bill(BILL), await the_invoice(bench)
        await seen(bench, bill.id)
        rewrite(bench, "bill", bill.id, document_number="ZZ-1", issue_date="2025-09-27T00:00:00.000Z")

        held = await bench.submit(again, accepts())

        assert (held.status, f"({bill.id})" in said(held, "bill.duplicate")) == ("held", True)


async def test_a_bill_read_again_is_not_written_again(home: Path) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill(BILL)
        await read(bench, bill.id)
        entries = await bench.app.store.read(lambda tx: tx.audit.verify().entries)
        await read(bench, bill.id)

        assert await bench.app.store.read(lambda tx: tx.audit.verify().entries) == entries


async def test_a_note_on_one_bill_does_not_hold_all_that_follow(home: Path) -> None:
    """A rent is the same every month."""
    async with a_bench(home) as bench:
        rent = {"amount": "55.00"}
        entry = await the_invoice(bench, document_number="RENT-1", issue_date="2026-01-02", **rent)
        first = await bench.submit(entry)
        assert first.record is not None
        assert (await bench.submit(UpdateBill(bill_id=first.record.id, memo="for the file"))).status == "posted"

        later = await bench.submit(await the_invoice(bench, document_number="RENT-2", issue_date="2026-03-01", **rent))
        near = await bench.submit(await the_invoice(bench, document_number="RENT-3", issue_date="2026-01-03", **rent))

        assert (later.status, near.status) == ("posted", "held")
