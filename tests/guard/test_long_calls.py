"""A call that would outlive its client is answered in time, goes on, and pays once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.session import ElicitationFnT
from mcp.types import ElicitRequestParams, ElicitResult

from rutter_ap_server.app import App
from rutter_ap_server.rutter.filters import equal
from support.reconcile import payable_bills, paying_home
from support.sandbox_server import Announced, sandbox_server, set_faults
from support.serving import done, failed, serving

pytestmark = pytest.mark.anyio

# Judging takes less than the one, and what is slow more than three answers of that length.
IN_TIME_SECONDS = 1.5
LATE_SECONDS = 6


def slow(method: str, path: str, seconds: int = LATE_SECONDS) -> dict[str, Any]:
    return {"fault": "slow", "method": method, "path": path, "seconds": seconds}


@pytest.fixture(scope="module")
def announced() -> Iterator[Announced]:
    with sandbox_server(bills=40) as running:
        yield running


@asynccontextmanager
async def hurried(
    announced: Announced,
    home: Path,
    *,
    mode: str = "auto",
    answering: ElicitationFnT | None = None,
    policy: str = "",
) -> AsyncIterator[tuple[Client, App, list[str]]]:
    """A server that answers within a moment, and the bills it may pay."""
    environ = paying_home(announced, home)
    bills = [bill_id for bill_id, _ in await payable_bills(environ)]
    if policy:
        (home / "policy.toml").write_text(policy)
    async with serving(home, mode=mode, environ=environ, answering=answering) as (client, app):
        await done(client, "list_bills")
        app.long_calls.seconds_max = IN_TIME_SECONDS
        try:
            yield client, app, bills
        finally:
            set_faults(announced)


async def paid(app: App, bill_id: str) -> int:
    """How many payments the ledger shows on a bill."""
    return len((await (await app.companies.get("")).rutter.bills.get(bill_id)).linked_payments)


async def test_a_slow_payment_is_unknown_in_time_and_then_posted(announced: Announced, home: Path) -> None:
    async with hurried(announced, home) as (client, app, bills):
        set_faults(announced, slow("POST", "bill_payments"))
        began = time.monotonic()
        first = await done(client, "pay_bill", bill_id=bills[0])
        # By now the ledger shows it, so that nothing is due.
        again = await done(client, "pay_bill", bill_id=bills[0])
        shown = await done(client, "get_proposal", proposal_id=first["proposal_id"])
        assert time.monotonic() - began < LATE_SECONDS
        assert (first["status"], again["status"]) == ("unknown", "unknown")
        assert first["proposal_id"] == again["proposal_id"] == shown["proposal"]["id"]
        assert shown["proposal"]["state"] == "dispatching"
        assert "do not send it again" in first["next_step"]
        await app.dispatcher.idle()
        shown = await done(client, "get_proposal", proposal_id=first["proposal_id"])
        assert shown["proposal"]["state"] == "posted"
        assert await paid(app, bills[0]) == 1


async def test_a_slow_run_goes_on_to_its_last_bill(announced: Announced, home: Path) -> None:
    async with hurried(announced, home) as (client, app, bills):
        chosen = bills[1:4]
        set_faults(announced, slow("POST", "bill_payments", 2))
        run = await done(client, "propose_payment_run", bill_ids=chosen)
        assert run["status"] == "unknown"
        assert len(run["lines"]) == len(chosen)
        await app.dispatcher.idle()
        set_faults(announced)
        shown = await done(client, "get_proposal", proposal_id=run["proposal_id"])
        assert [line["status"] for line in shown["lines"]] == ["posted"] * len(chosen)
        assert [await paid(app, bill_id) for bill_id in chosen] == [1] * len(chosen)


async def test_what_is_still_being_judged_is_given_up_in_time(announced: Announced, home: Path) -> None:
    async with hurried(announced, home) as (client, app, bills):
        before = await app.store.read(lambda tx: tx.proposals.starting_with(""))
        set_faults(announced, slow("GET", "bill"))
        error = await failed(client, "pay_bill", bill_id=bills[4])
        assert (error["code"], error["who"]) == ("call.too_long", "retry")
        set_faults(announced)
        await app.dispatcher.idle()
        assert await app.store.read(lambda tx: tx.proposals.starting_with("")) == before
        assert await paid(app, bills[4]) == 0


async def test_a_slow_read_is_given_up_in_time(announced: Announced, home: Path) -> None:
    async with hurried(announced, home) as (client, _, _bills):
        set_faults(announced, slow("GET", "bills"))
        assert (await failed(client, "list_bills", status="any"))["code"] == "call.too_long"


async def test_a_question_stays_open_behind_a_held_answer(announced: Announced, home: Path) -> None:
    answered = anyio.Event()

    async def later(context: Any, params: ElicitRequestParams) -> ElicitResult:
        await answered.wait()
        return ElicitResult(action="accept", content={"approve": True})

    asks = '[currencies.USD]\napprove_above = "1000000"\ntwo_approvers_above = "1000000"\nsingle_limit = "1000000"\n'
    asks += 'day_limit = "100000000"\nvendor_day_limit = "100000000"\n'
    async with hurried(announced, home, mode="legacy", answering=later, policy=asks) as (client, app, _):
        books = (await app.companies.get("")).rutter
        [bill] = (await books.bills.list(filter=equal("document_number", "NW-2291"))).items
        held = await done(client, "pay_bill", bill_id=bill.id)
        assert held["status"] == "held"
        assert await paid(app, bill.id) == 0
        answered.set()
        with anyio.fail_after(20):
            while not await paid(app, bill.id):
                await anyio.lowlevel.checkpoint()
        await app.dispatcher.idle()
        shown = await done(client, "get_proposal", proposal_id=held["proposal_id"])
        assert shown["proposal"]["state"] == "posted"


async def test_closing_waits_for_what_is_on_its_way(announced: Announced, home: Path) -> None:
    async with hurried(announced, home) as (client, app, bills):
        set_faults(announced, slow("POST", "bill_payments"))
        sent = await done(client, "pay_bill", bill_id=bills[5])
        assert sent["status"] == "unknown"
        await app.long_calls.aclose()
        kept = await app.proposal(sent["proposal_id"])
        assert kept.state == "posted"
