"""A bill, a credit or a file of somebody else is never taken for ours: each thing it is told by, by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.attach_file import AttachFileWrite
from rutter_ap_server.guard.writes.base import Write
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_tools.attachments import AttachFile
from rutter_ap_tools.bills import CreateBill, NewBillLine
from rutter_ap_tools.credits import CreateCredit, NewCreditLine
from rutter_ap_tools.wire import WriteArguments
from support.bench import Bench, a_bench
from support.meanwhile import edit
from support.pdfs import invoice

ALLOW = '[tools]\ncreate_bill = "allow"\ncreate_credit = "allow"\nattach_file = "allow"\n'
NOBODYS = "22222222-2222-4222-8222-222222222222"
OTHER_DAY = "2026-02-27T00:00:00+00:00"
NEW: dict[str, Any] = {"vendor": "Acme Office Supply", "issue_date": "2026-03-01", "currency": "USD"}
BILL = CreateBill(document_number="INV-2001", lines=[NewBillLine(amount="80.07", account="Office Supplies")], **NEW)
CREDIT = CreateCredit(
    document_number="CN-2001", lines=[NewCreditLine(amount="80.07", account="Office Supplies")], **NEW
)


@dataclass
class Posted:
    """A record that was written, and what the write would take for it."""

    bench: Bench
    write: Write[Any]
    prepared: PreparedWrite
    before: dict[str, Any]
    record_id: str

    async def found(self) -> list[str]:
        """What is taken for it when its answer was lost."""
        return [one.id for one in await self.write.find(self.prepared, self.bench.company, self.before)]

    async def read_back(self, record_id: str = "") -> list[str]:
        """What is taken for it when Rutter named that record."""
        sent = SimpleNamespace(id=record_id or self.record_id)
        return [one.id for one in await self.write.read_back(self.prepared, self.bench.company, sent, self.before)]


async def posted(bench: Bench, asked: WriteArguments) -> Posted:
    result = await bench.submit(asked)
    assert result.status == "posted"
    assert result.record is not None
    proposal = await bench.proposal(result.proposal_id)
    attempt = await bench.app.store.read(lambda tx: tx.attempts.last(proposal.id))
    assert attempt is not None
    # Nothing of it counts against a limit.
    assert await bench.spent() == "0.00"
    write = write_named(proposal.tool)
    return Posted(bench, write, PreparedWrite.of(proposal), attempt.before, result.record.id)


@pytest.mark.parametrize(("kind", "asked"), [("bill", BILL), ("bill_credit_memo", CREDIT)])
@pytest.mark.parametrize(
    ("changed", "is_found", "is_read_back"),
    [
        ({}, True, True),
        ({"memo": "another"}, True, True),
        ({"vendor_id": NOBODYS}, False, False),
        ({"currency_code": "EUR"}, False, False),
        ({"document_number": "another"}, False, True),
        ({"issue_date": OTHER_DAY}, False, None),
    ],
    ids=str,
)
async def test_a_document_of_somebody_else_is_never_ours(
    home: Path, kind: str, asked: WriteArguments, changed: dict[str, Any], is_found: bool, is_read_back: bool | None
) -> None:
    async with a_bench(home, ALLOW) as bench:
        one = await posted(bench, asked)
        edit(bench, kind, one.record_id, **changed)

        assert await one.found() == ([one.record_id] if is_found else [])
        if is_read_back is None:
            # Only a credit is told by its day even where Rutter named it.
            is_read_back = kind == "bill"
        assert await one.read_back() == ([one.record_id] if is_read_back else [])
        # Nor is one that was there before.
        (known,) = [name for name in one.before if name in ("bills", "credits")]
        one.before |= {known: [one.record_id]}
        assert await one.found() == []


async def test_a_file_of_somebody_else_is_never_ours(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bill = await bench.bill("NW-2291")
        (home / "invoice.pdf").write_bytes(invoice("2026-03-01"))
        one = await posted(bench, AttachFile(bill_id=bill.id, path="invoice.pdf"))
        attached = bench.company.rutter.attachments
        await attached.upload(bill.id, "terms.pdf", b"%PDF-1.7 terms", idempotency_key="by hand")
        (by_hand,) = [file.id for file in await attached.list(bill.id) if file.file_name == "terms.pdf"]

        assert isinstance(one.write, AttachFileWrite)
        assert (await one.read_back(), await one.read_back(by_hand)) == ([one.record_id], [by_hand])
        assert await one.read_back(NOBODYS) == []
        assert await one.found() == [one.record_id]
        one.before |= {"attachments": [one.record_id]}
        assert await one.found() == []
