"""Generated bills are like entered ones: the same fields, paid like any other, in books that balance."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from rutter_sandbox import Sandbox
from support.sandbox.client import calling
from support.sandbox.wire import TODAY


def unbalanced(sandbox: Sandbox) -> list[tuple[str, int, str]]:
    """Every company and currency in which debits and credits differ."""
    wrong = []
    with sandbox.asgi.database.reading() as tx:
        for table in ("balances", "postings"):
            query = f"SELECT company, currency FROM {table} GROUP BY company, currency HAVING SUM(amount_minor) <> 0"
            wrong += [(table, *row) for row in tx.sql.execute(query)]
    return wrong


async def test_generated_bills_look_entered_and_the_books_balance() -> None:
    async with calling(bills=1000) as caller:
        bills = await caller.every("bills", sort="updated_at ASC")
        entered = await caller.bill("FT-778")
        made = [bill for bill in bills if (bill["document_number"] or "").startswith("LOAD-")]
        assert len(made) == 1000
        assert len({bill["id"] for bill in bills}) == len({bill["platform_id"] for bill in bills}) == len(bills)
        assert {frozenset(bill) for bill in made} == {frozenset(entered)}
        assert {frozenset(bill["line_items"][0]) for bill in made} == {frozenset(entered["line_items"][0])}
        assert len({bill["vendor_id"] for bill in made}) == 50
        paid_before = {bill["vendor_id"] for bill in made if bill["status"] == "paid"}
        assert paid_before == {bill["vendor_id"] for bill in made}, "every vendor has a past"
        assert Counter(bill["status"] for bill in made) == {"open": 800, "paid": 100, "partially_paid": 100}
        assert unbalanced(caller.sandbox) == []


async def test_what_is_due_on_a_generated_bill_is_total_less_payments() -> None:
    async with calling(bills=200) as caller:
        payments = {one["id"]: one for one in await caller.every("bill_payments")}
        for bill in await caller.every("bills"):
            links = bill["linked_payments"]
            paid = sum(Decimal(str(link["allocated_amount"])) for link in links)
            assert Decimal(str(bill["amount_due"])) == Decimal(str(bill["total_amount"])) - paid
            for link in links:
                payment = payments[link["id"]]
                assert {"id": bill["id"], **_without_id(link)} in payment["linked_bills"]
                assert payment["vendor_id"] == bill["vendor_id"]


def _without_id(link: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in link.items() if name != "id"}


async def test_generated_bills_can_be_paid_and_their_payments_voided() -> None:
    async with calling(bills=100) as caller:
        bank = await caller.account()
        made = [bill for bill in await caller.every("bills") if (bill["document_number"] or "").startswith("LOAD-")]
        due = [bill for bill in made if bill["amount_due"] > 0]
        assert sum(bill["amount_due"] for bill in due) < bank["balance"]
        for bill in due:
            link = {"id": bill["id"], "allocated_amount": bill["amount_due"]}
            fields = {"account_id": bank["id"], "transaction_date": TODAY.isoformat(), "linked_bills": [link]}
            await caller.post("/accounting/bill_payments", {"bill_payment": fields})
        half_paid = next(bill for bill in made if bill["status"] == "partially_paid")
        void = {"bill_payment": {"status": "void"}}
        payment_id = half_paid["linked_payments"][0]["id"]
        assert (await caller.send("PATCH", f"/accounting/bill_payments/{payment_id}", void)).status_code == 200
        statuses = Counter(
            bill["status"]
            for bill in await caller.every("bills")
            if (bill["document_number"] or "").startswith("LOAD-")
        )
        assert statuses == {"paid": 99, "partially_paid": 1}
        assert unbalanced(caller.sandbox) == []


async def test_the_story_is_the_same_with_load_and_without() -> None:
    async with calling() as plain, calling(bills=50) as loaded:
        found = {bill["id"]: bill for bill in await loaded.every("bills")}
        for bill in await plain.every("bills"):
            assert found[bill["id"]] == bill
