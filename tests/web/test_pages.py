"""What waits, what happened, and the stop for all writes, as a person sees them at the desk."""

from __future__ import annotations

from pathlib import Path

import pytest

from rutter_ap_server.store.engine import Tx
from support.desk import BILL, LARGE_BILL, a_desk
from support.serving import PASSCODE, bill_numbered, done, failed

pytestmark = pytest.mark.anyio


async def test_what_needs_a_closer_look_stands_first_with_the_reason(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await desk.held(LARGE_BILL)
        await desk.held(BILL)
        await dana.signs_in()
        closer, usual = dana.text.split("As usual")
        assert "Needs a closer look" in closer
        assert "27,350.00 USD is more than 3 times this vendor's usual payment" in closer
        assert "released by 0 of 2" in closer
        assert f"due {(await desk.bill(LARGE_BILL))['due_date']} · Harbor" in closer
        assert "27,350.00" not in usual
        assert "684.20 USD" in usual
        assert "prepared by assistant (mcp)" in usual


async def test_a_run_says_from_when_to_when_its_bills_are_due(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        bills = [await desk.bill(number) for number in ("BH-5520", "NW-2304")]
        await done(desk.client, "propose_payment_run", bill_ids=[one["id"] for one in bills])
        await dana.signs_in()
        first, last = sorted(one["due_date"] for one in bills)
        assert f"due {first} to {last} · Harbor" in dana.text


async def test_an_empty_desk_says_so(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        assert "Nothing waits." in dana.text
        proposal_id = await desk.held()
        await dana.opens("/approvals")
        assert proposal_id in dana.page.text


async def test_what_is_left_of_a_used_limit_is_shown(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(amount="88.31")
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/release", passcode=PASSCODE)
        await desk.held(LARGE_BILL)
        await dana.opens("/approvals")
        assert "day limit, 24 hours 99,911.69 USD 100,000.00 USD" in dana.text


async def test_a_click_stops_all_writes_and_a_passcode_allows_them(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(amount="88.31")
        await dana.signs_in()
        await dana.sends("/freeze")
        assert "All writes are stopped, by Dana at the desk" in dana.text
        bill = await bill_numbered(desk.client, LARGE_BILL)
        refused = await failed(desk.client, "pay_bill", bill_id=bill["id"])
        assert [one["code"] for one in refused["findings"] if one["severity"] == "refuse"] == ["freeze.active"]
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/release", passcode=PASSCODE)
        assert await desk.paid() == []
        await dana.opens("/approvals")
        await dana.sends("/unfreeze", passcode="not the passcode")
        assert "All writes are stopped" in dana.text
        await dana.sends("/unfreeze", passcode=PASSCODE)
        assert "All writes are stopped" not in dana.text
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/release", passcode=PASSCODE)
        assert await desk.paid() == ["88.31"]


async def test_history_tells_who_did_what_and_checks_the_chain(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(memo="<b>bold</b>")
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/decline", passcode=PASSCODE, reason="Wrong vendor.")
        await dana.opens(f"/approvals/history?proposal={proposal_id}")
        assert "The audit chain is intact" in dana.text
        told = [
            dana.text.index(one)
            for one in ("Dana declined it (desk): Wrong vendor.", "assistant (mcp) proposed a write (pay_bill)")
        ]
        assert told == sorted(told)
        assert "reason Wrong vendor." in dana.text
        assert "<b>bold" not in dana.page.text
        await dana.opens("/approvals/history?kind=signed_in")
        assert "Dana signed in at the desk" in dana.text
        assert "Dana declined" not in dana.text
        for odd in (
            "kind=%3Cscript%3E",
            "proposal=' or 1=1",
            "before=-1",
            "before=999999999999",
            "kind=%00",
            "person=%00",
        ):
            page = await dana.opens(f"/approvals/history?{odd}")
            assert page.status_code == 200
            assert "<script>" not in page.text


async def test_history_goes_back_page_by_page(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()

        def note(tx: Tx) -> None:
            for number in range(130):
                tx.audit.append("noted", actor=f"robot {number:03}")

        await desk.app.store.write(note)
        await dana.opens("/approvals/history?kind=noted")
        assert "robot 129 noted" in dana.text
        assert "robot 029 noted" not in dana.text
        older = dana.page.text.split('<a href="')[-1].partition('"')[0].replace("&amp;", "&")
        await dana.opens(older)
        assert "robot 029 noted" in dana.text
        assert "robot 030 noted" not in dana.text
        assert (await done(desk.client, "list_bills"))["bills"]
