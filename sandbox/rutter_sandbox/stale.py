"""Stale reads: the books as they were before the last write, as a lagging replica shows them."""

from __future__ import annotations

from rutter_sandbox import ledger
from rutter_sandbox.jsons import decode
from rutter_sandbox.kinds import KINDS
from rutter_sandbox.records import STORE, Books, row_of


def take_back_last_write(books: Books) -> None:
    """Undoes the company's last write, in a transaction that must be discarded. Deleted objects stay deleted."""
    number, moment = books.company.number, _last_moment(books)
    query = "SELECT id, created_at, previous FROM objects WHERE company = ? AND kind = ? AND updated_at = ?"
    for kind in KINDS:
        for record_id, created, previous in books.sql.execute(query, (number, kind, moment)).fetchall():
            if previous is None or created == moment:
                gone = "DELETE FROM objects WHERE company = ? AND kind = ? AND id = ?"
                books.sql.execute(gone, (number, kind, record_id))
            else:
                books.sql.execute(STORE, row_of(number, kind, decode(previous)))
            _take_back_postings(books, record_id, moment)


def _last_moment(books: Books) -> str:
    """The moment of the last write, read one kind at a time because each is at the end of an index."""
    query = "SELECT MAX(updated_at) FROM objects WHERE company = ? AND kind = ?"
    found = [books.sql.execute(query, (books.company.number, kind)).fetchone()[0] for kind in KINDS]
    return max((moment for moment in found if moment), default="")


def _take_back_postings(books: Books, document_id: str, moment: str) -> None:
    query = """SELECT account_id, currency, amount_minor FROM postings
        WHERE company = ? AND document_id = ? AND posted_at = ?"""
    rows = books.sql.execute(query, (books.company.number, document_id, moment)).fetchall()
    for account_id, currency, minor in rows:
        ledger.add_to_balance(books, account_id, currency, -minor)
    for account_id in {row[0] for row in rows}:
        if books.exists("account", account_id):
            ledger.show_balance(books, account_id)
