"""What was released before for a bill and to its vendor, which a payment in parts is added to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import owed_with, paid_together, payee_of, released_before
from rutter_ap_server.guard.writes.parties import VendorFact
from rutter_ap_server.guard.writes.payees import name_key
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.money import Money
from support.facts import a_prepared_write, a_vendor, ids_of, usd
from support.store_rows import put

BUILT_IN = Policy()
BOUNDED = parse_policy('[approvers.Ana]\nmax = { USD = "150.00" }\n')
ME = frozenset({"v1"})


def released(
    store: Store,
    amount: str,
    outcome: str = "",
    *,
    bill: str = "b1",
    vendor: str = "v1",
    company: str = "company-1",
    currency: str = "USD",
) -> str:
    money = Money.parse(amount, currency)
    row = {"fields": ids_of(bill, vendor), "bill_id": bill, "vendor_id": vendor, "company_id": company, "money": money}
    proposal = put(store, state="dispatching", vendor_name=vendor.upper(), **row)
    store.write_now(lambda tx: tx.spend.reserve(proposal.id, company, vendor, money))
    if outcome:
        store.write_now(lambda tx: tx.spend.settle(proposal.id, outcome))
        state = State.POSTED if outcome == "post" else State.FAILED
        store.write_now(lambda tx: tx.proposals.move(proposal.id, [State.DISPATCHING], state))
    return proposal.id


def sums(
    store: Store,
    policy: Policy = BUILT_IN,
    except_id: str | None = None,
    bill: str | None = "b1",
    payee: frozenset[str] = ME,
) -> list[str]:
    prepared = a_prepared_write(bill_id=bill)
    found = store.read_now(lambda tx: released_before(tx, prepared, payee, policy, except_id))
    return [f"{money.text} {words}" for words, money in found]


def test_a_bill_and_its_vendor_are_added_up_apart(store: Store) -> None:
    released(store, "1.00", "post")
    released(store, "2.00")
    released(store, "4.00", "void")
    released(store, "8.00", "post", bill="b2")
    released(store, "16.00", "post", bill="b3", vendor="v2")
    released(store, "32.00", company="company-2")
    released(store, "64.00", currency="EUR")
    own = released(store, "128.00")

    assert sums(store, except_id=own) == ["3.00 for this bill", "11.00 to this vendor in 24 hours"]
    assert sums(store) == ["131.00 for this bill", "139.00 to this vendor in 24 hours"]
    assert sums(store, bill=None) == ["139.00 to this vendor in 24 hours"]
    assert sums(store, payee=frozenset()) == ["131.00 for this bill"]


def test_a_bill_is_added_up_for_ever_a_vendor_for_a_while(store: Store, clock: FixedClock) -> None:
    released(store, "1.00", "post")
    clock.instant += timedelta(hours=24)
    assert sums(store) == ["1.00 for this bill", "1.00 to this vendor in 24 hours"]
    clock.instant += timedelta(microseconds=1)
    assert sums(store) == ["1.00 for this bill", "0.00 to this vendor in 24 hours"]
    longer = parse_policy("[rules]\ntier_vendor_hours = 48\n")
    assert sums(store, longer) == ["1.00 for this bill", "1.00 to this vendor in 48 hours"]


def test_what_is_booked_after_all_is_added_again(store: Store) -> None:
    paid = released(store, "1.00", "void")
    assert sums(store)[0] == "0.00 for this bill"
    store.write_now(lambda tx: tx.spend.settle(paid, "post"))
    assert sums(store)[0] == "1.00 for this bill"


def owed(store: Store, proposal: Proposal, policy: Policy = BOUNDED) -> str:
    money = store.read_now(lambda tx: owed_with(tx, proposal, policy))
    return "nothing" if money is None else money.text


def test_a_maximum_is_held_against_all_that_is_owed(store: Store) -> None:
    fields = ids_of("b1", "v1") | {"amount": "50.00", "currency": "USD"}
    own = put(store, fields=fields, money=usd("50.00"), vendor_name="V1")
    assert owed(store, own) == "50.00"
    released(store, "30.00", "post")
    assert owed(store, own) == "80.00"
    released(store, "40.00", "post", bill="b2")
    assert owed(store, own) == "120.00"
    released(store, "400.00", "post", bill="b3", vendor="v2")
    assert owed(store, own) == "120.00"
    # Where nobody has a maximum, and for what is no payment, only its own amount is asked for.
    assert owed(store, own, BUILT_IN) == "50.00"
    entered = put(store, tool="create_bill", fields=fields, money=usd("50.00"))
    assert owed(store, entered) == "50.00"
    assert owed(store, put(store, money=None)) == "nothing"


def test_a_run_owes_the_most_it_makes_of_any_payment(store: Store) -> None:
    lines = [
        {"bill_id": bill, "number": bill, "vendor_id": vendor, "vendor_name": vendor.upper(), "amount": amount}
        for bill, vendor, amount in (("b1", "v1", "10.00"), ("b2", "v1", "20.00"), ("b3", "v2", "40.00"))
    ]
    fields = {"account_id": "a1", "account_name": "Checking", "date": "2026-03-02", "date_given": True, "memo": ""}
    fields |= {"currency": "USD", "lines": lines}
    run = put(store, tool="propose_payment_run", fields=fields, money=usd("70.00"), vendor_id=None, bill_id=None)

    assert owed(store, run) == "70.00"
    released(store, "45.00", "post", bill="b4")
    # Both of its payments to the vendor, with what the vendor was paid before.
    assert owed(store, run) == "75.00"
    released(store, "1000.00", "post", bill="b1", vendor="v9")
    # For a bill, only what is paid for it.
    assert owed(store, run) == "1010.00"


def test_its_own_reservation_is_not_owed_twice(store: Store) -> None:
    own_id = released(store, "50.00")
    own = store.read_now(lambda tx: tx.proposals.get(own_id))
    assert own is not None
    assert owed(store, own) == "50.00"


def test_the_payments_of_a_run_to_one_payee_are_one(store: Store) -> None:
    members = [
        a_prepared_write(money=usd(amount), vendor_id=vendor, bill_id=bill)
        for bill, vendor, amount in (("b1", "v1", "1.00"), ("b2", "v2", "2.00"), ("b3", "v3", "4.00"))
    ]
    members.append(replace(members[0], money=None))
    assert paid_together(members, frozenset({"v1", "v3"}), members[0]).text == "5.00"
    assert paid_together(members, ME, members[0]).text == "1.00"
    assert paid_together([], ME, members[0]).text == "0.00"


def test_a_payee_is_all_its_records(store: Store, clock: FixedClock) -> None:
    released(store, "1.00", "post", vendor="v9")
    released(store, "1.00", "post", vendor="—")
    store.write_now(lambda tx: tx.documents.know_vendor("company-1", "v7", ["tax:7"]))
    store.write_now(lambda tx: tx.documents.know_vendor("company-1", "v8", [str(name_key("Somebody else"))]))
    clock.instant += timedelta(days=30)
    named = a_prepared_write(vendor_id="v1", vendor_name="V9 Ltd.")
    other = a_prepared_write(vendor_id="v1", vendor_name="Somebody else")

    def payee(prepared: PreparedWrite, vendor: VendorFact | None = None) -> frozenset[str]:
        return store.read_now(lambda tx: payee_of(tx, prepared, vendor))

    assert payee(named) == {"v1", "v9"}
    assert payee(other) == {"v1", "v8"}
    assert payee(other, a_vendor(twins=("v3",))) == {"v1", "v3", "v8"}
    assert payee(other, a_vendor(keys=frozenset({"tax:7"}))) == {"v1", "v7", "v8"}
    # One without a name is nobody else that has none.
    assert payee(a_prepared_write(vendor_id="v1", vendor_name="?!")) == {"v1"}
    assert payee(a_prepared_write(vendor_id=None)) == frozenset()
