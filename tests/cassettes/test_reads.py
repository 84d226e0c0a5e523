"""The tools that read, against what Rutter's answers looked like when they were recorded."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest

from support.clerk import Company, account_of, enter, number_of
from support.serving import done

pytestmark = pytest.mark.anyio


async def test_get_bill_shows_every_line_to_the_last_digit(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "11", "10.01", "20.02", "0.04")
        shown = await done(client, "get_bill", bill_id=bill["id"])
        assert [line["amount"]["amount"] for line in shown["lines"]] == ["10.01", "20.02", "0.04"]
        assert shown["bill"]["total"]["amount"] == shown["bill"]["due"]["amount"] == "30.07"
        assert (shown["bill"]["issue_date"], shown["bill"]["due_date"]) == ("2026-11-16", "2026-12-16")


async def test_summarize_payables_adds_up_what_list_bills_shows(company: Company) -> None:
    async with company() as (client, _):
        summed = await done(client, "summarize_payables")
        listed = await done(client, "list_bills", limit=200)
        assert summed["complete"]
        assert "next_cursor" not in listed, "a recording company has less than two hundred unpaid bills"
        for one in summed["currencies"]:
            own = [Decimal(b["due"]["amount"]) for b in listed["bills"] if b["due"]["currency"] == one["currency"]]
            assert (one["bills"], Decimal(one["due"]["amount"])) == (len(own), sum(own))
            aged = [Decimal(bucket["due"]["amount"]) for bucket in one["aging"]]
            assert sum(aged) == Decimal(one["due"]["amount"])


async def test_list_payments_shows_the_latest_first_and_what_each_paid(company: Company) -> None:
    async with company() as (client, _):
        found = await done(client, "list_payments", limit=10)
        dates = [payment["date"] for payment in found["payments"]]
        assert dates
        assert dates == sorted(dates, reverse=True)
        for payment in found["payments"]:
            shares = [Decimal(bill["amount"]["amount"]) for bill in payment["bills"]]
            assert sum(shares) == Decimal(payment["amount"]["amount"])


async def test_list_credits_shows_what_is_left_of_each(company: Company) -> None:
    async with company() as (client, _):
        found = await done(client, "list_credits", status="any")
        for credit in found["credits"]:
            used = sum(Decimal(bill["amount"]["amount"]) for bill in credit["applied"])
            assert Decimal(credit["total"]["amount"]) - used == Decimal(credit["remaining"]["amount"])
        assert found["credits"]


async def test_find_records_finds_an_account_by_part_of_its_name(company: Company) -> None:
    async with company() as (client, _):
        every = await done(client, "find_records", kind="account", limit=200)
        wanted = every["records"][0]
        narrowed = await done(client, "find_records", kind="account", name=wanted["name"][:4])
        assert wanted["id"] in {record["id"] for record in narrowed["records"]}
        assert len(narrowed["records"]) < len(every["records"])
        assert {record["id"] for record in narrowed["records"]} <= {record["id"] for record in every["records"]}


async def test_read_attachment_compares_the_document_with_its_bill(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "12", "45.09")
        said = f"Invoice number: {number_of('12')}\nTotal: 45.90 {bill['amount']['currency']}\n"
        # By hand: what does not match its bill is not attached without an approver.
        attachments = (await app.companies.get("")).rutter.attachments
        await attachments.upload(bill["id"], "invoice.txt", said.encode(), idempotency_key=f"file of {bill['id']}")
        read = await done(client, "read_attachment", bill_id=bill["id"])
        assert read["sha256"] == hashlib.sha256(said.encode()).hexdigest()
        assert read["comparison"]["number"] == read["comparison"]["currency"] == "equal"
        assert read["comparison"]["total"] == "different"
        assert "45.90" in read["comparison"]["shows"]["total"]


async def test_get_proposal_shows_what_became_of_a_write(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "13", "13.31")
        shown = (await done(client, "get_proposal", proposal_id=bill["proposal_id"]))["proposal"]
        assert (shown["tool"], shown["state"]) == ("create_bill", "posted")
        assert shown["record"]["id"] == bill["id"]
        assert shown["record"]["amount"]["amount"] == "13.31"


async def test_list_proposals_shows_what_waits_and_what_is_left(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "14", "14.03")
        funding = await account_of(client, "bank", bill["amount"]["currency"])
        held = await done(client, "pay_bill", bill_id=bill["id"], amount="14.02", account=funding)
        (waiting,) = (await done(client, "list_proposals"))["proposals"]
        assert (waiting["id"], waiting["state"], waiting["tool"]) == (held["proposal_id"], "held", "pay_bill")
        assert waiting["amount"] == {"amount": "14.02", "currency": bill["amount"]["currency"]}


async def test_withdraw_proposal_takes_back_what_waits(company: Company) -> None:
    async with company() as (client, app):
        bill = await enter(client, app, "15", "15.03")
        funding = await account_of(client, "bank", bill["amount"]["currency"])
        held = await done(client, "pay_bill", bill_id=bill["id"], amount="15.02", account=funding)
        back = await done(client, "withdraw_proposal", proposal_id=held["proposal_id"], reason="entered twice")
        assert (back["proposal"]["state"], back["proposal"]["closed_reason"]) == ("withdrawn", "entered twice")
        assert (await done(client, "list_proposals"))["proposals"] == []
