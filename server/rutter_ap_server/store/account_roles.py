"""Account roles: which ledger account a company uses for funding, for payables and for expenses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.schema import links


@dataclass(frozen=True, slots=True)
class AccountRole:
    """The account that has a role in a company."""

    role: str
    account_id: str
    account_name: str


class AccountRoles:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def assign(self, company_id: str, role: str, account_id: str, account_name: str) -> None:
        """Gives an account the role, in place of the account that had it before."""
        self._connection.execute(delete(links).where(links.c.company_id == company_id, links.c.role == role))
        self._connection.execute(
            insert(links).values(
                company_id=company_id, role=role, account_id=account_id, account_name=account_name, at=stamp(self._now)
            )
        )

    def find(self, company_id: str, role: str) -> AccountRole | None:
        """The account that has the role, if one was assigned."""
        query = select(links).where(links.c.company_id == company_id, links.c.role == role)
        row = self._connection.execute(query).first()
        return AccountRole(row.role, row.account_id, row.account_name) if row else None
