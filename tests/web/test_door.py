"""Who may ask the desk at all, and with what headers each answer leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.web.door import BODY_BYTES_MAX, HEADERS
from support.desk import HOST, SAMS, a_desk
from support.serving import PASSCODE

pytestmark = pytest.mark.anyio
SIGN_IN = "Sign in to approve"


async def test_every_answer_carries_the_headers(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        proposal_id = await desk.held()
        answers = [
            await dana.opens("/approvals"),
            await dana.opens(f"/approvals/{proposal_id}"),
            await dana.opens("/approvals/static/desk.css"),
            await dana.opens("/nowhere"),
            await dana.opens("/approvals", host="evil.example"),
            await dana.posts("/approvals/sign-in", {}, **{"sec-fetch-site": "cross-site"}),
            await dana.http.put("/approvals"),
        ]
        assert [one.status_code for one in answers] == [200, 200, 200, 404, 421, 403, 405]
        for answer in answers:
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "unsafe" not in HEADERS["content-security-policy"]


async def test_another_host_is_refused_and_a_number_becomes_the_name(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        for host in ("evil.example", "localhost", "localhost:1", "127.0.0.1:1", f"evil.{HOST}"):
            assert (await dana.http.get("/approvals", headers={"host": host})).status_code == 421
        answer = await dana.http.get("/approvals", headers={"host": "127.0.0.1:8765"})
        assert (answer.status_code, answer.headers["location"]) == (307, f"http://{HOST}/approvals")
        posted = await dana.http.post("/approvals/sign-in", headers={"host": "127.0.0.1:8765"})
        assert posted.status_code == 421


async def test_nobody_sees_anything_without_signing_in(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as nobody:
        proposal_id = await desk.held()
        for path in ("/", "/approvals", f"/approvals/{proposal_id}"):
            await nobody.opens(path)
            assert SIGN_IN in nobody.text
            assert "684.20" not in nobody.page.text
        page = await nobody.posts(f"/approvals/{proposal_id}/release", {"passcode": PASSCODE})
        assert page.status_code == 401
        assert "nothing was done" in nobody.text
        assert await desk.state(proposal_id) == "held"


async def test_after_signing_in_one_is_where_one_wanted_to_be(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/sign-in", name="dana", passcode=PASSCODE)
        assert dana.page.url.path == f"/approvals/{proposal_id}"
        for then in ("//evil.example", "https://evil.example", "../x"):
            await dana.opens(f"/approvals/sign-in?then={then}")
            assert "evil" not in dana.page.text


async def test_wrong_passcodes_lock_and_are_audited_with_the_channel(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        for _ in range(5):
            page = await dana.signs_in(passcode="not the passcode")
            assert page.status_code == 403
            assert not page.cookies
        await dana.signs_in()
        assert "locked for 15 minutes" in dana.text
        entries = await desk.app.store.read(lambda tx: list(tx.audit.entries()))
        assert [one.actor for one in entries if one.kind == "passcode_wrong"] == ["desk"] * 5


@pytest.mark.parametrize(("idle", "hours"), [(timedelta(minutes=15), 0.25), (timedelta(minutes=14), 8)])
async def test_a_session_ends_when_idle_and_after_a_day_of_work(home: Path, idle: timedelta, hours: float) -> None:
    clock = FixedClock(datetime(2026, 3, 2, 9, 30, tzinfo=UTC))
    async with a_desk(home, clock) as desk, desk.visited() as dana:
        await dana.signs_in()
        end, last = clock.now() + timedelta(hours=hours), clock.now()
        while clock.now() + idle < end:
            clock.instant = last = clock.now() + idle
            await dana.opens("/approvals")
            assert SIGN_IN not in dana.text
        assert last <= end
        clock.instant = min(clock.now() + idle, end)
        await dana.opens("/approvals")
        assert SIGN_IN in dana.text


async def test_signing_out_removal_and_a_new_passcode_end_a_session(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as again, desk.visited() as sam:
        await dana.signs_in()
        cookies = dict(dana.http.cookies)
        await dana.sends("/sign-out")
        await again.opens("/approvals", cookie="; ".join(f"{name}={value}" for name, value in cookies.items()))
        assert SIGN_IN in again.text
        await again.signs_in()
        await desk.app.approvals.change_passcode("Dana", "a newer passcode", channel="terminal", by=_dana())
        await again.opens("/approvals")
        assert SIGN_IN in again.text
        await sam.signs_in("Sam", SAMS)
        await desk.app.approvals.remove_approver("Sam", channel="terminal", by=_dana("a newer passcode"))
        await sam.opens("/approvals")
        assert SIGN_IN in sam.text


def _dana(passcode: str = PASSCODE) -> Proof:
    return Proof("Dana", passcode)


async def test_a_body_larger_than_any_form_is_refused(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        page = await dana.posts(
            f"/approvals/{'0' * 8}-0000-0000-0000-{'0' * 12}/release", {"shown": "x" * BODY_BYTES_MAX}
        )
        assert page.status_code == 413


async def test_texts_of_outsiders_are_texts(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await dana.signs_in()
        await dana.opens("/approvals/%3Cscript%3Ealert(1)%3C/script%3E")
        assert "<script>" not in dana.page.text
        proposal_id = await desk.held(memo='<script>alert("1")</script>\u202e</textarea>')
        await dana.opens(f"/approvals/{proposal_id}")
        assert "<script>" not in dana.page.text
        assert "\u202e" not in dana.page.text
        assert "&lt;script&gt;" in dana.page.text
