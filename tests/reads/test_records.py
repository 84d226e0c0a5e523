"""Looking records up: every kind on every platform, near misses, bounds, and names that stand for ids on a bill."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.companies.directory import NotOffered
from rutter_ap_server.reads.records import find_records
from rutter_ap_server.rutter.collections import ENDPOINTS, Collections
from rutter_ap_server.rutter.models.purchase_orders import PurchaseOrderCreate, PurchaseOrderLineDraft
from rutter_ap_server.rutter.models.vendors import VendorCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import Ambiguous, NotFound
from rutter_ap_tools.records import FindRecords, RecordKind, RecordList
from rutter_sandbox.kinds import KINDS, PLATFORMS
from support.practice_company import TODAY, practice
from support.serving import done, failed, serving, text_of

pytestmark = pytest.mark.anyio
EVERY_KIND = tuple(RecordKind)


def names(found: dict[str, Any]) -> list[str]:
    """The names of what was found, in order."""
    return [row["name"] for row in found["records"]]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_has_its_collection(kind: RecordKind) -> None:
    """A kind is found in the collection of its plural; what that collection holds has a name or a code."""
    (endpoint,) = (one for one in ENDPOINTS if one.many == kind.plural)
    assert isinstance(vars(Collections)[kind.plural], cached_property)
    assert endpoint.documented["read"], "a kind that no platform is documented to have is not worth offering"
    named = (*endpoint.record.NAMED_BY, *endpoint.record.CODED_BY)
    assert set(named) & set(endpoint.record.__struct_fields__)


def test_every_collection_is_a_kind_or_said_not_to_be_one() -> None:
    documents = {"bills", "bill_payments", "bill_credit_memos"}  # have lists of their own
    nothing_refers_to_them = {"tasks", "payment_methods"}
    shown = {kind.plural for kind in EVERY_KIND}
    assert {endpoint.many for endpoint in ENDPOINTS} == shown | documents | nothing_refers_to_them


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_every_kind_is_listed_whole_or_said_not_to_be_offered(
    kind: RecordKind, platform: str, tmp_path: Path
) -> None:
    own = "payment_term" if kind == "payment_terms" else kind
    async with practice(tmp_path, platform) as (company, _):
        if platform not in KINDS[own].read:
            with pytest.raises(NotOffered) as told:
                await find_records(company, FindRecords(kind=kind))
            assert kind.plural_words in told.value.message
            assert kind.instead in told.value.next_step
            return
        found = await find_records(company, FindRecords(kind=kind))
        there = {record.id async for record in getattr(company.rutter, kind.plural).walk()}

    assert {row.id for row in found.records} == there
    assert all(row.name or row.code for row in found.records)
    assert not found.more
    assert found.nearest == []


async def test_a_row_has_the_fields_of_its_kind_and_no_others(home: Path) -> None:
    async with serving(home) as (client, _):

        async def rows(kind: str, name: str) -> list[dict[str, Any]]:
            found = await done(client, "find_records", kind=kind, name=name)
            return [{k: v for k, v in row.items() if k != "id"} for row in found["records"]]

        assert await rows("tax_rate", "utility") == [{"name": "Utility Tax 5%", "status": "active", "rate": "5"}]
        assert await rows("payment_terms", "2/10") == [{"name": "2/10 Net 30"}]
        assert await rows("item", "OAK") == [{"name": "Oak plank", "status": "active"}]
        assert await rows("class", "work") == [{"name": "Workshop", "status": "active"}]
        assert await rows("department", "sales") == [{"name": "Sales", "status": "active"}]
        assert await rows("customer", "bayside") == [{"name": "Bayside Hotel", "status": "active", "currency": "USD"}]
        assert await rows("currency", "eu") == [{"name": "Euro", "code": "EUR"}]
        assert await rows("vendor", "kestrel") == [{"name": "Kestrel Freight", "status": "active", "currency": "EUR"}]
        assert await rows("account", "6100") == [
            {"name": "Utilities", "code": "6100", "status": "active", "account_type": "expense", "currency": "USD"}
        ]
        (order,) = await rows("purchase_order", "po-2")
        vendor = order.pop("vendor")
        assert order == {"code": "PO-204", "status": "open", "total": {"amount": "740.00", "currency": "USD"}}
        assert vendor["name"] == "Acme Packaging"


async def test_records_are_found_by_part_of_a_name_in_any_case_sorted(home: Path) -> None:
    async with serving(home) as (client, _):
        assert names(await done(client, "find_records", kind="vendor", name="  aCmE ")) == [
            "Acme Office Supply",
            "Acme Packaging",
        ]
        everyone = names(await done(client, "find_records", kind="vendor"))
        assert everyone == sorted(everyone)
        few = await done(client, "find_records", kind="vendor", limit=3)
        assert (names(few), few["more"]) == (everyone[:3], True)


async def test_accounts_filter_by_type_and_orders_by_vendor(home: Path) -> None:
    async with serving(home) as (client, _):
        banks = await done(client, "find_records", kind="account", account_type="bank")
        assert names(banks) == ["Euro Account", "Operating Checking", "Savings"]
        mine = await done(client, "find_records", kind="purchase_order", vendor="Acme Packaging")
        assert [row["code"] for row in mine["records"]] == ["PO-204"]
        others = await done(client, "find_records", kind="purchase_order", vendor="Kestrel Freight")
        assert others["records"] == []
        several = await failed(client, "find_records", kind="purchase_order", vendor="Acme")
        assert several["code"] == "ambiguous"


@pytest.mark.parametrize("arguments", [{"kind": "vendor", "account_type": "bank"}, {"kind": "item", "vendor": "Acme"}])
async def test_an_argument_of_another_kind_is_refused_not_ignored(arguments: dict[str, str], home: Path) -> None:
    async with serving(home) as (client, _):
        error = await failed(client, "find_records", **arguments)
        assert (error["code"], error["who"]) == ("bad_input", "assistant")


async def test_credits_are_not_a_kind_of_record(home: Path) -> None:
    async with serving(home) as (client, _):
        error = await failed(client, "find_records", kind="credit")
        assert "`kind` must be one of" in error["message"]


@pytest.mark.parametrize(
    ("kind", "asked", "meant"),
    [
        ("vendor", "Nortwind", "Northwind Utilities"),
        ("vendor", "Kestral Frieght", "Kestrel Freight"),
        ("account", "utilites", "Utilities, 6100"),
        ("tax_rate", "VAT 21%", "VAT 20%"),
        ("purchase_order", "PO-240", "PO-204"),
    ],
)
async def test_a_name_without_a_match_returns_the_nearest(kind: str, asked: str, meant: str, home: Path) -> None:
    async with serving(home) as (client, _):
        answer = await client.call_tool("find_records", {"kind": kind, "name": asked})
        assert answer.structured_content is not None
        nearest = [one["name"] for one in answer.structured_content["nearest"]]
        assert answer.structured_content["records"] == []
        assert nearest[0] == meant
        assert len(nearest) <= 5
        assert f"Similar names: ‹{meant}›" in text_of(answer)


async def test_what_is_spelled_like_nothing_has_no_near_miss(home: Path) -> None:
    async with serving(home) as (client, _):
        answer = await client.call_tool("find_records", {"kind": "vendor", "name": "zzzzzzzz"})
        assert answer.structured_content is not None
        assert answer.structured_content["nearest"] == []
        assert text_of(answer).endswith("No vendor matches.")


async def test_the_table_has_only_the_columns_that_something_fills(home: Path) -> None:
    async with serving(home) as (client, _):

        async def heads(kind: str) -> str:
            lines = text_of(await client.call_tool("find_records", {"kind": kind})).splitlines()
            return next(line for line in lines if line.startswith("id | "))

        assert await heads("payment_terms") == "id | name"
        assert await heads("account") == "id | name | code | type | status | currency"
        assert await heads("tax_rate") == "id | name | status | rate %"
        assert await heads("purchase_order") == "id | number | vendor | status | total"
        assert await heads("currency") == "id | name | code"


async def vendors_made(company: Any, count: int) -> None:
    """That many vendors more than the story has."""
    for number in range(count):
        draft = VendorCreate(contact_name="C", currency_code="USD", vendor_name=f"Vendor {number:03d}")
        assert isinstance(await company.rutter.vendors.create(draft, idempotency_key=f"v{number}"), Done)


async def test_more_records_than_the_bound_says_so(tmp_path: Path) -> None:
    async with practice(tmp_path, page_objects_max=1) as (company, wire):
        await vendors_made(company, 35)
        wire.asked.clear()
        found = await find_records(company, FindRecords(kind="vendor", limit=200))

        assert (len(found.records), found.more) == (40, True)
        assert found.notes == ["This company has more vendors than can be searched; some are missing."]
        assert len(wire.asked) == 40


async def test_past_the_bound_ids_are_found_and_names_not_guessed(tmp_path: Path) -> None:
    async with practice(tmp_path, page_objects_max=1) as (company, _):
        await vendors_made(company, 35)
        last = [vendor async for vendor in company.rutter.vendors.walk()][-1]
        assert last.id not in (await company.directory.cached_list("vendor")).by_id

        assert (await company.directory.vendor(last.id)).vendor_name == last.vendor_name
        for reference in (last.vendor_name or "", "no such id", ".."):
            with pytest.raises(NotFound, match="too many to search by name"):
                await company.directory.vendor(reference)


async def test_purchase_orders_past_the_bound_are_said_to_be_more(tmp_path: Path) -> None:
    async with practice(tmp_path, page_objects_max=1) as (company, _):
        vendor = await company.directory.vendor("Acme Packaging")
        item = await company.directory.one("item", "Packing box")
        for number in range(21):
            draft = PurchaseOrderCreate(
                vendor_id=vendor.id,
                currency="USD",
                txn_date=TODAY,
                document_number=f"PO-9{number:02d}",
                line_items=(PurchaseOrderLineDraft(item=item.id, quantity=Decimal(1)),),
            )
            assert isinstance(await company.rutter.purchase_orders.create(draft, idempotency_key=f"p{number}"), Done)
        found: RecordList = await find_records(company, FindRecords(kind="purchase_order"))

        assert (len(found.records), found.more) == (20, True)


@pytest.mark.parametrize(
    ("kind", "reference", "name"),
    [
        ("tax_rate", "vat 20%", "VAT 20%"),
        ("item", " OAK plank", "Oak plank"),
        ("class", "workshop", "Workshop"),
        ("department", "Sales", "Sales"),
        ("customer", "cedar cafe", "Cedar Cafe"),
        ("account", "6100", "Utilities"),
        ("purchase_order", "po-204", "PO-204"),
        ("currency", "eur", "Euro"),
    ],
)
async def test_a_name_number_or_code_stands_for_its_record(
    kind: str, reference: str, name: str, tmp_path: Path
) -> None:
    async with practice(tmp_path) as (company, _):
        found = await company.directory.one(kind, reference)
        assert found.names[0] == name
        assert (await company.directory.one(kind, found.id)).id == found.id


async def test_an_ambiguous_or_unknown_name_is_an_error_that_says_so(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, _):
        with pytest.raises(Ambiguous, match="no payment terms has exactly that name") as several:
            await company.directory.one("payment_terms", "Net")
        assert [name for _, name in several.value.candidates] == ["2/10 Net 30", "Net 15", "Net 30"]
        for nothing in ("no such class", " ", "\u200b"):
            with pytest.raises(NotFound, match="this company has no class") as told:
                await company.directory.one("class", nothing)
            assert "kind=class" in told.value.next_step


async def test_records_are_read_once_for_all_lines_of_a_bill(tmp_path: Path) -> None:
    async with practice(tmp_path) as (company, wire):
        for name in ("Workshop", "Showroom", "workshop"):
            await company.directory.one("class", name)
        assert [path.rsplit("/", 1)[1] for path in wire.asked] == ["classes"]


async def test_a_bill_may_name_everything_it_refers_to(home: Path) -> None:
    async with serving(home) as (client, app):

        async def id_of(kind: str, name: str) -> str:
            (row,) = (await done(client, "find_records", kind=kind, name=name))["records"]
            found: str = row["id"]
            return found

        names_of = {
            "tax_rate": "VAT 20%",
            "class": "workshop",
            "department": "Operations",
            "customer": "Cedar Cafe",
        }
        line = {"amount": "37.00", "account": "Office Supplies", "item": "packing box", **names_of}
        question = {
            "vendor": "Acme Packaging",
            "issue_date": app.clock.today().isoformat(),
            "currency": "USD",
            "document_number": "AP-400",
            "payment_terms": "Net 15",
            "purchase_orders": ["PO-204"],
        }
        entered = await done(client, "create_bill", lines=[line], **question)
        assert entered["status"] == "posted"
        company = await app.companies.get("")
        bill = await company.rutter.bills.get(entered["record"]["id"])
        (written,) = bill.line_items
        ids = {kind: await id_of(kind, name) for kind, name in names_of.items()}
        assert ids == {kind: getattr(written, f"{kind}_id") for kind in names_of}
        assert written.item is not None
        assert written.item.id == await id_of("item", "packing box")
        assert [link.id for link in bill.linked_purchase_orders] == [await id_of("purchase_order", "PO-204")]

        # Said with ids it is the same bill, and not entered a second time.
        by_id = {"amount": "37.00", "account": "Office Supplies", "item": written.item.id, **ids}
        question |= {"vendor": await id_of("vendor", "Acme Packaging")}
        again = await failed(client, "create_bill", lines=[by_id], **question)
        assert "bill.duplicate" in [found["code"] for found in again["findings"]]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"class": "sho"}, "ambiguous", "class"),
        ({"customer": "nobody at all"}, "not_found", "customer"),
        ({"location": "Austin Warehouse"}, "platform.unsupported", "locations"),
        ({"project": "x"}, "platform.unsupported", "projects"),
    ],
)
async def test_a_bill_that_names_what_is_not_there_is_not_entered(
    changed: dict[str, str], code: str, said: str, home: Path
) -> None:
    async with serving(home) as (client, app):
        line = {"amount": "37.00", "account": "Office Supplies"} | changed
        error = await failed(
            client, "create_bill", vendor="Acme Packaging", issue_date="2026-01-02", currency="USD", lines=[line]
        )
        assert (error["code"], error["who"]) == (code, "assistant")
        assert said in error["message"]
        assert await app.store.read(lambda tx: tx.proposals.in_states([State.POSTED, State.HELD, State.REFUSED])) == []
