"""Generated bills for load tests, written as rows with the fields and postings of entered ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from rutter_sandbox import ledger
from rutter_sandbox.clock import day_stamp, days_from, noon_of, stamp
from rutter_sandbox.companies import company_by
from rutter_sandbox.database import Transaction, named_id
from rutter_sandbox.errors import JsonObject
from rutter_sandbox.money import from_minor
from rutter_sandbox.records import STORE, row_of
from rutter_sandbox.schema import OBJECT_INDEXES
from rutter_sandbox.seeder import Seeder
from rutter_sandbox.story import CHECKING

_VENDORS_MAX, _BILLS_PER_VENDOR = 200, 20
_RUN = 10
"""So many bills in a row are one vendor's; one of them is paid and one half paid, so that each vendor has a past."""
_PAID_HALVES = {1: 2, 6: 1}
_ISSUED, _PAID = -90, -30
"""Days, counted from today: every bill was issued on the one, and whatever was paid was paid on the other."""
_STEP_MILLISECONDS = 20


@dataclass(frozen=True, slots=True)
class _Load:
    """What all generated rows share; bills and payments take their fields from entered ones."""

    company: int
    first: int
    count: int
    bank: str
    payables: str
    expense: str
    vendors: list[str]
    dues: list[str]
    issued: str
    paid: str
    issued_from: int
    paid_from: int
    bill: JsonObject
    payment: JsonObject


