"""Rules that apply to every write: what our store remembers, what the platform supports, what outside text says.

Those about dates are in `date_rules.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from rutter_ap_server.guard.date_rules import DATE_RULES
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import FOR_THIS_BILL
from rutter_ap_server.guard.store_facts import StoreFacts
from rutter_ap_server.guard.untrusted import names, suspicion
from rutter_ap_server.guard.vendor_history import changed_lately, may_be_known
from rutter_ap_server.guard.writes.base import Facts, Unchecked, Write, approve, ask, refuse
from rutter_ap_server.guard.writes.duplicates import words_of
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts, money_of, tier_of
from rutter_ap_server.guard.writes.update_bill_rules import ChangeFacts, identity_changes
from rutter_ap_server.rutter.abilities import Support
from rutter_ap_server.store.states import SENDING_STATES, State
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean, quote

MAY_BE_BOOKED = (*SENDING_STATES, State.POSTED)


class SharedRule(Protocol):
    """A rule of every write: what it finds, or why it could not be applied."""

    __name__: str

    def __call__(
        self, write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
    ) -> list[Finding] | Unchecked: ...


def frozen_now(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A freeze stops every write."""
    if stored.frozen_by is None:
        return []
    return [refuse("freeze.active", f"all writes are stopped (by {clean(stored.frozen_by, 100)})")]


