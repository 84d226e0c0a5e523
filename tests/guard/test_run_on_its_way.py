"""A bill that changes while its run is being sent is not paid as it was released; the others are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from rutter_ap_server.companies import directory
from rutter_ap_server.companies.directory import CachedList
from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.rutter import Credentials, RutterClient
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate
from rutter_ap_server.rutter.models.vendors import Vendor
from rutter_ap_server.rutter.outcomes import Done
from rutter_sandbox.companies import company_by
from rutter_sandbox.records import Books
from support.bench import PASSCODE, START
from support.long_runs import ACCOUNT, LongRun, long_run

BILLS = 12
LAST = BILLS - 1


def edit(run: LongRun, kind: str, record_id: str, **changed: object) -> None:
    """Somebody changes a record in the accounting platform, in a way that nobody can through Rutter."""
    with run.bench.sandbox._database.writing() as tx:
        company = company_by(tx.sql, "id", run.bench.company.id)
        assert company is not None
        books = Books(tx, company)
        books.save(kind, books.get(kind, record_id) | changed)


async def another_amount(run: LongRun) -> None:
    """Half of it is due."""
    bill = run.bills[LAST]
    assert bill.amount_due is not None
    edit(run, "bill", bill.id, amount_due=(bill.amount_due / 2).quantize(Decimal("0.01")))


async def another_bank_account(run: LongRun) -> None:
    """Its vendor has another bank account."""
    edit(run, "vendor", run.bills[LAST].vendor_id or "", bank_account_number="00-9876")


async def another_status(run: LongRun) -> None:
    """It is void."""
    edit(run, "bill", run.bills[LAST].id, status="void")


async def paid_by_somebody_else(run: LongRun) -> None:
    """Somebody enters its payment in the accounting platform, through a connection of their own."""
    sandbox, bill = run.bench.sandbox, run.bills[LAST]
    async with RutterClient(
        Credentials(sandbox.client_id, sandbox.client_secret),
        base_url="http://sandbox/versioned",
        transport=httpx.ASGITransport(sandbox.asgi),
    ) as client:
        books = client.connection(sandbox.connections[0].access_token)
        [account] = [one async for one in books.accounts.walk() if one.name == ACCOUNT]
        assert bill.amount_due is not None
        draft = BillPaymentCreate(
            account_id=account.id,
            transaction_date=START,
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=bill.amount_due),),
        )
        assert isinstance(await books.bill_payments.create(draft, idempotency_key="by hand"), Done)


CHANGES: list[Callable[[LongRun], Awaitable[None]]] = [
    another_amount,
    another_bank_account,
    another_status,
    paid_by_somebody_else,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_a_bill_changed_on_the_way_is_not_paid_as_released(
    home: Path, change: Callable[[LongRun], Awaitable[None]]
) -> None:
    async with long_run(home, BILLS) as run:
        held = await run.propose()
        run.wire.at[1] = lambda: change(run)

        await run.release(held.proposal_id)

        changed = run.bills[LAST]
        lines = await run.lines(held.proposal_id)
        assert lines[changed.id].state in ("held", "refused")
        assert lines[changed.id].id not in run.wire.payments_sent
        by_hand = [[changed.amount_due]] if change is paid_by_somebody_else else [[]]
        assert await run.paid() == run.due(but=[LAST])[:-1] + by_hand
        assert [lines[one.id].state for one in run.bills[:LAST]] == ["posted"] * LAST


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_a_bill_changed_before_its_turn_with_its_vendor(
    home: Path, change: Callable[[LongRun], Awaitable[None]]
) -> None:
    """Where all are one vendor's, what changes with the vendor keeps back whatever has not left yet."""
    async with long_run(home, BILLS, 1) as run:
        held = await run.propose()
        run.wire.at[3] = lambda: change(run)

        await run.release(held.proposal_id)

        lines = await run.lines(held.proposal_id)
        states = [lines[one.id].state for one in run.bills]
        assert states[LAST] in ("held", "refused")
        assert lines[run.bills[LAST].id].id not in run.wire.payments_sent
        sent = len(run.wire.payments_sent)
        assert states[:3] == ["posted"] * 3
        assert states[:sent] == ["posted"] * sent
        assert set(states[sent:]) <= {"held", "refused"}


@pytest.mark.parametrize("lists_all", [True, False])
async def test_a_vendor_changed_since_people_looked_is_seen(
    home: Path, monkeypatch: pytest.MonkeyPatch, lists_all: bool
) -> None:
    """Also where there are so many vendors that a part of them is listed, which is kept for minutes."""

    def listed(read_at: datetime, by_id: dict[str, Any], whole: bool, nameless: int) -> CachedList:
        is_part = not lists_all and any(isinstance(one, Vendor) for one in by_id.values())
        return CachedList(read_at, by_id, whole and not is_part, nameless)

    monkeypatch.setattr(directory, "CachedList", listed)
    async with long_run(home, BILLS) as run:
        held = await run.propose()
        approvals, company = run.bench.app.approvals, run.bench.company
        seen = await approvals.preview(str(held.proposal_id), company)
        await another_bank_account(run)
        with pytest.raises(NotReleased, match="something changed"):
            await approvals.approve(seen, company, by=Proof("Ana", PASSCODE), channel="terminal")
        assert await run.paid() == [[]] * BILLS


@pytest.mark.parametrize("status", ["open", "partially_paid", "paid"])
async def test_a_bill_entered_again_on_the_way_is_not_paid(home: Path, status: str) -> None:
    """Whatever became of the other one by then: paid as well, it would be paid twice."""
    async with long_run(home, BILLS) as run:
        held = await run.propose()

        async def entered_again() -> None:
            with run.bench.sandbox._database.writing() as tx:
                company = company_by(tx.sql, "id", run.bench.company.id)
                assert company is not None
                books = Books(tx, company)
                books.save("bill", books.get("bill", run.bills[LAST].id) | {"id": str(uuid4()), "status": status})

        run.wire.at[1] = entered_again
        await run.release(held.proposal_id)
        line = (await run.lines(held.proposal_id))[run.bills[LAST].id]
        assert line.state == "held"
        assert "bill.duplicate" in {one.code for one in line.findings}
        assert await run.paid() == run.due(but=[LAST])
