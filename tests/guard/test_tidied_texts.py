"""Texts that a ledger trims, cuts or formats: the write is posted, says what differs, and locks nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.client import Client

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.writes.readback import CUT_CHARACTERS_MIN, Kind, Sent, same_day
from rutter_ap_server.rutter.models.vendors import VendorCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.store.proposals import Proposal
from rutter_sandbox.faults import Rule
from support.bench import PASSCODE, Bench, codes
from support.bench_client import client_at_bench
from support.spoiled import spoil

POLICY = '[tools]\npay_bill = "allow"\ncreate_credit = "allow"\nsave_vendor = "allow"\n'
LONG_NUMBER = "HARBOR/2026/03/000017/B"
UNTIDY = "  Cranes \u201cNorth\u201d \u2013 March\r\n\r\nsecond   visit, as agreed on the telephone with the yard  "


@asynccontextmanager
async def at_tidy_desk(home: Path, platform: str = "QUICKBOOKS") -> AsyncIterator[tuple[Client, Bench]]:
    async with client_at_bench(home, POLICY, platform=platform) as (client, bench):
        bench.sandbox.asgi.faults.rules = [Rule("tidied_texts")]
        yield client, bench


async def written(client: Client, bench: Bench, tool: str, *, lost: bool, **arguments: Any) -> Proposal:
    """What became of a write, released by an approver where one is needed; with `lost`, its answer never arrives."""
    if lost:
        bench.wire.faults = ["lost after"]
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    found: dict[str, Any] | None = answer.structured_content
    assert found is not None
    if found["status"] == "held":
        seen = await bench.app.approvals.preview(found["proposal_id"], bench.company)
        await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")
    if lost:
        assert (await bench.proposal(found["proposal_id"])).state == "unknown"
        await bench.app.recover()
    return await bench.proposal(found["proposal_id"])


async def a_write(client: Client, bench: Bench, tool: str) -> tuple[dict[str, Any], list[str]]:
    """The arguments of a write with texts that the ledger tidies, and what is said of them afterwards."""
    bill = await bench.bill("NW-2291")
    line = {"amount": "61.20", "account": "Utilities", "description": "Reading  of the\u00a0meter \u2019A\u2019 "}
    document = {
        "vendor": bill.vendor_id,
        "currency": "USD",
        "issue_date": "2026-03-01",
        "document_number": LONG_NUMBER,
        "memo": UNTIDY,
        "lines": [line],
    }
    all_three = ["the number as", "the memo as", "description of line 1"]
    if tool == "create_bill":
        return document, all_three
    if tool == "create_credit":
        return document, all_three
    if tool == "update_bill":
        changes = {"document_number": LONG_NUMBER, "memo": UNTIDY, "lines": [line | {"amount": "684.20"}]}
        return {"bill_id": bill.id} | changes, ["document number as", "the memo as", "description of a line"]
    if tool == "pay_bill":
        return {"bill_id": bill.id, "account": "Operating Checking", "memo": UNTIDY}, ["the memo as"]
    if tool == "attach_file":
        file = bench.home / "March reading  of NW-2291.txt"
        file.write_text("Invoice NW-2291, total 684.20 USD, Northwind Utilities")
        return {"bill_id": bill.id, "path": str(file)}, ["the file name as"]
    details = {
        "name": "Willow \u2013 Joinery of the Northern Harbour Basin",
        "email": "Office@Willow.Example",
        "phone": "+1 503.555.0100",
        "street": "9  Sawmill Way".replace("  ", " "),
        "country": "us",
    }
    if tool == "save_vendor":
        return details | {"currency": "USD"}, ["the name as", "e-mail as", "phone as", "country as"]
    return details | {"vendor_id": bill.vendor_id}, ["the name as", "e-mail as", "phone as", "country as"]


WRITES = ["create_bill", "create_credit", "update_bill", "pay_bill", "attach_file", "save_vendor", "a changed vendor"]


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "lost"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_with_tidied_texts_is_posted(home: Path, write: str, lost: bool) -> None:
    platform = "QUICKBOOKS_DESKTOP" if write == "a changed vendor" else "QUICKBOOKS"
    async with at_tidy_desk(home, platform) as (client, bench):
        arguments, said = await a_write(client, bench, write)
        tool = "save_vendor" if write == "a changed vendor" else write
        shown = await written(client, bench, tool, lost=lost, **arguments)
        assert shown.state == "posted", shown
        (kept,) = [one.message for one in shown.findings if one.code.startswith("text.")]
        assert [words for words in said if words not in kept] == []
        assert not {"text.differs", "bill.booked_differently"} & set(codes(shown))


async def test_a_text_beyond_the_known_changes_is_posted_and_said(home: Path) -> None:
    async with client_at_bench(home, POLICY) as (client, bench):
        bill = await bench.bill("NW-2291")
        arguments = {"bill_id": bill.id, "memo": "Meter reading of March", "document_number": "NW-2291-B"}
        original = bench.sandbox.asgi.handle

        def other_words(call: Any) -> Any:
            call.body = call.body.replace(b"Meter reading of March", b"see attachment")
            return original(call)

        # No fault of the sandbox writes another text: this one stands for a platform that does.
        bench.sandbox.asgi.handle = other_words  # type: ignore[method-assign]
        shown = await written(client, bench, "update_bill", lost=False, **arguments)
        assert shown.state == "posted"
        (kept,) = [one for one in shown.findings if one.code == "text.differs"]
        words = "the ledger keeps the memo as ‹see attachment› instead of ‹Meter reading of March›"
        assert (kept.severity.word, kept.message) == ("ask", words)
        again = {"bill_id": (await bench.bill("NW-2304")).id, "memo": "Meter reading of March"}
        lost = await written(client, bench, "update_bill", lost=True, **again)
        assert lost.state == "posted"
        assert "text.differs" in codes(lost)


async def test_a_change_that_never_arrived_is_not_taken_for_made(home: Path) -> None:
    """The new memo differs from the old one in nothing but what platforms tidy anyway."""
    async with client_at_bench(home, POLICY) as (client, bench):
        bill = await bench.bill("NW-2291")
        spoil(bench.sandbox, bill.id, memo="Reading of March")
        bench.wire.faults = ["lost before"]
        answer = await client.call_tool("update_bill", {"bill_id": bill.id, "memo": "Reading  of March"})
        assert answer.structured_content is not None
        assert answer.structured_content["status"] == "unknown"
        sent = len(bench.wire.writes)
        await bench.app.recover()
        assert len(bench.wire.writes) == sent + 1
        assert (await bench.proposal(answer.structured_content["proposal_id"])).state == "posted"


async def test_an_unknown_vendor_locks_no_other(home: Path) -> None:
    async with client_at_bench(home, POLICY) as (client, bench):
        bench.wire.faults = ["lost before"]
        first = await client.call_tool("save_vendor", {"name": "Tern Rigging", "currency": "USD"})
        assert first.structured_content is not None
        assert first.structured_content["status"] == "unknown"
        other = await client.call_tool("save_vendor", {"name": "Osprey Sails", "currency": "USD"})
        assert other.structured_content is not None
        assert other.structured_content["status"] == "posted"
        same = await client.call_tool("save_vendor", {"name": "tern-rigging", "currency": "USD", "phone": "5550100"})
        assert same.structured_content is None or same.structured_content["status"] != "posted"


async def test_the_vendor_of_somebody_else_is_never_taken(home: Path) -> None:
    """Its name is how a platform would cut the new one."""
    async with client_at_bench(home, POLICY) as (client, bench):
        draft = VendorCreate(
            contact_name="x", vendor_name="Willow Joinery of the Harbour", currency_code="USD", email="a@b.example"
        )
        outcome = await bench.company.rutter.vendors.create(draft, idempotency_key="by hand")
        assert isinstance(outcome, Done)
        bench.wire.faults = ["lost before"]
        name = "Willow Joinery of the Harbour and Sons"
        first = await client.call_tool("save_vendor", {"name": name, "currency": "USD"})
        assert first.structured_content is not None
        proposal_id = first.structured_content["proposal_id"]
        if first.structured_content["status"] == "held":
            seen = await bench.app.approvals.preview(proposal_id, bench.company)
            await bench.app.approvals.approve(seen, bench.company, by=Proof("Ana", PASSCODE), channel="terminal")
        await bench.app.recover()
        found = await bench.proposal(proposal_id)
        assert found.state == "posted"
        assert found.record is not None
        assert outcome.record.id not in found.record


KNOWN: list[tuple[Kind, str, str, str]] = [
    ("text", " a  b ", "a b", "spaces and line ends"),
    ("text", "a\r\nb", "a\nb", "spaces and line ends"),
    ("text", "Cafe\u0301", "Caf\u00e9", "spaces and line ends"),
    ("text", "it\u2019s \u201cfine\u201d", 'it\'s "fine"', "punctuation"),
    ("text", "a \u2013 b", "a - b", "punctuation"),
    ("text", "x" * 60, "x" * 40, "length"),
    ("number", "inv-7", "INV-7", "letter case"),
    ("number", LONG_NUMBER, LONG_NUMBER[:21], "length"),
    ("number", "INV 7", "INV-7", "format"),
    ("code", "us", "US", "letter case"),
    ("code", "A@B.example", "a@b.example", "letter case"),
    ("phone", "+1 503 555 0100", "(503) 555-0100", "format"),
    ("file", "March  bill.PDF", "march_bill.pdf", "format"),
]
OTHERS: list[tuple[Kind, str, str]] = [
    ("text", "March", "April"),
    ("text", "March", "march"),
    ("text", "March", ""),
    ("text", "x" * 60, "x" * (CUT_CHARACTERS_MIN - 1)),
    ("text", "x" * 30, "x" * 31),
    ("number", "INV-7", "INV-8"),
    ("number", "12345678901234567890-A", "1234567890"),
    ("phone", "+1 503 555 0100", "+1 503 555 0101"),
    ("phone", "503 555 0100", "0100"),
    ("file", "a" * 40 + ".pdf", "a" * 30 + ".txt"),
    ("code", "us", "United States"),
]


@pytest.mark.parametrize(("kind", "sent", "shown", "how"), KNOWN)
def test_a_known_change_is_recognised_and_named(kind: Kind, sent: str, shown: str, how: str) -> None:
    found = Sent("memo", sent, shown, kind).difference
    assert found is not None
    assert found.is_tidied
    assert how in found.words


@pytest.mark.parametrize(("kind", "sent", "shown"), OTHERS)
def test_another_text_is_no_known_change(kind: Kind, sent: str, shown: str) -> None:
    found = Sent("memo", sent, shown, kind).difference
    assert found is not None
    assert not found.is_tidied


@pytest.mark.parametrize(
    ("shown", "is_same", "is_ours"),
    [
        ("2026-03-04T00:00:00+00:00", True, True),
        ("2026-03-04T23:59:00+00:00", True, True),
        ("2026-03-04T00:00:00+14:00", True, True),
        ("2026-03-03T23:00:00+00:00", False, True),
        ("2026-03-03T10:00:00+00:00", False, True),
        ("2026-03-03T09:59:00+00:00", False, False),
        ("2026-03-03T00:00:00+00:00", False, False),
        ("2026-03-05T00:00:00+00:00", False, False),
        ("2026-03-05T00:00:00+14:00", False, False),
    ],
)
def test_a_day_may_be_shown_with_a_time(shown: str, is_same: bool, is_ours: bool) -> None:
    moment = datetime.fromisoformat(shown)
    assert same_day(moment, "2026-03-04", in_any_zone=False) is is_same
    assert same_day(moment, "2026-03-04", in_any_zone=True) is is_ours


@given(st.text(max_size=200), st.sampled_from(["text", "number", "code", "phone", "file"]))
def test_what_is_shown_as_it_was_sent_does_not_differ(text: str, kind: Kind) -> None:
    assert Sent("memo", text, text, kind).difference is None