def ledger_behind(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Nothing is judged on books that lack what was just written there."""
    if not facts.behind:
        return []
    words = f"the ledger does not show yet what was written there lately: {'; '.join(facts.behind)}"
    return [refuse("ledger.behind", f"{words}; try again in a few minutes")]


def ledger_incomplete(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Before the first sync has finished nothing is known not to exist: no duplicate, no payment, no second vendor."""
    if not facts.incomplete:
        return []
    words = "the first sync of this company has not finished, so records that these checks look for may be missing"
    return [approve("ledger.incomplete", f"{words}; check it in the accounting platform, or wait until it has")]


def policy_of_others(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Servers that share a store hold one policy, or one of them would be the way round the other's."""
    if not stored.other_policies:
        return []
    others = ", ".join(version[:8] for version in stored.other_policies)
    return [refuse("policy.differs", f"servers on this store hold other policies ({others}) than {policy.version[:8]}")]


def clock_skewed(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding] | Unchecked:
    """Limits, cooling times and dates mean nothing at a wrong time, and every replica would believe a fast clock."""
    if stored.clock_trouble is None:
        return []
    if not stored.clock_trouble:
        return Unchecked("Rutter's answers tell no time to hold the clock against")
    words = f"{stored.clock_trouble}: more than two minutes apart, so nothing is written until the operator sets it"
    return [refuse("clock.skewed", words)]


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
        return _paid_in_full(prepared, facts, stored)
    if write.counts_against_limits:
        words = f"this bill was paid, or a payment to its vendor was voided, lately: proposal {stored.repeats[0]}"
        return [approve("payment.repeat", words)]
    return [ask("write.repeat", f"the same write was already posted as proposal {stored.repeats[0]}")]


def doubted_before(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Some platforms refuse what they have booked, and a ledger that lags does not show it yet."""
    if not stored.doubted:
        return []
    if not write.counts_against_limits:
        words = f"this or one like it is said to have failed a moment ago (proposal {stored.doubted[-1]})"
        return [ask("write.repeat", f"{words}, and the ledger may not show yet that it was written")]
    words = f"a payment of this bill is said to have failed a moment ago (proposal {stored.doubted[-1]})"
    return [approve("payment.doubted", f"{words}, and the ledger may not show yet that it was booked")]


def _paid_in_full(prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts) -> list[Finding]:
    """A bill is paid once, however long ago, whatever the ledger says of its earlier payments."""
    if not isinstance(facts.seen, PaymentFacts):
        return []
    total = facts.seen.bill.total
    before = next((money for words, money in stored.released if words == FOR_THIS_BILL), None)
    if before is None or before.currency != total.currency or before + money_of(prepared) <= total:
        return []
    words = f"{before} was already released for this bill of {total}, so this payment would be more than it comes to"
    return [approve("payment.repeat", words)]


def declined_before(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A no is an answer: whoever asks again, in whatever words, needs an approver."""
    if not stored.declined:
        return []
    last = stored.declined[0]
    why = f": {quote(last.closed_reason, 300)}" if last.closed_reason else ", without a reason"
    when = f"{last.updated_at:%Y-%m-%d %H:%M} UTC"
    words = (
        f"a person declined this or what it stands for on {when}: {clean(last.summary, 300)} (proposal {last.id}){why}"
    )
    return [approve("proposal.declined", words)]


def bill_overlap(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """Two open proposals for one bill: if both are released, the second finds it paid or pays the rest of it."""
    others = [f"{clean(one.summary, 300)} (proposal {one.id})" for one in stored.overlapping]
    return [ask("bill.overlap", f"another open proposal pays this bill too: {'; '.join(others)}")] if others else []


def vendor_in_flight(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """While it is not known whether a vendor was paid, paying it more needs a person who knows."""
    if not stored.in_doubt:
        return []
    payments = "; ".join(f"{one.money} (proposal {one.id})" for one in stored.in_doubt)
    return [approve("vendor.in_flight", f"payments to this vendor have an unknown outcome: {payments}")]


def sum_over_tier(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A payment in parts has the tier of their sum; a part that is over a tier alone is found alone."""
    if not write.counts_against_limits:
        return []
    money = money_of(prepared)
    words, before = max(stored.released, key=lambda one: one[1].amount, default=("", Money.zero(money.currency)))
    alone, whole = tier_of(money, policy), tier_of(money + before, policy)
    if whole is None or (alone is not None and alone.code == whole.code):
        return []
    return [approve(whole.code, f"{money} with the {before} released {words}: {whole.message}")]


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
    if able.support is Support.CONDITION and able.condition is not None:
        words = f"to {able.need.words}, {platform} needs {able.condition.what}, and nothing shows that it has it"
        return [ask("platform.condition", f"{words}. {able.condition.remedy}".rstrip("."))]
    words = f"Rutter does not document whether {platform} can {able.need.words}, so it may fail; {able.need.instead}"
    return [ask("platform.undocumented", words)]


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
) -> list[Finding] | Unchecked:
    """A payee whose details changed within the cooling period must be checked by an approver.

    Our own observations come first. If they start later than the ledger's last change of the vendor, that change counts
    as one with unknown content.
    """
    vendor = facts.vendor
    if vendor is None or not write.counts_against_limits:
        return []
    cooling = timedelta(days=policy.rules.cooling_days)
    unseen = "" if vendor.shows_bank_account else "; the ledger shows no bank details, so check them in the platform"
    words = changed_lately(vendor, stored.sightings, facts.now, cooling)
    if words is not None:
        return [approve("vendor.changed", f"{words}{unseen}")]
    changed = vendor.updated_at
    if changed is None:
        return Unchecked("the ledger does not show when the vendor changed")
    if facts.now - changed > cooling or any(one.first_seen_at <= changed for one in stored.sightings):
        return []
    return [
        approve(
            "vendor.changed",
            f"this vendor was changed in the ledger on {changed.date()}, "
            f"and its previous details are not known{unseen}",
        )
    ]


def vendor_unverified(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """What cannot be had of a payee is not taken for what was known before."""
    vendor = facts.vendor
    if vendor is None or not write.counts_against_limits:
        return []
    doubts = []
    if not may_be_known(vendor, stored.sightings, facts.now, timedelta(days=policy.rules.cooling_days)):
        doubts.append("the ledger does not show when this vendor changed, so whether its details are new is not known")
    if not vendor.keys:
        doubts.append("the ledger shows nothing to tell this vendor from others by")
    if not vendor.all_compared:
        doubts.append("the ledger has more vendors than can be compared, so this one may have a second record")
    if vendor.unlisted is not None:
        doubts.append(f"this vendor may have a second record that is not shown: {vendor.unlisted.words}")
    return [ask("vendor.unverified", words) for words in doubts]


def seen_before(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """A document that was entered, judged or paid here is known, whatever became of it in the ledger since."""
    ours = facts.compared
    if ours is None:
        return []
    found = []
    for seen in stored.seen_alike:
        one = seen.document
        is_number = ours.is_same_number(one)
        if not is_number and not ours.by_amount:
            continue
        words = f"{words_of(one, ours)} {'has the same number' if is_number else 'is for the same amount'}"
        if seen.is_being_entered:
            words = f"{words} and is being entered (proposal {one.id})"
        else:
            paid = f", and was paid by proposal {seen.paid_by[0]}" if seen.paid_by else ""
            words = f"{words} as it was seen here on {seen.at.date()} ({one.id}){paid}"
            words = f"{words}; the ledger does not show it like that any more"
        found.append(approve(f"{one.kind}.{'duplicate' if is_number else 'similar'}", words))
    return found


def identity_of_settled(
    write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], stored: StoreFacts, policy: Policy
) -> list[Finding]:
    """What a settled bill is recognised by must not change without a person who knows why: it could be paid again."""
    paid = [one.id for one in stored.payments_of_bill if one.state in MAY_BE_BOOKED]
    settled = isinstance(facts.seen, ChangeFacts) and facts.seen.is_settled
    others_tell = {"lines"} if settled else set()
    if policy.adjusted(ask("bill.issue_date_moved", "")) is not None:
        others_tell.add("issue_date")
    changed = identity_changes(prepared, others_tell)
    if not changed or not (settled or paid):
        return []
    by = f" (proposal {paid[0]})" if paid else ""
    words = f"this changes the bill's {changed}, and it was paid or credited, in part at least{by}"
    return [approve("bill.identity_changed", f"{words}; it must still be recognised if it comes again")]


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
    """Nobody released what a bill comes to beyond its lines, at once or later, so its payment needs who knows that."""
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
    ledger_behind,
    ledger_incomplete,
    policy_of_others,
    clock_skewed,
    bill_in_flight,
    posted_before,
    doubted_before,
    seen_before,
    identity_of_settled,
    declined_before,
    bill_overlap,
    vendor_in_flight,
    sum_over_tier,
    over_limits,
    *DATE_RULES,
    platform_unsupported,
    vendor_blocked,
    vendor_changed,
    vendor_unverified,
    document_reused,
    booked_differently,
    quiet_hours,
    text_suspicious,
    argument_from_text,
)
