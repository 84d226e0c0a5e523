"""What other writes and readings in our store say about one: each kind of fact, and whose it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company, CompanyIdentity
from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.store_facts import (
    SeenAlike,
    StoreFacts,
    blocked_by_other_write,
    linked_accounts,
    remember_read,
    store_facts,
    windows_broken,
)
from rutter_ap_server.guard.untrusted import amount_argument
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_server.rutter.resources import FirstSync
from rutter_ap_server.store.bookings import Booking
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money
from support.facts import (
    a_document,
    a_prepared_write,
    a_vendor,
    compared,
    ids_of,
    some_facts,
    usd,
)
from support.store_rows import START, behind_its_back, outside, put

# A twin of v1: another record of the same vendor.
TWINS = a_vendor(twins=("v3",))


def limits(day: str, vendor_day: str) -> Policy:
    """A policy with these limits."""
    return parse_policy(
        f"""
        [currencies.USD]
        approve_above = "1"
        two_approvers_above = "1"
        single_limit = "1"
        day_limit = "{day}"
        vendor_day_limit = "{vendor_day}"
        """
    )


LIMITS, OF_VENDOR = limits("99.99", "100"), limits("1000", "100")
SECOND = timedelta(seconds=1)
LATER = START + 10 * SECOND
RUN = {"tool": "propose_payment_run", "fields": {"lines": [{"bill_id": "b0"}, {"bill_id": "b1"}]}, "bill_id": None}


def known(
    store: Store, prepared: PreparedWrite | None = None, policy: Policy | None = None, **changed: Any
) -> StoreFacts:
    """What the store knows of a payment of b1 to v1, or of another write; `changed` are facts or options."""
    prepared = prepared or a_prepared_write()
    asked: dict[str, Any] = {"except_id": None, "in_flight_states": IN_FLIGHT_STATES, "with_limits": False}
    asked |= {name: changed.pop(name) for name in (*asked, "beside") if name in changed}
    write, facts = write_named(prepared.tool), some_facts(**changed)
    return store.read_now(lambda tx: store_facts(tx, write, prepared, facts, policy or Policy(), **asked))


def other(tool: str = "attach_file", **changed: Any) -> PreparedWrite:
    """A write on b1 that pays nothing."""
    return a_prepared_write(**{"tool": tool} | changed)


def doubted(store: Store, **changed: Any) -> str:
    """A write that was sent and is said to have failed a moment ago; its id."""
    proposal = put(store, **{"state": State.FAILED} | changed)
    store.write_now(lambda tx: tx.attempts.add(proposal.id, proposal.id, {}))
    store.write_now(
        lambda tx: tx.attempts.settle(proposal.id, "doubted", upstream_id=None, job_id=None, reason="turned down")
    )
    return proposal.id


def reserve(proposal_id: str, money: Money, tx: Tx) -> None:
    """Counts a payment to v1 from now on."""
    tx.spend.reserve(proposal_id, "company-1", "v1", money)


def ids(proposals: tuple[Proposal, ...]) -> list[str]:
    return [one.id for one in proposals]


def hold(holder: str, version: str, tx: Tx) -> None:
    """Another process holds a policy of its own."""
    tx.controls.hold_policy(holder, version, place=holder)


def mention(value: str, tx: Tx) -> None:
    """Somebody's text names a value."""
    tx.observations.record_mentions("company-1", f"a memo of {value}", [value])


def test_policies_of_others_are_those_that_are_not_ours(store: Store) -> None:
    for holder, version in (("h1", "b" * 64), ("h2", Policy().version), ("h3", "a" * 64)):
        store.write_now(partial(hold, holder, version))

    assert known(store).other_policies == ("a" * 64, "b" * 64)


def test_a_vendor_is_known_as_it_was_seen(store: Store) -> None:
    store.write_now(lambda tx: tx.observations.record_sighting("company-1", "v1", "d" * 64, {"name": "n"}))

    assert [one.fingerprint for one in known(store).sightings] == ["d" * 64]
    assert known(store, other(vendor_id="v2")).sightings == known(store, other(vendor_id=None)).sightings == ()


def test_the_bills_a_file_is_on_are_known_by_its_bytes(store: Store) -> None:
    store.write_now(lambda tx: tx.observations.use_document("company-1", "1" * 64, "b7", "a.pdf"))
    file = other(fields=ids_of("b1", "v1") | {"sha256": "1" * 64})

    assert known(store, file).documents == ("b7",)
    assert known(store).documents == ()


