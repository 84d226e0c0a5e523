"""What our own store knows about a write: a freeze, writes in progress, and what was posted before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.declines import bills_in, declined_lately
from rutter_ap_server.guard.policy import WINDOWS, Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import FOR_THIS_BILL, PAYING, payee_of, released_before
from rutter_ap_server.guard.untrusted import worth_remembering
from rutter_ap_server.guard.writes.attach_file import document_hashes
from rutter_ap_server.guard.writes.base import Facts, LinkedAccount, Repeats, Touched, Write
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.duplicates import ENTERED, new_document
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts, money_of
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.store.bookings import Booking
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.observations import Sighting
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import OPEN_STATES, SENDING_STATES, State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money

# Overlaps that refuse a write at once. An overlap in a vendor's list of documents only makes it wait.
_NAMED = ("bill", "credit", "payment")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """What our store knows about a write: the same for every write.

    `frozen_by` is who stopped all writes, and when; `other_policies` are versions that processes hold besides the one
    it is judged by. `in_flight` and `repeats` are ids of proposals. `sightings` are the details its vendor was seen
    with, the latest last; `documents` the bills its file is attached to; `mentioned_before` which of its arguments
    appeared in outside text earlier, and where; `over_limits` the rolling limits it would exceed, as code and sentence,
    empty if not requested. `declined` are proposals that people declined lately and that this one would bring about;
    `overlapping` held ones that would pay the same bill; `payments_of_bill` those that pay or paid the bill another
    write is about; `in_doubt` payments to the same vendor whose outcome is unknown. `released` are sums already
    released, each with the words for what they were released for.
    `booking` is what was released for the bill it pays and what the ledger booked then, unless an approver released a
    payment of it at its present total since. `seen_alike` are documents seen here that may be the one it is about,
    as the ledger does not show them any more. `clock_trouble` is what is wrong with the time of this judgement.
    """

    frozen_by: str | None
    other_policies: tuple[str, ...]
    in_flight: tuple[str, ...]
    repeats: tuple[str, ...]
    sightings: tuple[Sighting, ...]
    documents: tuple[str, ...]
    mentioned_before: tuple[tuple[str, str], ...]
    over_limits: tuple[tuple[str, str], ...]
    declined: tuple[Proposal, ...]
    overlapping: tuple[Proposal, ...]
    payments_of_bill: tuple[Proposal, ...]
    in_doubt: tuple[Proposal, ...]
    released: tuple[tuple[str, Money], ...]
    booking: Booking | None
    seen_alike: tuple[SeenAlike, ...] = ()
    doubted: tuple[str, ...] = ()
    clock_trouble: str | None = None


@dataclass(frozen=True, slots=True)
class SeenAlike:
    """A document that was seen here before, and the proposals that paid it.

    One that is being entered has the id of its proposal: the ledger may not show it yet.
    """

    document: Document
    at: datetime
    paid_by: tuple[str, ...] = ()
    is_being_entered: bool = False


def store_facts(
    tx: Tx,
    write: Write[Any],
    prepared: PreparedWrite,
    facts: Facts[Any],
    policy: Policy,
    *,
    except_id: str | None,
    in_flight_states: Collection[State],
    with_limits: bool,
    beside: Money | None = None,
) -> StoreFacts:
    """Reads them in one transaction; `except_id` is the proposal being judged, which does not block itself.

    `beside` is what the other payments of the same run pay to the same vendor.

    `facts` has the arguments that outside text may have mentioned; `with_limits` also checks the rolling limits, which
    is exact only while the caller holds the write lock, as a write that reserves does.
    """
    company_id = prepared.company_id
    keys = {key for argument in facts.arguments for key in argument.keys}
    mentioned = tx.observations.mentioned_before(company_id, keys, policy.rules.untrusted_days)
    asks_limits = with_limits and write.counts_against_limits
    payee = payee_of(tx, prepared, facts.vendor)
    company_policy = policy.of(company_id, prepared.connection_id)
    return StoreFacts(
        frozen_by=tx.controls.frozen_by(),
        other_policies=tuple(sorted({one.version for one in tx.controls.policies_held().values()} - {policy.version})),
        in_flight=_in_flight(tx, write, prepared, except_id, in_flight_states),
        repeats=_repeats(tx, write, prepared, payee, policy),
        sightings=tx.observations.sightings(company_id, prepared.vendor_id) if prepared.vendor_id else (),
        documents=tx.observations.bills_with_document(company_id, document_hashes(prepared)),
        mentioned_before=tuple(sorted(mentioned.items())),
        over_limits=tuple(windows_broken(tx, company_id, money_of(prepared), payee, company_policy, except_id))
        if asks_limits
        else (),
        declined=declined_lately(tx, prepared, facts, policy),
        overlapping=_overlapping_held(tx, write, prepared, except_id),
        payments_of_bill=_payments_of_bill(tx, write, prepared),
        in_doubt=_in_doubt(tx, write, prepared, payee, except_id),
        released=_released(tx, write, prepared, payee, policy, except_id, beside),
        booking=_booking(tx, prepared, facts.seen) if write.counts_against_limits else None,
        seen_alike=_seen_alike(tx, prepared, facts.compared, payee, policy),
        doubted=_doubted(tx, write, prepared),
        clock_trouble=facts.clock_trouble(tx.clock),
    )


def _doubted(tx: Tx, write: Write[Any], prepared: PreparedWrite) -> tuple[str, ...]:
    """Payments of the same bill that are said to have failed a moment ago, or what would add such a record as this.

    Documents are told apart by their numbers and amounts (`_seen_alike`).
    """
    if write.counts_against_limits:
        assert prepared.bill_id is not None
        return tuple(tx.attempts.doubted(company_id=prepared.company_id, bill_id=prepared.bill_id))
    if write.tool in ENTERED or not write.leaves(prepared, ""):
        return ()
    failed, touched = filter(None, map(tx.proposals.get, tx.attempts.doubted())), write.touches(prepared)
    like = (one for one in failed if (one.company_id, one.tool) == (prepared.company_id, prepared.tool))
    return tuple(one.id for one in like if touched & _touched_by(one))


def _seen_alike(
    tx: Tx, prepared: PreparedWrite, ours: Compared | None, payee: frozenset[str], policy: Policy
) -> tuple[SeenAlike, ...]:
    """Documents of the same vendor, seen here with the number of this one or about its date, each bill once."""
    if ours is None:
        return ()
    vendor_ids = payee | {ours.document.vendor_id}
    found = {
        one.document.id: one
        for one in tx.documents.like(prepared.company_id, ours.document, vendor_ids, policy.rules.similar_days)
        if not ours.is_shown(one.document) and (ours.is_same_number(one.document) or ours.is_same_amount(one.document))
    }
    near = timedelta(days=policy.rules.similar_days)
    entering = tuple(
        SeenAlike(document, tx.now, is_being_entered=True)
        for document in _being_entered(tx, prepared, payee)
        if ours.is_same_number(document) or (ours.is_same_amount(document) and ours.is_near(document, near))
    )
    return entering + tuple(
        SeenAlike(
            one.document,
            one.at,
            tuple(
                paying.id
                for paying in tx.proposals.of_bill(prepared.company_id, bill_id, [State.POSTED])
                if paying.tool in PAYING
            ),
        )
        for bill_id, one in found.items()
    )


def _overlapping_held(
    tx: Tx, write: Write[Any], prepared: PreparedWrite, except_id: str | None
) -> tuple[Proposal, ...]:
    """Proposals that wait for a person and would pay the same bill; the same write alone gives way to its run."""
    if not write.counts_against_limits:
        return ()
    held = _about_bill(tx, prepared, [State.HELD])
    return tuple(
        one
        for one in sorted(held, key=lambda one: one.id)
        if one.tool in PAYING
        and one.id != except_id
        # One that is allowed waits for nobody: it is released in the moment it is stored.
        and one.verdict is not Severity.ALLOW
        and one.digest != prepared.digest
        and one.expires_at > tx.now
    )


def _about_bill(tx: Tx, prepared: PreparedWrite, states: Collection[State]) -> list[Proposal]:
    """Proposals about the bill of a write, and the payment runs that pay it."""
    assert prepared.bill_id is not None
    company_id, bill_id = prepared.company_id, prepared.bill_id
    runs = tx.proposals.of_tool(company_id, "propose_payment_run", states)
    found = {one.id: one for one in runs if bill_id in bills_in(one.bill_id, one.fields)}
    return list((found | {one.id: one for one in tx.proposals.of_bill(company_id, bill_id, states)}).values())


def _payments_of_bill(tx: Tx, write: Write[Any], prepared: PreparedWrite) -> tuple[Proposal, ...]:
    """Open and posted payments, alone or in a run, of the bill that a write which pays nothing is about."""
    if write.counts_against_limits or prepared.bill_id is None:
        return ()
    paying = [one for one in _about_bill(tx, prepared, OPEN_STATES) if one.tool in PAYING]
    posted = tx.proposals.of_bill(prepared.company_id, prepared.bill_id, [State.POSTED])
    return (*paying, *(one for one in posted if one.tool in PAYING))


def _being_entered(tx: Tx, prepared: PreparedWrite, payee: frozenset[str]) -> Iterator[Document]:
    """What is being entered under other records of the same vendor; for its own record one write waits for another.

    What is said to have failed a moment ago may be in the ledger, which does not show it yet.
    """
    if prepared.tool not in ENTERED:
        return
    for doubted in filter(None, map(tx.proposals.get, tx.attempts.doubted())):
        is_alike = (doubted.company_id, doubted.tool) == (prepared.company_id, prepared.tool)
        if is_alike and doubted.vendor_id in payee:
            yield replace(new_document(PreparedWrite.of(doubted)), id=doubted.id)
    for one in tx.proposals.of_company(prepared.company_id, SENDING_STATES):
        if one.tool == prepared.tool and one.vendor_id in payee - {prepared.vendor_id}:
            yield replace(new_document(PreparedWrite.of(one)), id=one.id)


def _in_doubt(
    tx: Tx, write: Write[Any], prepared: PreparedWrite, payee: frozenset[str], except_id: str | None
) -> tuple[Proposal, ...]:
    """Payments to the same vendor that may or may not have been booked, those released together with it left out.

    One that was sent itself is not held back by the others: all of them would wait for each other.
    """
    if not write.counts_against_limits:
        return ()
    own = tx.proposals.get(except_id) if except_id is not None else None
    if own is not None and tx.attempts.last(own.id) is not None:
        return ()
    run_id = own.run_id if own is not None else None
    found = [one for of in payee for one in tx.proposals.of_vendor(prepared.company_id, of, [State.UNKNOWN])]
    return tuple(
        one
        for one in sorted(found, key=lambda one: one.id)
        if one.tool == write.tool and one.id != except_id and (run_id is None or one.run_id != run_id)
    )


def _released(
    tx: Tx,
    write: Write[Any],
    prepared: PreparedWrite,
    payee: frozenset[str],
    policy: Policy,
    except_id: str | None,
    beside: Money | None,
) -> tuple[tuple[str, Money], ...]:
    """The sums that a payment's tier is judged with: a payment in parts is one payment."""
    if not write.counts_against_limits:
        return ()
    sums = released_before(tx, prepared, payee, policy, except_id)
    if beside is not None and beside.amount:
        sums = [
            (words, total) if words == FOR_THIS_BILL else (f"{words} or in this run", total + beside)
            for words, total in sums
        ]
    return tuple((words, total) for words, total in sums if total.amount)


