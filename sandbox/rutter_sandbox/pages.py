"""The HTML pages: what this sandbox holds, and the consent page on which a company is linked."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from rutter_sandbox import clock
from rutter_sandbox.companies import Company, company_by
from rutter_sandbox.database import Database, Transaction
from rutter_sandbox.errors import JsonObject
from rutter_sandbox.jsons import decode
from rutter_sandbox.kinds import KINDS, PLATFORMS
from rutter_sandbox.linking import change_status, link_again, new_public_token, start_books
from rutter_sandbox.markup import page, table
from rutter_sandbox.records import Books
from rutter_sandbox.wire import Call, Response

_ROWS_MAX = 25
_COMPANIES_MAX = 24
_FORM_BYTES_MAX = 10_000


def home(database: Database, seen: list[tuple[str, str, int]]) -> Response:
    """Companies, balances, the latest bills and payments, and the latest requests to this process."""
    with database.reading() as tx:
        query = "SELECT number FROM companies WHERE platform IS NOT NULL AND ledger IS NULL ORDER BY number LIMIT ?"
        numbers = [row[0] for row in tx.sql.execute(query, (_COMPANIES_MAX,)).fetchall()]
        companies = [company_by(tx.sql, "number", number) for number in numbers]
        parts = [_company(Books(tx, company)) for company in companies if company]
    rows = [(method, path, status or "no answer") for method, path, status in reversed(seen)]
    requests = table(("Method", "Path", "Status"), rows)
    return page("Rutter AP sandbox", f"{''.join(parts)}<h2>Requests lately seen</h2>{requests}")


def _company(books: Books) -> str:
    company = books.company
    name = company.name or company.store_name or "A company"
    accounts = [
        (one["name"], one["account_type"], one["balance"], one["currency_code"]) for one in _latest(books, "account")
    ]
    bills = [
        (
            one["document_number"],
            _vendor_name(books, one["vendor_id"]),
            one["status"],
            (one["due_date"] or "")[:10],
            one["total_amount"],
            one["amount_due"],
            one["currency_code"],
        )
        for one in _latest(books, "bill")
    ]
    payments = [
        (
            one["transaction_date"][:10],
            _vendor_name(books, one["vendor_id"]),
            one["status"],
            one["total_amount"],
            one["currency_code"],
        )
        for one in _latest(books, "bill_payment")
    ]
    return (
        f"<h2>{escape(name)}</h2><p>{escape(company.platform)}, {escape(company.status)}. {_holds(books)}</p>"
        f"<h3>Accounts</h3>{table(('Name', 'Type', 'Balance', 'Currency'), accounts)}"
        f"<h3>Bills</h3>"
        f"{table(('Number', 'Vendor', 'Status', 'Due', 'Total', 'Amount due', 'Currency'), bills)}"
        f"<h3>Payments</h3>{table(('Date', 'Vendor', 'Status', 'Total', 'Currency'), payments)}"
    )


def _holds(books: Books) -> str:
    """How many objects there are of each kind, and whether debits and credits agree."""
    number = books.company.number
    query = "SELECT kind, COUNT(*) FROM objects WHERE company = ? GROUP BY kind ORDER BY kind"
    counts = [f"{count} {KINDS[kind].plural.replace('_', ' ')}" for kind, count in books.sql.execute(query, (number,))]
    query = "SELECT currency FROM balances WHERE company = ? GROUP BY currency HAVING SUM(amount_minor) <> 0"
    wrong = books.sql.execute(query, (number,)).fetchone()
    agree = "Debits and credits do not agree!" if wrong else "Debits and credits agree."
    return f"It holds {', '.join(counts)}. {agree}"


def _latest(books: Books, kind: str) -> list[JsonObject]:
    query = "SELECT body FROM objects WHERE company = ? AND kind = ? ORDER BY updated_at DESC, id DESC LIMIT ?"
    return [decode(row[0]) for row in books.sql.execute(query, (books.company.number, kind, _ROWS_MAX))]


def _vendor_name(books: Books, vendor_id: str) -> str:
    vendor = books.find("vendor", vendor_id)
    return str(vendor["vendor_name"]) if vendor else ""


def link(database: Database, call: Call, company_id: str) -> Response:
    """The consent page: a person picks a platform, or signs in again, and consents."""
    if call.method == "POST":
        return _consent(database, call, company_id)
    with database.reading() as tx:
        company = company_by(tx.sql, "id", company_id)
        return _form(tx, company) if company else _unknown()


def _unknown() -> Response:
    return page("Unknown link", "<p>This sandbox has no connection behind this link.</p>", 404)


def _form(tx: Transaction, company: Company, complaint: str = "") -> Response:
    if company.platform:
        choice = f"<p>Sign in to {escape(company.platform)} again for {escape(_shown_name(company))}.</p>"
    else:
        options = "".join(f"<option>{escape(platform)}</option>" for platform in PLATFORMS)
        choice = f'<p><label>Platform <select name="platform">{options}</select></label></p>'
        query = """SELECT id, COALESCE(name, store_name, platform) FROM companies
            WHERE platform IS NOT NULL AND ledger IS NULL ORDER BY number LIMIT ?"""
        rows = tx.sql.execute(query, (_COMPANIES_MAX,)).fetchall()
        linked = "".join(f'<option value="{escape(id_)}">{escape(name)}</option>' for id_, name in rows)
        again = f'<select name="ledger"><option value="">a new company</option>{linked}</select>'
        choice += f"<p><label>Or the books of {again}</label></p>"
    consent = '<input type="checkbox" name="consent" value="yes" required> I share these made-up books'
    form = f'<form method="post">{choice}<p><label>{consent}</label></p><button>Link</button></form>'
    told = f"<p>{escape(complaint)}</p>" if complaint else ""
    return page("Link a company", f"{told}{form}", 400 if complaint else 200)


def _shown_name(company: Company) -> str:
    return company.name or company.store_name or "this company"


def _consent(database: Database, call: Call, company_id: str) -> Response:
    form = _form_of(call)
    with database.writing() as tx:
        company = company_by(tx.sql, "id", company_id)
        if company is None:
            return _unknown()
        if form.get("consent") != "yes":
            return _form(tx, company, "Nothing is linked without consent.")
        if not (company.platform or form.get("ledger")) and form.get("platform") not in PLATFORMS:
            return _form(tx, company, "This sandbox does not play that platform.")
        public_token = _link(tx, call, company, form)
    shown = f'<p>Linked. Public token: <code id="public-token">{escape(public_token)}</code></p>'
    how = "<p>Exchange it once at <code>POST /versioned/item/public_token/exchange</code>. You may close this page.</p>"
    return page("Company linked", shown + how)


def _link(tx: Transaction, call: Call, company: Company, form: dict[str, str]) -> str:
    """Links the company: the first time its books start, later it signs in again and keeps its access token."""
    if company.platform:
        change_status(tx, company, "active", call.origin)
    elif ledger := company_by(tx.sql, "id", form.get("ledger", "")):
        link_again(tx, company, ledger)
    else:
        start_books(tx, company, form["platform"], clock.day_of(tx.now))
    return new_public_token(tx, company)


def _form_of(call: Call) -> dict[str, str]:
    if len(call.body) > _FORM_BYTES_MAX:
        return {}
    try:
        fields = parse_qs(call.body.decode("latin-1"), max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
