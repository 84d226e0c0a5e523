"""The double-entry ledger: every document posts debits and credits that sum to zero, and nothing is erased."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from rutter_sandbox.errors import JsonObject, PlatformRefusal
from rutter_sandbox.money import converted, from_minor
from rutter_sandbox.records import Books

# An account id and a debit (positive) or a credit (negative) in minor units.
Entry = tuple[str, int]

TAX_ACCOUNT = "Purchase Tax"
_GROWS_WITH_DEBITS = frozenset({"asset", "expense"})


def post(books: Books, document_id: str, currency: str, entries: Iterable[Entry]) -> None:
    """Writes a document's entries and updates the balances of their accounts."""
    kept = [(account, minor) for account, minor in entries if minor]
    if sum(minor for _, minor in kept) != 0:
        raise AssertionError(f"Entries of {document_id} do not balance.")
    number = books.company.number
    rows = [(number, document_id, account, currency, minor, books.now) for account, minor in kept]
    books.sql.executemany("INSERT INTO postings VALUES (?, ?, ?, ?, ?, ?)", rows)
    for account, minor in kept:
        add_to_balance(books, account, currency, minor)
    for account in {account for account, _ in kept}:
        show_balance(books, account)


def reverse(books: Books, document_id: str) -> None:
    """Posts the opposite of everything a document still has in the books."""
    query = """SELECT currency, account_id, -SUM(amount_minor) FROM postings
        WHERE company = ? AND document_id = ? GROUP BY currency, account_id"""
    by_currency: dict[str, list[Entry]] = {}
    for currency, account, minor in books.sql.execute(query, (books.company.number, document_id)):
        by_currency.setdefault(currency, []).append((account, minor))
    for currency, entries in by_currency.items():
        post(books, document_id, currency, entries)


def add_to_balance(books: Books, account: str, currency: str, minor: int) -> None:
    query = """INSERT INTO balances VALUES (?, ?, ?, ?) ON CONFLICT (company, account_id, currency)
        DO UPDATE SET amount_minor = amount_minor + excluded.amount_minor"""
    books.sql.execute(query, (books.company.number, account, currency, minor))


def show_balance(books: Books, account_id: str) -> None:
    """Writes the balance into the account: positive on the account's normal side."""
    account = books.get("account", account_id)
    shown = account["currency_code"] or books.company.currency
    query = "SELECT currency, amount_minor FROM balances WHERE company = ? AND account_id = ?"
    minor = 0
    for currency, amount in books.sql.execute(query, (books.company.number, account_id)).fetchall():
        minor += amount if currency == shown else converted(amount, currency, cross_rate(currency, shown), shown)
    if account["category"] not in _GROWS_WITH_DEBITS:
        minor = -minor
    account["balance"] = from_minor(minor, shown)
    books.save_quietly("account", account)


# Fixed rates to the US dollar: enough to show a foreign entry in a home-currency balance.
_DOLLARS = {
    "USD": "1",
    "EUR": "1.10",
    "GBP": "1.25",
    "NOK": "0.095",
    "CAD": "0.74",
    "SEK": "0.096",
    "JPY": "0.0067",
    "KWD": "3.25",
}


def cross_rate(currency: str, target: str) -> Decimal:
    return Decimal(_DOLLARS.get(currency, "1")) / Decimal(_DOLLARS.get(target, "1"))


def rate_text(books: Books, currency: str, given: Decimal | int | None = None) -> str | None:
    """The exchange rate as the wire shows it: a string, or null for the company's own currency."""
    if given is not None:
        if given <= 0:
            raise PlatformRefusal("INVALID_RATE", "An exchange rate must be above zero.")
        return f"{given:f}"
    if currency == books.company.currency:
        return None
    return str(cross_rate(currency, books.company.currency).quantize(Decimal("0.000001")).normalize())


def default_account(books: Books, *types: str) -> str:
    """The first account of one of these types: the platform's default when none is named."""
    query = """SELECT id FROM objects WHERE company = ? AND kind = 'account' AND account_type = ?
        AND status = 'active' ORDER BY created_at, id LIMIT 1"""
    for account_type in types:
        row = books.sql.execute(query, (books.company.number, account_type)).fetchone()
        if row:
            return str(row[0])
    raise PlatformRefusal("MISSING_ACCOUNT", f"The company has no {types[0].replace('_', ' ')} account.")


def tax_account(books: Books) -> str:
    query = "SELECT id FROM objects WHERE company = ? AND kind = 'account' AND name = ?"
    row = books.sql.execute(query, (books.company.number, TAX_ACCOUNT)).fetchone()
    return str(row[0]) if row else default_account(books, "other_current_asset", "expense")


def active_account(books: Books, account_id: str) -> JsonObject:
    account = books.get("account", account_id)
    if account["status"] != "active":
        raise PlatformRefusal("INACTIVE_ACCOUNT", "The account is not active.")
    return account