def blocked_by_other_write(tx: Tx, proposal: Proposal) -> bool:
    """Whether another write that touches the same records is being sent, or may have been.

    Facts are gathered only when there is none, so that the second of two payments on one bill is judged on what the
    first left, and the second of two bills with one number, or two vendors with one name, finds the first.
    """
    return bool(_overlapping(tx, proposal.company_id, _touched_by(proposal), proposal.id, SENDING_STATES))


def _booking(tx: Tx, prepared: PreparedWrite, seen: Any) -> Booking | None:
    """What the bill was released for, unless an approver has released a payment of it at its present total since."""
    if not isinstance(seen, PaymentFacts):
        return None
    company_id, bill_id = prepared.company_id, prepared.bill_id
    assert bill_id is not None
    booking = tx.bookings.of_bill(company_id, bill_id)
    if booking is None:
        return None
    posted = tx.proposals.of_bill(company_id, bill_id, [State.POSTED])
    told = (
        not approval.is_in_chat and approval.at >= booking.at
        for one in posted
        if one.tool == prepared.tool and _total_when_sent(tx, one) == seen.bill.total.text
        for approval in tx.proposals.approvals(one.id)
    )
    return None if any(told) else booking


def _total_when_sent(tx: Tx, payment: Proposal) -> str | None:
    """The total of the bill when a payment of it was sent; None if it was not kept."""
    attempt = tx.attempts.last(payment.id)
    return attempt.before.get("total") if attempt is not None else None


