"""Live data for resources and completion, read within limits."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard.policy import PolicyFile
from rutter_ap_server.guard.reports.explain import shown_policy
from rutter_ap_server.reads.bills import list_bills
from rutter_ap_server.store.audit import Entry
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import CLOSED_STATES, OPEN_STATES, State
from rutter_ap_tools.bills import BillRow, ListBills
from rutter_ap_tools.text import clean, fold
from rutter_ap_tools.wire import CompanyNamed

_BILLS_FRESH = timedelta(seconds=60)
_BILLS_MAX = 200
# The fields of an audit entry that are shown: outcomes and codes, not what was typed or sent.
_AUDIT_DETAILS = ("tool", "company", "verdict", "findings", "state", "answer", "channel", "code", "reason", "version")


@dataclass(slots=True)
class LiveData:
    """The sources of live data."""

    registry: CompanyRegistry
    store: Store
    policy: PolicyFile
    _bills: dict[str, tuple[datetime, list[BillRow]]] = field(default_factory=dict)

    async def companies(self, wanted: str = "") -> tuple[Company, ...]:
        """The companies with that id or name; all of them if `wanted` is empty."""
        companies = await self.registry.all()
        if not wanted:
            return companies
        return tuple(o for o in companies if wanted == o.id or fold(wanted) == fold(o.name))

    async def known(self) -> list[CompanyNamed]:
        """Every connected company by id and name, including those that cannot be used now."""
        usable = await self.registry.all()
        return [one.named for one in usable] + [one.named for one in await self.registry.unavailable()]

    async def unpaid(self, company: Company) -> list[BillRow]:
        """The unpaid bills due first, at most 200, cached for at most a minute."""
        now = company.clock.now()
        kept = self._bills.get(company.id)
        if kept is None or not timedelta(0) <= now - kept[0] < _BILLS_FRESH:
            page = await list_bills(company, ListBills(limit=_BILLS_MAX))
            kept = self._bills[company.id] = (now, page.bills)
        return kept[1]

    async def states(self, ids: Collection[str]) -> dict[str, str]:
        """The states of the proposals that exist. An overdue one counts as expired."""

        def read(tx: Tx) -> dict[str, str]:
            found = [proposal for one in sorted(ids) if (proposal := tx.proposals.get(one)) is not None]
            over = {p.id for p in found if p.state == State.HELD and p.expires_at <= tx.now}
            return {p.id: State.EXPIRED if p.id in over else p.state for p in found}

        return await self.store.read(read)

    async def proposals(self, limit: int) -> list[Proposal]:
        """The newest proposals, open ones first."""

        def read(tx: Tx) -> list[Proposal]:
            is_open = tx.proposals.in_states(OPEN_STATES, limit)
            return [*is_open, *tx.proposals.in_states(CLOSED_STATES, limit)][:limit]

        return await self.store.read(read)

    async def audit(self, limit: int) -> list[dict[str, Any]]:
        """The newest entries of the audit chain, newest first, with the fields that may be shown."""
        return [_entry(entry) for entry in await self.store.read(lambda tx: tx.audit.told(limit))]

    async def policy_in_force(self) -> dict[str, Any]:
        """The policy, its version, and whether it is the default. Raises `PolicyError`."""
        policy = await self.policy.look()
        return {
            # Not its path, which would reveal folders on the operator's machine.
            "source": "the operator's policy file" if self.policy.path.exists() else "the built-in default",
            "version": policy.version,
            "policy": shown_policy(policy, exclude_none=True),
        }


def _entry(entry: Entry) -> dict[str, Any]:
    body = json.loads(entry.body)
    shown: dict[str, Any] = {"seq": entry.seq, "at": entry.at, "kind": entry.kind, "actor": clean(entry.actor, 100)}
    if entry.proposal_id:
        shown["proposal_id"] = entry.proposal_id
    details = {key: _plain(body[key]) for key in _AUDIT_DETAILS if body.get(key) is not None}
    return shown | ({"details": details} if details else {})


def _plain(value: Any) -> str | list[str]:
    if isinstance(value, list):
        return [clean(str(one), 100) for one in value[:50]]
    return clean(str(value), 200)
