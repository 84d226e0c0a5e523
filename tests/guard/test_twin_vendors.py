"""Two records of one vendor are one payee: paying half to each does not lower the tier."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.released_sums import paid_together, payee_of, released_before
from rutter_ap_server.rutter.models.vendors import VendorUpdate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.store.engine import Store
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.money import Money
from rutter_ap_tools.vendors import SaveVendor
from support.bench import Bench, a_bench, codes
from support.facts import a_prepared_write, usd
from support.ledger_rewrites import rewrite_vendor, vendor_of
from support.people import accepts
from support.runs import run_of
from support.store_rows import put

SPELLINGS = ("Acme", "ACME, Inc.", "Acmé", "A.C.M.E", "The Acme Company Ltd", "Асmе")


def released_to(store: Store, vendor_id: str, name: str, hours: int = 24) -> Money:
    """What counts as released to that vendor."""
    policy = Policy.model_validate({"rules": {"tier_vendor_hours": hours}})
    prepared = a_prepared_write(vendor_id=vendor_id, vendor_name=name)
    ((_, _), (words, total)) = store.read_now(
        lambda tx: released_before(tx, prepared, payee_of(tx, prepared), policy, None)
    )
    assert words == f"to this vendor in {hours} hours"
    return total


def release(
    store: Store, vendor_id: str, name: str, amount: str, company_id: str = "company-1", outcome: str = "post"
) -> None:
    """A payment and what became of it."""
    proposal = put(store, vendor_id=vendor_id, vendor_name=name, bill_id=None, company_id=company_id)
    store.write_now(lambda tx: tx.spend.reserve(proposal.id, company_id, vendor_id, usd(amount)))
    store.write_now(lambda tx: tx.spend.settle(proposal.id, outcome))


@pytest.mark.parametrize(
    ("vendor_id", "name", "counted"),
    [
        ("v2", "Acme", True),
        ("v2", "ACME, Incorporated", True),
        ("v1", "Another name by now", True),
        ("v2", "Acme Packaging", False),
        ("v2", "", False),
    ],
)
def test_a_payment_to_a_vendor_of_the_same_name_counts(store: Store, vendor_id: str, name: str, counted: bool) -> None:
    release(store, vendor_id, name, "30.10")

    assert released_to(store, "v1", "Acme Inc") == usd("30.10" if counted else "0.00")


def test_vendors_without_a_name_are_told_apart_by_id(store: Store) -> None:
    release(store, "v1", "", "1.00")

    assert (released_to(store, "v1", "---"), released_to(store, "v2", "")) == (usd("1.00"), usd("0.00"))


def test_what_is_old_voided_or_elsewhere_does_not_count(store: Store, clock: FixedClock) -> None:
    release(store, "v2", "Acme", "4.00")
    clock.instant += timedelta(hours=25)
    release(store, "v2", "Acme", "1.00", outcome="void")
    release(store, "v2", "Acme", "2.00", company_id="company-2")

    assert released_to(store, "v1", "Acme") == usd("0.00")


def test_what_a_run_pays_to_twins_is_one_sum() -> None:
    lines = [
        a_prepared_write(usd("600.00"), bill_id="b1", vendor_id="v1", vendor_name="Acme"),
        a_prepared_write(usd("500.01"), bill_id="b2", vendor_id="v2", vendor_name="ACME Inc"),
        a_prepared_write(usd("7.00"), bill_id="b3", vendor_id="v3", vendor_name="Kestrel Freight"),
    ]
    acme = frozenset({"v1", "v2"})
    assert [paid_together(lines, of, lines[0]) for of in (acme, frozenset({"v3"}))] == [usd("1100.01"), usd("7.00")]


parts = st.tuples(st.integers(0, 9), st.sampled_from(SPELLINGS), st.integers(1, 10**9))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(parts, max_size=5))
def test_no_split_over_twins_lowers_the_sum(store: Store, clock: FixedClock, paid: list[tuple[int, str, int]]) -> None:
    clock.instant += timedelta(days=2)
    amounts = [Money.of(Decimal(cents).scaleb(-2), "USD") for _, _, cents in paid]
    for (number, name, _), amount in zip(paid, amounts, strict=True):
        release(store, f"v{number}", name, amount.text)
        release(store, f"w{number}", "Kestrel Freight", amount.text)

    assert released_to(store, "v0", "Acme") == Money.total(amounts, "USD")


async def renamed(bench: Bench, number: str, like: str) -> None:
    """The vendor of that bill gets the e-mail address of another's, and its name but for the legal form."""
    rutter = bench.company.rutter
    first = await rutter.vendors.get((await bench.bill(like)).vendor_id or "")
    twin = VendorUpdate(vendor_name=f"{first.vendor_name}, Inc.", email=first.email or "a@b.example")
    changed = await rutter.vendors.update((await bench.bill(number)).vendor_id or "", twin, idempotency_key="t")
    assert isinstance(changed, Done)
    bench.company.directory.forget()