def _in_flight(
    tx: Tx, write: Write[Any], prepared: PreparedWrite, except_id: str | None, states: Collection[State]
) -> tuple[str, ...]:
    """Other writes on the same bill, credit or payment whose outcome is open."""
    touched = frozenset(one for one in write.touches(prepared) if one.kind in _NAMED)
    return _overlapping(tx, prepared.company_id, touched, except_id, states)


def _overlapping(
    tx: Tx, company_id: str, touched: frozenset[Touched], except_id: str | None, states: Collection[State]
) -> tuple[str, ...]:
    others = tx.proposals.of_company(company_id, states)
    return tuple(one.id for one in others if one.id != except_id and touched & _touched_by(one))


def _touched_by(proposal: Proposal) -> frozenset[Touched]:
    """What a proposal's write touches. A batch touches nothing itself: each member is its own proposal."""
    write = proposed_by(proposal.tool)
    return write.touches(PreparedWrite.of(proposal)) if isinstance(write, Write) else frozenset()


def _repeats(
    tx: Tx, write: Write[Any], prepared: PreparedWrite, payee: frozenset[str], policy: Policy
) -> tuple[str, ...]:
    """Posted proposals that this one appears to repeat."""
    if write.repeats is Repeats.NOT_LOOKED_FOR:
        return ()
    since = tx.clock - timedelta(days=policy.proposals.repeat_days)
    if write.repeats is Repeats.SAME_BILL:
        assert prepared.bill_id is not None
        # Paying in parts may be intended, and so may paying again after a void: by bill and vendor, not by amount.
        posted = tx.proposals.of_bill(prepared.company_id, prepared.bill_id, [State.POSTED])
        paid = [one.id for one in posted if one.tool == write.tool and one.updated_at >= since]
        voided = tx.proposals.changed_since(prepared.company_id, [State.POSTED], since, ["void_payment"])
        undone = [
            one.id
            for one in voided
            if prepared.bill_id in bills_in(one.bill_id, one.fields) or one.fields["payee_id"] in payee
        ]
        return (*paid, *undone)
    return tuple(p.id for p in tx.proposals.posted_with_digest(prepared.company_id, prepared.digest, since))


