"""A proposal and an approval as values, and as the rows that hold them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.canonical import canonical, digest, parsed
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.states import State
from rutter_ap_server.store.witness import damage
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money

# Where a person answers through the client of an assistant: a form, and a card.
IN_CHAT = ("chat", "card")


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's approval: `covers` is what it was given for, `statement` the digest of what the person was shown.

    `approver` is the name it was given under, for people to read; who gave it is `approver_id`, None for the chat.
    """

    approver: str
    channel: str
    fingerprint: str
    at: datetime
    approver_id: str | None = None
    covers: frozenset[str] = frozenset()
    statement: str = ""

    @property
    def is_in_chat(self) -> bool:
        """Whether it is what a client reported of its person, and so counts only for the verdict `ask`."""
        return self.channel in IN_CHAT


@dataclass(frozen=True, slots=True)
class LeaseTaken:
    """The right of a process to send a proposal, and when it ends."""

    owner: str | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """A prepared write and its state. `company_id` is the id of its ledger, which it reaches through `connection_id`.

    `sections` are the judged part of its statement, `requires` is what a release must cover, `reason` is the
    assistant's word on why, and `closed_reason` why a person declined it or its preparer withdrew it.
    """

    id: str
    digest: str
    company_id: str
    company_name: str
    environment: str
    tool: str
    fields: dict[str, Any]
    summary: str
    state: State
    verdict: Severity
    approvals_needed: int
    fingerprint: str
    findings: tuple[Finding, ...]
    policy_version: str
    preparer: str
    money: Money | None
    vendor_id: str | None
    vendor_name: str | None
    bill_id: str | None
    record: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    lease_owner: str | None = None
    lease_until: datetime | None = None
    # The payment run this belongs to.
    run_id: str | None = None
    sections: tuple[dict[str, Any], ...] = ()
    requires: frozenset[str] = frozenset()
    reason: str = ""
    closed_by: str = ""
    closed_reason: str = ""
    connection_id: str = ""

    # What in the store is not what was proposed: somebody changed it by hand.
    damaged: tuple[str, ...] = ()

    @property
    def company_ids(self) -> tuple[str, str]:
        """The ids a policy may name its company by."""
        return self.company_id, self.connection_id

    @property
    def bound_to(self) -> str:
        """The hash of all that a release must cover: a question about it is answered for exactly that."""
        return digest(sorted(self.requires))


STATE_NAMES = frozenset(one.value for one in State)
# What stands for the values of a row that cannot be read.
_UNREADABLE: dict[str, Any] = {
    "fields": {},
    "verdict": Severity.REFUSE,
    "findings": (),
    "money": None,
    "record": None,
    **dict.fromkeys(("created_at", "updated_at", "expires_at"), datetime.min.replace(tzinfo=UTC)),
    "lease_until": None,
    "requires": frozenset(),
    "reason": "",
}


def approval_in(row: Any) -> Approval:
    try:
        covers, at = frozenset(parsed(row.covers)) if row.covers else frozenset(), unstamp(row.at)
    except (ValueError, TypeError):
        raise Tampered(f"an approval of proposal {row.proposal_id}") from None
    return Approval(row.approver, row.channel, row.fingerprint, at, row.approver_id, covers, row.statement or "")


def findings_text(findings: Collection[Finding]) -> str:
    said = [{"code": one.code, "severity": one.severity.word, "message": one.message} for one in findings]
    return canonical(said)


@lru_cache(maxsize=1024)
def _findings_in(text: str) -> tuple[Finding, ...]:
    return tuple(Finding(**finding) for finding in parsed(text))


def row_of(p: Proposal) -> dict[str, Any]:
    return {
        "id": p.id,
        "digest": p.digest,
        "company_id": p.company_id,
        "company_name": p.company_name,
        "environment": p.environment,
        "tool": p.tool,
        "fields": canonical(p.fields),
        "summary": p.summary,
        "state": p.state,
        "verdict": p.verdict.word,
        "approvals_needed": p.approvals_needed,
        "fingerprint": p.fingerprint,
        "findings": findings_text(p.findings),
        "policy_version": p.policy_version,
        "preparer": p.preparer,
        "amount": p.money.text if p.money else None,
        "currency": p.money.currency if p.money else None,
        "vendor_id": p.vendor_id,
        "vendor_name": p.vendor_name,
        "bill_id": p.bill_id,
        "record": canonical(p.record) if p.record is not None else None,
        "created_at": stamp(p.created_at),
        "updated_at": stamp(p.updated_at),
        "expires_at": stamp(p.expires_at),
        "run_id": p.run_id,
        "statement": canonical(list(p.sections)),
        "requires": canonical(sorted(p.requires)),
        "reason": p.reason,
        "closed_by": p.closed_by,
        "closed_reason": p.closed_reason,
        "connection_id": p.connection_id,
    }


@lru_cache(maxsize=256)
def proposal_in(row: Any) -> Proposal:
    """The proposal that a row says, with what its entry says. Each row is read once: a payment looks at many again."""
    damaged = damage(row)
    try:
        found = _as_stored(row)
    except (ValueError, TypeError, LookupError, ApError):
        # It must not hide the others of a list.
        values = dict(row._asdict()) | _UNREADABLE
        values["state"] = State(row.state) if row.state in STATE_NAMES else State.UNKNOWN
        found = Proposal(**{name: values[name] for name in Proposal.__slots__ if name in values})
        damaged = damaged or ("row",)
    if not damaged:
        return found
    words = f"DAMAGED: changed in the store by hand ({', '.join(damaged)}); it cannot be released or sent"
    return replace(found, summary=words, damaged=damaged)


def _as_stored(row: Any) -> Proposal:
    return Proposal(
        id=row.id,
        digest=row.digest,
        company_id=row.company_id,
        company_name=row.company_name,
        environment=row.environment,
        tool=row.tool,
        fields=parsed(row.fields),
        summary=row.summary,
        state=State(row.state),
        verdict=Severity[row.verdict.upper()],
        approvals_needed=row.approvals_needed,
        fingerprint=row.fingerprint,
        findings=_findings_in(row.findings),
        policy_version=row.policy_version,
        preparer=row.preparer,
        money=Money.of(row.amount, row.currency) if row.amount is not None else None,
        vendor_id=row.vendor_id,
        vendor_name=row.vendor_name,
        bill_id=row.bill_id,
        record=parsed(row.record) if row.record is not None else None,
        created_at=unstamp(row.created_at),
        updated_at=unstamp(row.updated_at),
        expires_at=unstamp(row.expires_at),
        lease_owner=row.lease_owner,
        lease_until=unstamp(row.lease_until) if row.lease_until else None,
        run_id=row.run_id,
        sections=tuple(parsed(row.statement)) if row.statement else (),
        requires=frozenset(parsed(row.requires)) if row.requires else frozenset(),
        reason=row.reason or "",
        closed_by=row.closed_by or "",
        closed_reason=row.closed_reason or "",
        # An earlier version knew a ledger by its connection only.
        connection_id=row.connection_id or row.company_id,
    )
