"""Somebody else at the ledger: renames what was paid, deletes it, and gives one vendor a second record."""

from __future__ import annotations

from typing import Any

from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_server.rutter.models.vendors import VendorCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.store.canonical import digest
from rutter_sandbox.companies import company_by
from rutter_sandbox.records import Books
from support.bench import Bench


def rewrite_vendor(bench: Bench, vendor_id: str, **changed: Any) -> None:
    """Changes any field of a vendor, also those that Rutter does not let through."""
    rewrite(bench, "vendor", vendor_id, **changed)


def rewrite(bench: Bench, kind: str, record_id: str, **changed: Any) -> None:
    """Changes any field of a record, stamped with the time of the bench: the sandbox's own clock stands elsewhere."""
    stamped = f"{bench.clock.instant:%Y-%m-%dT%H:%M:%S.000Z}"
    connection_id = bench.sandbox.connections[0].id
    with bench.sandbox._database.writing() as tx:
        company = company_by(tx.sql, "id", connection_id)
        assert company is not None
        books = Books(tx, company)
        books.save_quietly(kind, books.get(kind, record_id) | {"updated_at": stamped} | changed)
    bench.company.directory.forget()


async def vendor_of(bench: Bench, number: str) -> str:
    """The id of the vendor of that bill."""
    return (await bench.bill(number)).vendor_id or ""


async def rename_bill(bench: Bench, bill_id: str, **changed: Any) -> None:
    """Changes a bill in the accounting platform."""
    outcome = await bench.company.rutter.bills.update(
        bill_id, BillUpdate(**changed), idempotency_key=f"{bill_id} {changed}"[:90]
    )
    assert isinstance(outcome, Done), outcome


async def void_by_hand(bench: Bench, payment_id: str) -> None:
    """Voids a payment in the accounting platform."""
    assert isinstance(await bench.company.rutter.bill_payments.void(payment_id, idempotency_key=payment_id), Done)


async def second_record(bench: Bench, name: str, **more: Any) -> str:
    """Enters a vendor in the accounting platform; returns its id."""
    draft = VendorCreate(contact_name="Somebody Else", vendor_name=name, currency_code="USD", **more)
    outcome = await bench.company.rutter.vendors.create(draft, idempotency_key=digest(name))
    assert isinstance(outcome, Done)
    bench.company.directory.forget()
    vendor_id: str = outcome.record.id
    return vendor_id