def test_what_was_read_is_known_as_long_as_the_policy_says(store: Store, clock: FixedClock) -> None:
    asked: dict[str, Any] = {"arguments": (amount_argument(usd("50.00")), amount_argument(usd("1.10")))}
    for value in ("amount:50", "amount:1.1", "amount:7"):
        store.write_now(partial(mention, value))

    mentioned = (("amount:1.1", "a memo of amount:1.1"), ("amount:50", "a memo of amount:50"))
    assert known(store, **asked).mentioned_before == mentioned
    assert known(store).mentioned_before == ()
    clock.instant += timedelta(days=2)
    assert known(store, policy=parse_policy("[rules]\nuntrusted_days = 1"), **asked).mentioned_before == ()


def test_limits_are_asked_of_payments_when_they_are_requested(store: Store) -> None:
    assert [code for code, _ in known(store, policy=LIMITS, with_limits=True).over_limits] == ["amount.over_day_limit"]
    assert known(store, policy=LIMITS, with_limits=False).over_limits == ()
    assert known(store, other(money=usd("100.00")), policy=LIMITS, with_limits=True).over_limits == ()
    reserved = put(store)
    store.write_now(partial(reserve, reserved.id, usd("100.00")))
    own = known(store, policy=LIMITS, with_limits=True, except_id=reserved.id)
    assert [words for _, words in own.over_limits] == [
        "100.00 USD would exceed the limit of 99.99 USD for this company's payments in 24 hours; 99.99 USD is left"
    ]


def test_a_limit_counts_the_twins_of_a_vendor_with_it(store: Store) -> None:
    reserved = put(store, vendor_id="v3", vendor_name="Other")
    store.write_now(lambda tx: tx.spend.reserve(reserved.id, "company-1", "v3", usd("0.01")))

    assert known(store, policy=OF_VENDOR, with_limits=True).over_limits == ()
    of_twins = known(store, policy=OF_VENDOR, with_limits=True, vendor=TWINS).over_limits
    assert [code for code, _ in of_twins] == ["amount.over_vendor_limit"]


def test_without_a_vendor_only_company_windows_are_asked(store: Store) -> None:
    policy = limits("1", "1")

    def broken(vendor_ids: frozenset[str] | None) -> list[str]:
        found = store.read_now(
            lambda tx: list(windows_broken(tx, "company-1", usd("1.01"), vendor_ids, policy.of("company-1")))
        )
        return [code for code, _ in found]

    assert "amount.over_vendor_limit" in broken(frozenset({"v1"}))
    assert broken(None) == [code for code in broken(frozenset({"v1"})) if "vendor" not in code] != []


def test_limits_are_not_asked_of_sums_that_were_changed_by_hand(store: Store, tmp_path: Path) -> None:
    reserved = put(store, state=State.DISPATCHING)
    store.write_now(partial(reserve, reserved.id, usd("90.00")))
    behind_its_back(f"sqlite:///{tmp_path / 'ap.db'}", "UPDATE spend SET amount = '1.00'")

    with pytest.raises(Tampered):
        known(store, policy=LIMITS, with_limits=True)


def test_a_no_a_clock_and_a_doubt_are_known(store: Store) -> None:
    no = put(store, state=State.DECLINED)
    failed = doubted(store)
    doubted(store, bill_id="b2")
    doubted(store, company_id="company-2")

    found = known(store, clock_trouble=lambda now: f"wrong at {now:%H:%M}")

    assert ids(found.declined) == [no.id]
    assert found.doubted == (failed,)
    assert found.clock_trouble == "wrong at 09:30"
    assert known(store, other()).doubted == ()
    # A payment enters no document.
    assert known(store, compared=compared()).seen_alike == ()


def test_what_adds_a_record_is_doubted_with_its_own_kind_alone(store: Store) -> None:
    of_class = {"tool": "create_record", "bill_id": None, "fields": {"kind": "class", "name": "East"}}
    one = doubted(store, **of_class)
    doubted(store, **of_class, company_id="company-2")
    doubted(store, tool="create_record", bill_id=None, fields={"kind": "item", "name": "East"})
    file = doubted(store, tool="attach_file", fields={"bill_id": "b1"})
    doubted(store, tool="delete_bill", fields={"bill_id": "b1"})
    doubted(store, tool="create_bill", fields={"vendor_id": "v1"})

    assert known(store, other("create_record", fields={"kind": "class", "name": "West"})).doubted == (one,)
    assert known(store, other(fields={"bill_id": "b1"})).doubted == (file,)
    # What is deleted twice is gone, and a document is known by its number.
    assert known(store, other("delete_bill", fields={"bill_id": "b1"})).doubted == ()
    assert known(store, other("create_bill", fields={"vendor_id": "v1"})).doubted == ()


