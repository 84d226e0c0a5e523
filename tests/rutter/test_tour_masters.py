"""Every write of master data once, and what a company and its connection tell, against the sandbox."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal

import httpx
import pytest

from rutter_ap_server.rutter import Credentials, RutterClient, errors
from rutter_ap_server.rutter.models.accounts import AccountCreate, AccountUpdate
from rutter_ap_server.rutter.models.customers import CustomerCreate, CustomerUpdate
from rutter_ap_server.rutter.models.dimensions import ClassCreate, DepartmentCreate
from rutter_ap_server.rutter.models.items import ItemCreate, ItemSideDraft, ItemUpdate
from rutter_ap_server.rutter.models.purchase_orders import (
    PurchaseOrderCreate,
    PurchaseOrderLineDraft,
    PurchaseOrderUpdate,
)
from rutter_ap_server.rutter.models.terms import PaymentTermCreate, TaxComponentDraft, TaxRateCreate
from rutter_ap_server.rutter.models.vendors import VendorCreate, VendorUpdate
from rutter_sandbox import Sandbox
from support.tour import TODAY, company, done, key, new_bill


async def test_accounts_and_vendors_are_created_and_changed(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    account = done(
        await co.accounts.create(
            AccountCreate(account_type="expense", currency_code="USD", name="Tour"), idempotency_key=key()
        )
    )
    assert (account.account_type, account.category) == ("expense", "expense")
    renamed = await co.accounts.update(account.id, AccountUpdate(name="Tour 2"), idempotency_key=key())
    assert done(renamed).name == "Tour 2"
    vendor = done(
        await co.vendors.create(
            VendorCreate(contact_name="Ann", currency_code="USD", vendor_name="Tour Ltd"), idempotency_key=key()
        )
    )
    archived = await co.vendors.update(vendor.id, VendorUpdate(status="archived"), idempotency_key=key())
    assert done(archived).status == "archived"
    assert done(await co.vendors.delete(vendor.id)).code == "deleted"


async def test_other_master_data_is_written_where_the_platform_can(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    customer = done(await co.customers.create(CustomerCreate(contact_name="Bo"), idempotency_key=key()))
    phoned = await co.customers.update(customer.id, CustomerUpdate(phone="1"), idempotency_key=key())
    assert done(phoned).phone == "1"
    side = ItemSideDraft(unit_price=Decimal("1.10"))
    item = done(await co.items.create(ItemCreate(name="Bolt", bill_item=side), idempotency_key=key()))
    assert item.bill_item is not None
    assert item.bill_item.unit_price == Decimal("1.10")
    assert done(await co.items.update(item.id, ItemUpdate(code="B-1"), idempotency_key=key())).code == "B-1"
    assert done(await co.items.delete(item.id)).success
    assert done(await co.classes.create(ClassCreate(name="North"), idempotency_key=key())).name == "North"
    assert done(await co.departments.create(DepartmentCreate(name="IT"), idempotency_key=key())).name == "IT"
    rate = TaxRateCreate(name="VAT", components=(TaxComponentDraft(name="VAT", rate=Decimal(19)),))
    assert done(await co.tax_rates.create(rate, idempotency_key=key())).name == "VAT"
    term = PaymentTermCreate(term_name="Net 9", due_days=Decimal(9))
    made = done(await co.payment_terms.create(term, idempotency_key=key()))
    assert made.due_days == 9
    assert done(await co.payment_terms.delete(made.id)).success


async def test_an_order_is_written_in_its_old_shape_and_read_in_new(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox, "NETSUITE")
    vendor = (await co.vendors.list(limit=1)).items[0]
    item = (await co.items.list(limit=1)).items[0]
    line = PurchaseOrderLineDraft(item=item.id, quantity=Decimal(2), unit_amount=Decimal("3.50"))
    draft = PurchaseOrderCreate(vendor_id=vendor.id, currency="USD", line_items=(line,), txn_date=TODAY)
    receipt = done(await co.purchase_orders.create(draft, idempotency_key=key()))
    order = await co.purchase_orders.get(receipt.id)
    assert (order.total_amount, order.currency_code) == (Decimal("7.00"), "USD")
    assert order.line_items[0].item is not None
    assert order.line_items[0].item.quantity == 2
    changed = await co.purchase_orders.update(order.id, PurchaseOrderUpdate(memo="soon"), idempotency_key=key())
    assert done(changed).memo == "soon"
    assert done(await co.purchase_orders.delete(order.id)).success


async def test_a_company_tells_about_itself_and_its_connection(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    info = await co.company_info()
    assert info.currency_code == "USD"
    assert info.name
    status = await co.status()
    assert (status.is_ready, status.needs_update_status.needs_update) == (True, False)
    detail = await co.detail()
    assert (detail.platform, detail.disabled, bool(detail.link_url)) == ("QUICKBOOKS", False, True)
    await co.incremental_sync()
    await co.incremental_sync(["bill", "vendor"])
    await co.backfill(start_date=date(2024, 1, 1), object_types=["bill"], end_date=date(2024, 6, 1), remarks="tour")


async def test_connections_are_listed_made_renamed_rotated_and_deleted(client: RutterClient, sandbox: Sandbox) -> None:
    listed = await client.connections.list(status="any")
    assert {entry.id for entry in listed} == {str(each.id) for each in sandbox.connections}
    made = await client.connections.create()
    assert made.link_url
    assert made.access_token.reveal()
    renamed = await client.connections.rename(listed[0].id, "Books of 2025")
    assert renamed.name == "Books of 2025"
    co = client.connection(listed[0].access_token)
    fresh = await co.rotate_token()
    with pytest.raises(errors.CredentialsRejected):
        await co.company_info()
    assert (await client.connection(fresh).company_info()).name
    await client.connections.delete(listed[0].id)
    with pytest.raises(errors.RutterError):
        await client.connection(fresh).company_info()


async def test_what_was_deleted_can_be_asked_for(client: RutterClient, sandbox: Sandbox) -> None:
    co = company(client, sandbox)
    bill = await new_bill(co)
    await co.bills.delete(bill.id)
    page = await co.events(resources=["BILL"])
    walked = [event async for event in co.walk_events()]
    for event in (page.items[-1], walked[-1]):
        # The event has an id of its own; which object is gone stands in its data.
        assert event.object_id == bill.id
        assert event.id != bill.id


async def test_wrong_credentials_and_wrong_tokens_are_for_the_operator(sandbox: Sandbox) -> None:
    transport = httpx.ASGITransport(app=sandbox.asgi)
    wrong = Credentials(sandbox.client_id, "wrong")
    async with RutterClient(wrong, base_url="http://sandbox/versioned", transport=transport) as client:
        with pytest.raises(errors.CredentialsRejected):
            await client.connections.list()
    right = Credentials(sandbox.client_id, sandbox.client_secret)
    async with RutterClient(right, base_url="http://sandbox/versioned", transport=transport) as client:
        with pytest.raises(errors.CredentialsRejected):
            await client.connection(str(uuid.uuid4())).bills.list()
