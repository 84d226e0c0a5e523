"""Rules about the dates of every write: closed periods, the future, other years, and what settles a later document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.store_facts import StoreFacts
from rutter_ap_server.guard.writes.base import Facts, Unchecked, Write, approve, ask, refuse
from rutter_ap_server.guard.writes.update_bill_rules import NOT_YET, ChangeFacts, day_of
from rutter_ap_tools.findings import Finding

# A year, whichever way, and the day more that some years have.
_NEAR = timedelta(days=366)


def closed_period(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding] | Unchecked:
    """Nothing may be posted to, changed in or removed from a closed period."""
    closed, dates = policy.closing_date, write.dates(prepared, facts.seen).posted
    if not dates:
        return []
    if closed is None:
        return Unchecked("neither the policy nor the ledger names a closing date")
    for dated in dates:
        if dated.day <= closed:
            words = f"{dated.words} {dated.day}, but the books are closed through {closed}"
            return [refuse("bill.closed_period", words)]
    return []


def document_in_future(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A document dated in the future has a wrong date or is not due to be entered yet."""
    near = timedelta(days=policy.rules.future_days)
    for dated in write.dates(prepared, facts.seen).documents:
        if dated.day - facts.today > near:
            return [approve("bill.future_dated", f"{dated.words} {dated.day}, which is in the future")]
    return []


def distant_date(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A date that is new in the ledger and more than a year away is more often a mistyped year than meant."""
    found = []
    for dated in write.dates(prepared, facts.seen).entered:
        if abs(dated.day - facts.today) > _NEAR:
            where = "after" if dated.day > facts.today else "before"
            words = f"{dated.words} {dated.day}, more than a year {where} today ({facts.today})"
            found.append(approve("bill.distant_date", words))
    return found


def used_in_future(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A payment or credit application recorded before its day shows as paid what is not."""
    near = timedelta(days=policy.rules.future_days)
    return [
        approve("payment.future_dated", f"{used.words} {used.day}, which is in the future (today is {facts.today})")
        for used in write.dates(prepared, facts.seen).used
        if used.day - facts.today > near
    ]


def used_in_other_year(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A payment or credit application in another year changes that year's figures, or its year is mistyped."""
    return [
        approve("payment.other_year", f"{used.words} {used.day}, not in this year (today is {facts.today})")
        for used in write.dates(prepared, facts.seen).used
        if used.day.year != facts.today.year
    ]


def used_before_document(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Nothing is settled before it is issued; an issue date that is not shown cannot prove the contrary."""
    found = []
    for used in write.dates(prepared, facts.seen).used:
        for name, issued in used.documents:
            if issued is None:
                unknown = f"{used.words} {used.day}, and the ledger does not show when {name} was issued"
                found.append(approve(used.code, unknown))
            elif used.day < issued:
                found.append(approve(used.code, f"{used.words} {used.day}, before {name} was issued on {issued}"))
    return found


def issue_date_moved(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """The issue date decides the year of a cost and whether a payment comes too early, so a person says it is wrong."""
    seen = facts.seen
    day = day_of(prepared, "issue_date") if isinstance(seen, ChangeFacts) else None
    if day is None or seen.bill.issued == day or seen.bill.status in NOT_YET:
        return []
    words = f"the issue date would change from {seen.bill.issued or 'no date'} to {day}"
    if seen.bill.issued is not None and seen.bill.issued.year != day.year:
        return [approve("bill.issue_date_moved", f"{words}, in another year")]
    if seen.settled.amount:
        return [approve("bill.issue_date_moved", f"{words}, and {seen.settled} is already paid or credited")]
    if stored.payments_of_bill:
        one = stored.payments_of_bill[0]
        paying = f"a payment of this bill is {one.state.value} (proposal {one.id})"
        return [approve("bill.issue_date_moved", f"{words}, and {paying}")]
    return [ask("bill.issue_date_moved", words)]


DATE_RULES = (
    closed_period,
    document_in_future,
    distant_date,
    used_in_future,
    used_in_other_year,
    used_before_document,
    issue_date_moved,
)