HELD = {"state": State.HELD, "digest": "1" * 64}


@pytest.mark.parametrize(
    ("waiting", "overlaps"),
    [
        ({}, True),
        (RUN, True),
        ({"tool": "apply_credit"}, False),
        ({"bill_id": "b2", "fields": {}}, False),
        ({"company_id": "company-2"}, False),
        ({"state": State.RELEASED}, False),
        ({"verdict": Severity.ALLOW}, False),
        ({"digest": a_prepared_write().digest}, False),
        ({"expires_at": START}, False),
        ({"expires_at": START + timedelta(microseconds=1)}, True),
    ],
)
def test_what_waits_for_a_person_and_pays_the_same_bill_overlaps(
    store: Store, waiting: dict[str, Any], overlaps: bool
) -> None:
    one = put(store, **HELD | waiting)

    assert ids(known(store).overlapping) == ([one.id] if overlaps else [])
    assert known(store, except_id=one.id).overlapping == ()
    assert known(store, other("apply_credit", fields=ids_of("b1", "v1"))).overlapping == ()


def test_what_overlaps_is_in_the_order_of_its_ids(store: Store) -> None:
    for name in ("p3", "p1", "p2"):
        put(store, id=name, **HELD | {"digest": name * 32})

    assert ids(known(store).overlapping) == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("paying", "counts"),
    [
        ({"state": State.HELD}, True),
        ({"state": State.UNKNOWN} | RUN, True),
        ({"state": State.POSTED}, True),
        ({"state": State.FAILED}, False),
        ({"state": State.HELD, "tool": "apply_credit"}, False),
        ({"state": State.POSTED, "tool": "apply_credit"}, False),
        ({"state": State.HELD, "bill_id": "b2", "fields": {}}, False),
        ({"state": State.POSTED, "bill_id": "b2"}, False),
        ({"state": State.HELD, "company_id": "company-2"}, False),
    ],
)
def test_the_payments_of_a_bill_matter_to_other_writes(store: Store, paying: dict[str, Any], counts: bool) -> None:
    one = put(store, **paying)

    assert ids(known(store, other()).payments_of_bill) == ([one.id] if counts else [])
    assert known(store).payments_of_bill == ()


def test_a_write_without_a_bill_has_no_payments(store: Store) -> None:
    put(store, state=State.POSTED, **RUN)

    assert known(store, other("link_account", bill_id=None)).payments_of_bill == ()


@pytest.mark.parametrize(
    ("unknown", "in_doubt"),
    [
        ({}, True),
        ({"vendor_id": "v3"}, True),
        ({"vendor_id": "v2"}, False),
        ({"tool": "apply_credit"}, False),
        ({"state": State.POSTED}, False),
        ({"company_id": "company-2"}, False),
    ],
)
def test_payments_whose_outcome_is_open_are_in_doubt(store: Store, unknown: dict[str, Any], in_doubt: bool) -> None:
    one = put(store, **{"state": State.UNKNOWN, "bill_id": "b2", "fields": ids_of("b2", "v1")} | unknown)

    assert ids(known(store, vendor=TWINS).in_doubt) == ([one.id] if in_doubt else [])
    assert known(store, vendor=TWINS, except_id=one.id).in_doubt == ()
    assert known(store, other("apply_credit")).in_doubt == ()
    assert known(store, a_prepared_write(vendor_id=None), vendor=TWINS).in_doubt == ()


def test_what_was_released_together_does_not_wait(store: Store) -> None:
    of_run = put(store, id="p3", state=State.UNKNOWN, run_id="r1")
    alone = put(store, id="p2", state=State.UNKNOWN)
    own, own_alone = put(store, run_id="r1"), put(store)

    assert ids(known(store, except_id=own.id).in_doubt) == [alone.id]
    assert ids(known(store, except_id=own_alone.id).in_doubt) == [alone.id, of_run.id]
    assert ids(known(store, except_id="nowhere").in_doubt) == [alone.id, of_run.id]
    store.write_now(lambda tx: tx.attempts.add(own_alone.id, "key", {}))
    assert known(store, except_id=own_alone.id).in_doubt == ()