def generate(tx: Transaction, today: date, bills: int) -> None:
    """Adds `bills` bills of made-up vendors to the main company: one in ten is paid, one in ten half paid."""
    company = company_by(tx.sql, "number", 1)
    if bills <= 0 or company is None:
        return
    seeder = Seeder(tx, company, "harbor", today)
    names = [f"Load Vendor {number:03d}" for number in range(min(_VENDORS_MAX, -(-bills // _BILLS_PER_VENDOR)))]
    for name in names:
        seeder.vendor(name, "USD")
    load = _common(seeder, names, bills)
    paid = [position for position in range(bills) if _paid_minor(position)]
    with _without_indexes(tx):
        rows = (row_of(load.company, "bill", _bill(load, position)) for position in range(bills))
        tx.sql.executemany(STORE, rows)
        rows = (row_of(load.company, "bill_payment", _payment(load, position)) for position in paid)
        tx.sql.executemany(STORE, rows)
    tx.sql.executemany("INSERT INTO allocations VALUES (?, ?, ?, ?, ?, ?, ?)", _allocations(load, paid))
    _post(seeder, load)
    # Payments take the numbers that follow those of the bills.
    query = "UPDATE companies SET next_platform_id = ? WHERE number = ?"
    tx.sql.execute(query, (load.first + 2 * bills, load.company))


@contextmanager
def _without_indexes(tx: Transaction) -> Iterator[None]:
    """Building an index over all rows at the end is several times cheaper than keeping it row by row."""
    rebuilt = [statement for statement in OBJECT_INDEXES if not statement.startswith("CREATE UNIQUE")]
    for statement in rebuilt:
        tx.sql.execute(f"DROP INDEX {statement.split()[2]}")
    yield
    for statement in rebuilt:
        tx.sql.execute(statement)


def _common(seeder: Seeder, vendors: list[str], bills: int) -> _Load:
    return _Load(
        company=seeder.books.company.number,
        first=int(seeder.books.next_platform_id("bill", "")),
        count=bills,
        bank=seeder.id("account", CHECKING),
        payables=seeder.id("account", "Accounts Payable"),
        expense=seeder.id("account", "Office Supplies"),
        vendors=[seeder.id("vendor", name) for name in vendors],
        dues=[day_stamp(days_from(seeder.today, day)) for day in range(-60, 90)],
        issued=seeder.date(_ISSUED),
        paid=seeder.date(_PAID),
        issued_from=noon_of(days_from(seeder.today, _ISSUED)),
        paid_from=noon_of(days_from(seeder.today, _PAID)),
        bill=seeder.books.every("bill")[0],
        payment=seeder.books.every("bill_payment")[0],
    )


def _minor(position: int) -> int:
    """From one dollar to a thousand; bills of one vendor rarely share an amount."""
    return 1_00 + position * 7919 % 99_900


def _paid_minor(position: int) -> int:
    return _minor(position) * _PAID_HALVES.get(position % _RUN, 0) // 2


def _bill_id(position: int) -> str:
    return named_id(f"load/bill/{position}")


def _payment_id(position: int) -> str:
    return named_id(f"load/bill_payment/{position}")


def _vendor(load: _Load, position: int) -> str:
    return load.vendors[position // _RUN % len(load.vendors)]


def _stamps(moment: str) -> JsonObject:
    return dict.fromkeys(("created_at", "updated_at", "last_synced_at"), moment)


def _link(record_id: str, load: _Load, minor: int) -> JsonObject:
    return {"id": record_id, "allocated_date": load.paid, "allocated_amount": from_minor(minor, "USD")}


def _bill(load: _Load, position: int) -> JsonObject:
    bill_id, minor, paid = _bill_id(position), _minor(position), _paid_minor(position)
    amount, platform_id = from_minor(minor, "USD"), str(load.first + position)
    line = load.bill["line_items"][0] | {
        "platform_id": f"{bill_id[:8]}-1",
        "account_id": load.expense,
        "description": "Generated for load",
        "sub_total": amount,
        "total_amount": amount,
    }
    changed = stamp((load.paid_from if paid else load.issued_from) + position * _STEP_MILLISECONDS)
    return {
        **load.bill,
        **_stamps(changed),
        "created_at": stamp(load.issued_from + position * _STEP_MILLISECONDS),
        "id": bill_id,
        "platform_id": platform_id,
        "account_id": load.payables,
        "vendor_id": _vendor(load, position),
        "due_date": load.dues[position % len(load.dues)],
        "issue_date": load.issued,
        "status": "open" if not paid else "paid" if paid == minor else "partially_paid",
        "amount_due": from_minor(minor - paid, "USD"),
        "total_amount": amount,
        "sub_total": amount,
        "document_number": f"LOAD-{position}",
        "line_items": [line],
        "linked_payments": [_link(_payment_id(position), load, paid)] if paid else [],
        "platform_url": f"https://quickbooks.sandbox.example/bill/{platform_id}",
    }


def _payment(load: _Load, position: int) -> JsonObject:
    minor, platform_id = _paid_minor(position), str(load.first + load.count + position)
    return {
        **load.payment,
        **_stamps(stamp(load.paid_from + position * _STEP_MILLISECONDS)),
        "id": _payment_id(position),
        "platform_id": platform_id,
        "account_id": load.bank,
        "vendor_id": _vendor(load, position),
        "transaction_date": load.paid,
        "total_amount": from_minor(minor, "USD"),
        "linked_bills": [_link(_bill_id(position), load, minor)],
        "platform_url": f"https://quickbooks.sandbox.example/bill_payment/{platform_id}",
    }


def _post(seeder: Seeder, load: _Load) -> None:
    books = seeder.books
    books.sql.executemany("INSERT INTO postings VALUES (?, ?, ?, ?, ?, ?)", _postings(load, books.now))
    total = sum(_minor(position) for position in range(load.count))
    paid = sum(_paid_minor(position) for position in range(load.count))
    moves = ((load.expense, total), (load.payables, paid - total), (load.bank, -paid))
    for account, minor in moves:
        ledger.add_to_balance(books, account, "USD", minor)
        ledger.show_balance(books, account)
    # The funding account receives the cost of all these bills, so that every one of them can be paid.
    opening = [(load.bank, total), (seeder.id("account", "Opening Balance Equity"), -total)]
    ledger.post(books, named_id("load/opening"), "USD", opening)


def _postings(load: _Load, now: str) -> Iterator[tuple[int, str, str, str, int, str]]:
    for position in range(load.count):
        bill_id, minor, paid = _bill_id(position), _minor(position), _paid_minor(position)
        yield load.company, bill_id, load.expense, "USD", minor, now
        yield load.company, bill_id, load.payables, "USD", -minor, now
        if paid:
            payment_id = _payment_id(position)
            yield load.company, payment_id, load.payables, "USD", paid, now
            yield load.company, payment_id, load.bank, "USD", -paid, now


def _allocations(load: _Load, paid: list[int]) -> Iterator[tuple[int, str, str, str, str, str, int]]:
    for position in paid:
        payment_id = _payment_id(position)
        yield load.company, "bill_payment", payment_id, _bill_id(position), payment_id, load.paid, _paid_minor(position)
