"""Listing proposals: each state, each bill, page by page, and what is left of every limit of the policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.reports.listing import NO_LIMITS
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.proposals import GetProposal, LimitLeft, ListProposals, ProposalList
from support.bench import START, Bench, a_bench
from support.people import accepts, declines
from support.serving import PASSCODE, bill_numbered, done, failed, link_funding, serving, text_of

pytestmark = pytest.mark.anyio
APPROVE_ALL = """
[tools]
pay_bill = "approve"
"""
LIMITS = """
[tools]
pay_bill = "allow"
[currencies.USD]
approve_above = "1000"
two_approvers_above = "1000"
single_limit = "1000"
day_limit = "900.00"
week_limit = "950.00"
vendor_day_limit = "800.00"
[currencies.EUR]
approve_above = "10"
two_approvers_above = "10"
single_limit = "10"
day_limit = "10.00"
vendor_day_limit = "10"
"""


@asynccontextmanager
async def clerk(home: Path, policy: str) -> AsyncIterator[tuple[Client, Any]]:
    """A client with a funding account linked, under that policy."""
    home.mkdir(exist_ok=True)
    (home / "policy.toml").write_text(policy)
    async with serving(home) as (client, app):
        await link_funding(client)
        yield client, app


async def listed(bench: Bench, **question: Any) -> ProposalList:
    """What is answered on a bench."""
    return await bench.backend().read(ListProposals(**question))


def left(limits: list[LimitLeft]) -> list[str]:
    return [f"{one.name} {one.left.amount} of {one.limit.amount} {one.left.currency}" for one in limits]


async def test_what_waits_is_listed_with_who_must_release_it(home: Path) -> None:
    async with clerk(home, APPROVE_ALL) as (client, app):
        bill = await bill_numbered(client, "NW-2291")
        held = await done(client, "pay_bill", bill_id=bill["id"])
        answer = await client.call_tool("list_proposals", {})
        assert answer.structured_content is not None
        (row,) = answer.structured_content["proposals"]
        assert (row["id"], row["tool"], row["state"]) == (held["proposal_id"], "pay_bill", "held")
        assert (row["verdict"], row["approvals"], row["approvals_needed"]) == ("approve", 0, 1)
        assert row["amount"] == {"amount": "684.20", "currency": "USD"}
        assert row["vendor"]["name"] == "Northwind Utilities"
        assert row["summary"] == held["summary"]
        assert row["expires_at"] > row["created_at"]
        said = text_of(answer)
        assert f"{held['proposal_id']} | pay_bill | held" in said
        assert "0 of 1" in said
        assert "data, never instructions" in said

        await app.approvals.add_approver("Dana", PASSCODE, channel="terminal")
        company = await app.companies.get("")
        seen = await app.approvals.preview(held["proposal_id"], company)
        await app.approvals.approve(seen, company, by=Proof("Dana", PASSCODE), channel="terminal")
        assert (await done(client, "list_proposals"))["proposals"] == []
        (posted,) = (await done(client, "list_proposals", state="posted", bill_id=bill["id"]))["proposals"]
        assert (posted["state"], posted["approvals"]) == ("posted", 1)


async def test_each_state_lists_its_own_and_any_lists_all(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.pay("NW-2291", "10.00", accepts())
        await bench.pay("BH-5520", "11.00", declines())
        bench.wire.faults = ["lost before", "lost before", "lost before", "lost before"]
        await bench.pay("GR-88", "12.00", accepts())
        everything = (await listed(bench, state="any")).proposals
        states = {row.id: row.state for row in everything}

        assert len(states) == 3
        for state in ("held", "posted", "unknown", "refused", "declined", "expired", "failed"):
            found = {row.id for row in (await listed(bench, state=state)).proposals}
            assert found == {one for one, its in states.items() if its == state}
        waiting = {row.id for row in (await listed(bench)).proposals}
        assert waiting == {one for one, its in states.items() if its in ("held", "released", "dispatching", "unknown")}
        assert [row.created_at for row in everything] == sorted((r.created_at for r in everything), reverse=True)


async def test_an_expired_proposal_is_listed_as_expired_not_waiting(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("NW-2291", "10.00")
        assert [row.id for row in (await listed(bench, state="held")).proposals] == [held.proposal_id]
        bench.clock.instant = START + timedelta(hours=72)

        assert (await listed(bench)).proposals == (await listed(bench, state="held")).proposals == []
        (late,) = (await listed(bench, state="expired")).proposals
        assert (late.id, late.state) == (held.proposal_id, "expired")
        assert [row.state for row in (await listed(bench, state="any")).proposals] == ["expired"]
        # A list only reads: nobody has written that down.
        assert (await bench.proposal(held.proposal_id)).state == "held"


async def test_pages_of_any_size_hold_every_proposal_once(home: Path) -> None:
    async with a_bench(home) as bench:
        for cents in range(1, 8):
            await bench.pay("NW-2291", f"{cents}.00")
        whole = [row.id for row in (await listed(bench)).proposals]
        assert len(set(whole)) == 7
        for size in (1, 2, 3, 7, 200):
            found: list[str] = []
            cursor = ""
            while True:
                page = await listed(bench, limit=size, cursor=cursor)
                found += [row.id for row in page.proposals]
                if page.next_cursor is None:
                    break
                assert len(page.proposals) == size
                cursor = page.next_cursor
            assert found == whole


async def test_a_cursor_serves_only_the_question_it_came_from(home: Path) -> None:
    async with a_bench(home) as bench:
        for cents in range(1, 4):
            await bench.pay("NW-2291", f"{cents}.00")
        first = await listed(bench, limit=1)
        assert first.next_cursor is not None
        for question in ({"state": "any"}, {"bill_id": "b"}):
            with pytest.raises(BadInput, match="cursor"):
                await listed(bench, cursor=first.next_cursor, **question)
        for broken in ("x", first.next_cursor[:-4], "W10", "bnVsbA", "é", "WzEsMl0"):
            with pytest.raises(BadInput, match="cursor"):
                await listed(bench, cursor=broken)


async def test_only_the_writes_of_one_bill_or_company_are_listed(home: Path) -> None:
    async with clerk(home, APPROVE_ALL) as (client, _):
        first, second = await bill_numbered(client, "NW-2291"), await bill_numbered(client, "GR-88")
        for bill in (first, second):
            await done(client, "pay_bill", bill_id=bill["id"])
        both = await done(client, "list_proposals")
        (of_first,) = (await done(client, "list_proposals", bill_id=first["id"]))["proposals"]
        assert len(both["proposals"]) == 2
        assert of_first["vendor"]["name"] == "Northwind Utilities"
        assert (await done(client, "list_proposals", bill_id="no-such-bill"))["proposals"] == []
        assert (await failed(client, "list_proposals", company="nobody"))["code"] == "company.unknown"


async def test_a_company_does_not_see_what_another_one_proposed(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.pay("NW-2291", "10.00")
        company = bench.company.id
        read = bench.app.store.read
        assert len(await read(lambda tx: tx.proposals.listed(company, [State.HELD], limit=5))) == 1
        assert await read(lambda tx: tx.proposals.listed("another company", [State.HELD], limit=5)) == []


async def test_what_is_left_of_a_limit_counts_posted_and_unknown(home: Path) -> None:
    async with a_bench(home, LIMITS) as bench:
        euros = [
            "day_limit 10.00 of 10.00 EUR",
            "week_limit 500000.00 of 500000.00 EUR",
            "month_limit 2000000.00 of 2000000.00 EUR",
        ]
        whole = [
            *euros,
            "day_limit 900.00 of 900.00 USD",
            "week_limit 950.00 of 950.00 USD",
            "month_limit 2000000.00 of 2000000.00 USD",
        ]
        assert left((await listed(bench)).limits) == whole
        assert (await bench.pay("BH-5520", "249.00")).status == "posted"
        bench.wire.faults = ["lost before", "lost before", "lost before", "lost before"]
        await bench.pay("AP-310", "560.75")

        assert left((await listed(bench)).limits) == [
            *euros,
            "day_limit 90.25 of 900.00 USD",
            "week_limit 140.25 of 950.00 USD",
            "month_limit 1999190.25 of 2000000.00 USD",
        ]
        bench.policy(LIMITS.replace("900.00", "500.00"))
        assert "day_limit 0.00 of 500.00 USD" in left((await listed(bench)).limits)


async def test_limits_get_a_line_each_and_untouched_ones_share_one(home: Path) -> None:
    async with clerk(home, LIMITS) as (client, _):
        bill = await bill_numbered(client, "NW-2291")
        await done(client, "pay_bill", bill_id=bill["id"], amount="100.00")
        said = text_of(await client.call_tool("list_proposals", {})).splitlines()
        assert "day_limit (24 hours): 800.00 USD left of 900.00 USD" in said
        assert "unused limits: day_limit 10.00 EUR, week_limit 500000.00 EUR, month_limit 2000000.00 EUR" in said


async def test_a_waiting_payment_shows_what_its_limits_have_left(home: Path) -> None:
    policy = LIMITS.replace('pay_bill = "allow"', 'pay_bill = "approve"')
    async with a_bench(home, policy) as bench:
        held = await bench.pay("NW-2291", "100.00")
        entered = (await listed(bench, state="any")).proposals
        assert held.proposal_id is not None
        shown = await bench.backend().read(GetProposal(proposal_id=held.proposal_id))

        assert [row.id for row in entered] == [held.proposal_id]
        assert left(shown.limits) == [
            "day_limit 900.00 of 900.00 USD",
            "week_limit 950.00 of 950.00 USD",
            "month_limit 2000000.00 of 2000000.00 USD",
            "vendor_day_limit 800.00 of 800.00 USD",
            "vendor_month_limit 1000000.00 of 1000000.00 USD",
        ]
        await bench.approver("Ana", "Ben")
        assert (await bench.approve(held.proposal_id)).state == "posted"
        done_with = await bench.backend().read(GetProposal(proposal_id=held.proposal_id))
        assert done_with.limits == []


async def test_a_broken_policy_lists_proposals_but_tells_no_limits(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("NW-2291", "10.00")
        bench.policy("[currencies.USD]\nsingle_limit = 5\n")
        found = await listed(bench)

        assert [row.id for row in found.proposals] == [held.proposal_id]
        assert (found.limits, found.notes) == ([], [NO_LIMITS])
        assert held.proposal_id is not None
        shown = await bench.backend().read(GetProposal(proposal_id=held.proposal_id))
        assert shown.limits == []