def test_sums_released_before_are_told_with_what_they_were_for(store: Store) -> None:
    assert known(store).released == ()
    for bill, amount in (("b1", "1.00"), ("b2", "20.00")):
        one = put(store, state=State.DISPATCHING, bill_id=bill)
        store.write_now(partial(reserve, one.id, usd(amount)))
    of_bill, to_vendor = ("for this bill", usd("1.00")), ("to this vendor in 24 hours", usd("21.00"))

    assert known(store).released == known(store, beside=usd("0.00")).released == (of_bill, to_vendor)
    assert known(store, except_id=one.id).released == (of_bill, (to_vendor[0], usd("1.00")))
    assert known(store, beside=usd("300.00")).released == (
        of_bill,
        ("to this vendor in 24 hours or in this run", usd("321.00")),
    )
    assert known(store, a_prepared_write(bill_id="b3")).released == (to_vendor,)
    assert known(store, other(money=usd("1.00"))).released == ()


@pytest.mark.parametrize(
    ("channel", "tool", "total", "later", "is_told"),
    [
        ("terminal", "pay_bill", "100.00", 1, True),
        ("terminal", "pay_bill", "100.00", 0, True),
        ("terminal", "pay_bill", "100.00", -1, False),
        ("chat", "pay_bill", "100.00", 1, False),
        ("terminal", "apply_credit", "100.00", 1, False),
        ("terminal", "pay_bill", "99.99", 1, False),
        ("terminal", "pay_bill", None, 1, False),
    ],
)
def test_another_amount_is_told_until_it_is_released(
    store: Store, clock: FixedClock, channel: str, tool: str, total: str | None, later: int, is_told: bool
) -> None:
    paid = put(store, state=State.POSTED, tool=tool)

    def book(tx: Tx) -> None:
        tx.bookings.remember("company-1", "b1", released=usd("95.00"), booked=usd("100.00"))

    def approve(tx: Tx) -> None:
        tx.proposals.approve(paid.id, "Ana", channel, "f" * 64, covers=(), statement="s", approver_id="a1")

    for clock.instant, step in sorted([(LATER, book), (LATER + later * SECOND, approve)], key=lambda one: one[0]):
        store.write_now(step)
    if total is not None:
        store.write_now(lambda tx: tx.attempts.add(paid.id, "key", {"total": total}))

    booking = None if is_told else Booking(usd("95.00"), usd("100.00"), LATER)
    assert known(store).booking == booking
    assert known(store, seen=None).booking is None
    assert known(store, other()).booking is None
    assert known(store, a_prepared_write(bill_id="b2")).booking is None


def test_a_bill_not_entered_here_was_released_for_nothing(store: Store) -> None:
    paid = put(store, state=State.POSTED)
    store.write_now(lambda tx: tx.attempts.add(paid.id, "key", {"total": "100.00"}))
    store.write_now(
        lambda tx: tx.proposals.approve(
            paid.id, "Ana", "terminal", "f" * 64, covers=(), statement="s", approver_id="a1"
        )
    )

    assert known(store).booking is None


def sending(store: Store, number: str, **changed: Any) -> Proposal:
    """A bill of 100.00 USD of the twin v3 that is being entered."""
    fields = {"document_number": number, "issue_date": "2026-02-01", "currency": "USD", "vendor_id": "v1"}
    made: dict[str, Any] = {"state": State.UNKNOWN, "tool": "create_bill", "vendor_id": "v3", "bill_id": None}
    made["fields"] = fields | changed.pop("fields", {})
    return put(store, **made | changed)


ENTRY = a_prepared_write(tool="create_bill", bill_id=None)


@pytest.mark.parametrize(
    ("entering", "is_alike"),
    [
        ({}, True),
        ({"fields": {"issue_date": "2020-02-01"}, "money": usd("7.00")}, True),
        ({"fields": {"document_number": "OTHER"}}, True),
        ({"fields": {"document_number": "OTHER", "issue_date": "2026-02-15"}}, True),
        ({"fields": {"document_number": "OTHER", "issue_date": "2026-02-16"}}, False),
        ({"fields": {"document_number": "OTHER"}, "money": usd("7.00")}, False),
        ({"vendor_id": "v1"}, False),
        ({"vendor_id": "v2"}, False),
        ({"tool": "create_credit"}, False),
        ({"company_id": "company-2"}, False),
        ({"state": State.HELD}, False),
    ],
)
def test_a_document_that_is_being_entered_for_a_twin_is_alike(
    store: Store, entering: dict[str, Any], is_alike: bool
) -> None:
    one = sending(store, "inv 7", **entering)

    found = known(store, ENTRY, vendor=TWINS, compared=compared()).seen_alike

    assert [(each.document.id, each.is_being_entered) for each in found] == ([(one.id, True)] if is_alike else [])
    assert known(store, vendor=TWINS, compared=compared()).seen_alike == ()
    assert known(store, ENTRY, vendor=TWINS).seen_alike == ()


