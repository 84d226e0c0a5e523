"""Many callers, two processes and a sudden death: what was asked once is booked once, and the books balance."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from rutter_sandbox import open_sandbox
from support.sandbox.bookkeeper import check_books, minor, openings_of
from support.sandbox.processes import Served, all_at_once, served
from support.sandbox.wire import TODAY, Json, Wire

CALLERS = 50


def payment(server: Served, bill: Json, amount: str) -> Json:
    account = next(one for one in server.every("accounts") if one["name"] == "Operating Checking")
    link = {"id": bill["id"], "allocated_amount": float(amount)}
    return {"account_id": account["id"], "transaction_date": "2026-03-16", "linked_bills": [link]}


def checked_books(file: Path) -> dict[str, list[Json]]:
    """Opens the file anew and lets the bookkeeper go over it; openings are those of an untouched company."""
    untouched, used = open_sandbox(today=TODAY), open_sandbox(file, today=TODAY)
    fresh, wire = Wire(untouched), Wire(used)
    try:
        return check_books(wire, openings_of(fresh))
    finally:
        for one in (fresh, wire):
            one.close()
            one.sandbox.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "company.sqlite"


def test_fifty_callers_with_one_key_are_answered_as_one(file: Path) -> None:
    with served(file) as server:
        before = len(server.every("bill_payments"))
        given = payment(server, server.by_number("FT-802"), "350.00")
        answers = all_at_once([partial(server.send, "bill_payments", given, key="one key")] * CALLERS)
        assert {(one.status, one.raw, one.job_id) for one in answers} == {(200, answers[0].raw, answers[0].job_id)}
        assert len(server.every("bill_payments")) == before + 1
        assert server.by_number("FT-802")["amount_due"] == 27000

        too_much = payment(server, server.by_number("FT-802"), "99999.00")
        answers = all_at_once([partial(server.send, "bill_payments", too_much, key="too much")] * CALLERS)
        assert {(one.status, one.raw, one.job_id) for one in answers} == {(450, answers[0].raw, answers[0].job_id)}

        bodies = [payment(server, server.by_number("FT-802"), amount) for amount in ("10.00", "20.00")]
        calls = [partial(server.send, "bill_payments", bodies[n % 2], key="two bodies") for n in range(CALLERS)]
        answers = all_at_once(calls)
        assert sorted(one.status for one in answers) == [200] * 25 + [409] * 25
        assert {one.job_id for one in answers if one.status == 409} == {None}
        assert len(server.every("bill_payments")) == before + 2
    checked_books(file)


def test_fifty_keys_never_pay_a_bill_more_than_once_over(file: Path) -> None:
    with served(file) as server:
        bill = server.by_number("INV-1051")
        given = payment(server, bill, "10.00")
        calls = [partial(server.send, "bill_payments", given, key=f"key {n}") for n in range(CALLERS)]
        answers = all_at_once(calls)
        # 245.00 in tens: twenty-four fit and the rest are more than is due.
        assert sorted(one.status for one in answers) == [200] * 24 + [450] * 26
        assert server.by_number("INV-1051")["amount_due"] == 5
    checked_books(file)


def test_two_processes_on_one_file_are_one_company(file: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        # Both start at once on a file that is not there yet, and only one of them may tell the story.
        first, second = pool.map(lambda _: Served(file, today=TODAY.isoformat()), range(2))
    try:
        assert first.line["connections"] == second.line["connections"]
        assert first.every("bills") == second.every("bills")
        bill = first.by_number("INV-1051")
        given = payment(first, bill, "10.00")
        same = [partial(one.send, "bill_payments", given, key="same") for one in (first, second)] * (CALLERS // 2)
        answers = all_at_once(same)
        assert {(one.status, one.raw) for one in answers} == {(200, answers[0].raw)}
        servers = (first, second)
        other = [partial(servers[n % 2].send, "bill_payments", given, key=f"key {n}") for n in range(CALLERS)]
        assert [one.status for one in all_at_once(other)].count(200) == 23
        assert second.by_number("INV-1051")["amount_due"] == first.by_number("INV-1051")["amount_due"] == 5
        assert first.every("bill_payments") == second.every("bill_payments")
    finally:
        first.end()
        second.end()
    assert (first.errors, second.errors) == ("", "")
    checked_books(file)


def test_a_killed_writer_leaves_balanced_books_and_its_commits(file: Path) -> None:
    confirmed: list[str] = []
    for round_number in range(3):
        server = Served(file, today=TODAY.isoformat())
        bill = server.by_number("FT-802")
        given = payment(server, bill, "0.01")

        def pay(name: str, server: Served = server, given: Json = given) -> str | None:
            try:
                response = server.send("bill_payments", given, key=name)
            except (OSError, HTTPException):
                return None
            assert response.status == 200, response
            return str(response.json["bill_payment"]["id"])

        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(pay, f"{round_number}/{n}") for n in range(400)]
            futures[40 + 10 * round_number].result()
            server.end(signal.SIGKILL)
            made = [one.result() for one in futures]
        assert None in made, "the server was killed after its last write, which proves nothing"
        confirmed += [one for one in made if one]
        books = checked_books(file)
        booked = {one["id"] for one in books["bill_payments"]}
        assert set(confirmed) <= booked
        left = next(one for one in books["bills"] if one["document_number"] == "FT-802")
        paid = sum(minor(link["allocated_amount"], "USD") for link in left["linked_payments"])
        # At most the four that were on their way when it died were booked without anyone having been told.
        assert len(confirmed) <= paid <= len(confirmed) + 4 * (round_number + 1)
