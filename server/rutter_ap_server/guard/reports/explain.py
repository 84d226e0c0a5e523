"""Explaining: which rules would apply to a write now, and what is left of each limit. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.gathering import gather_facts
from rutter_ap_server.guard.judge import assess
from rutter_ap_server.guard.judgement import Judgement
from rutter_ap_server.guard.policy import WINDOWS, Policy, Window
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import payee_of
from rutter_ap_server.guard.store_facts import linked_accounts
from rutter_ap_server.guard.writes.base import Batch, Write
from rutter_ap_server.guard.writes.registry import default_severities, proposed_by, write_for
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.money import Money
from rutter_ap_tools.wire import MoneyShape, WriteArguments


@dataclass(frozen=True, slots=True)
class WindowState:
    """One rolling window now: `spent` is posted, `reserved` is in progress or unknown.

    `left` is the amount left before the write being explained.
    """

    window: Window
    limit: Money
    spent: Money
    reserved: Money

    @property
    def left(self) -> Money:
        """The largest further payment the limit allows; never negative."""
        used = self.spent + self.reserved
        return self.limit - used if self.limit > used else Money.zero(self.limit.currency)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A write as the guard would judge it now."""

    prepared: PreparedWrite
    judgement: Judgement
    windows: tuple[WindowState, ...]

    def as_json(self, company: Company) -> dict[str, Any]:
        """The same, for scripts; the shape is stable."""
        return {
            "company": company.named.model_dump(mode="json", exclude_none=True),
            "environment": company.environment,
            "tool": self.prepared.tool,
            "summary": self.prepared.summary,
            "verdict": self.judgement.verdict.word,
            "approvals_needed": self.judgement.approvals_needed,
            "policy_version": self.judgement.policy_version,
            "findings": [found.model_dump(mode="json") for found in self.judgement.findings],
            "limits": [_limit_json(state) for state in self.windows],
        }


def shown_policy(policy: Policy, *, exclude_none: bool) -> dict[str, Any]:
    """The policy for display, with each write's own default where the policy sets none."""
    shown = policy.model_dump(mode="json", exclude_none=exclude_none)
    return shown | {"tools": default_severities() | shown["tools"]}


async def explain_request(store: Store, policy: Policy, request: WriteArguments, company: Company) -> Explanation:
    """Explains a write that has not been proposed. Raises an `ApError` if it cannot be judged at all."""
    write = write_for(request)
    prepared = await write.prepare(request, company, linked_accounts(store, company.ledger_id))
    return await _explain(store, policy, write, prepared, company, except_id=None)


async def explain_proposal(store: Store, policy: Policy, proposal: Proposal, company: Company) -> Explanation:
    """Explains a proposal as it would be judged now, regardless of its stored findings."""
    return await _explain(
        store, policy, proposed_by(proposal.tool), PreparedWrite.of(proposal), company, except_id=proposal.id
    )


async def _explain(
    store: Store,
    policy: Policy,
    write: Write[Any] | Batch,
    prepared: PreparedWrite,
    company: Company,
    *,
    except_id: str | None,
) -> Explanation:
    facts = await gather_facts(write, prepared, company)

    def look(tx: Tx) -> Explanation:
        # A proposal with a reservation is already counted in the windows, and would otherwise exceed them by itself.
        counted = except_id is not None and tx.spend.is_reserved(except_id)
        judgement = assess(tx, write, prepared, facts, policy, except_id=except_id, with_limits=not counted)
        # Nothing is noted of the policy read here, so what servers hold may be what they read before it was changed.
        found = tuple(one for one in judgement.findings if one.code != "policy.differs")
        judgement = replace(judgement, findings=found)
        counts = isinstance(write, Write) and write.counts_against_limits
        states = window_states(tx, prepared, policy) if counts else ()
        return Explanation(prepared, judgement, states)

    return await store.read(look)


def window_states(tx: Tx, prepared: PreparedWrite, policy: Policy) -> tuple[WindowState, ...]:
    """The state of every rolling limit for a payment like this one."""
    if prepared.money is None or prepared.vendor_id is None:
        return ()
    company = policy.of(prepared.company_id, prepared.connection_id)
    return states_of(tx, company, prepared.company_id, prepared.money.currency, payee_of(tx, prepared))


def states_of(
    tx: Tx, company: Policy, company_id: str, currency: str, payee: frozenset[str] | None = None
) -> tuple[WindowState, ...]:
    """The state of a company's rolling limits in one currency; of those for one vendor only if a vendor is given."""
    states = []
    for window in WINDOWS:
        if window.per_vendor and payee is None:
            continue
        vendor_ids, hours = payee if window.per_vendor else None, tx.hours_back(window.hours)
        counted = tx.spend.spent(company_id, currency, hours, vendor_ids)
        posted = tx.spend.posted(company_id, currency, hours, vendor_ids)
        states.append(WindowState(window, company.limit(currency, window.limit), posted, counted - posted))
    return tuple(states)


def _limit_json(state: WindowState) -> dict[str, Any]:
    shapes = {"limit": state.limit, "spent": state.spent, "reserved": state.reserved, "left": state.left}
    amounts = {name: MoneyShape.of(money).model_dump() for name, money in shapes.items()}
    return {"name": state.window.limit, "hours": state.window.hours, "per_vendor": state.window.per_vendor, **amounts}