@pytest.mark.parametrize(
    ("failed", "is_alike"),
    [
        ({"vendor_id": "v1"}, True),
        ({"vendor_id": "v3"}, True),
        ({"vendor_id": "v2"}, False),
        ({"vendor_id": "v1", "tool": "create_credit"}, False),
        ({"vendor_id": "v1", "company_id": "company-2"}, False),
    ],
)
def test_a_document_that_may_be_entered_after_all_is_alike(
    store: Store, failed: dict[str, Any], is_alike: bool
) -> None:
    fields = {"document_number": "inv 7", "issue_date": "2026-02-01", "currency": "USD", "vendor_id": "v1"}
    one = doubted(store, **{"tool": "create_bill", "bill_id": None, "fields": fields} | failed)

    found = known(store, ENTRY, vendor=TWINS, compared=compared()).seen_alike

    assert [(each.document.id, each.document.number) for each in found] == ([(one, "inv 7")] if is_alike else [])


@pytest.mark.parametrize(
    ("document", "shown", "is_alike"),
    [
        (a_document("inv 7"), (), True),
        (a_document("inv 7", total=usd("7.00"), issued=date(2020, 2, 1)), (), True),
        (a_document("OTHER"), (), True),
        (a_document("OTHER", total=usd("7.00")), (), False),
        (a_document("OTHER", issued=date(2026, 2, 16)), (), False),
        (a_document("inv 7", vendor_id="v3"), (), True),
        (a_document("inv 7", vendor_id="v2"), (), False),
        (a_document("inv 7"), (a_document("inv 7"),), False),
        (a_document("inv 7"), (a_document("NEW"),), True),
    ],
)
def test_a_document_no_longer_shown_is_still_alike(
    store: Store, document: Document, shown: tuple[Document, ...], is_alike: bool
) -> None:
    store.write_now(lambda tx: tx.documents.remember("company-1", document))
    paid, _ = (
        put(store, state=State.POSTED, bill_id="b9"),
        put(store, state=State.POSTED, bill_id="b9", tool="attach_file"),
    )
    put(store, state=State.FAILED, bill_id="b9")

    found = known(store, vendor=TWINS, compared=compared(*shown)).seen_alike

    assert found == ((SeenAlike(document, START, (paid.id,), is_being_entered=False),) if is_alike else ())


def test_a_document_is_compared_with_its_own_vendors(store: Store) -> None:
    store.write_now(lambda tx: tx.documents.remember("company-1", a_document("inv 7")))

    assert len(known(store, a_prepared_write(vendor_id=None), compared=compared()).seen_alike) == 1


@pytest.mark.parametrize(
    ("mine", "its", "waits"),
    [
        (("apply_credit", {"bill_id": "b1"}), ("apply_credit", {"bill_id": "b2"}), True),
        (("void_payment", {"bill_ids": []}), ("void_payment", {"bill_ids": []}), True),
        (("apply_credit", {"bill_id": "b1"}), ("pay_bill", {"bill_id": "b1"}), True),
        (("apply_credit", {"bill_id": "b1"}), ("pay_bill", {"bill_id": "b2"}), False),
        (("create_bill", {}), ("create_bill", {}), False),
        (("pay_bill", {"bill_id": "b1"}), ("propose_payment_run", {"lines": [{"bill_id": "b1"}]}), False),
    ],
)
def test_one_write_at_a_time_is_made_on_each_record(
    store: Store, mine: tuple[str, dict[str, Any]], its: tuple[str, dict[str, Any]], waits: bool
) -> None:
    same = {"credit_id": "c1", "payment_id": "p1", "vendor_id": "v1", "payee_id": "v2"}
    one = put(store, state=State.UNKNOWN, tool=its[0], fields=same | its[1])
    prepared = a_prepared_write(tool=mine[0], fields=same | mine[1])

    assert known(store, prepared).in_flight == ((one.id,) if waits else ())
    assert known(store, prepared, except_id=one.id).in_flight == ()


