"""Builds the statement of a proposal: all a person releases, and all that is known about it, from one place.

The judged part is stored with each judgement. What changes by the minute is added when it is shown: what is used of
each limit, other open proposals on the same bills, who may release it, who has, and what changed since they did.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rutter_ap_server.guard.declines import bills_in
from rutter_ap_server.guard.policy import WINDOWS, Policy
from rutter_ap_server.guard.released_sums import owed_with, payee_ids
from rutter_ap_server.guard.writes.parties import NAME_CHARACTERS_MAX
from rutter_ap_server.guard.writes.wording import Description, Row, columns, exact, pairs
from rutter_ap_server.store.canonical import canonical, digest
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import OPEN_STATES, State
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.statement import Section, Statement
from rutter_ap_tools.text import clean

FINDINGS, CHECKS, CHANGED = "Findings", "Checks", "Changed since it was released"
NEEDED = "Needed"
FOLLOWS, KNOWN = "What follows", "What is known"
# A release is not bound to these, so a change of them does not explain why it is void.
_NOT_BOUND = (FOLLOWS, KNOWN)
_CHANGED_COLUMNS = ("what", "was", "is now")


def judged_sections(
    words: Description,
    findings: Sequence[Finding],
    passed: Sequence[str],
    unchecked: Sequence[tuple[str, str]],
) -> tuple[Section, ...]:
    """The part of a statement that follows from a judgement."""
    checks: list[Row] = [("Found nothing", ", ".join(passed) or "none")]
    checks += [(f"Could not be made: {name}", why) for name, why in unchecked]
    found = [(one.severity.label, one.message, one.code) for one in findings]
    return (
        *words.fields,
        *((pairs(FOLLOWS, words.follows),) if words.follows else ()),
        columns(FINDINGS, ("requires", "finding", "code"), found) if found else pairs(FINDINGS, [("Findings", "none")]),
        pairs(CHECKS, checks),
        *((pairs(KNOWN, words.known),) if words.known else ()),
    )


def stored_sections(sections: Iterable[Section]) -> tuple[dict[str, Any], ...]:
    """Sections as they are stored."""
    return tuple(section.model_dump() for section in sections)


def sealed(sections: Iterable[Section]) -> Statement:
    """A statement of these sections, with the digest that identifies it."""
    whole = list(sections)
    return Statement(digest=digest([section.model_dump() for section in whole]), sections=whole)


def body_of(statement: Statement) -> str:
    """A statement's sections as canonical JSON: what its digest is the SHA-256 of."""
    return canonical([section.model_dump() for section in statement.sections])


def statement_of(tx: Tx, proposal: Proposal, policy: Policy | None) -> Statement:
    """The whole statement as of now; without a policy, because its file is broken, nobody may release anything."""
    judged = [Section(**one) for one in proposal.sections] or [pairs(FINDINGS, _unread(proposal))]
    changed = _changes(tx, proposal, judged)
    return sealed(
        [
            pairs("Proposal", _heading(proposal)),
            *((columns(CHANGED, _CHANGED_COLUMNS, changed),) if changed else ()),
            *judged,
            *_limits(tx, proposal, policy),
            *_others(tx, proposal),
            pairs("Prepared", _prepared(proposal)),
            pairs("Release", _release(tx, proposal, policy)),
        ]
    )


def _heading(proposal: Proposal) -> list[Row]:
    books = {
        "production": "production: real books",
        "sandbox": "sandbox: test books at Rutter",
        "embedded": "embedded: the practice company, not real books",
    }[proposal.environment]
    return [
        ("Action", proposal.summary),
        ("Company", f"{clean(proposal.company_name, NAME_CHARACTERS_MAX)} ({proposal.connection_id})"),
        ("Environment", books),
        ("Tool", proposal.tool),
        ("Id", proposal.id),
    ]


def _unread(proposal: Proposal) -> list[Row]:
    """A proposal that an earlier version of the program judged."""
    said = [(one.code, f"{one.severity.label}: {one.message}") for one in proposal.findings]
    return [*((name, exact(value)) for name, value in proposal.fields.items()), *said]


def _limits(tx: Tx, proposal: Proposal, policy: Policy | None) -> Iterator[Section]:
    """What a payment that is not sent yet uses of each limit, and what is left afterwards."""
    if proposal.state not in (State.HELD, State.RELEASED) or proposal.money is None:
        return
    shares = _shares(proposal)
    if not shares:
        return
    if policy is None:
        yield pairs("Limits", [("Limits", "not known: the policy file cannot be used")])
        return
    rows = []
    whole = Money.total((money for _, _, money in shares), proposal.money.currency)
    for vendor_id, name, money in [("", "", whole), *shares]:
        payee = payee_ids(tx, proposal.company_id, vendor_id or None, name)
        for used in limit_uses(tx, policy, proposal.company_ids, payee, money):
            rows.append((f"{used.words}{f' ({name})' if name else ''}", used.spent, used.money, used.left, used.limit))
    if rows:
        yield columns("Limits", ("limit on", "used before", "this uses", "left afterwards", "limit"), rows)


