"""Seeds a company: enters records through the same functions as the wire, dated in the past."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from rutter_sandbox import attachments, bills, ledger, masters, orders, payments, vendor_credits
from rutter_sandbox.clock import day_stamp, days_from, noon_of, stamp
from rutter_sandbox.companies import Company, company_by
from rutter_sandbox.database import Transaction, named_id
from rutter_sandbox.errors import JsonObject
from rutter_sandbox.money import to_minor
from rutter_sandbox.records import Books

BEGINNING = -400
"""The day, counted from today, on which every company of the story was set up."""


class Seeder:
    """Enters one company's records. Names stand for ids, and days are counted from today."""

    def __init__(self, tx: Transaction, company: Company, slug: str, today: date) -> None:
        self.books = Books(tx, company)
        self.slug = slug
        self.today = today
        self._ticks = 0
        self.on(BEGINNING)

    def on(self, day: int) -> None:
        """Sets the day of the following entries: around noon of that day, or this morning for today."""
        self._ticks += 1
        morning = noon_of(days_from(self.today, day)) - 6 * 3_600_000
        self.books.tx.now = stamp(morning + self._ticks * 1000)

    def id(self, kind: str, name: str) -> str:
        return named_id(f"{self.slug}/{kind}/{name}")

    def date(self, day: int) -> str:
        return day_stamp(days_from(self.today, day))

    def accounts(self, rows: Iterable[tuple[str, str, str, str]]) -> None:
        """Rows of (name, type, currency, nominal code)."""
        for row in rows:
            self.account(*row)

    def account(self, name: str, account_type: str, currency: str, code: str, **fields: object) -> None:
        given = {"account_type": account_type, "currency_code": currency, "name": name, "nominal_code": code}
        given["id"] = self.id("account", name)
        extra = {"additional_fields": {"bank_account_number": f"00-{code}"}}
        masters.create_account(self.books, given | extra | fields)

    def plain(self, kind: str, names: Iterable[str], **fields: object) -> list[JsonObject]:
        """Objects that are little more than a name."""
        return [self.books.add(kind, {"id": self.id(kind, name), "name": name, **fields}) for name in names]

    def currencies(self, codes: Iterable[tuple[str, str]]) -> None:
        for code, name in codes:
            fields = {"id": self.id("currency", code), "currency_code": code, "currency_name": name}
            self.books.add("currency", fields)

    def term(self, name: str, due_days: int, **discount: Decimal | int) -> None:
        given = {"id": self.id("payment_term", name), "term_name": name, "due_days": due_days, **discount}
        masters.create_payment_term(self.books, given)

    def tax_rate(self, name: str, *parts: str, **fields: object) -> None:
        """A rate of the parts given as percentages; a second one is charged on the first one too."""
        given = {"id": self.id("tax_rate", name), "name": name}
        components = [
            {"name": name if n == 0 else f"{name}, part {n + 1}", "rate": Decimal(rate), "is_compound": n > 0}
            for n, rate in enumerate(parts)
        ]
        masters.create_tax_rate(self.books, given | {"components": components} | fields)

    def vendor(self, name: str, currency: str, **fields: object) -> None:
        handle = name.lower().replace(" ", "-")
        given = {
            "id": self.id("vendor", name),
            "vendor_name": name,
            "contact_name": f"{name} Accounts",
            "currency_code": currency,
            "email": f"billing@{handle}.example",
            "phone": "+1 555 0100",
            "addresses": [{"type": "billing", "address1": "1 Quay Street", "city": "Portland", "country": "US"}],
        }
        masters.create_vendor(self.books, given | fields)

    def item(self, name: str, price: str, kind: str = "non_inventory", **fields: object) -> None:
        side = {"description": name, "unit_price": Decimal(price)}
        given = {"id": self.id("item", name), "name": name, "type": kind, "bill_item": side}
        masters.create_item(self.books, given | fields)

    def customer(self, name: str, **fields: object) -> None:
        given = {"id": self.id("customer", name), "contact_name": name}
        masters.create_customer(self.books, given | fields)

    def opening(self, account: str, currency: str, minor: int) -> None:
        entries = [(self.id("account", account), minor), (self.id("account", "Opening Balance Equity"), -minor)]
        ledger.post(self.books, self.id("opening", account), currency, entries)

    def bill(
        self,
        vendor: str,
        number: str,
        lines: list[JsonObject],
        issued: int,
        due: int,
        *,
        currency: str | None = None,
        **fields: object,
    ) -> str:
        """Enters a bill on its issue date; its id is derived from its document number."""
        self.on(min(issued, 0))
        given = {
            "id": self.id("bill", number),
            "vendor_id": self.id("vendor", vendor),
            "currency_code": currency or self.books.company.currency,
            "issue_date": self.date(issued),
            "due_date": self.date(due),
            "document_number": number,
            "line_items": lines,
        }
        return str(bills.create_bill(self.books, given | fields)["id"])

    def line(self, account: str, amount: str, description: str, **fields: object) -> JsonObject:
        given = {"account_id": self.id("account", account), "description": description}
        return {**given, "total_amount": Decimal(amount), **fields}

    def item_line(self, item: str, quantity: int, price: str, **fields: object) -> JsonObject:
        """A line of so many of an item at a price each."""
        count, unit = Decimal(quantity), Decimal(price)
        given = {"item": {"id": self.id("item", item), "quantity": count, "unit_amount": unit}, "description": item}
        return {**given, "total_amount": count * unit, **fields}

    def pay(self, number: str, account: str, amount: str, day: int, **fields: object) -> None:
        self.on(day)
        link = {"id": self.id("bill", number), "allocated_amount": Decimal(amount)}
        given = {
            "id": self.id("bill_payment", f"{number}/{day}"),
            "account_id": self.id("account", account),
            "transaction_date": self.date(day),
            "linked_bills": [link],
        }
        payments.create_payments(self.books, given | fields)

    def void(self, number: str, paid_on: int, day: int) -> None:
        """Voids the payment that was made on the bill on that day."""
        self.on(day)
        payment = self.books.get("bill_payment", self.id("bill_payment", f"{number}/{paid_on}"))
        payments.update_payment(self.books, payment, {"status": "void"})

    def journal(self, number: str, account: str, amount: str, day: int) -> JsonObject:
        """Offsets part of a bill by a journal entry on another account. Returns the link to it."""
        self.on(day)
        bill, entry = self.books.get("bill", self.id("bill", number)), self.id("journal_entry", number)
        minor, when = to_minor(Decimal(amount), bill["currency_code"]), self.date(day)
        bills.take_off(self.books, bill, ("journal_entry", entry), entry, when, minor)
        entries = [(bill["account_id"], minor), (self.id("account", account), -minor)]
        ledger.post(self.books, entry, bill["currency_code"], entries)
        return {"journal_id": entry, "allocated_at": when, "amount": amount}

    def credit(self, vendor: str, number: str, lines: list[JsonObject], day: int, memo: str, **fields: object) -> None:
        self.on(day)
        given = {
            "id": self.id("bill_credit_memo", number),
            "vendor_id": self.id("vendor", vendor),
            "issue_date": self.date(day),
            "document_number": number,
            "memo": memo,
            "line_items": lines,
        }
        vendor_credits.create_credit(self.books, given | fields)

    def apply(self, credit: str, number: str, amount: str, day: int) -> JsonObject:
        """Applies so much of a credit to a bill. Returns the link to the credit."""
        self.on(day)
        bill = self.books.get("bill", self.id("bill", number))
        link = {"id": bill["id"], "allocated_amount": Decimal(amount)}
        given = {"bill_credit_memo_id": self.id("bill_credit_memo", credit), "linked_bills": [link]}
        given |= {name: bill[name] for name in ("vendor_id", "currency_code")} | {"transaction_date": self.date(day)}
        vendor_credits.apply_credit(self.books, given)
        shown = {"id": given["bill_credit_memo_id"], "allocated_date": given["transaction_date"]}
        return shown | {"allocated_amount": link["allocated_amount"]}

    def order(
        self,
        vendor: str,
        number: str,
        lines: list[tuple[str, int]],
        day: int,
        *,
        line: JsonObject | None = None,
        **fields: object,
    ) -> None:
        """Enters an order of so many of each item; `line` holds what all its lines have besides."""
        self.on(day)
        given = {
            "id": self.id("purchase_order", number),
            "vendor_id": self.id("vendor", vendor),
            "txn_date": self.date(day),
            "currency": self.books.company.currency,
            "document_number": number,
            "line_items": [{"item": self.id("item", name), "quantity": count} | (line or {}) for name, count in lines],
        }
        orders.create_order(self.books, given | fields)

    def attach(self, number: str, file_name: str, content: str) -> None:
        """A file that was attached in the platform itself, before Rutter was connected to it."""
        bill = self.books.get("bill", self.id("bill", number))
        attachments.attach(self.books, bill, file_name, content.encode())

    def change_vendor(self, name: str, day: int, **fields: object) -> None:
        self.on(day)
        vendor = self.books.get("vendor", self.id("vendor", name))
        masters.update_vendor(self.books, vendor, fields)

    def company_info(self, legal_name: str, address: str) -> None:
        company = self.books.company
        fields = {
            "id": self.id("company_info", company.platform),
            "name": company.store_name,
            "legal_name": legal_name,
            "currency_code": company.currency,
            "addresses": [address],
        }
        self.books.add("company_info", fields)

    def close_books(self, day: int) -> None:
        """Closes the books: nothing dated on or before that day can be entered or changed any more."""
        closing = days_from(self.today, day).isoformat()
        query = "UPDATE companies SET closing_date = ? WHERE number = ?"
        self.books.sql.execute(query, (closing, self.books.company.number))
        info = self.books.get("company_info", self.id("company_info", self.books.company.platform))
        self.books.save("company_info", info | {"additional_fields": {"closing_date": closing}})


def create_company(
    tx: Transaction, slug: str, name: str, store: str, platform: str, currency: str, *, payments_shown: bool = True
) -> Company:
    """Creates the connection of a seeded company; its access token is the same in every sandbox."""
    query = """INSERT INTO companies
        (id, access_token, name, store_name, platform, status, currency, payments_shown, next_platform_id,
         last_sync_started_at, last_sync_completed_at, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, 'active', ?, ?, 100, ?, ?, ?, ?)"""
    connection_id = named_id(f"connection/{slug}")
    token = f"access-sandbox-{named_id(f'token/{slug}')}"
    row = (connection_id, token, name, store, platform, currency, payments_shown, *[tx.now] * 4)
    tx.sql.execute(query, row)
    company = company_by(tx.sql, "id", connection_id)
    if company is None:
        raise AssertionError("A company that was just made is not there.")
    return company
