"""What our own store knows about a write, and the rolling limits, at their edges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.policy import WINDOWS, Policy, parse_policy
from rutter_ap_server.guard.policy.windows import Window
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.store_facts import (
    StoreFacts,
    blocked_by_other_write,
    store_facts,
    windows_broken,
)
from rutter_ap_server.guard.writes.registry import write_named
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.states import IN_FLIGHT_STATES, SENDING_STATES
from rutter_ap_tools.money import Money
from support.facts import a_prepared_write, ids_of, some_facts, stored, usd
from support.store_rows import START, put

LIMITS = parse_policy(
    """
    [currencies.USD]
    approve_above = "100"
    two_approvers_above = "100"
    single_limit = "100"
    day_limit = "100"
    vendor_day_limit = "60"
    """
)


def known(store: Store, prepared: PreparedWrite, **options: object) -> StoreFacts:
    asked: dict[str, Any] = {"except_id": None, "in_flight_states": IN_FLIGHT_STATES, "with_limits": False} | options
    write, facts = write_named(prepared.tool), some_facts()
    return store.read_now(lambda tx: store_facts(tx, write, prepared, facts, Policy(), **asked))


def test_nothing_is_known_at_first(store: Store) -> None:
    assert known(store, a_prepared_write()) == stored()


def test_a_freeze_is_known_to_every_write(store: Store) -> None:
    store.write_now(lambda tx: tx.controls.freeze("Ana"))

    for tool in ("pay_bill", "create_bill", "apply_credit", "attach_file", "link_account"):
        assert known(store, a_prepared_write(tool=tool)).frozen_by == "Ana at 2026-03-02T09:30:00.000000Z"


@pytest.mark.parametrize(
    ("state", "tool", "bill", "company", "in_the_way"),
    [
        ("released", "pay_bill", "b1", "company-1", True),
        ("dispatching", "pay_bill", "b1", "company-1", True),
        ("unknown", "pay_bill", "b1", "company-1", True),
        ("unknown", "apply_credit", "b1", "company-1", True),
        ("held", "pay_bill", "b1", "company-1", False),
        ("posted", "pay_bill", "b1", "company-1", False),
        ("failed", "pay_bill", "b1", "company-1", False),
        ("unknown", "attach_file", "b1", "company-1", False),
        ("unknown", "pay_bill", "b2", "company-1", False),
        ("unknown", "pay_bill", "b1", "company-2", False),
    ],
)
def test_an_unknown_write_on_the_same_bill_is_in_the_way(
    store: Store, state: str, tool: str, bill: str, company: str, in_the_way: bool
) -> None:
    fields = ids_of(bill, "v1") | {"credit_id": "c2"}
    other = put(store, state=state, tool=tool, fields=fields, bill_id=bill, company_id=company, money=usd("1.00"))

    assert known(store, a_prepared_write()).in_flight == ((other.id,) if in_the_way else ())
    assert known(store, a_prepared_write(tool="apply_credit")).in_flight == ((other.id,) if in_the_way else ())
    assert known(store, a_prepared_write(), except_id=other.id).in_flight == ()
    assert known(store, a_prepared_write(tool="attach_file")).in_flight == ()


def test_before_sending_only_what_may_have_left_is_in_the_way(store: Store) -> None:
    put(store, state="released", fields=ids_of("b1", "v1"), money=usd("1.00"))
    assert known(store, a_prepared_write(), in_flight_states=SENDING_STATES).in_flight == ()

    unknown = put(store, state="unknown", fields=ids_of("b1", "v1"), money=usd("2.00"))
    assert known(store, a_prepared_write(), in_flight_states=SENDING_STATES).in_flight == (unknown.id,)


@pytest.mark.parametrize(
    ("mine", "other", "waits"),
    [
        ("pay_bill", {"tool": "pay_bill", "state": "dispatching"}, True),
        ("pay_bill", {"tool": "apply_credit", "state": "unknown"}, True),
        ("pay_bill", {"tool": "pay_bill", "state": "released"}, False),
        ("pay_bill", {"tool": "pay_bill", "state": "unknown", "bill_id": "b2"}, False),
        ("create_bill", {"tool": "create_bill", "state": "dispatching", "bill_id": None}, True),
        ("create_bill", {"tool": "create_bill", "state": "dispatching", "bill_id": None, "vendor_id": "v2"}, False),
        ("create_bill", {"tool": "pay_bill", "state": "dispatching"}, False),
        ("link_account", {"tool": "link_account", "state": "unknown"}, False),
    ],
)
def test_a_write_waits_for_one_that_could_change_its_facts(
    store: Store, mine: str, other: dict[str, str | None], waits: bool
) -> None:
    bill_id = None if mine == "create_bill" else "b1"
    proposal = put(store, tool=mine, state="released", fields=ids_of("b1", "v1"), bill_id=bill_id)
    assert not store.read_now(lambda tx: blocked_by_other_write(tx, proposal))
    put(store, fields=ids_of(other.get("bill_id") or "b1", other.get("vendor_id") or "v1"), **other)

    assert store.read_now(lambda tx: blocked_by_other_write(tx, proposal)) is waits


@pytest.mark.parametrize(
    ("state", "amount", "days_ago", "repeats"),
    [
        ("posted", "100.00", 0, True),
        ("posted", "100.00", 30, True),
        ("posted", "100.00", 31, False),
        ("posted", "100.00", -5, True),
        ("posted", "0.01", 0, True),
        ("held", "100.00", 0, False),
        ("failed", "100.00", 0, False),
        ("declined", "100.00", 0, False),
    ],
)
def test_any_payment_of_the_bill_is_a_repeat_for_a_while(
    store: Store, state: str, amount: str, days_ago: int, repeats: bool
) -> None:
    at = START - timedelta(days=days_ago)
    other = put(store, state=state, money=usd(amount), created_at=at, updated_at=at)

    assert known(store, a_prepared_write()).repeats == ((other.id,) if repeats else ())


def test_another_memo_account_or_date_is_still_a_repeat(store: Store) -> None:
    other = put(store, state="posted", digest="1" * 64)
    changed = a_prepared_write(fields=ids_of("b1", "v1") | {"memo": "another memo"})

    assert changed.digest != other.digest
    assert known(store, changed).repeats == (other.id,)


def test_a_write_without_money_repeats_only_when_fully_equal(store: Store) -> None:
    prepared = a_prepared_write(tool="create_bill", bill_id=None)
    other = put(store, tool="create_bill", state="posted", digest=prepared.digest, bill_id=None)

    assert known(store, prepared).repeats == (other.id,)
    assert (
        known(
            store, a_prepared_write(tool="create_bill", bill_id=None, fields=ids_of("b1", "v1") | {"memo": "x"})
        ).repeats
        == ()
    )


def test_linking_an_account_again_is_no_repeat(store: Store) -> None:
    prepared = a_prepared_write(tool="link_account", bill_id=None)
    put(store, tool="link_account", state="posted", digest=prepared.digest)

    assert known(store, prepared).repeats == ()


def broken(store: Store, amount: str, *, vendor: str = "v1", currency: str = "USD") -> tuple[str, str] | None:
    money, company = Money.parse(amount, currency), a_prepared_write().company_id
    limits = LIMITS.of(company)
    return store.read_now(lambda tx: next(windows_broken(tx, company, money, frozenset({vendor}), limits), None))


def reserve(store: Store, amount: str, vendor: str = "v1") -> str:
    proposal = put(store)
    store.write_now(lambda tx: tx.spend.reserve(proposal.id, "company-1", vendor, usd(amount)))
    return proposal.id


def test_a_limit_holds_to_the_cent_and_says_how_much_is_left(store: Store) -> None:
    reserve(store, "30.00")
    reserve(store, "40.00", vendor="v2")

    assert broken(store, "30.00") is None
    assert broken(store, "30.01") == (
        "amount.over_day_limit",
        "30.01 USD would exceed the limit of 100.00 USD for this company's payments in 24 hours; 30.00 USD is left",
    )
    assert broken(store, "20.01", vendor="v2") == (
        "amount.over_vendor_limit",
        "20.01 USD would exceed the limit of 60.00 USD for payments to this vendor in 24 hours; 20.00 USD is left",
    )
    assert broken(store, "20.00", vendor="v2") is None


def test_a_limit_that_is_passed_already_has_nothing_left(store: Store) -> None:
    reserve(store, "150.00", vendor="v2")

    found = broken(store, "0.01")
    assert found is not None
    assert found[1].endswith("; 0.00 USD is left")


def test_a_limit_reopens_when_a_payment_fails_or_grows_old(store: Store, clock: FixedClock) -> None:
    first = reserve(store, "60.00")
    assert broken(store, "0.01") is not None
    store.write_now(lambda tx: tx.spend.settle(first, "void"))
    assert broken(store, "60.00") is None

    paid = reserve(store, "60.00")
    store.write_now(lambda tx: tx.spend.settle(paid, "post"))
    clock.instant = START + timedelta(hours=24, microseconds=1)
    assert broken(store, "60.00") is None


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.limit)
def test_each_window_counts_for_as_long_as_it_says(store: Store, clock: FixedClock, window: Window) -> None:
    roomy = {one.limit: "9999" for one in WINDOWS} | {window.limit: "100"}
    limits = parse_policy("[currencies.USD]\n" + "\n".join(f'{name} = "{value}"' for name, value in roomy.items()))

    def broken_now(amount: str) -> list[str]:
        money, company = usd(amount), limits.of("company-1")
        return store.read_now(
            lambda tx: [code for code, _ in windows_broken(tx, "company-1", money, frozenset({"v1"}), company)]
        )

    paid = reserve(store, "60.00")
    store.write_now(lambda tx: tx.spend.settle(paid, "post"))
    for hours in sorted({1, 23, 24, 7 * 24, 30 * 24, window.hours}):
        clock.instant = START + timedelta(hours=hours)
        assert broken_now("40.01") == ([window.code] if hours <= window.hours else [])
        assert broken_now("40.00") == []
        clock.instant += timedelta(microseconds=1)
        assert broken_now("40.01") == ([window.code] if hours < window.hours else [])


def test_the_windows_are_a_day_a_week_and_a_month() -> None:
    assert {window.limit: (window.hours, window.per_vendor) for window in WINDOWS} == {
        "day_limit": (24, False),
        "week_limit": (168, False),
        "month_limit": (720, False),
        "vendor_day_limit": (24, True),
        "vendor_month_limit": (720, True),
    }


def test_limits_of_one_currency_do_not_count_another(store: Store) -> None:
    reserve(store, "100.00")

    assert broken(store, "50000.00", currency="EUR") is None


def test_the_same_intent_has_one_digest_and_every_field_is_in_it() -> None:
    base = a_prepared_write(fields={"bill_id": "b1", "amount": "1.00", "memo": ""})
    same = a_prepared_write(fields={"memo": "", "amount": "1.00", "bill_id": "b1"}, summary="other words")
    others = [
        a_prepared_write(fields={"bill_id": "b1", "amount": "1.00", "memo": "x"}),
        a_prepared_write(fields={"bill_id": "b1", "amount": "1.01", "memo": ""}),
        a_prepared_write(fields={"bill_id": "b1", "amount": "1.00", "memo": ""}, company_id="company-2"),
        a_prepared_write(fields={"bill_id": "b1", "amount": "1.00", "memo": ""}, tool="apply_credit"),
    ]

    assert base.digest == same.digest
    assert len({base.digest, *(other.digest for other in others)}) == 5


def test_a_default_date_does_not_make_another_intent_tomorrow() -> None:
    def on(date: str, *defaulted: str) -> PreparedWrite:
        fields = {"bill_id": "b1", "date": date}
        return prepare(tool="pay_bill", company_id="c", fields=fields, summary="Pay", defaulted=defaulted)

    assert on("2026-03-02", "date").digest == on("2026-03-03", "date").digest
    assert on("2026-03-02").digest != on("2026-03-03").digest
    assert on("2026-03-02", "date").fields["date"] == "2026-03-02"


def test_a_stored_proposal_is_thawed_to_what_was_frozen(store: Store) -> None:
    prepared = a_prepared_write(fields={"bill_id": "b1", "lines": [{"a": "1"}]}, connection_id="company-1")
    proposal = put(
        store,
        tool=prepared.tool,
        digest=prepared.digest,
        fields=prepared.fields,
        summary=prepared.summary,
        money=prepared.money,
    )

    stored = store.read_now(lambda tx: tx.proposals.get(proposal.id))
    assert stored is not None
    assert PreparedWrite.of(stored) == prepared