def _shares(proposal: Proposal) -> list[tuple[str, str, Money]]:
    """What a payment or a run pays to each vendor; empty for other writes."""
    assert proposal.money is not None
    if proposal.tool == "pay_bill":
        return [(proposal.vendor_id or "", clean(proposal.vendor_name, NAME_CHARACTERS_MAX), proposal.money)]
    if proposal.tool != "propose_payment_run":
        return []
    by_vendor: dict[str, tuple[str, list[Money]]] = {}
    for line in proposal.fields["lines"]:
        own = by_vendor.setdefault(line["vendor_id"], (line["vendor_name"], []))
        own[1].append(Money.parse(line["amount"], proposal.fields["currency"]))
    return [(one, name, Money.total(own, proposal.money.currency)) for one, (name, own) in by_vendor.items()]


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit of the policy in words, with what a payment uses of it."""

    words: str
    spent: str
    money: str
    left: str
    limit: str


def limit_uses(
    tx: Tx, policy: Policy, ids: tuple[str, str], vendor_ids: frozenset[str], money: Money
) -> Iterator[LimitUse]:
    """Each rolling limit that counts such a payment: the company's without a vendor, the vendor's with one."""
    company = policy.of(*ids)
    for window in WINDOWS:
        limit = company.limit(money.currency, window.limit)
        if window.per_vendor is not bool(vendor_ids):
            continue
        spent = tx.spend.spent(ids[0], money.currency, tx.hours_back(window.hours), vendor_ids or None)
        fits = spent + money <= limit
        left = str(limit - spent - money) if fits else f"{spent + money - limit} too much"
        yield LimitUse(window.words, str(spent), str(money), left, str(limit))


def _others(tx: Tx, proposal: Proposal) -> Iterator[Section]:
    """Other open proposals on the same bills, whoever made them."""
    rows = [
        (one.id, one.tool, one.state.value, one.summary, one.preparer)
        for one in others_on(tx, proposal)
        if one.state != State.HELD or one.expires_at > tx.now
    ]
    if rows:
        yield columns("Other open proposals on the same bills", ("id", "tool", "state", "what", "prepared by"), rows)


def others_on(tx: Tx, proposal: Proposal) -> list[Proposal]:
    """Open proposals of the company that are about one of this proposal's bills, its own lines left out."""
    bills = bills_in(proposal.bill_id, proposal.fields)
    if not bills:
        return []
    found = tx.proposals.of_company(proposal.company_id, OPEN_STATES)
    mine = (proposal.id, proposal.run_id)
    others = (one for one in found if one.id not in mine and one.run_id != proposal.id)
    return [one for one in others if bills & bills_in(one.bill_id, one.fields)]


def _prepared(proposal: Proposal) -> list[Row]:
    return [
        ("By", exact(proposal.preparer)),
        ("Its reason, in its own words", exact(proposal.reason)),
        ("At", _moment(proposal.created_at)),
        ("Expires", _moment(proposal.expires_at)),
    ]


def _release(tx: Tx, proposal: Proposal, policy: Policy | None) -> list[Row]:
    given = tx.proposals.approvals(proposal.id)
    by = "; ".join(f"{clean(one.approver)} ({one.channel}) at {_moment(one.at)}" for one in given)
    return [
        (NEEDED, needed_words(proposal.approvals_needed)),
        ("May release it", _who(tx, proposal, policy)),
        ("Released by", by or "nobody yet"),
    ]


def needed_words(people: int) -> str:
    """How many people must release it."""
    if people == 0:
        return "nobody: the policy allows it"
    return "one person" if people == 1 else f"{people} different people"


def _who(tx: Tx, proposal: Proposal, policy: Policy | None) -> str:
    if policy is None:
        return "nobody while the policy file cannot be used"
    people, money = [one.name for one in tx.approvers.active()], owed_with(tx, proposal, policy)
    may = [clean(name) for name in people if policy.may_release(name, proposal.tool, money) is None]
    return ", ".join(may) or "no approver yet"


def _changes(tx: Tx, proposal: Proposal, judged: Sequence[Section]) -> list[tuple[str, str, str]]:
    """What differs from what was last released, if that release is void."""
    void = tx.proposals.last_voided(proposal.id) if proposal.state == State.HELD else None
    if void is None:
        return []
    kept = tx.proposals.statements(proposal.id)
    # A line of a run was released with the run's statement; its own was kept when the run was opened.
    of_line = next(iter(kept.values()), None) if proposal.run_id is not None else None
    body = kept.get(void.statement, of_line)
    found = list(differences(_sections(body), judged)) if body is not None else []
    names_it = any(not what.startswith(_NOT_BOUND) for what, _, _ in found)
    if not names_it and not proposal.requires <= void.covers:
        found.append(("Facts behind it", "as released", "changed in something that is not shown here"))
    return found


def _sections(body: str) -> list[Section]:
    return [Section(**one) for one in json.loads(body)]


def differences(before: Sequence[Section], now: Sequence[Section]) -> Iterator[tuple[str, str, str]]:
    """Every row that is new, gone or different, with its section: what it was, and what it is now."""
    titles = [section.title for section in now if section.title != CHECKS]
    was = {(one.title, key): row for one in before if one.title in titles for key, row in _rows(one)}
    shown = {(one.title, key): row for one in now if one.title in titles for key, row in _rows(one)}
    for title, key in dict.fromkeys([*was, *shown]):
        old, new = was.get((title, key), "not there"), shown.get((title, key), "not there")
        if old != new:
            yield f"{title}: {key}", old, new


def _rows(section: Section) -> Iterator[tuple[str, str]]:
    """A section's rows by what identifies each: its label, or its whole content in a table."""
    for row in section.rows:
        yield (" · ".join(row), "there") if section.columns else (row[0], row[1])


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
