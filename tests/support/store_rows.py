"""Rows for the store's tests, and a hand that changes them behind its back."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, create_engine

from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def a_proposal(**changed: Any) -> Proposal:
    """A held payment of 100.00 USD."""
    made: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "digest": "d" * 64,
        "company_id": "company-1",
        "company_name": "Harbor & Pine",
        "environment": "embedded",
        "tool": "pay_bill",
        "fields": {"bill_id": "b1", "amount": "100.00", "lines": [{"a": "1"}], "memo": "naïve — 株"},
        "summary": "Pay 100.00 USD to Acme",
        "state": "held",
        "verdict": Severity.ASK,
        "approvals_needed": 1,
        "fingerprint": "f" * 64,
        "findings": (Finding(code="policy.ask", severity=Severity.ASK, message="asks"),),
        "policy_version": "p" * 64,
        "preparer": "assistant",
        "money": Money.parse("100.00", "USD"),
        "vendor_id": "v1",
        "vendor_name": "Acme",
        "bill_id": "b1",
        "record": None,
        "created_at": START,
        "updated_at": START,
        "expires_at": START + timedelta(hours=72),
    }
    made |= changed
    return Proposal(**{"connection_id": made["company_id"]} | made)


def put(store: Store, **changed: Any) -> Proposal:
    """A proposal in the store, with a digest of its own unless one is given."""
    proposal = a_proposal(**{"digest": uuid.uuid4().hex * 2} | changed)
    store.write_now(lambda tx: tx.proposals.add(proposal))
    return proposal


def outside(url: str) -> Engine:
    """A plain engine on the store's database, with nothing of ours in it."""
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))


def seen_from_outside(url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, as somebody with the file would see them."""
    engine = outside(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql(query)]
    engine.dispose()
    return rows


def behind_its_back(url: str, *statements: str) -> None:
    """Runs SQL on the store's tables as somebody with the file would."""
    engine = outside(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
