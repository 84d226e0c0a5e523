"""A company whose ledger counts as a large one, a store for the copy of it, and hands that change its books."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from rutter_ap_server.companies.company import Company
from rutter_ap_server.reads import payables
from rutter_ap_server.reads.payables import summarize_payables
from rutter_ap_server.rutter.models.bills import Bill, BillCreate, BillLineDraft, BillUpdate
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.store.engine import Store
from rutter_ap_tools.payables import PayablesSummary, SummarizePayables
from rutter_sandbox import Sandbox
from support.practice_company import SmallPages, practice
from support.seeded import empty_store

# So few bills make more pages than a small ledger has.
PAGE_OBJECTS = 3
OF_THE_COPY = ("Summed from the copy kept here", "Rutter does not say which bills of this company are deleted")


@dataclass(frozen=True, slots=True)
class Large:
    """The company, the wire to it, and the store."""

    company: Company
    wire: SmallPages
    store: Store
    sandbox: Sandbox
    store_file: Path

    async def summary(self, **query: Any) -> PayablesSummary:
        """The summary as the backend gives it."""
        return await summarize_payables(self.company, SummarizePayables(**query), self.store)

    async def fresh(self, **query: Any) -> PayablesSummary:
        """The summary of what is read anew, bill by bill."""
        return await summarize_payables(self.company, SummarizePayables(**query))

    async def unpaid(self) -> list[Bill]:
        """The unpaid bills, as the ledger has them."""
        return [b async for b in self.company.rutter.bills.walk() if b.status in ("open", "partially_paid")]

    def sql(self, statement: str, *values: object) -> None:
        """Changes the books behind Rutter's back."""
        connection = self.sandbox._database._connection
        connection.execute(statement, values)
        connection.commit()


@asynccontextmanager
async def large(
    tmp_path: Path,
    platform: str = "QUICKBOOKS",
    over: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] = lambda inner: inner,
) -> AsyncIterator[Large]:
    """The practice company on a platform, with an empty store beside it."""
    async with practice(tmp_path, platform, page_objects_max=PAGE_OBJECTS, over=over) as (company, wire):
        empty = empty_store(tmp_path / uuid.uuid4().hex)
        unused = shutil.copy(empty, empty.with_suffix(".unused"))
        store = Store(f"sqlite:///{empty}", company.clock)
        try:
            # The smaller companies have few bills of each status.
            with patch.object(payables, "_FEW_PAGES", 1):
                yield Large(company, wire, store, wire.sandbox, Path(unused))
        finally:
            store.close()


def figures(found: PayablesSummary) -> PayablesSummary:
    """A summary without the words on where it was read."""
    notes = sorted(note for note in found.notes if not note.startswith(OF_THE_COPY))
    return found.model_copy(update={"notes": notes})


async def pay(company: Company, bill: Bill, amount: Decimal) -> list[str]:
    """Records a payment; its id, or nothing where the books refuse it."""
    accounts = [a async for a in company.rutter.accounts.walk() if a.account_type in ("bank", "cash")]
    fitting = [account.id for account in accounts if account.currency_code in (None, bill.currency_code)]
    if not fitting:
        return []
    draft = BillPaymentCreate(
        account_id=fitting[0],
        transaction_date=datetime(2026, 11, 20, tzinfo=UTC),
        linked_bills=(AllocationDraft(id=bill.id, allocated_amount=amount),),
    )
    outcome = await company.rutter.bill_payments.create(draft, idempotency_key=uuid.uuid4().hex)
    return [outcome.record.id] if isinstance(outcome, Done) else []


async def enter(company: Company, like: Bill, amount: Decimal, number: str) -> None:
    """Enters a bill like another one."""
    line = BillLineDraft(account_id=like.line_items[0].account_id or "", total_amount=amount)
    draft = BillCreate(
        vendor_id=like.vendor_id or "",
        issue_date=like.issue_date or datetime(2026, 11, 20, tzinfo=UTC),
        currency_code=like.currency_code,
        document_number=number,
        line_items=(line,),
    )
    await company.rutter.bills.create(draft, idempotency_key=uuid.uuid4().hex)


async def move_due_date(company: Company, bill: Bill, day: datetime) -> None:
    """Gives a bill another due date."""
    await company.rutter.bills.update(bill.id, BillUpdate(due_date=day), idempotency_key=uuid.uuid4().hex)
