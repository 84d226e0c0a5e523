"""At the desk a person releases exactly what they were shown, once, and everybody else nothing."""

from __future__ import annotations

import html
import json
import re
from datetime import date
from pathlib import Path

import pytest

from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_server.rutter.outcomes import Done
from support.desk import BILL, HOST, LARGE_BILL, SAMS, Visitor, a_desk
from support.serving import PASSCODE, bill_numbered, done

pytestmark = pytest.mark.anyio


async def test_a_payment_is_read_released_and_posted(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        assert "Practice company: not real books" in dana.text
        assert "684.20 USD" in dana.text
        await dana.opens(f"/approvals/{proposal_id}")
        title = "Release 684.20 USD to Northwind Utilities"
        assert f"<title>{title}? · rutter-ap</title>" in dana.page.text
        assert f"<h1><bdi>{title}?</bdi></h1>" in dana.page.text
        assert f"<bdi>{title}</bdi></button>" in dana.page.text
        await dana.sends("/release", passcode=PASSCODE)
        assert "POSTED" in dana.text
        assert await desk.paid() == ["684.20"]
        (approval,) = await desk.app.store.read(lambda tx: tx.proposals.approvals(proposal_id))
        assert (approval.approver, approval.channel) == ("Dana", "desk")


async def test_a_decline_tells_the_assistant_why(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/decline", passcode=PASSCODE, reason="  ")
        assert await desk.state(proposal_id) == "held"
        await dana.sends("/decline", passcode="not the passcode", reason="Wrong vendor.")
        assert await desk.state(proposal_id) == "held"
        await dana.sends("/decline", passcode=PASSCODE, reason="Wrong <b>vendor</b>.")
        assert "DECLINED by Dana : Wrong <b>vendor</b>." in dana.text
        assert "<b>vendor" not in dana.page.text
        answer = await done(desk.client, "get_proposal", proposal_id=proposal_id)
        assert answer["proposal"]["closed_reason"] == "Wrong <b>vendor</b>."
        assert await desk.paid() == []


async def test_two_people_release_a_large_payment_and_type_its_amount(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as sam:
        proposal_id = await desk.held(LARGE_BILL)
        await dana.signs_in()
        await sam.signs_in("Sam", SAMS)
        await dana.opens(f"/approvals/{proposal_id}")
        for typed in ("", "2735000", "27350.01", "1e400", "27350.00 USD"):
            await dana.sends("/release", passcode=PASSCODE, amount=typed)
            assert "The amount you typed is another one, so nothing was released." in dana.text
        await dana.sends("/release", passcode=PASSCODE, amount="27,350.00")
        assert "Released so far: 1 of 2, Dana (desk)" in dana.text
        await dana.sends("/release", passcode=PASSCODE, amount="27350")
        assert await desk.paid(LARGE_BILL) == []
        await sam.opens(f"/approvals/{proposal_id}")
        await sam.sends("/release", passcode=SAMS, amount="27350.00")
        assert "POSTED" in sam.text
        assert await desk.paid(LARGE_BILL) == ["27350.00"]


async def test_what_changed_meanwhile_is_marked_and_not_released(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(amount="88.31")
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        bill = await bill_numbered(desk.client, BILL)
        company = await desk.app.companies.get("")
        change = BillUpdate(due_date=date(2027, 1, 31))
        assert isinstance(await company.rutter.bills.update(bill["id"], change, idempotency_key="due"), Done)
        await dana.sends("/release", passcode=PASSCODE)
        assert dana.page.status_code == 409
        assert "What is different from what you saw" in dana.text
        assert "2027-01-31" in html.unescape("".join(re.findall(r"<ins>(.*?)</ins>", dana.page.text)))
        assert await desk.state(proposal_id) == "held"
        await dana.sends("/release", passcode=PASSCODE)
        assert "POSTED" in dana.text
        assert await desk.paid() == ["88.31"]


async def test_a_second_click_and_a_back_button_pay_nothing_more(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        form = await dana.opens(f"/approvals/{proposal_id}")
        for expected in (200, 409):
            dana.page = form
            await dana.sends("/release", passcode=PASSCODE)
            assert dana.page.status_code == expected
        assert await desk.paid() == ["684.20"]


async def forged(visitor: Visitor, proposal_id: str, form: dict[str, str]) -> int:
    page = await visitor.posts(f"/approvals/{proposal_id}/release", form)
    return page.status_code


async def test_forged_forms_release_nothing(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as sam:
        proposal_id, other = await desk.held(amount="88.31"), await desk.held(LARGE_BILL)
        await dana.signs_in()
        await sam.signs_in("Sam", SAMS)
        await dana.opens(f"/approvals/{other}")
        of_other = dict(re.findall(r'name="(token|digest|facts|shown)" value="([^"]*)"', dana.page.text))
        await dana.opens(f"/approvals/{proposal_id}")
        mine = dict(re.findall(r'name="(token|digest|facts|shown)" value="([^"]*)"', dana.page.text))
        mine = {name: html.unescape(value) for name, value in mine.items()} | {"passcode": PASSCODE}
        await sam.opens(f"/approvals/{proposal_id}")
        sams = dict(re.findall(r'name="(token)" value="([^"]*)"', sam.page.text))
        assert await forged(dana, proposal_id, {**mine, "token": "0" * 64}) == 403
        assert await forged(dana, proposal_id, {**mine, "token": sams["token"]}) == 403
        for name in ("digest", "facts"):
            assert await forged(dana, proposal_id, {**mine, name: of_other[name]}) == 409
            assert await forged(dana, proposal_id, {**mine, name: ""}) == 409
        for body in ("", "{}", "[1]", "[" * 5000, '[{"title": 1}]', json.dumps([{"title": "a", "rows": []}])):
            assert await forged(dana, proposal_id, {**mine, "shown": body, "digest": "0" * 64}) == 409
        assert await forged(dana, proposal_id, {**mine, "passcode": SAMS}) == 409
        for site in ("cross-site", "same-site", "none"):
            page = await dana.posts(f"/approvals/{proposal_id}/release", mine, **{"sec-fetch-site": site})
            assert page.status_code == 403
        for origin in ("http://localhost:9999", "https://evil.example", "null", f"http://{HOST}.evil.example"):
            page = await dana.posts(
                f"/approvals/{proposal_id}/release", mine, **{"sec-fetch-site": "", "origin": origin}
            )
            assert page.status_code == 403
        assert await desk.state(proposal_id) == "held"
        assert await forged(dana, proposal_id, mine) == 200
        assert await desk.paid() == ["88.31"]


@pytest.mark.parametrize("typed", ["273,50", "2,7,3,5,0", "27350,", "273 50", "2.735e4"])
async def test_an_amount_is_typed_as_it_is(home: Path, typed: str) -> None:
    """`273,50` is a hundredth of it to most of Europe."""
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(LARGE_BILL)
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/release", passcode=PASSCODE, amount=typed)
        assert await desk.app.store.read(lambda tx: tx.proposals.approvals(proposal_id)) == ()
