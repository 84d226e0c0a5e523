"""Rules every kind of write shares: what our store remembers, what the platform can do, what text from outside says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.untrusted import names, suspicion
from rutter_ap_server.guard.writes.base import Facts, StoreFacts, Write, approve, ask, refuse
from rutter_ap_server.rutter.abilities import Support
from rutter_ap_server.store.observations import Sighting
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.text import clean

SharedRule = Callable[[Write, PreparedWrite, Facts[Any], StoreFacts, Policy], list[Finding]]


def frozen_now(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """A freeze stops every write."""
    if own.frozen_by is None:
        return []
    return [refuse("freeze.active", f"all writes are stopped, by {clean(own.frozen_by, 100)}")]


def bill_in_flight(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """One bill has one write on its way at a time."""
    if not own.in_flight:
        return []
    words = f"a write on this bill is on its way as proposal {own.in_flight[0]}; wait for it"
    return [refuse("bill.in_flight", words)]


def posted_before(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """What was posted a while ago may be wanted again, or repeated by mistake: a person knows."""
    if not own.repeats:
        return []
    words = f"the same was posted before, as proposal {own.repeats[0]}"
    return [approve("payment.repeat", words) if write.moves_money else ask("write.repeat", words)]


def over_limits(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """Rolling limits, where they were asked for; what reserves is checked again under the write lock."""
    return [refuse(code, words) for code, words in own.over_limits]


def platform_unsupported(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """What a platform cannot do is said before it is tried."""
    able = facts.ability
    if able is None or able.support is Support.YES:
        return []
    platform = clean(able.platform, 40)
    if able.support is Support.NO:
        return [refuse("platform.unsupported", f"{platform} cannot {able.words}: {able.instead}")]
    words = f"Rutter does not document that {platform} can {able.words}, so it may be turned down: {able.instead}"
    return [ask("platform.undocumented", words)]


def vendor_blocked(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """The operator named this vendor as one that gets nothing."""
    name = facts.vendor.name if facts.vendor else prepared.vendor_name
    vendor_id = facts.vendor.id if facts.vendor else prepared.vendor_id
    if not policy.vendors.is_blocked(vendor_id, name):
        return []
    return [refuse("vendor.blocked", "the policy blocks this vendor")]


def vendor_changed(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """A payee whose details moved within the cooling period is looked at by a person who calls them.

    By our memory first. Where it reaches back less far than the ledger's last change of the vendor, that change counts
    as one of which nothing is known.
    """
    vendor = facts.vendor
    if vendor is None or not write.moves_money:
        return []
    cooling = timedelta(days=policy.rules.cooling_days)
    unseen = "" if vendor.shows_bank_account else "; this platform shows no bank account, so look at it there"
    seen = {sighting.fingerprint: sighting for sighting in own.sightings}
    first = own.sightings[0] if own.sightings else None
    now_seen = seen.get(vendor.details)
    if first is not None and (now_seen is None or (now_seen != first and _within(now_seen, facts.now, cooling))):
        older = [s for s in own.sightings if s.fingerprint != vendor.details]
        what = _differing(dict(vendor.parts), dict(older[-1].parts)) or "details"
        return [approve("vendor.changed", f"this vendor's {what} changed within {cooling.days} days{unseen}")]
    since = first.first_seen_at if first is not None else None
    changed = vendor.updated_at
    if changed is None or facts.now is None or facts.now - changed > cooling or (since and since <= changed):
        return []
    return [
        approve(
            "vendor.changed",
            f"the ledger shows that this vendor was changed on {changed.date()}, and not what it was before{unseen}",
        )
    ]


def document_reused(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """One document belongs to one bill."""
    others = [bill for bill in own.documents if bill != prepared.bill_id]
    if not others:
        return []
    return [approve("document.reused", f"this very file is attached to another bill already: {others[0]}")]


def quiet_hours(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """When nobody is there to notice, a payment waits for somebody who is."""
    if not write.moves_money or facts.now is None or not policy.quiet_hours.hold(facts.now):
        return []
    words = f"it is {facts.now:%A %H:%M} UTC, in the policy's quiet hours: a named approver must release it"
    return [approve("payment.quiet_hours", words)]


def text_suspicious(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """Text from outside that tries to instruct is a reason for a person to look, whatever it says."""
    found = [(where, suspicion(text)) for where, text in facts.texts]
    return [approve("text.suspicious", f"{where} {does}") for where, does in found if does is not None]


def argument_from_text(
    write: Write, prepared: PreparedWrite, facts: Facts[Any], own: StoreFacts, policy: Policy
) -> list[Finding]:
    """What an assistant chose and outsiders wrote may be their choice and not its person's."""
    mentioned_before = dict(own.mentioned_before)
    found = []
    for argument in facts.arguments:
        where = next((place for place, text in facts.texts if names(text, argument)), None)
        where = where or next((mentioned_before[key] for key in sorted(argument.keys) if key in mentioned_before), None)
        if where is not None:
            words = f"the {argument.what} {argument.shown} stands in text that outsiders wrote: {clean(where, 100)}"
            found.append(approve("argument.from_text", words))
    return found


SHARED_RULES: tuple[SharedRule, ...] = (
    frozen_now,
    bill_in_flight,
    posted_before,
    over_limits,
    platform_unsupported,
    vendor_blocked,
    vendor_changed,
    document_reused,
    quiet_hours,
    text_suspicious,
    argument_from_text,
)


def _within(sighting: Sighting, now: datetime | None, cooling: timedelta) -> bool:
    return now is None or now - sighting.first_seen_at < cooling


def _differing(now: dict[str, str], before: dict[str, str]) -> str:
    return " and ".join(name for name in now if now[name] != before.get(name))
