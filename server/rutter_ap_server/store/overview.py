"""Which companies and vendors the store knows, for people who look: from its proposals, whatever became of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select

from rutter_ap_server.clock import unstamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.observations import vendor_sightings
from rutter_ap_server.store.schema import proposals, spend
from rutter_ap_server.store.states import State


@dataclass(frozen=True, slots=True)
class KnownCompany:
    """A company as its newest proposal names it. `id` is its ledger's. The name is outside text."""

    id: str
    connection_id: str
    name: str
    environment: str


@dataclass(frozen=True, slots=True)
class KnownVendor:
    """A vendor of one company, with the name of its newest proposal, which is outside text, and when it was seen.

    `appearances` counts how it looked, each once. The times are None where there is none, or it cannot be read.
    """

    company: KnownCompany
    id: str
    name: str
    appearances: int
    became_at: datetime | None
    last_seen_at: datetime | None


class Overview:
    """Reads inside the caller's transaction. What was edited by hand is shown as it stands, and decides nothing."""

    def __init__(self, connection: Recorded) -> None:
        self._connection = connection

    def companies(self) -> list[KnownCompany]:
        """Every company that anything was ever proposed for, by name."""
        rows = self._connection.execute(_newest([proposals.c.company_id]))
        found = {str(row.company_id): _company(row) for row in rows}
        return sorted(found.values(), key=lambda one: (one.environment, one.name, one.id))

    def currencies(self, company_id: str) -> frozenset[str]:
        """The currencies in which a company has paid through here, or in which something waits."""
        paid = select(spend.c.currency).where(spend.c.company_id == company_id)
        c = proposals.c
        waits = select(c.currency).where(c.company_id == company_id, c.state == State.HELD, c.currency.is_not(None))
        return frozenset(str(row.currency) for row in self._connection.execute(paid.union(waits)))

    def vendors(self) -> list[KnownVendor]:
        """Every vendor that anything was ever proposed for, by name."""
        c = vendor_sightings.c
        seen = select(
            c.company_id,
            c.vendor_id,
            func.count().label("appearances"),
            func.max(c.became_at).label("became_at"),
            func.max(c.last_seen_at).label("last_seen_at"),
        ).group_by(c.company_id, c.vendor_id)
        sightings = {(row.company_id, row.vendor_id): row for row in self._connection.execute(seen)}
        named = _newest([proposals.c.company_id, proposals.c.vendor_id]).where(proposals.c.vendor_id.is_not(None))
        found = {}
        for row in self._connection.execute(named):
            one = sightings.get((row.company_id, row.vendor_id))
            found[row.company_id, row.vendor_id] = KnownVendor(
                _company(row),
                str(row.vendor_id),
                str(row.vendor_name or ""),
                one.appearances if one else 0,
                *(_instants(one.became_at, one.last_seen_at) if one else (None, None)),
            )
        return sorted(found.values(), key=lambda one: (one.company.environment, one.name.casefold(), one.id))


def _newest(by: Iterable[Any]) -> Select[Any]:
    """The newest proposal of each group."""
    columns = list(by)
    newest = select(*columns, func.max(proposals.c.created_at).label("at")).group_by(*columns).subquery()
    same = (column == newest.c[column.name] for column in columns)
    return select(proposals).join(newest, and_(proposals.c.created_at == newest.c.at, *same))


def _company(row: Any) -> KnownCompany:
    connection_id = row.connection_id or row.company_id
    return KnownCompany(str(row.company_id), str(connection_id), str(row.company_name), str(row.environment))


def _instants(*texts: Any) -> Iterable[datetime | None]:
    for text in texts:
        try:
            yield unstamp(text)
        except (ValueError, TypeError):
            yield None
