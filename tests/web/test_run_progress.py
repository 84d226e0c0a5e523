"""A run that is being sent, at the desk: its page says how far it is, and what refused it is said late too."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import pytest

from rutter_ap_server.companies import registry
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.web import desk as desk_pages
from rutter_sandbox import Sandbox
from support.desk import Desk, a_desk
from support.runs import PLAIN, SECOND
from support.serving import PASSCODE, bill_numbered, done

pytestmark = pytest.mark.anyio


class Held(httpx.AsyncBaseTransport):
    """The way to the practice company; payments of one bill wait until they are let through."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._inner = httpx.ASGITransport(sandbox.asgi)
        self.bill_id = ""
        self.reached = anyio.Event()
        self.let_through = anyio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Passes a request on."""
        if request.method == "POST" and self.bill_id and self.bill_id.encode() in await request.aread():
            self.reached.set()
            await self.let_through.wait()
        return await self._inner.handle_async_request(request)


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch) -> list[Held]:
    """The ways that were opened to practice companies; and a desk that keeps nobody waiting."""
    opened: list[Held] = []

    def opens(sandbox: Sandbox) -> httpx.AsyncBaseTransport:
        opened.append(Held(sandbox))
        return opened[-1]

    monkeypatch.setattr(registry, "_in_process", opens)
    monkeypatch.setattr(desk_pages, "RELEASE_SECONDS", 0.0)
    return opened


async def held_run(desk: Desk) -> str:
    ids = [(await bill_numbered(desk.client, one))["id"] for one in PLAIN]
    run = await done(desk.client, "propose_payment_run", bill_ids=ids)
    assert run["status"] == "held"
    return str(run["proposal_id"])


async def test_a_run_under_way_shows_how_far_it_is(home: Path, wires: list[Held]) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk)
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        wires[-1].bill_id = (await desk.bill(SECOND))["id"]
        path, fields, _ = dana.form("/release")

        await dana.posts(path, fields | {"passcode": PASSCODE})

        assert re.search(r"[0-2] of 3 payments have an outcome", dana.text)
        [progress] = re.findall(r'data-going="([^"]+)"', dana.page.text)
        said = (await dana.http.get(progress)).json()
        assert said["is_going"]
        assert said["words"] == f"{said['done']} of 3 payments have an outcome"
        wires[-1].let_through.set()
        await dana.follows()
        assert "POSTED" in dana.text
        assert dana.text.count("✓ recorded in the ledger") == 3
        assert (await dana.http.get(progress)).json() == {"is_going": False}


async def test_its_progress_is_for_those_who_are_signed_in(home: Path, wires: list[Held]) -> None:
    async with a_desk(home) as desk, desk.visited() as stranger:
        run_id = await held_run(desk)
        answer = await stranger.http.get(f"/approvals/{run_id}/progress")
        assert (answer.status_code, "sign-in" in answer.headers["location"]) == (303, True)


async def test_what_refused_a_release_stands_on_the_page(home: Path, wires: list[Held]) -> None:
    """However late that is known."""
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk)
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        await dana.sends("/release", passcode="another passcode")
        assert dana.page.status_code == 409
        assert 'role="alert"' in dana.page.text
        assert await desk.state(run_id) == "held"


async def test_a_desk_that_ends_has_sent_what_was_released(home: Path, wires: list[Held]) -> None:
    async with a_desk(home) as desk:
        run_id = await held_run(desk)
        company = await desk.app.company_of(await desk.app.proposal(run_id))
        seen = await desk.app.approvals.preview(run_id, company)
        wires[-1].bill_id = (await desk.bill(SECOND))["id"]

        async def release() -> None:
            await desk.app.approvals.approve(seen, company, by=Proof("Dana", PASSCODE), channel="desk")

        async def late(_: object) -> None:
            await wires[-1].reached.wait()

        desk.app.releases.seconds_max = 0.0
        await desk.app.releases.in_time(release, late)
        assert await desk.state(run_id) == "dispatching"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.app.releases.aclose)
            await anyio.lowlevel.checkpoint()
            wires[-1].let_through.set()
        assert await desk.state(run_id) == "posted"
