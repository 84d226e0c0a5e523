"""A payment run at the desk: read, a payment taken out, released, and what became of each payment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.store.audit import Entry
from rutter_ap_server.store.states import State
from support.authenticator import Authenticator
from support.desk import HOST, LARGE_BILL, SAMS, Desk, Visitor, a_desk
from support.runs import PLAIN
from support.serving import PASSCODE, bill_numbered, done

pytestmark = pytest.mark.anyio
FIRST, SECOND, THIRD = PLAIN
CLERKS = "a passcode that only the clerk knows"


async def held_run(desk: Desk, *numbers: str, **more: Any) -> str:
    ids = [(await bill_numbered(desk.client, one))["id"] for one in numbers or PLAIN]
    run = await done(desk.client, "propose_payment_run", bill_ids=ids, **more)
    assert run["status"] == "held"
    return str(run["proposal_id"])


def bill_of(visitor: Visitor, number: str) -> str:
    """What the form names that takes that bill out."""
    [form] = re.findall(rf"<summary>Take out<span[^>]*> bill {number}<.*?</form>", visitor.page.text, re.DOTALL)
    [bill_id] = re.findall(r'name="bill" value="([^"]+)"', form)
    return str(bill_id)


async def takes_out(visitor: Visitor, number: str, passcode: str = PASSCODE) -> None:
    await visitor.sends("/take-out", bill=bill_of(visitor, number), passcode=passcode)


def shown_id(visitor: Visitor) -> str:
    return visitor.page.url.path.rpartition("/")[2]


async def told(desk: Desk, kind: str) -> list[Entry]:
    return await desk.app.store.read(lambda tx: list(tx.audit.of_kind(kind)))


async def test_what_needs_a_look_stands_on_top_with_the_reason(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk, "FT-802", *PLAIN)
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        closer, usual = dana.text.split("As usual: 3")
        assert "Needs a look: 1" in closer
        assert "27,350.00 USD is more than 3 times this vendor's usual payment" in closer.split("Needs a look")[1]
        for number in PLAIN:
            assert f"bill {number}" in usual
        assert "Total for each vendor" in dana.text


async def test_a_payment_taken_out_makes_another_proposal(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk, memo="March")
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        await takes_out(dana, SECOND)
        new_id = shown_id(dana)
        assert new_id != run_id
        assert "Release 2 payments, 933.20 USD together" in dana.text
        assert "‹March›" in dana.text
        assert (await desk.state(run_id), await desk.state(new_id)) == ("withdrawn", "held")
        await dana.opens(f"/approvals/{run_id}")
        assert f"WITHDRAWN by Dana : replaced by {new_id}, without the payment of bill {SECOND}" in dana.text
        await dana.opens(f"/approvals/{new_id}")
        await dana.sends("/release", passcode=PASSCODE)
        assert "POSTED" in dana.text
        assert dana.text.count("✓ recorded in the ledger") == 2
        assert [await desk.paid(one) for one in PLAIN] == [["684.20"], [], ["249.00"]]


async def test_who_prepared_the_run_still_may_not_release_it(home: Path) -> None:
    """Nor by taking a payment out, which is told with their name."""
    async with a_desk(home) as desk, desk.visited() as clerk:
        # Who asked the assistant for the run; a client names them in parentheses.
        await desk.app.approvals.add_approver("mcp", CLERKS, channel="terminal", by=Proof("Dana", PASSCODE))
        run = await desk.app.proposal(await held_run(desk))
        await clerk.signs_in("mcp", CLERKS)
        await clerk.opens(f"/approvals/{run.id}")
        await takes_out(clerk, THIRD, CLERKS)
        new = await desk.app.proposal(shown_id(clerk))
        assert new.preparer == run.preparer == "assistant (mcp)"
        [entry] = await told(desk, "payment_taken_out")
        assert (entry.actor, entry.proposal_id) == ("mcp", new.id)
        await clerk.sends("/release", passcode=CLERKS)
        assert "the person who prepared a write may not release it" in clerk.text
        assert await desk.paid(FIRST) == []


async def test_two_who_take_out_at_once_leave_one_run(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as sam:
        run_id = await held_run(desk)
        for who, name, passcode in ((dana, "Dana", PASSCODE), (sam, "Sam", SAMS)):
            await who.signs_in(name, passcode)
            await who.opens(f"/approvals/{run_id}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(takes_out, dana, FIRST)
            tasks.start_soon(takes_out, sam, SECOND, SAMS)
        held = await desk.app.store.read(lambda tx: tx.proposals.in_states([State.HELD], 10))
        assert [len(one.fields["lines"]) for one in held] == [2]
        assert len(await told(desk, "payment_taken_out")) == 1
        assert sorted((dana.page.status_code, sam.page.status_code)) == [200, 409]
        loser = dana if dana.page.status_code == 409 else sam
        assert "nothing was taken out" in loser.text


async def test_nothing_is_taken_out_while_writes_are_stopped(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk)
        await dana.signs_in()
        await dana.sends("/freeze")
        await dana.opens(f"/approvals/{run_id}")
        await takes_out(dana, FIRST)
        assert dana.page.status_code == 409
        assert await desk.state(run_id) == "held"
        assert await told(desk, "withdrawn") == []


async def test_the_only_payment_of_a_run_cannot_be_taken_out(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk, FIRST)
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        assert "Take out" not in dana.text
        token = re.findall(r'name="token" value="([^"]+)"', dana.page.text)[0]
        form = {"token": token, "passcode": PASSCODE, "bill": (await desk.bill(FIRST))["id"]}
        await dana.posts(f"/approvals/{run_id}/take-out", form)
        assert "it is the only payment of this run" in dana.text
        await dana.posts(f"/approvals/{run_id}/take-out", form | {"bill": (await desk.bill(SECOND))["id"]})
        assert "this run does not pay that bill" in dana.text
        assert await desk.state(run_id) == "held"


async def test_another_site_takes_nothing_out(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk)
        await dana.signs_in()
        page = await dana.posts(f"/approvals/{run_id}/take-out", {"token": "x", "passcode": PASSCODE})
        assert page.status_code == 403
        assert await desk.state(run_id) == "held"


async def test_a_run_the_policy_would_send_waits_once_changed(home: Path, tmp_path: Path) -> None:
    """Whoever takes a payment out has released nothing yet."""
    policy = '[currencies.USD]\napprove_above = "1000.00"\n[tools]\npay_bill = "allow"\npropose_payment_run = "allow"\n'
    (tmp_path / "policy.toml").write_text(policy)
    async with a_desk(home, RUTTER_AP_POLICY=str(tmp_path / "policy.toml")) as desk, desk.visited() as dana:
        run_id = await held_run(desk)
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        await takes_out(dana, SECOND)
        assert await desk.state(shown_id(dana)) == "held"
        assert [await desk.paid(one) for one in PLAIN] == [[], [], []]


async def test_the_documents_of_a_run_have_a_page_a_bill(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk)
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        for number in PLAIN:
            [path] = re.findall(rf'<a href="([^"]+/bills/\d+)">Documents<span[^>]*> of bill {number}<', dana.page.text)
            page = await dana.http.get(path)
            assert f"bill {number}</bdi></h1>" in page.text


async def test_the_cookie_alone_takes_nothing_out(home: Path) -> None:
    """It would end a run that somebody has released already."""
    async with a_desk(home) as desk, desk.visited() as dana:
        run_id = await held_run(desk, LARGE_BILL, *PLAIN)
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        await dana.sends("/release", passcode=PASSCODE, amount="28,913.20")
        assert len(await desk.app.store.read(lambda tx: tx.proposals.approvals(run_id))) == 1
        for passcode in ("", SAMS):
            await dana.opens(f"/approvals/{run_id}")
            await takes_out(dana, FIRST, passcode)
            assert dana.page.status_code == 409
        assert await desk.state(run_id) == "held"
        assert await told(desk, "payment_taken_out") == []


async def test_a_passkey_takes_out_the_payment_it_signed_for(home: Path) -> None:
    key = Authenticator(f"http://{HOST}")
    async with a_desk(home) as desk, desk.visited() as dana:
        secret = await Enrolment(desk.app.approvals).invite_self(by=Proof("Dana", PASSCODE), channel="desk")
        await dana.enrols(secret, key)
        await dana.signs_in_with(key)
        run_id = await held_run(desk)
        await dana.opens(f"/approvals/{run_id}")
        first, second = bill_of(dana, FIRST), bill_of(dana, SECOND)
        path, answered = await dana.signed("/take-out", key, bill=first)
        await dana.posts(path, answered | {"bill": second})
        assert await desk.state(run_id) == "held"
        await dana.opens(f"/approvals/{run_id}")
        await dana.signs("/take-out", key, bill=second)
        assert "Release 2 payments, 933.20 USD together" in dana.text
        assert await desk.state(run_id) == "withdrawn"


async def test_a_run_is_released_or_a_payment_taken_out_of_it(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as sam:
        run_id = await held_run(desk)
        await dana.signs_in()
        await sam.signs_in("Sam", SAMS)
        for who in (dana, sam):
            await who.opens(f"/approvals/{run_id}")

        async def released() -> None:
            await dana.sends("/release", passcode=PASSCODE)

        async def taken() -> None:
            await takes_out(sam, FIRST, SAMS)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(released)
            tasks.start_soon(taken)
        held = await desk.app.store.read(lambda tx: tx.proposals.in_states([State.HELD], 10))
        assert ((await desk.state(run_id)) == "posted") != bool(held)
        assert (await desk.state(run_id)) in ("posted", "withdrawn")