async def test_twin_vendors_are_one_payee_for_the_tier(home: Path) -> None:
    """Two records of one vendor, with one e-mail and, but for the form, one name, that a person cannot tell apart."""
    async with a_bench(home) as bench:
        await renamed(bench, "FT-778", like="NW-2291")
        bench.clock.instant += timedelta(days=20)
        assert (await bench.pay("NW-2291", "", accepts())).status == "posted"

        second = await bench.pay("FT-778", "601.17", accepts())

        assert (second.status, "amount.approver" in codes(second)) == ("held", True)


VENDOR_LIMIT = """
[tools]
pay_bill = "allow"
propose_payment_run = "allow"
[currencies.USD]
approve_above = "100000.00"
two_approvers_above = "100000.00"
single_limit = "100000.00"
day_limit = "100000.00"
vendor_day_limit = "1000.00"
"""
# Bills of two vendors, each below the limit for one vendor and together above it.
FIRST, SECOND = "NW-2291", "BH-5520"
SHARED: dict[str, dict[str, str]] = {
    "tax number": {"tax_number": "DE123456789"},
    "e-mail": {"email": "accounts@northwind.example"},
    "bank account": {"bank_account_number": "20-00-00 55779911"},
}


async def share(bench: Bench, which: str) -> None:
    """The vendors of both bills get the same of something, long enough ago."""
    for number in (FIRST, SECOND):
        rewrite_vendor(bench, await vendor_of(bench, number), **SHARED[which])
    bench.clock.instant += timedelta(days=20)


@pytest.mark.parametrize("which", SHARED)
async def test_a_limit_for_a_vendor_is_not_split_over_twins(home: Path, which: str) -> None:
    async with a_bench(home, VENDOR_LIMIT.replace("1000.00", "800.00")) as bench:
        await share(bench, which)
        assert (await bench.pay(FIRST)).status == "posted"

        plan, second = await bench.pay(SECOND, "", dry_run=True), await bench.pay(SECOND)

        assert [codes(plan), codes(second), second.status] == [["amount.over_vendor_limit"]] * 2 + ["held"]
        assert "115.80 USD is left" in second.findings[0].message
        assert await bench.paid(SECOND) == []


@pytest.mark.parametrize("which", SHARED)
async def test_a_run_does_not_split_a_limit_over_twins(home: Path, which: str) -> None:
    async with a_bench(home, VENDOR_LIMIT.replace("1000.00", "800.00")) as bench:
        await share(bench, which)

        with pytest.raises(Refused) as refused:
            await run_of(bench, FIRST, SECOND)

        assert "933.20 USD would exceed the limit of 800.00 USD" in str(refused.value)
        assert bench.wire.writes == []


async def test_vendors_that_share_nothing_have_limits_of_their_own(home: Path) -> None:
    async with a_bench(home, VENDOR_LIMIT.replace("1000.00", "800.00")) as bench:
        assert [(await bench.pay(number)).status for number in (FIRST, SECOND)] == ["posted", "posted"]


async def test_a_limit_remembers_what_twins_shared_once(home: Path) -> None:
    async with a_bench(home, VENDOR_LIMIT.replace("1000.00", "800.00")) as bench:
        await share(bench, "e-mail")
        assert (await bench.pay(FIRST)).status == "posted"
        rewrite_vendor(bench, await vendor_of(bench, FIRST), email="another@northwind.example")

        assert "amount.over_vendor_limit" in codes(await bench.pay(SECOND))


async def test_an_unknown_payment_of_a_twin_is_in_doubt(home: Path) -> None:
    async with a_bench(home, VENDOR_LIMIT) as bench:
        await share(bench, "tax number")
        bench.wire.faults = ["lost after"]
        assert (await bench.pay(FIRST, "10.00")).status == "unknown"

        assert "vendor.in_flight" in codes(await bench.pay(SECOND, "11.00"))


@pytest.mark.parametrize(
    ("name", "email"),
    [("Nоrthwind Utilitiеs", ""), ("N0rthwind-Utilities GmbH", ""), ("Quite Another Name", "PAY+9@northwind.example")],
)
async def test_a_new_twin_is_seen_to_be_similar(home: Path, name: str, email: str) -> None:
    async with a_bench(home) as bench:
        rewrite_vendor(bench, await vendor_of(bench, FIRST), email="pay@northwind.example")

        held = await bench.submit(SaveVendor(name=name, currency="USD", email=email))

        assert "vendor.similar" in codes(held)
