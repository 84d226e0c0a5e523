"""The `list_proposals` tool: a company's proposals page by page, and what is left of each rolling limit."""

from __future__ import annotations

import base64
import json

from rutter_ap_server.clock import stamp
from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import DEFAULT, WINDOWS, Policy, PolicyError, PolicyFile
from rutter_ap_server.guard.released_sums import payee_ids
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import CLOSED_STATES, OPEN_STATES, State
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money
from rutter_ap_tools.proposals import LimitLeft, ListProposals, ProposalList, ProposalRow
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import MoneyShape, Named

_PAYING = ("pay_bill", "propose_payment_run")
NO_LIMITS = "The policy file cannot be used, so every write is blocked and the limits are not known."


async def list_proposals(store: Store, policy: PolicyFile, company: Company, query: ListProposals) -> ProposalList:
    """The `list_proposals` tool. Raises `BadInput` for another query's cursor."""
    company_id = company.ledger_id
    states = _states(query.state)
    question = digest(["proposals", company_id, query.state, query.bill_id])[:16]
    after = _resume(query.cursor, question)
    rules = await policy_or_none(policy)

    def look(tx: Tx) -> tuple[list[Proposal], list[int], list[LimitLeft]]:
        found = tx.proposals.listed(company_id, states, bill_id=query.bill_id, after=after, limit=query.limit + 1)
        counts = [len(tx.proposals.approvals(p.id)) if p.approvals_needed else 0 for p in found[: query.limit]]
        return found, counts, limits_left(tx, rules, (company_id, company.id)) if rules else []

    found, counts, limits = await store.read(look)
    shown = found[: query.limit]
    return ProposalList(
        company=company.named,
        environment=company.environment,
        proposals=[_row(p, count, company) for p, count in zip(shown, counts, strict=True)],
        limits=limits,
        notes=[] if rules else [NO_LIMITS],
        next_cursor=_pack(question, shown[-1]) if len(found) > query.limit else None,
    )


async def limits_for(store: Store, policy: PolicyFile, proposal: Proposal) -> list[LimitLeft]:
    """What is left of the limits that a held payment counts against; empty for other writes."""
    rules = await policy_or_none(policy)
    money, vendor_id = proposal.money, proposal.vendor_id
    if proposal.state != State.HELD or proposal.tool not in _PAYING or rules is None or money is None:
        return []

    def look(tx: Tx) -> list[LimitLeft]:
        payee = payee_ids(tx, proposal.company_id, vendor_id, proposal.vendor_name)
        return limits_left(tx, rules, proposal.company_ids, money.currency, payee or None)

    return await store.read(look)


def limits_left(
    tx: Tx, policy: Policy, ids: tuple[str, str], currency: str = "", vendor_ids: frozenset[str] | None = None
) -> list[LimitLeft]:
    """What is left of each rolling limit, in one currency or in all that the policy names.

    Windows that count payments to one vendor are included only if a vendor is given. `ids` are the ledger's and
    its connection's.
    """
    company = policy.of(*ids)
    windows = [window for window in WINDOWS if vendor_ids is not None or not window.per_vendor]
    found = []
    for code in [currency] if currency else sorted(company.currencies.keys() - {DEFAULT}):
        counted = tx.spend.counted(ids[0], code, tx.hours_back(max(window.hours for window in windows)))
        for window in windows:
            limit = company.limit(code, window.limit)
            spent = counted.within(tx.hours_back(window.hours), vendor_ids if window.per_vendor else None)
            left = limit - spent if limit > spent else Money.zero(code)
            found.append(
                LimitLeft(name=window.limit, hours=window.hours, limit=MoneyShape.of(limit), left=MoneyShape.of(left))
            )
    return found


async def policy_or_none(policy: PolicyFile) -> Policy | None:
    """The policy in force; None for one that cannot be used, which stops every write but hides nothing."""
    try:
        return await policy.look()
    except PolicyError:
        return None


def _states(state: str) -> tuple[State, ...]:
    if state == "any":
        return (*OPEN_STATES, *CLOSED_STATES)
    return OPEN_STATES if state == "open" else (State(state),)


def _row(proposal: Proposal, approvals: int, company: Company) -> ProposalRow:
    late = proposal.state == State.HELD and proposal.expires_at <= company.clock.now()
    name = clean(proposal.vendor_name, 80) or None
    return ProposalRow(
        id=proposal.id,
        tool=proposal.tool,
        state=State.EXPIRED if late else proposal.state,
        verdict=proposal.verdict.word,
        summary=proposal.summary,
        amount=MoneyShape.of(proposal.money) if proposal.money else None,
        vendor=Named(id=proposal.vendor_id, name=name) if proposal.vendor_id else None,
        approvals=approvals,
        approvals_needed=proposal.approvals_needed,
        created_at=proposal.created_at,
        expires_at=proposal.expires_at,
    )


def _pack(question: str, last: Proposal) -> str:
    value = [question, stamp(last.created_at), last.id]
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _resume(cursor: str, question: str) -> tuple[str, str] | None:
    if not cursor:
        return None
    try:
        named, at, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError):
        named, at, last = None, None, None
    if named != question or not isinstance(at, str) or not isinstance(last, str):
        raise BadInput("`cursor` does not belong to this query; omit it to start again")
    return at, last
