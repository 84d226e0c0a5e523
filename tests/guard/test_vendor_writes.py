"""Entering and changing vendors: no second one of a name, no payee changed on an assistant's word, no bank details."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes import save_vendor_rules
from rutter_ap_server.guard.writes.base import Rule
from rutter_ap_server.guard.writes.save_vendor_rules import VendorEntryFacts, alike
from rutter_ap_server.rutter.models.base import AddressDraft
from rutter_ap_server.rutter.models.vendors import Vendor, VendorCreate, VendorUpdate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.vendors import SAVE_VENDOR
from support.bench import Bench
from support.bench_client import approve_while, client_at_bench, findings_in, record_writes
from support.facts import a_prepared_write
from support.people import answer
from support.serving import done, failed

YES = answer("accept", approve=True)
NEW: dict[str, Any] = {"name": "Willow & Sons Joinery", "currency": "USD"}


def said(finding: Any) -> str | None:
    return f"{finding.severity.word} {finding.code}" if finding else None


def entry(**changes: str) -> PreparedWrite:
    return a_prepared_write(tool="save_vendor", fields={"vendor_id": "", "changes": changes})


def facts(*names: str, **changed: Any) -> VendorEntryFacts:
    made: dict[str, Any] = {"differing": (), "is_shown": False, "addresses_moved": False, "now": {}}
    return VendorEntryFacts(others=tuple((f"v{n}", name) for n, name in enumerate(names)), **made | changed)


@pytest.mark.parametrize(
    ("rule", "prepared", "seen", "expected"),
    [
        (save_vendor_rules.no_change, entry(email="a@b.example"), facts(), None),
        (save_vendor_rules.no_change, entry(email="a@b.example"), facts(is_shown=True), "refuse write.no_change"),
        (save_vendor_rules.vendor_exists, entry(name="Acme"), facts("Acme Packaging"), None),
        (save_vendor_rules.vendor_exists, entry(name="Acme"), facts("ACME"), "refuse vendor.exists"),
        (save_vendor_rules.vendor_exists, entry(name="Ａｃｍｅ"), facts("acme"), "refuse vendor.exists"),
        (save_vendor_rules.vendor_exists, entry(email="a@b.example"), facts("Acme", ""), None),
        (save_vendor_rules.vendor_similar, entry(name="Acme"), facts("ACME"), None),
        (save_vendor_rules.vendor_similar, entry(name="Acme"), facts("Kestrel Freight"), None),
        (save_vendor_rules.vendor_similar, entry(name="Acme"), facts("Acme Packaging"), "ask vendor.similar"),
        (save_vendor_rules.vendor_similar, entry(email="a@b.example"), facts("Acme"), None),
        (save_vendor_rules.vendor_details, entry(), facts(), None),
        (save_vendor_rules.vendor_details, entry(), facts(differing=("currency",)), None),
        *(
            (save_vendor_rules.vendor_details, entry(), facts(differing=(part,)), "approve vendor.details")
            for part in ("name", "email", "phone", "address")
        ),
        (save_vendor_rules.vendor_moved, entry(), facts(), None),
        (save_vendor_rules.vendor_moved, entry(), facts(addresses_moved=True), "refuse vendor.moved"),
    ],
)
def test_a_rule_speaks_exactly_at_its_edge(
    rule: Rule[VendorEntryFacts], prepared: PreparedWrite, seen: VendorEntryFacts, expected: str | None
) -> None:
    assert said(rule(prepared, seen, Policy())) == expected


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("Acme Inc", "ACME, Incorporated", True),
        ("Granite Repair", "Granite Repairs", True),
        ("Granite Repairs Ltd", "The Granite Repairs Company", True),
        ("Nothwind Utilities", "Northwind Utilities", True),
        ("Acme", "Acme Office Supply", True),
        ("Acme Office Supply East", "Acme Office Supply", True),
        ("Acme Paper", "Acme Packaging", False),
        ("Willow Joinery", "Kestrel Freight", False),
        ("Limited", "Company Ltd", False),
        ("---", "Acme", False),
    ],
)
def test_names_that_a_person_could_take_for_each_other_are_alike(name: str, other: str, expected: bool) -> None:
    assert bool(alike(name, ["Zebra Foods", other])) is expected
    assert bool(alike(other, ["Zebra Foods", name])) is expected


def test_no_argument_could_hold_a_bank_account() -> None:
    """How a payee is paid is changed by a person in the accounting platform, never by way of an assistant."""
    names = set(SAVE_VENDOR.input_schema()["properties"])

    assert not [name for name in names if "bank" in name or "account" in name or "iban" in name]
    assert re.search(r"bank details can never be changed", SAVE_VENDOR.description, re.IGNORECASE)


async def vendor_named(bench: Bench, name: str) -> Vendor:
    """The vendor as the ledger shows it now."""
    [found] = [v async for v in bench.company.rutter.vendors.walk() if v.vendor_name == name]
    return found


async def test_an_accepted_vendor_is_entered_as_it_was_given(home: Path) -> None:
    async with client_at_bench(home, answering=YES) as (client, bench):
        wire = record_writes(bench)

        saved = await done(
            client,
            "save_vendor",
            email="office@willow.example",
            phone="+1 503 555 0100",
            street="9 Sawmill Way",
            city="Astoria",
            country="US",
            **NEW,
        )

        assert (saved["status"], findings_in(saved)) == ("posted", ["ask policy.ask"])
        assert saved["summary"].startswith("Create vendor Willow & Sons Joinery, billing in USD; email ‹office@willow")
        assert [(method, path) for method, path, _ in wire] == [("POST", "/accounting/vendors")]
        assert wire[0][2]["vendor"] == {
            "contact_name": "Willow & Sons Joinery",
            "vendor_name": "Willow & Sons Joinery",
            "currency_code": "USD",
            "email": "office@willow.example",
            "phone": "+1 503 555 0100",
            "addresses": [{"type": "billing", "address1": "9 Sawmill Way", "city": "Astoria", "country": "US"}],
        }
        vendor = await vendor_named(bench, "Willow & Sons Joinery")
        assert (vendor.id, vendor.email) == (saved["record"]["id"], "office@willow.example")
        # Known by name at once, and somebody whose first payment still needs an approver.
        found = await done(client, "find_records", kind="vendor", name="willow")
        assert [row["id"] for row in found["records"]] == [vendor.id]


async def test_an_unaccepted_vendor_waits_and_a_dry_run_has_no_trace(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        tried = await done(client, "save_vendor", dry_run=True, **NEW)
        assert (tried["status"], tried["verdict"], await bench.proposals()) == ("dry_run", "ask", [])

        held = await done(client, "save_vendor", **NEW)
        assert (held["status"], bench.wire.writes) == ("held", [])
        assert (await bench.approve(held["proposal_id"])).state == "posted"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "bad_input"),
        ({"name": "Willow"}, "bad_input"),
        ({"currency": "USD"}, "bad_input"),
        ({"name": "Willow", "currency": "usd"}, "bad_input"),
        ({"name": "Willow", "currency": "XXQ"}, "currency.unknown"),
        ({"name": "Wil\u200blow", "currency": "USD"}, "bad_input"),
        ({"name": " Willow", "currency": "USD"}, "bad_input"),
        ({"name": "Willow", "currency": "USD", "email": "no address"}, "bad_input"),
        ({"name": "Willow", "currency": "USD", "email": "a@b, c@d"}, "bad_input"),
        ({"name": "Willow", "currency": "USD", "bank_account_number": "1"}, "bad_input"),
        ({"vendor_id": "Granite Repairs"}, "write.no_change"),
        ({"vendor_id": "Granite Repairs", "name": "Granite Repairs", "currency": "USD"}, "write.no_change"),
        ({"vendor_id": "Granite Repairs", "city": "Wilmington", "country": "US"}, "write.no_change"),
        ({"vendor_id": "Acme", "phone": "1"}, "ambiguous"),
        ({"vendor_id": "no such vendor", "phone": "1"}, "not_found"),
    ],
)
async def test_what_is_no_vendor_and_no_change_is_sent_back(home: Path, given: dict[str, Any], code: str) -> None:
    async with client_at_bench(home, answering=YES) as (client, bench):
        error = await failed(client, "save_vendor", **given)

        assert (error["code"], bench.wire.writes, await bench.proposals()) == (code, [], [])


async def test_a_second_vendor_of_a_name_is_refused_a_similar_asks(home: Path) -> None:
    async with client_at_bench(home, answering=YES) as (client, bench):
        for name in ("acme packaging", "ACME PACKAGING", "Old Mill Printing"):
            refused = await failed(client, "save_vendor", name=name, currency="USD")
            assert "refuse vendor.exists" in findings_in(refused)
        renamed = await failed(client, "save_vendor", vendor_id="Acme Packaging", name="Granite Repairs")
        assert "refuse vendor.exists" in findings_in(renamed)
        assert bench.wire.writes == []

        tried = await done(client, "save_vendor", name="Acme Packagings Ltd", currency="USD", dry_run=True)
        assert findings_in(tried) == ["ask policy.ask", "ask vendor.similar"]
        assert "‹Acme Packaging›" in tried["findings"][1]["message"]


async def test_a_new_email_needs_an_approver_and_flags_a_payment(
    home: Path,
) -> None:
    """The next payment still finds a changed vendor."""
    async with client_at_bench(home, '[tools]\npay_bill = "allow"', answering=YES) as (client, bench):
        vendor = await vendor_named(bench, "Northwind Utilities")
        bill = await bench.bill("NW-2291")
        pay = {"bill_id": bill.id, "amount": "10.00", "account": "Operating Checking"}
        before = await done(client, "pay_bill", dry_run=True, **pay)
        assert (before["verdict"], findings_in(before)) == ("allow", [])
        wire = record_writes(bench)

        held = await done(client, "save_vendor", vendor_id=vendor.id, email="pay@northwind-billing.example")

        assert (held["status"], wire) == ("held", [])
        assert findings_in(held) == ["approve vendor.details", "ask platform.undocumented", "ask policy.ask"]
        assert held["summary"] == ("Update vendor Northwind Utilities: email ‹pay@northwind-billing.example›")
        assert (await bench.approve(held["proposal_id"])).state == "posted"
        change = {"vendor": {"email": "pay@northwind-billing.example"}}
        assert wire == [("PATCH", f"/accounting/vendors/{vendor.id}", change)]
        # Whoever releases the change does not release the payments after it: that the vendor changed is remembered.
        after = await done(client, "pay_bill", **pay)
        assert (after["status"], findings_in(after)) == ("held", ["approve vendor.changed"])
        assert "this vendor's e-mail changed" in after["findings"][0]["message"]


async def test_only_the_billing_address_changes_and_every_other_stays(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        vendor = await vendor_named(bench, "Granite Repairs")
        both = (
            AddressDraft(type="shipping", address1="Yard 4", city="Salem"),
            AddressDraft(type="billing", address1="PO Box 4471", city="Wilmington", country="US"),
        )
        moved = VendorUpdate(addresses=both)
        assert isinstance(await bench.company.rutter.vendors.update(vendor.id, moved, idempotency_key="hand"), Done)
        wire = record_writes(bench)
        held = await done(client, "save_vendor", vendor_id="Granite Repairs", street="1 Quarry Road")
        assert (await bench.approve(held["proposal_id"])).state == "posted"

        [(_, _, body)] = wire
        assert body["vendor"]["addresses"] == [
            {"type": "shipping", "address1": "Yard 4", "city": "Salem"},
            {"type": "billing", "address1": "1 Quarry Road", "city": "Wilmington", "country": "US"},
        ]
        now = await vendor_named(bench, "Granite Repairs")
        assert [(one.type, one.address1, one.city) for one in now.addresses] == [
            ("shipping", "Yard 4", "Salem"),
            ("billing", "1 Quarry Road", "Wilmington"),
        ]


async def change_by_hand(bench: Bench, name: str, draft: VendorUpdate) -> None:
    vendor = await vendor_named(bench, name)
    outcome = await bench.company.rutter.vendors.update(vendor.id, draft, idempotency_key="by hand")
    assert isinstance(outcome, Done)


@pytest.mark.parametrize(
    ("draft", "state", "code"),
    [
        (VendorUpdate(email="other@granite.example"), "held", "vendor.details"),
        (VendorUpdate(phone="+1 503 555 0199"), "held", "vendor.details"),
        (VendorUpdate(addresses=(AddressDraft(type="billing", address1="Elsewhere"),)), "refused", "vendor.moved"),
    ],
)
async def test_a_vendor_changed_after_the_release_is_not_overwritten(
    home: Path, draft: VendorUpdate, state: str, code: str
) -> None:
    async with client_at_bench(home) as (client, bench):
        vendor = await vendor_named(bench, "Granite Repairs")
        held = await done(client, "save_vendor", vendor_id=vendor.id, street="1 Quarry Road")

        after = await approve_while(
            bench,
            held["proposal_id"],
            f"/vendors/{vendor.id}",
            lambda: change_by_hand(bench, "Granite Repairs", draft),
        )

        assert (after.state, after.findings[0].code) == (state, code)
        assert [key for _, key in bench.wire.writes] == ["by hand"]


async def test_a_namesake_entered_by_hand_keeps_the_second_one_out(home: Path) -> None:
    async with client_at_bench(home) as (client, bench):
        held = await done(client, "save_vendor", **NEW)

        async def by_hand() -> None:
            name = NEW["name"].upper()
            new = VendorCreate(contact_name=name, vendor_name=name, currency_code="USD")
            assert isinstance(await bench.company.rutter.vendors.create(new, idempotency_key="by hand"), Done)

        after = await approve_while(bench, held["proposal_id"], "/vendors", by_hand)

        assert (after.state, after.findings[0].code) == ("refused", "vendor.exists")
        assert [key for _, key in bench.wire.writes] == ["by hand"]


@pytest.mark.parametrize(("fault", "sent"), [("lost after", 1), ("unreadable after", 1), ("lost before", 2)])
async def test_a_vendor_whose_entry_was_lost_is_entered_once(home: Path, fault: str, sent: int) -> None:
    async with client_at_bench(home, answering=YES) as (client, bench):
        bench.wire.faults = [fault]
        unknown = await done(client, "save_vendor", **NEW)
        assert unknown["status"] == "unknown"

        found = await done(client, "get_proposal", proposal_id=unknown["proposal_id"])
        assert found["proposal"]["state"] == "posted"
        assert [key for _, key in bench.wire.writes] == [unknown["proposal_id"]] * sent
        assert (await vendor_named(bench, NEW["name"])).id == found["proposal"]["record"]["id"]


@pytest.mark.parametrize(("fault", "sent"), [("lost after", 1), ("lost before", 2)])
async def test_a_change_of_a_vendor_whose_answer_was_lost_is_made_once(home: Path, fault: str, sent: int) -> None:
    async with client_at_bench(home) as (client, bench):
        held = await done(client, "save_vendor", vendor_id="Kestrel Freight", phone="+31 10 555 0100")
        bench.wire.faults = [fault]
        assert (await bench.approve(held["proposal_id"])).state == "unknown"

        await bench.app.recover()
        assert (await bench.proposal(held["proposal_id"])).state == "posted"
        assert [key for _, key in bench.wire.writes] == [held["proposal_id"]] * sent
        assert (await vendor_named(bench, "Kestrel Freight")).phone == "+31 10 555 0100"


async def test_a_currency_alone_does_not_hijack_a_payee(home: Path) -> None:
    async with client_at_bench(home, answering=YES) as (client, bench):
        saved = await done(client, "save_vendor", vendor_id="Kestrel Freight", currency="GBP")

        assert (saved["status"], findings_in(saved)) == ("posted", ["ask platform.undocumented", "ask policy.ask"])
        assert (await vendor_named(bench, "Kestrel Freight")).currency_codes == ("GBP",)


async def test_a_blocked_name_is_not_entered(home: Path) -> None:
    async with client_at_bench(home, f'[vendors]\nblocked = ["{NEW["name"]}"]', answering=YES) as (client, bench):
        refused = await failed(client, "save_vendor", **NEW)

        assert "refuse vendor.blocked" in findings_in(refused)
        assert bench.wire.writes == []


@pytest.mark.parametrize(
    ("platform", "vendor", "given", "words"),
    [
        (
            "XERO",
            "Penrose Print",
            {"phone": "1"},
            "XERO can change a vendor, so it may fail; a person can change it there",
        ),
        ("QUICKBOOKS_DESKTOP", "Granite Repairs", {"street": "1 Quarry Road"}, "can change the address of a vendor"),
        ("QUICKBOOKS_DESKTOP", "Granite Repairs", {"phone": "1"}, ""),
        ("WAVE", "", NEW, "WAVE can create a vendor, so it may fail; a person can create it there"),
        ("XERO", "", NEW | {"currency": "GBP"}, ""),
    ],
)
async def test_unsupported_vendor_writes_are_said_before_sending(
    home: Path, platform: str, vendor: str, given: dict[str, Any], words: str
) -> None:
    async with client_at_bench(home, platform=platform) as (client, bench):
        tried = await done(client, "save_vendor", dry_run=True, vendor_id=vendor, **given)

        told = [f["message"] for f in tried["findings"] if f["code"] == "platform.undocumented"]
        assert len(told) == bool(words)
        assert all(words in one for one in told)
        assert bench.wire.writes == []
