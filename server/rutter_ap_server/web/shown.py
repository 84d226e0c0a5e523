"""What the pages show: proposals and statements as values for the templates, in the order in which a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rutter_ap_server.guard.judgement import facts_digest
from rutter_ap_server.guard.statement import CHANGED, CHECKS, FINDINGS, FOLLOWS, KNOWN
from rutter_ap_server.guard.writes.payment_run_words import PAYMENT_COLUMNS
from rutter_ap_server.guard.writes.wording import due_in
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.people import BOOKS, for_people, length_of
from rutter_ap_tools.proposals import LimitLeft
from rutter_ap_tools.statement import Section, Statement
from rutter_ap_tools.text import clean

# Codes that only say which tier an amount is in; anything else is a reason to look closely.
TIERS = ("policy.ask", "policy.approve", "amount.approver", "amount.two_approvers")
_MARKS = {Severity.REFUSE: "✕", Severity.APPROVE: "▲", Severity.ASK: "△", Severity.ALLOW: "✓"}
_NAME_CHARACTERS_MAX = 120
# What a section is for; any other holds fields of the write.
_HEADING = "Proposal"
_AFTERWARDS = ("Limits", "Other open proposals on the same bills", "Prepared", "Release")


@dataclass(frozen=True, slots=True)
class Reason:
    """A finding, and the mark in front of it."""

    mark: str
    label: str
    message: str
    code: str
    word: str


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One proposal that waits."""

    id: str
    amount: str
    payee: str
    summary: str
    due: str
    company: str
    preparer: str
    released: str
    expires: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class InboxPart:
    """The proposals of one kind of books: first those that need a closer look."""

    environment: str
    title: str
    closer: tuple[InboxRow, ...]
    usual: tuple[InboxRow, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A proposal's statement, taken apart for reading. Nothing of it is left out or shortened."""

    id: str
    title: str
    act: str
    environment: str
    books: str
    company: str
    state: str
    heading: Sequence[tuple[str, str]]
    findings: tuple[Reason, ...]
    changed: Section | None
    fields: tuple[Section, ...]
    checks: Section | None
    others: tuple[Section, ...]
    approvals: tuple[str, ...]
    released: str
    must_type: str
    expires: str
    digest: str
    facts: str


def reason_of(finding: Finding) -> Reason:
    """A finding for reading."""
    return Reason(
        _MARKS[finding.severity],
        finding.severity.label,
        for_people(finding.message),
        finding.code,
        finding.severity.word,
    )


def is_sound(one: Proposal) -> bool:
    """Whether what it says can be shown: nothing of it was edited by hand into what it cannot be."""
    return not one.damaged and one.environment in BOOKS and isinstance(one.approvals_needed, int)


def inbox_parts(found: Sequence[tuple[Proposal, int]], now: datetime) -> tuple[InboxPart, ...]:
    """Proposals with how many people released each, apart for each kind of books."""
    parts = []
    for environment, title in BOOKS.items():
        rows = [_row(one, released, now) for one, released in found if one.environment == environment]
        if rows:
            closer = tuple(row for row in rows if row.reasons)
            parts.append(InboxPart(environment, title, closer, tuple(row for row in rows if not row.reasons)))
    return tuple(parts)


def _row(one: Proposal, released: int, now: datetime) -> InboxRow:
    reasons = [finding for finding in one.findings if finding.code not in TIERS]
    reasons.sort(key=lambda finding: -finding.severity)
    return InboxRow(
        id=one.id,
        amount=one.money.grouped if one.money else "",
        payee=clean(one.vendor_name, _NAME_CHARACTERS_MAX),
        summary=for_people(clean(one.summary, 1000)),
        due=_due(one),
        company=clean(one.company_name, _NAME_CHARACTERS_MAX),
        preparer=clean(one.preparer, _NAME_CHARACTERS_MAX),
        released=f"{released} of {one.approvals_needed}",
        expires=f"in {length_of(one.expires_at - now)}",
        reasons=tuple(map(reason_of, reasons)),
    )


def _due(one: Proposal) -> str:
    """When what it pays is due: one bill, or the first and the last of a run."""
    rows = [row for section in one.sections for row in section["rows"]]
    found = [due_in(str(cell)) for row in rows if len(row) > 1 for cell in _bill_cells(one, row)]
    due = sorted({text for text in found if text})
    return due[0] if len(due) < 2 else f"{due[0]} to {due[-1].removeprefix('due ')}"


def _bill_cells(one: Proposal, row: Sequence[str]) -> Sequence[str]:
    if one.tool == "pay_bill":
        return row[1:] if row[0] == "Bill" else ()
    return row[2:3] if one.tool == "propose_payment_run" and len(row) == PAYMENT_COLUMNS else ()


def page_of(proposal: Proposal, statement: Statement, approvals: Sequence[Approval], now: datetime) -> Page:
    """Everything a person must see of a proposal."""
    titled = {one.title: one for one in statement.sections}
    placed = {_HEADING, CHANGED, FINDINGS, CHECKS, FOLLOWS, KNOWN, *_AFTERWARDS}
    fields = [one for one in statement.sections if one.title not in placed]
    # A proposal of an earlier version says there what it would write.
    fields += [one for one in statement.sections if one.title == FINDINGS and not one.columns and proposal.findings]
    fields += [titled[one] for one in (FOLLOWS,) if one in titled]
    rest = [titled[one] for one in (KNOWN, *_AFTERWARDS) if one in titled]
    findings = sorted(proposal.findings, key=lambda finding: -finding.severity)
    return Page(
        id=proposal.id,
        title=_title(proposal),
        act=_act(proposal),
        environment=proposal.environment,
        books=BOOKS[proposal.environment],
        company=clean(proposal.company_name, _NAME_CHARACTERS_MAX),
        state=proposal.state,
        heading=[(row[0], row[1]) for row in titled[_HEADING].rows] if _HEADING in titled else [],
        findings=tuple(map(reason_of, findings)),
        changed=titled.get(CHANGED),
        fields=tuple(fields),
        checks=titled.get(CHECKS),
        others=tuple(rest),
        approvals=tuple(f"{clean(one.approver)} ({one.channel}) at {one.at:%Y-%m-%d %H:%M} UTC" for one in approvals),
        released=f"{len(approvals)} of {proposal.approvals_needed}",
        must_type=proposal.money.text if proposal.money is not None and proposal.approvals_needed > 1 else "",
        expires=f"in {length_of(proposal.expires_at - now)}" if proposal.state == State.HELD else "",
        digest=statement.digest,
        facts=facts_digest(proposal),
    )


def _title(proposal: Proposal) -> str:
    return f"{_act(proposal)}?" if proposal.state == State.HELD else for_people(clean(proposal.summary, 1000))


def _act(proposal: Proposal) -> str:
    """What the button does, with amount and payee."""
    payee = clean(proposal.vendor_name, _NAME_CHARACTERS_MAX)
    if proposal.tool == "pay_bill" and proposal.money is not None and payee:
        return f"Release {proposal.money.grouped} to {payee}"
    if proposal.tool == "propose_payment_run" and proposal.money is not None:
        count = len(proposal.fields["lines"])
        return f"Release {count} {'payment' if count == 1 else 'payments'}, {proposal.money.grouped} together"
    return f"Release: {for_people(clean(proposal.summary, 1000))}"


def limit_rows(limits: Sequence[LimitLeft]) -> list[tuple[str, str, str]]:
    """The limits of which something is used: which, what is left, and the whole."""
    return [
        (f"{one.name.replace('_', ' ')}, {one.hours} hours", one.left.money.grouped, one.limit.money.grouped)
        for one in limits
        if one.left != one.limit
    ]
