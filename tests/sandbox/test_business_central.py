"""Business Central: without Rutter's extension payments are booked there, and nobody can see or make one."""

from __future__ import annotations

from rutter_sandbox.companies import company_by
from rutter_sandbox.linking import link_again, new_connection
from support.sandbox.bodies import payment_fields, refused
from support.sandbox.bookkeeper import ledger_of
from support.sandbox.wire import On

WITH_EXTENSION, WITHOUT_EXTENSION = "Willow Works", "Alder Dental"


def test_without_the_extension_bills_are_paid_by_unseen_payments(on: On) -> None:
    seen, unseen = on(WITH_EXTENSION), on(WITHOUT_EXTENSION)
    assert [one["document_number"] for one in seen.every("bills")] == [
        one["document_number"] for one in unseen.every("bills")
    ]
    for shown, hidden in zip(seen.every("bills"), unseen.every("bills"), strict=True):
        facts = ("status", "total_amount", "amount_due")
        assert [shown[name] for name in facts] == [hidden[name] for name in facts]
        assert hidden["linked_payments"] == []
    assert sum(bool(one["linked_payments"]) for one in seen.every("bills")) == 3
    assert len(seen.every("bill_payments")) == 3
    # A bill that is paid, and one that is paid in part, though nothing of a payment is to be seen.
    assert {one["status"] for one in unseen.every("bills")} >= {"paid", "partially_paid"}
    ledger_of(unseen.sandbox, unseen.connection.id)
    bank = [wire.named("accounts", "Business Account")["balance"] for wire in (seen, unseen)]
    assert bank[0] == bank[1] < 90_000


def test_without_the_extension_payments_are_an_empty_list(on: On) -> None:
    seen, unseen = on(WITH_EXTENSION), on(WITHOUT_EXTENSION)
    listed = unseen.get("/accounting/bill_payments")
    assert (listed["bill_payments"], listed["next_cursor"]) == ([], None)
    assert listed["connection"]["platform"] == "DYNAMICS365"
    refused(unseen.call("GET", f"/accounting/bill_payments/{seen.every('bill_payments')[0]['id']}"), 410)


def test_or_payments_are_not_found_without_the_extension(on: On) -> None:
    seen, unseen = on(WITH_EXTENSION), on(WITHOUT_EXTENSION)
    fault: dict[str, str | None] = {"X-Sandbox-Fault": "no_extension_404"}
    for path in ("/accounting/bill_payments", "/accounting/bill_payments/x"):
        refused(unseen.call("GET", path, headers=fault), 404)
    # It strikes nothing else there, and nobody who has the extension.
    assert unseen.call("GET", "/accounting/bills", headers=fault).status == 200
    assert seen.call("GET", "/accounting/bill_payments", headers=fault).status == 200


def test_a_payment_is_only_made_where_the_extension_is(on: On) -> None:
    seen, unseen = on(WITH_EXTENSION), on(WITHOUT_EXTENSION)
    bill = unseen.by_number("RS-2")
    before = unseen.books()
    refused(unseen.send("POST", "bill_payments", payment_fields(unseen, bill)), 404)
    assert unseen.books() == before
    made = seen.send("POST", "bill_payments", payment_fields(seen, seen.by_number("RS-2"))).json["bill_payment"]
    assert seen.get(f"/accounting/bill_payments/{made['id']}")["bill_payment"] == made


def test_a_second_connection_sees_no_more_than_the_first(on: On) -> None:
    unseen = on(WITHOUT_EXTENSION)
    unique = unseen.get("/connections/access_token")["connection"]["store_unique_id"]
    number = int(unique.rsplit("-", 1)[1])
    with unseen.sandbox._database.writing() as tx:
        first = company_by(tx.sql, "number", number)
        assert first is not None
        again = new_connection(tx)
        link_again(tx, again, first)
    token = again.access_token
    assert unseen.get("/accounting/bill_payments", access_token=token)["bill_payments"] == []
    refused(
        unseen.send("POST", "bill_payments", payment_fields(unseen, unseen.by_number("RS-2")), access_token=token), 404
    )


def test_business_central_says_nothing_of_the_sides_of_a_rate(on: On) -> None:
    for company, says in ((WITH_EXTENSION, False), ("Tamar Pottery", True)):
        rates = on(company).every("tax_rates")
        flags = [one[name] for rate in rates for one in rate["components"] for name in _SIDES]
        assert set(flags) == {says}
        assert all(("additional_fields" in rate) == says for rate in rates)


_SIDES = ("is_purchases_tax", "is_sales_tax")
