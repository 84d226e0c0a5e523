"""Rules that apply to every write: what our store remembers, what the platform supports, what outside text says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.store_facts import StoreFacts
from rutter_ap_server.guard.untrusted import names, suspicion
from rutter_ap_server.guard.writes.base import Facts, Write, approve, ask, refuse
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts
from rutter_ap_server.rutter.abilities import Support
from rutter_ap_server.store.observations import Sighting
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.text import clean

SharedRule = Callable[[Write[Any], PreparedWrite, Facts[Any], StoreFacts, Policy], list[Finding]]


def frozen_now(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A freeze stops every write."""
    if stored.frozen_by is None:
        return []
    return [refuse("freeze.active", f"all writes are stopped (by {clean(stored.frozen_by, 100)})")]


def bill_in_flight(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A bill, credit or payment has at most one write in progress at a time."""
    if not stored.in_flight:
        return []
    words = (
        f"another write on this record is already in progress (proposal {stored.in_flight[0]}); wait for its outcome"
    )
    return [refuse("bill.in_flight", words)]


def posted_before(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A repeat of an earlier write may be intended or a mistake: a person knows which."""
    if not stored.repeats:
        return []
    words = f"the same write was already posted as proposal {stored.repeats[0]}"
    return [approve("payment.repeat", words) if write.counts_against_limits else ask("write.repeat", words)]


def over_limits(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Rolling limits, where requested; a write that reserves is checked again under the write lock."""
    return [refuse(code, words) for code, words in stored.over_limits]


def platform_unsupported(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """An unsupported operation is reported before it is tried."""
    able = facts.ability
    if able is None or able.support is Support.YES:
        return []
    platform = clean(able.platform, 40)
    if able.support is Support.NO:
        return [refuse("platform.unsupported", f"{platform} cannot {able.need.words}; {able.need.instead}")]
    words = f"Rutter does not document whether {platform} can {able.need.words}, so it may fail; {able.need.instead}"
    return [ask("platform.undocumented", words)]


def closed_period(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Nothing may be posted to, changed in or removed from a closed period."""
    closed = policy.closing_date
    for dated in write.posting_dates(prepared, facts.seen):
        if closed is not None and dated.day <= closed:
            words = f"{dated.words} {dated.day}, but the books are closed through {closed}"
            return [refuse("bill.closed_period", words)]
    return []


def future_dated(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A document dated in the future has a wrong date or is not due to be entered yet."""
    near = timedelta(days=policy.rules.future_days)
    for dated in write.document_dates(prepared, facts.seen):
        if dated.day - facts.today > near:
            return [approve("bill.future_dated", f"{dated.words} {dated.day}, which is in the future")]
    return []


def vendor_blocked(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """The policy blocks this vendor by id or name."""
    name = facts.vendor.name if facts.vendor else prepared.vendor_name
    vendor_id = facts.vendor.id if facts.vendor else prepared.vendor_id
    if not policy.vendors.is_blocked(vendor_id, name):
        return []
    return [refuse("vendor.blocked", "the policy blocks this vendor")]


def vendor_changed(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A payee whose details changed within the cooling period must be checked by an approver.

    Our own observations come first. If they start later than the ledger's last change of the vendor, that change counts
    as one with unknown content.
    """
    vendor = facts.vendor
    if vendor is None or not write.counts_against_limits:
        return []
    cooling = timedelta(days=policy.rules.cooling_days)
    unseen = "" if vendor.shows_bank_account else "; the ledger shows no bank details, so check them in the platform"
    seen = {sighting.fingerprint: sighting for sighting in stored.sightings}
    first = stored.sightings[0] if stored.sightings else None
    now_seen = seen.get(vendor.details)
    if first is not None and (now_seen is None or (now_seen != first and _within(now_seen, facts.now, cooling))):
        older = [s for s in stored.sightings if s.fingerprint != vendor.details]
        what = _differing(dict(vendor.parts), dict(older[-1].parts)) or "details"
        return [approve("vendor.changed", f"this vendor's {what} changed within the last {cooling.days} days{unseen}")]
    since = first.first_seen_at if first is not None else None
    changed = vendor.updated_at
    if changed is None or facts.now - changed > cooling or (since and since <= changed):
        return []
    return [
        approve(
            "vendor.changed",
            f"this vendor was changed in the ledger on {changed.date()}, "
            f"and its previous details are not known{unseen}",
        )
    ]


def document_reused(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """One document belongs to one bill."""
    others = [bill for bill in stored.documents if bill != prepared.bill_id]
    if not others:
        return []
    return [approve("document.reused", f"the same file is already attached to another bill ({others[0]})")]


def booked_differently(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Nobody released what the ledger books on top of a bill, so its payment needs an approver who knows."""
    booking = stored.booking
    if booking is None or not isinstance(facts.seen, PaymentFacts):
        return []
    total = facts.seen.bill.total
    if total == booking.released:
        return []
    booked = "booked" if total == booking.booked else "now shows"
    words = f"this bill was released for {booking.released}, but the ledger {booked} {total}"
    return [approve("bill.booked_differently", words)]


def quiet_hours(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """During quiet hours nobody would notice a payment, so it waits for an approver."""
    if not write.counts_against_limits or not policy.quiet_hours.hold(facts.now):
        return []
    words = f"it is {facts.now:%A %H:%M} UTC, within the policy's quiet hours, so a named approver must release it"
    return [approve("payment.quiet_hours", words)]


def text_suspicious(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Text from outside that tries to give instructions must be checked by a person."""
    found = [(where, suspicion(text)) for where, text in facts.texts]
    return [approve("text.suspicious", f"{where} {does}") for where, does in found if does is not None]


def argument_from_text(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A value the assistant chose that also appears in outside text may be the outsider's choice."""
    mentioned_before = dict(stored.mentioned_before)
    found = []
    for argument in facts.arguments:
        where = next((place for place, text in facts.texts if names(text, argument)), None)
        where = where or next((mentioned_before[key] for key in sorted(argument.keys) if key in mentioned_before), None)
        if where is not None:
            words = f"the {argument.what} {argument.shown} appears in untrusted text ({clean(where, 100)})"
            found.append(approve("argument.from_text", words))
    return found


SHARED_RULES: tuple[SharedRule, ...] = (
    frozen_now,
    bill_in_flight,
    posted_before,
    over_limits,
    closed_period,
    future_dated,
    platform_unsupported,
    vendor_blocked,
    vendor_changed,
    document_reused,
    booked_differently,
    quiet_hours,
    text_suspicious,
    argument_from_text,
)


def _within(sighting: Sighting, now: datetime, cooling: timedelta) -> bool:
    return now - sighting.first_seen_at < cooling


def _differing(now: dict[str, str], before: dict[str, str]) -> str:
    return " and ".join(name for name in now if now[name] != before.get(name))