@pytest.mark.parametrize(
    ("voided", "repeats"),
    [
        ({"fields": {"payee_id": "v2", "bill_ids": ["b1"]}}, True),
        ({"fields": {"payee_id": "v3", "bill_ids": ["b2"]}}, True),
        ({"fields": {"payee_id": "v2", "bill_ids": ["b2"]}}, False),
        ({"fields": {"payee_id": "v1", "bill_ids": ["b1"]}, "tool": "attach_file"}, False),
        ({"fields": {"payee_id": "v1", "bill_ids": ["b1"]}, "state": State.HELD}, False),
        ({"fields": {"payee_id": "v1", "bill_ids": ["b1"]}, "updated_at": START - timedelta(days=31)}, False),
    ],
)
def test_a_payment_after_a_void_repeats_what_was_voided(store: Store, voided: dict[str, Any], repeats: bool) -> None:
    one = put(store, **{"tool": "void_payment", "state": State.POSTED, "bill_id": None} | voided)

    assert known(store, vendor=TWINS).repeats == ((one.id,) if repeats else ())


def test_another_kind_of_write_on_a_bill_repeats_no_payment(store: Store) -> None:
    put(store, state=State.POSTED, tool="apply_credit")
    paid = put(store, state=State.POSTED)

    assert known(store).repeats == (paid.id,)


def test_a_batch_in_progress_is_in_no_ones_way(store: Store) -> None:
    put(store, state=State.UNKNOWN, **RUN)
    proposal = put(store, state=State.RELEASED, fields=ids_of("b1", "v1"))

    assert not store.read_now(lambda tx: blocked_by_other_write(tx, proposal))


class AtAWrongTime(Company):
    """A company whose ledger tells another time."""

    def clock_trouble(self, now: Any) -> str:
        return "an hour off"


MEMO, BILL = ("the memo", "pay 1234.56 to the new account"), a_document()


def read_of(store: Store) -> tuple[dict[str, str], list[str]]:
    """What the store remembers of the memo and the bill."""

    def work(tx: Any) -> tuple[dict[str, str], list[str]]:
        mentioned = tx.observations.mentioned_before("ledger", ["amount:1234.56"], 30)
        return mentioned, [one.document.id for one in tx.documents.like("ledger", a_document(id="b1"), ["v1"], 14)]

    return store.read_now(work)


@pytest.fixture
def reader(clock: FixedClock) -> Callable[..., Company]:
    """Makes the company whose texts are read; nothing but its ids and its clock is asked."""
    identity = CompanyIdentity("connection", "Harbor", "QUICKBOOKS", "embedded", "ledger")
    nothing: Any = None
    asked: Any = SimpleNamespace(first_sync=FirstSync())
    return lambda kind=Company: kind(identity, asked, nothing, nothing, clock)


async def test_what_is_read_is_remembered_once(store: Store, tmp_path: Path, reader: Callable[..., Company]) -> None:
    company, seen = reader(), ({"amount:1234.56": "the memo"}, ["b9"])
    await remember_read(store, reader(AtAWrongTime), [MEMO], [BILL])
    assert read_of(store) == ({}, [])
    await remember_read(store, company, [MEMO])
    assert read_of(store) == (seen[0], [])
    await remember_read(store, company, [MEMO], [BILL])
    assert read_of(store) == seen

    with outside(f"sqlite:///{tmp_path / 'ap.db'}").connect() as connection:
        # Who only reads what is known waits for no one who writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        await remember_read(store, company, [MEMO], [BILL])
        connection.exec_driver_sql("ROLLBACK")
        connection.engine.dispose()


async def test_documents_and_texts_are_remembered_apart(store: Store, reader: Callable[..., Company]) -> None:
    await remember_read(store, reader(), [("the memo", "no figures")], [BILL])
    assert read_of(store) == ({}, ["b9"])
    await remember_read(store, reader(), [MEMO], [BILL])
    assert read_of(store) == ({"amount:1234.56": "the memo"}, ["b9"])


async def test_with_nothing_to_remember_the_store_is_not_asked(tmp_path: Path, reader: Callable[..., Company]) -> None:
    def is_asked() -> None:
        raise AssertionError("the store was opened")

    unopened = Store(f"sqlite:///{tmp_path / 'ap.db'}", FixedClock(START), prepare=is_asked)

    await remember_read(unopened, reader(), [("the memo", "no figures")])


async def test_a_role_has_the_account_that_was_linked(store: Store) -> None:
    store.write_now(lambda tx: tx.account_roles.assign("company-1", "funding", "a1", "Checking"))

    assert await linked_accounts(store, "company-1")("funding") == "a1"
    assert await linked_accounts(store, "company-1")("payable") is None
    assert await linked_accounts(store, "company-2")("funding") is None
