"""The process ends while a write is leaving: another one finds out from the ledger alone, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.lease import LEASE_SECONDS
from rutter_ap_tools.bills import DeleteBill, UpdateBill
from rutter_ap_tools.credits import ApplyCredit, CreateCredit, NewCreditLine, RemoveCredit
from rutter_ap_tools.payments import VoidPayment
from rutter_ap_tools.vendors import SaveVendor
from rutter_ap_tools.wire import WriteArguments
from support.bench import Bench, PowerCut, a_bench

POLICY = '[tools]\nupdate_bill = "approve"\n'


@dataclass(frozen=True)
class Case:
    """A write: what it intends, and what of it the ledger shows, as plain facts."""

    intend: Callable[[Bench], Awaitable[WriteArguments]]
    shown: Callable[[Bench], Awaitable[Any]]
    before: Any
    after: Any


async def credit_id(bench: Bench) -> str:
    [found] = [c.id async for c in bench.company.rutter.bill_credit_memos.walk() if c.document_number == "CM-0117"]
    return found


async def void(bench: Bench) -> WriteArguments:
    return VoidPayment(payment_id=await bench.pay_by_hand("NW-2291", "100.07"))


async def what_is_due(bench: Bench) -> str:
    return str((await bench.bill("NW-2291")).amount_due)


async def change(bench: Bench) -> WriteArguments:
    return UpdateBill(bill_id=(await bench.bill("NW-2291")).id, memo="corrected")


async def its_memo(bench: Bench) -> str | None:
    return (await bench.bill("NW-2291")).memo


async def delete(bench: Bench) -> WriteArguments:
    return DeleteBill(bill_id=(await bench.bill("INV1043")).id)


async def numbers_of_acme(bench: Bench) -> int:
    return len([b async for b in bench.company.rutter.bills.walk() if b.document_number == "INV1043"])


async def new_credit(bench: Bench) -> WriteArguments:
    line = NewCreditLine(amount="30.07", account="Office Supplies")
    return CreateCredit(
        vendor="Acme Packaging", issue_date="2026-03-01", currency="USD", document_number="AC-9", lines=[line]
    )


async def its_credits(bench: Bench) -> list[str]:
    walked = bench.company.rutter.bill_credit_memos.walk()
    return [str(c.total_amount) async for c in walked if c.document_number == "AC-9"]


async def remove(bench: Bench) -> WriteArguments:
    credit = await credit_id(bench)
    bill = await bench.bill("INV-1051")
    applied = await bench.submit(ApplyCredit(credit_id=credit, bill_id=bill.id, amount="19.99"))
    assert applied.status == "posted"
    return RemoveCredit(credit_id=credit, bill_id=bill.id)


async def due_of_acme(bench: Bench) -> str:
    return str((await bench.bill("INV-1051")).amount_due)


async def new_vendor(bench: Bench) -> WriteArguments:
    return SaveVendor(name="Willow Joinery", currency="USD", email="office@willow.example")


async def its_vendors(bench: Bench) -> int:
    return len([v async for v in bench.company.rutter.vendors.walk() if v.vendor_name == "Willow Joinery"])


async def other_vendor(bench: Bench) -> WriteArguments:
    return SaveVendor(vendor_id="Kestrel Freight", phone="+31 10 555 0100")


async def its_phone(bench: Bench) -> str | None:
    phones = [v.phone async for v in bench.company.rutter.vendors.walk() if v.vendor_name == "Kestrel Freight"]
    return phones[0]


CASES = {
    "void_payment": Case(void, what_is_due, "584.13", "684.20"),
    "update_bill": Case(change, its_memo, None, "corrected"),
    "delete_bill": Case(delete, numbers_of_acme, 1, 0),
    "create_credit": Case(new_credit, its_credits, [], ["30.07"]),
    "remove_credit": Case(remove, due_of_acme, "225.01", "245.00"),
    "a new vendor": Case(new_vendor, its_vendors, 0, 1),
    "a vendor's phone": Case(other_vendor, its_phone, "+1 555 0100", "+31 10 555 0100"),
}


@pytest.mark.parametrize("cut", ["power cut before", "power cut after"])
@pytest.mark.parametrize("name", CASES)
async def test_another_process_finds_the_outcome_and_it_happens_once(home: Path, name: str, cut: str) -> None:
    case = CASES[name]
    async with a_bench(home, POLICY) as bench:
        await bench.approver("Ana")
        intent = await case.intend(bench)
        held = await bench.submit(intent)
        assert (held.status, await case.shown(bench)) == ("held", case.before)
        bench.wire.writes.clear()
        bench.wire.faults = [cut]
        with pytest.raises(PowerCut):
            await bench.approve(held.proposal_id)
        assert await case.shown(bench) == (case.after if cut == "power cut after" else case.before)

        other = bench.another()
        await other.app.recover()
        assert (await bench.proposal(held.proposal_id)).state == "dispatching"
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
        await other.app.recover()
        await other.app.recover()

        posted = await bench.proposal(held.proposal_id)
        assert (posted.state, posted.record is not None) == ("posted", True)
        assert await case.shown(bench) == case.after
        assert len(bench.wire.writes) == 1
        assert len(other.wire.writes) == (1 if cut == "power cut before" else 0)
        await other.app.aclose()
