"""Where the platforms differ, they differ as documented; where Rutter says no, a platform is never asked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from support.sandbox.bodies import bill_fields, payment_fields, refused
from support.sandbox.bookkeeper import check_books, openings_of
from support.sandbox.wire import Json, On, Wire

UNSUPPORTED = [
    ("XERO", "DELETE", "bills/x"),
    ("XERO", "PATCH", "bill_payments/x"),
    ("XERO", "GET", "departments"),
    ("XERO", "GET", "locations"),
    ("XERO", "GET", "subsidiaries"),
    ("XERO", "GET", "payment_terms"),
    ("QUICKBOOKS", "GET", "locations"),
    ("QUICKBOOKS", "GET", "projects"),
    ("QUICKBOOKS", "GET", "tasks/x"),
    ("QUICKBOOKS", "GET", "subsidiaries"),
    ("NETSUITE", "GET", "projects"),
    ("SAGE_INTACCT", "GET", "purchase_orders"),
    ("SAGE_INTACCT", "POST", "purchase_orders"),
    ("SAGE_INTACCT", "DELETE", "bills/x"),
    ("SAGE_INTACCT", "GET", "currencies"),
    ("DYNAMICS365", "GET", "bill_credit_memos"),
    ("DYNAMICS365", "POST", "bill_credit_memos"),
    ("DYNAMICS365", "POST", "bill_credit_applications"),
    ("DYNAMICS365", "POST", "bill_credit_applications/unapply"),
    ("DYNAMICS365", "GET", "purchase_orders"),
    ("DYNAMICS365", "GET", "payment_terms"),
    ("DYNAMICS365", "PATCH", "bill_payments/x"),
    ("DYNAMICS365", "DELETE", "bills/x"),
    ("SAGE_BUSINESS_CLOUD", "GET", "items"),
    ("SAGE_BUSINESS_CLOUD", "POST", "accounts"),
    ("SAGE_BUSINESS_CLOUD", "GET", "bills/x/attachments"),
    ("QUICKBOOKS_DESKTOP", "GET", "departments"),
    ("QUICKBOOKS_DESKTOP", "GET", "currencies"),
    ("QUICKBOOKS_DESKTOP", "DELETE", "bill_payments/x"),
]


@pytest.mark.parametrize(("platform", "method", "path"), UNSUPPORTED)
def test_what_a_platform_does_not_have_is_not_found(on: On, platform: str, method: str, path: str) -> None:
    refused(on(platform).call(method, f"/accounting/{path}", None if method == "GET" else {}), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/accounting/invoices"),
        ("GET", "/accounting"),
        ("GET", "/accounting/"),
        ("PUT", "/accounting/bills"),
        ("PATCH", "/accounting/bills"),
        ("DELETE", "/accounting/bills"),
        ("POST", "/accounting/bills/x"),
        ("PATCH", "/accounting/company_info"),
        ("POST", "/accounting/company_info"),
        ("DELETE", "/accounting/accounts/x"),
        ("POST", "/accounting/locations"),
        ("GET", "/accounting/bill_credit_applications"),
        ("GET", "/accounting/bills/x/y/z"),
        ("POST", "/jobs/x"),
        ("GET", "/nothing"),
        ("OPTIONS", "/accounting/bills"),
    ],
)
def test_an_endpoint_that_does_not_exist_is_not_found(wire: Wire, method: str, path: str) -> None:
    refused(wire.call(method, path, None if method == "GET" else {}), 404)


def test_xero_makes_one_payment_per_bill_or_none_at_all(on: On) -> None:
    wire = on("XERO")
    bills = [wire.by_number(number) for number in ("PP-2", "PP-3")]
    made = wire.send("POST", "bill_payments", payment_fields(wire, *bills)).json
    assert [len(one["linked_bills"]) for one in made["bill_payments"]] == [1, 1]
    assert made["bill_payment"] == made["bill_payments"][0]
    before = wire.books()
    given = payment_fields(wire, *bills)
    given["linked_bills"][1]["allocated_amount"] = 99999
    refused(wire.send("POST", "bill_payments", given), 450, "OVER_ALLOCATED")
    assert wire.books() == before


def test_quickbooks_pays_several_bills_with_one_payment(wire: Wire) -> None:
    bills = [wire.by_number(number) for number in ("FT-778", "FT-802")]
    made = wire.send("POST", "bill_payments", payment_fields(wire, *bills, amount="5.00")).json
    assert list(made) == ["bill_payment"]
    assert made["bill_payment"]["total_amount"] == 10


def test_quickbooks_wants_an_account_on_every_line(wire: Wire) -> None:
    given = bill_fields(wire, line_items=[{"total_amount": 1}])
    refused(wire.send("POST", "bills", given), 450, "MISSING_ACCOUNT")


def test_netsuite_takes_an_account_or_an_item_on_a_line_not_both(on: On) -> None:
    wire = on("NETSUITE")
    account, item = wire.of_type("expense")["id"], wire.named("items", "Consulting hour")["id"]
    stocked, location = wire.named("items", "Bearing 6204")["id"], wire.every("locations")[0]["id"]

    def enter(**line: object) -> Json:
        response = wire.send("POST", "bills", bill_fields(wire, line_items=[{"total_amount": Decimal(5), **line}]))
        answer: Json = response.json | {"status": response.status}
        return answer

    assert enter(account_id=account)["status"] == 200
    assert enter(item={"id": item})["status"] == 200
    assert enter(account_id=account, item={"id": item})["error_code"] == "INVALID_LINE"
    assert enter()["error_code"] == "INVALID_LINE"
    assert enter(item={"id": stocked})["error_code"] == "MISSING_LOCATION"
    assert enter(item={"id": stocked}, location_id=location)["status"] == 200


def test_netsuite_defaults_to_the_root_subsidiary(on: On) -> None:
    wire = on("NETSUITE")
    by_parent = {one["parent_id"] is None: one["id"] for one in wire.every("subsidiaries")}
    assert wire.create("bills", **bill_fields(wire))["subsidiary_id"] == by_parent[True]
    given = bill_fields(wire, subsidiary_id=by_parent[False])
    assert wire.create("bills", **given)["subsidiary_id"] == by_parent[False]
    vendor = wire.create("vendors", vendor_name="V", contact_name="ignored", currency_code="USD")
    assert vendor["contact_name"] is None
    assert [(one["id"], one["primary"]) for one in vendor["subsidiaries"]] == [(by_parent[True], True)]


@pytest.mark.parametrize("platform", ["SAGE_INTACCT", "SAGE_BUSINESS_CLOUD"])
def test_what_is_by_sage_ignores_filter_sort_and_id_type(on: On, platform: str) -> None:
    wire = on(platform)
    plain = wire.every("bills")
    for query in ({"filter": 'status="paid"'}, {"filter": "garbage ("}, {"sort": "due_date"}, {"document_number": "x"}):
        assert wire.every("bills", **query) == plain
    assert wire.get(f"/accounting/bills/{plain[0]['id']}", id_type="platform")["bill"] == plain[0]
    # What it does understand are the older bounds.
    stamp = plain[0]["updated_at"]
    assert len(plain) > 1
    assert stamp == max(one["updated_at"] for one in plain)


@pytest.mark.parametrize("platform", ["SAGE_INTACCT", "SAGE_BUSINESS_CLOUD", "DYNAMICS365"])
def test_payments_have_no_status_where_none_can_be_voided(on: On, platform: str) -> None:
    wire = on(platform)
    assert {one["status"] for one in wire.every("bill_payments")} == {None}


def test_a_memo_of_a_desktop_payment_changes_but_its_status_not(on: On) -> None:
    wire = on("QUICKBOOKS_DESKTOP")
    path = f"bill_payments/{wire.every('bill_payments')[0]['id']}"
    assert wire.send("PATCH", path, {"memo": "Cheque"}).json["bill_payment"]["memo"] == "Cheque"
    refused(wire.send("PATCH", path, {"status": "void"}), 450, "STATUS_NOT_SETTABLE")


@pytest.mark.parametrize("company", ["Meridian Components", "Quarry & Lime"])
def test_the_status_of_a_new_credit_is_xeros_alone(on: On, company: str) -> None:
    wire = on(company)
    fields = {"vendor_id": wire.by_number("HS-2" if company.startswith("M") else "GH-2")["vendor_id"]}
    line = {"account_id": wire.of_type("expense")["id"], "total_amount": 10}
    fields |= {"issue_date": "2026-03-10", "line_items": [line], "status": "draft"}
    assert wire.create("bill_credit_memos", **fields)["status"] == "open"
    xero = on("XERO")
    line = {"account_id": xero.of_type("expense")["id"], "total_amount": 10}
    fields |= {"vendor_id": xero.by_number("PP-2")["vendor_id"], "line_items": [line]}
    assert xero.create("bill_credit_memos", **fields)["status"] == "draft"


def test_a_void_payment_gives_back_the_credit_that_was_in_it(on: On) -> None:
    wire = on("Saltmarsh Bakery")
    (payment,) = [one for one in wire.every("bill_payments") if one["linked_credit_memos"]]
    void = wire.send("PATCH", f"bill_payments/{payment['id']}", {"status": "void"}).json["bill_payment"]
    assert (void["status"], void["linked_bills"], void["linked_credit_memos"]) == ("void", [], [])
    bill = wire.by_number("BB-60")
    assert (bill["status"], bill["amount_due"], bill["linked_credit_memos"]) == ("open", 200, [])
    credit = wire.get(f"/accounting/bill_credit_memos/{payment['linked_credit_memos'][0]['id']}")["bill_credit_memo"]
    assert (credit["status"], credit["remaining_amount"]) == ("open", 55)
    check_books(wire, openings_of(wire))


def test_a_reference_stays_beside_the_journals_of_a_bill(on: On) -> None:
    wire = on("Saltmarsh Bakery")
    bill = wire.by_number("CP-3")
    journals = bill["additional_fields"]["linked_journal_entries"]
    change = {"additional_fields": {"reference": "REQ-1"}}
    changed = wire.send("PATCH", f"bills/{bill['id']}", change).json["bill"]
    assert changed["additional_fields"] == {"reference": "REQ-1", "linked_journal_entries": journals}


def test_an_order_on_netsuite_shows_its_dimensions_on_each_line(on: On) -> None:
    wire = on("NETSUITE")
    item, vendor = wire.named("items", "Bearing 6204")["id"], wire.named("vendors", "Halden Steel")["id"]
    tags = {"class_id": wire.every("classes")[0]["id"], "department_id": wire.every("departments")[0]["id"]}
    lines = [{"item": item, "quantity": 10}, {"item": item, "quantity": 5}]
    fields = {"vendor_id": vendor, "currency": "USD", "line_items": lines, "additional_fields": tags}
    made = wire.send("POST", "purchase_orders", fields).json["purchase_order"]
    order = wire.get(f"/accounting/purchase_orders/{made['id']}")["purchase_order"]
    assert [{name: line[name] for name in tags} for line in order["line_items"]] == [tags, tags]
    roots = [one["id"] for one in wire.every("subsidiaries") if one["parent_id"] is None]
    assert [order["subsidiary_id"]] == roots


def test_an_order_billed_in_part_waits_for_the_rest_on_netsuite(on: On) -> None:
    wire = on("NETSUITE")
    order = next(one for one in wire.every("purchase_orders") if one["document_number"] == "PO-77")
    assert (order["status"], order["total_amount"]) == ("open", 3150)
    vendor = {"vendor_id": order["vendor_id"], "linked_purchase_orders": [{"id": order["id"]}]}
    states = []
    for amount in ("3000.00", "150.00"):
        wire.create("bills", **bill_fields(wire, amount) | vendor)
        states.append(wire.get(f"/accounting/purchase_orders/{order['id']}")["purchase_order"]["status"])
    assert states == ["pending_bill", "closed"]


def test_files_from_before_are_listed_on_xero_alone(on: On) -> None:
    wire = on("XERO")
    path = f"/accounting/bills/{wire.by_number('TS-2')['id']}/attachments"
    (file,) = wire.get(path)["attachments"]
    assert (file["file_name"], file["created_at"], file["attached_to_type"]) == ("TS-2.txt", "", "BILL")
    assert b"Total 515.25 GBP" in wire.call("GET", f"{path}/{file['id']}/file").raw
    for platform in ("QUICKBOOKS", "NETSUITE", "SAGE_INTACCT", "DYNAMICS365"):
        other = on(platform)
        assert all(
            other.get(f"/accounting/bills/{one['id']}/attachments")["attachments"] == [] for one in other.every("bills")
        )


def test_a_currency_has_no_id_of_the_platform(on: On) -> None:
    for platform in ("QUICKBOOKS", "XERO", "NETSUITE"):
        wire = on(platform)
        assert all("platform_id" not in one for one in wire.every("currencies"))
        assert all(one["platform_id"] for one in wire.every("vendors"))


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "SAGE_INTACCT"])
def test_the_status_of_a_bill_cannot_be_set_everywhere(on: On, platform: str) -> None:
    wire = on(platform)
    bill = next(one for one in wire.every("bills") if one["status"] == "open")
    refused(wire.send("PATCH", f"bills/{bill['id']}", {"status": "submitted"}), 450, "STATUS_NOT_SETTABLE")


def test_a_draft_on_xero_is_opened_and_only_then_paid(on: On) -> None:
    wire = on("XERO")
    draft = wire.by_number("PP-4")
    payables = wire.of_type("accounts_payable")["balance"]
    refused(wire.send("POST", "bill_payments", payment_fields(wire, draft)), 450, "BILL_NOT_PAYABLE")
    opened = wire.send("PATCH", f"bills/{draft['id']}", {"status": "open"}).json["bill"]
    assert (opened["status"], opened["amount_due"]) == ("open", 96)
    assert wire.of_type("accounts_payable")["balance"] == payables + 96
    assert wire.send("POST", "bill_payments", payment_fields(wire, draft)).status == 200


def test_the_void_status_of_a_bill_cannot_be_set(on: On) -> None:
    wire = on("NETSUITE")
    bill = wire.every("bills")[0]
    refused(wire.send("PATCH", f"bills/{bill['id']}", {"status": "void"}), 400)


def test_a_closed_period_is_the_platforms_refusal(wire: Wire) -> None:
    before = wire.books()
    refused(wire.send("POST", "bills", bill_fields(wire, issue_date="2025-01-01")), 450, "CLOSED_PERIOD")
    given = payment_fields(wire, wire.by_number("FT-802")) | {"transaction_date": "2025-10-17"}
    refused(wire.send("POST", "bill_payments", given), 450, "CLOSED_PERIOD")
    assert wire.books() == before


def test_money_of_the_wrong_kind_pays_nothing(wire: Wire) -> None:
    bill, euros = wire.by_number("FT-802"), wire.by_number("KF-2039")
    expense, euro = wire.of_type("expense")["id"], wire.named("accounts", "Euro Account")["id"]
    given, before = payment_fields(wire, bill), wire.books()
    for change, code in (
        ({"account_id": expense}, "INVALID_ACCOUNT"),
        ({"account_id": euro}, "CURRENCY_MISMATCH"),
        ({"currency_code": "EUR"}, "CURRENCY_MISMATCH"),
        ({"vendor_id": euros["vendor_id"]}, "VENDOR_MISMATCH"),
        ({"linked_bills": [{"id": one["id"], "allocated_amount": 1} for one in (bill, euros)]}, "VENDOR_MISMATCH"),
        ({"linked_bills": [{"id": bill["id"], "allocated_amount": 0}]}, "INVALID_AMOUNT"),
        ({"linked_bills": [{"id": bill["id"], "allocated_amount": Decimal("0.001")}]}, "INVALID_AMOUNT"),
        ({"linked_bills": [{"id": wire.by_number("AP-317")["id"], "allocated_amount": 1}]}, "BILL_NOT_PAYABLE"),
        ({"currency_rate": 0}, "INVALID_RATE"),
    ):
        refused(wire.send("POST", "bill_payments", given | change), 450, code)
    assert wire.books() == before


def test_a_bill_closes_its_order_and_its_deletion_reopens_it(wire: Wire) -> None:
    order = next(one for one in wire.every("purchase_orders") if one["document_number"] == "PO-204")
    assert (order["status"], order["total_amount"]) == ("open", 740)
    line = {"account_id": wire.of_type("expense")["id"], "total_amount": 740}
    links = {"linked_purchase_orders": [{"id": order["id"]}], "vendor_id": order["vendor_id"], "line_items": [line]}
    bill = wire.create("bills", **bill_fields(wire) | links)
    assert bill["linked_purchase_orders"] == [{"id": order["id"]}]
    assert wire.get(f"/accounting/purchase_orders/{order['id']}")["purchase_order"]["status"] == "closed"
    refused(wire.call("DELETE", f"/accounting/purchase_orders/{order['id']}"), 450, "ORDER_BILLED")
    other = wire.by_number("FT-802")["vendor_id"]
    refused(wire.send("PATCH", f"bills/{bill['id']}", {"vendor_id": other}), 450, "VENDOR_MISMATCH")
    assert wire.call("DELETE", f"/accounting/bills/{bill['id']}").json["code"] == "deleted"
    assert wire.get(f"/accounting/purchase_orders/{order['id']}")["purchase_order"]["status"] == "open"


def test_a_credit_cannot_move_to_a_currency_its_vendor_lacks(wire: Wire) -> None:
    credit = wire.every("bill_credit_memos")[0]
    line = {"account_id": wire.of_type("expense")["id"], "total_amount": 10}
    change = {"currency_code": "EUR", "line_items": [line]}
    refused(wire.send("PATCH", f"bill_credit_memos/{credit['id']}", change), 450, "CURRENCY_MISMATCH")
    assert wire.every("bill_credit_memos") == [credit]


def test_a_file_that_cannot_be_one_is_refused(wire: Wire) -> None:
    path = f"/accounting/bills/{wire.by_number('FT-802')['id']}/attachments"
    for file_field in ("not base64", "", "AAEC/w", 5, None):
        refused(wire.call("POST", path, {"file": file_field, "file_name": "a.pdf"}), 400)
    refused(wire.call("POST", path, {"file": "AAEC", "file_name": "a.exe"}), 450)
    refused(wire.call("GET", f"{path}/unknown/file"), 410)
