"""Connections from creation to sign-in: they get their books when a person links them."""

from __future__ import annotations

from datetime import date

from rutter_sandbox import hooks, story_others
from rutter_sandbox.companies import Company, company_by
from rutter_sandbox.database import Transaction
from rutter_sandbox.kinds import NETSUITE, QUICKBOOKS, XERO
from rutter_sandbox.records import Books

CREATABLE = (QUICKBOOKS, XERO, NETSUITE)
"""The platforms that may be named when a connection is created; Link itself offers all that the sandbox plays."""

STATUSES = ("active", "unhealthy", "not_ready", "needs_reauth", "disabled")


def link_url(origin: str, company_id: str) -> str:
    return f"{origin}/link/connection/{company_id}"


def store_unique_id(company: Company) -> str:
    return f"sandbox-{company.number}"


def new_connection(tx: Transaction) -> Company:
    """A connection that has not been linked yet: it has a token but no platform and no books."""
    connection_id, token = tx.new_id(), f"access-sandbox-{tx.new_id()}"
    query = """INSERT INTO companies (id, access_token, status, currency, created_at, updated_at)
        VALUES (?, ?, 'not_ready', 'USD', ?, ?)"""
    tx.sql.execute(query, (connection_id, token, tx.now, tx.now))
    return _reread(tx, connection_id)


def ledger_of(tx: Transaction, platform: str, unique_id: object) -> Company | None:
    """The company that is linked on that platform under that id, if there is one."""
    query = "SELECT id FROM companies WHERE platform = ? AND ledger IS NULL ORDER BY number"
    linked = [_reread(tx, row[0]) for row in tx.sql.execute(query, (platform,)).fetchall()]
    return next((company for company in linked if store_unique_id(company) == unique_id), None)


def link_again(tx: Transaction, company: Company, ledger: Company) -> None:
    """Lets a connection lead to a ledger that another one leads to: both show the same books, under the same ids."""
    query = """UPDATE companies SET (platform, store_name, currency, closing_date, payments_shown,
        last_sync_started_at, last_sync_completed_at) = (SELECT platform, store_name, currency, closing_date,
        payments_shown, ?, ? FROM companies WHERE number = ?),
        status = 'active', ledger = ?, updated_at = ? WHERE id = ?"""
    tx.sql.execute(query, (tx.now, tx.now, ledger.number, ledger.number, tx.now, company.id))
    hooks.emit_connection(tx, _reread(tx, company.id), "INITIAL_UPDATE")


def start_books(tx: Transaction, company: Company, platform: str, today: date) -> Company:
    """Gives a linked connection its platform and a small set of books. It is ready at once."""
    now, store = tx.now, f"Linked {platform.replace('_', ' ').title()} Company {company.number}"
    query = """UPDATE companies SET platform = ?, store_name = ?, status = 'active', updated_at = ?,
        last_sync_started_at = ?, last_sync_completed_at = ?, next_platform_id = 100 WHERE number = ?"""
    tx.sql.execute(query, (platform, store, now, now, now, company.number))
    company = _reread(tx, company.id)
    story_others.start_linked_company(Books(tx, company), today)
    tx.now = now
    hooks.emit_connection(tx, company, "INITIAL_UPDATE")
    return company


def change_status(tx: Transaction, company: Company, status: str, origin: str, reason: str | None = None) -> None:
    """Puts a linked connection into a state and queues the documented webhook."""
    query = "UPDATE companies SET status = ?, disabled_reason = ?, updated_at = ? WHERE id = ?"
    tx.sql.execute(query, (status, reason, tx.now, company.id))
    if status == "needs_reauth":
        hooks.emit_connection(tx, company, "CONNECTION_NEEDS_UPDATE", update_url=link_url(origin, company.id))
    elif status == "disabled":
        hooks.emit_connection(tx, company, "CONNECTION_DISABLED")
    elif status == "active" and company.status == "not_ready":
        hooks.emit_connection(tx, company, "INITIAL_UPDATE")
    elif status == "active":
        hooks.emit_connection(tx, company, "CONNECTION_UPDATED", store_unique_id=store_unique_id(company))


def new_public_token(tx: Transaction, company: Company) -> str:
    """The token a person brings back from Link; it can be exchanged once."""
    public_token = f"public-sandbox-{tx.new_id()}"
    tx.sql.execute("UPDATE companies SET public_token = ? WHERE id = ?", (public_token, company.id))
    return public_token


def _reread(tx: Transaction, connection_id: str) -> Company:
    company = company_by(tx.sql, "id", connection_id)
    if company is None:
        raise AssertionError("A connection that was just written is not there.")
    return company