def windows_broken(
    tx: Tx,
    company_id: str,
    money: Money,
    vendor_ids: frozenset[str] | None,
    policy: Policy,
    except_id: str | None = None,
) -> Iterator[tuple[str, str]]:
    """Every rolling limit that this amount would exceed; without a vendor, only the company's own windows.

    `policy` is the company's policy. `except_id` is the payment itself, where it is reserved already.
    """
    windows = [window for window in WINDOWS if vendor_ids is not None or not window.per_vendor]
    limits = [(window, policy.limit(money.currency, window.limit)) for window in windows]
    longest = tx.hours_back(max(window.hours for window in windows))
    tx.spend.check(company_id, longest)
    counted = tx.spend.counted(company_id, money.currency, longest, except_id)
    for window, limit in limits:
        spent = counted.within(tx.hours_back(window.hours), vendor_ids if window.per_vendor else None)
        if spent + money > limit:
            left = max(limit - spent, Money.zero(money.currency))
            yield window.code, f"{money} would exceed the limit of {limit} for {window.words}; {left} is left"


async def remember_read(
    store: Store, company: Company, texts: Iterable[tuple[str, str]], documents: Sequence[Document] = ()
) -> None:
    """Remembers documents, and what outside text mentioned, when an assistant reads it.

    A write that repeats it is noticed then. `texts` are pairs of a place and its text. Nothing is written if all of it
    is known or was noted lately, nor at a wrong time, which would stay in the audit chain.
    """
    worth, company_id = worth_remembering(texts), company.ledger_id
    keys = {key for _, found in worth for key in found}
    if not keys and not documents:
        return

    def is_new(tx: Tx) -> bool:
        if company.clock_trouble(tx.clock):
            return False
        return bool(
            tx.observations.not_mentioned_lately(company_id, keys) or tx.documents.not_seen(company_id, documents)
        )

    def remember(tx: Tx) -> None:
        for where, found in worth:
            tx.observations.record_mentions(company_id, where, found)
        tx.documents.remember(company_id, *documents)

    if await store.read(is_new):
        await store.write(remember)


def linked_accounts(store: Store, company_id: str) -> LinkedAccount:
    """Looks up the account linked for a role of the company, in the store."""

    async def account_id(role: str) -> str | None:
        link = await store.read(lambda tx: tx.account_roles.find(company_id, role))
        return link.account_id if link else None

    return account_id
