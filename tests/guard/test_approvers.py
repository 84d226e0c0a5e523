"""Who may approve: one identity a person, one passcode an identity, and nobody changes either without an approver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.store.approvers import Approver
from rutter_ap_tools.errors import ApError, BadInput, NotFound
from support.bench import PASSCODE, Bench, a_bench
from support.refusals import refused_for

ANA = Proof("Ana", PASSCODE)
ANOTHER = "another passcode"
LARGE = "FT-802"


async def active(bench: Bench) -> dict[str, Approver]:
    return {one.name: one for one in await bench.app.store.read(lambda tx: tx.approvers.active())}


async def audited(bench: Bench, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Who did it and what is recorded of it, the oldest first."""
    entries = await bench.app.store.read(lambda tx: list(tx.audit.entries()))
    return [(one.actor, json.loads(one.body)) for one in entries if one.kind == kind]


async def refused(bench: Bench, name: str, passcode: str = ANOTHER, by: Proof | None = ANA) -> str:
    with pytest.raises(ApError) as error:
        await bench.app.approvals.add_approver(name, passcode, channel="terminal", by=by)
    assert PASSCODE not in error.value.message + error.value.next_step
    return error.value.error_code


async def test_the_first_approver_needs_nobody_and_the_next_one_does(home: Path) -> None:
    async with a_bench(home) as bench:
        approvals = bench.app.approvals
        await approvals.add_approver("Ana", PASSCODE, channel="terminal")
        assert await refused(bench, "Bo", by=None) == "approver.proof_needed"
        assert await refused(bench, "Bo", by=Proof("Ana", "not her passcode")) == "approval.wrong_passcode"
        assert await refused(bench, "Bo", by=Proof("Bo", ANOTHER)) == "approval.wrong_passcode"

        await approvals.add_approver("Bo", ANOTHER, channel="terminal", by=Proof("ÀNA", PASSCODE))

        people = await active(bench)
        assert list(people) == ["Ana", "Bo"]
        ana, bo = people["Ana"].id, people["Bo"].id
        assert await audited(bench, "approver_added") == [
            ("terminal", {"name": "Ana", "approver_id": ana, "by_id": None, "channel": "terminal"}),
            ("Ana", {"name": "Bo", "approver_id": bo, "by_id": ana, "channel": "terminal"}),
        ]


@pytest.mark.parametrize("name", ["ᗪᗩᑎᗩ", "ⵠana", "🅳🅰🅽🅰 D"])
async def test_a_name_drawn_like_an_approvers_is_refused(home: Path, name: str) -> None:
    """The first is in Canadian syllabics and reads DANA."""
    async with a_bench(home) as bench:
        await bench.approver("Dana", "Ana")

        assert await refused(bench, name) == "approver.name_script"
        assert list(await active(bench)) == ["Ana", "Dana"]


async def test_a_passcode_given_as_a_name_is_not_recorded(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        for name, passcode in ((PASSCODE, "Ana"), (f" {PASSCODE.upper()}", PASSCODE)):
            with refused_for("approval.wrong_passcode"):
                await bench.app.approvals.verify(name, passcode, channel="terminal")

        entries = await bench.app.store.read(lambda tx: list(tx.audit.entries()))
        assert PASSCODE not in repr(entries).casefold()
        assert [about["name"] for _, about in await audited(bench, "passcode_wrong")] == ["unknown"] * 2


async def test_a_wrong_passcode_is_recorded_with_a_known_name(home: Path) -> None:
    """Also that of somebody who was removed, and as it was given when it was added."""
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        bo = await bench.id_of("Bo")
        await bench.remove_approver("Bo")
        for name in ("ÀNA", "bo"):
            with refused_for("approval.wrong_passcode"):
                await bench.app.approvals.verify(name, "not the passcode", channel="terminal")

        found = [(about["name"], about["approver_id"]) for _, about in await audited(bench, "passcode_wrong")]
        assert found == [("Ana", await bench.id_of("Ana")), ("Bo", None)]
        assert bo not in repr(found)


@pytest.mark.parametrize("name", ["Maria Lopez", "maria  lopez", "MARÍA LÓPEZ", "Ｍａｒｉａ Lopez"])
async def test_nobody_is_added_twice_in_any_spelling(home: Path, name: str) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Maria Lopez", "Ana")
        before = await active(bench)

        with pytest.raises(BadInput) as error:
            await bench.app.approvals.add_approver(" ".join(name.split()), ANOTHER, channel="terminal", by=ANA)

        assert error.value.error_code == "approver.exists"
        assert "rutter-ap approvers passcode" in error.value.next_step
        assert await active(bench) == before


@pytest.mark.parametrize("removed", [False, True])
@pytest.mark.parametrize("name", ["D\u0430na Reyes", "Dana-Reyes", "DanaReyes", "Dana Reye5"])
async def test_a_name_that_looks_like_anothers_is_refused(home: Path, name: str, removed: bool) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Dana Reyes", "Ana")
        if removed:
            await bench.remove_approver("Dana Reyes")

        assert await refused(bench, name) in ("approver.name_confusable", "approver.name_mixed")


@pytest.mark.parametrize(
    "name",
    [
        *("chat", "Chat", "ｐｏｌｉｃｙ", "GUÁRD", "Po1icy", "Terminal", "oper-ator", "0perator", "ASSISTANT"),
        *("assistant (Dana)", "\u0441\u04bb\u0430t", "a person at the terminal"),
    ],
)
async def test_names_this_program_uses_are_nobodys(home: Path, name: str) -> None:
    async with a_bench(home) as bench:
        assert await refused(bench, name, by=None) == "approver.name_reserved"
        assert await active(bench) == {}


async def test_a_word_in_two_alphabets_is_no_name(home: Path) -> None:
    async with a_bench(home) as bench:
        assert await refused(bench, "D\u0430na", by=None) == "approver.name_mixed"


async def test_a_removed_name_comes_back_as_somebody_else(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await bench.pay(LARGE)
        assert (await bench.approve(held.proposal_id, "Bo")).state == "held"
        first = await bench.id_of("Bo")
        await bench.remove_approver("Bo")

        await bench.app.approvals.add_approver("Bo", ANOTHER, channel="terminal", by=ANA)

        assert await bench.id_of("Bo") != first
        # Bo's earlier release no longer counts, so that Ana's is the first of two.
        assert (await bench.approve(held.proposal_id, "Ana")).state == "held"
        assert bench.wire.payments_sent == []
        (given,) = await bench.app.store.read(lambda tx: tx.proposals.approvals(str(held.proposal_id)))
        assert (given.approver, given.approver_id) == ("Ana", await bench.id_of("Ana"))


async def test_removing_and_adding_again_is_not_a_second_person(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await bench.pay(LARGE)
        await bench.approve(held.proposal_id, "Bo")
        await bench.remove_approver("Bo")
        await bench.approver("Bo")

        assert (await bench.approve(held.proposal_id, "Bo")).state == "held"
        assert (await bench.approve(held.proposal_id, "Ana")).state == "posted"


async def test_two_people_cannot_have_one_passcode(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        with pytest.raises(NotReleased) as error:
            await bench.app.approvals.add_approver("Bo", PASSCODE, channel="desk", by=ANA)
        await bench.app.approvals.add_approver("Bo", ANOTHER, channel="desk", by=ANA)
        with pytest.raises(NotReleased) as again:
            await bench.app.approvals.change_passcode("Bo", PASSCODE, channel="desk", by=Proof("Bo", ANOTHER))

        assert {error.value.error_code, again.value.error_code} == {"approver.passcode_in_use"}
        assert "Ana" not in error.value.message + error.value.next_step
        people = await active(bench)
        assert await audited(bench, "passcode_in_use") == [
            ("Ana", {"by_id": people["Ana"].id, "channel": "desk"}),
            ("Bo", {"by_id": people["Bo"].id, "channel": "desk"}),
        ]
        await bench.app.approvals.verify("Bo", ANOTHER, channel="desk")


async def test_one_passcode_added_twice_at_once_is_one_persons(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        outcomes: list[str] = []

        async def add(name: str) -> None:
            try:
                await bench.app.approvals.add_approver(name, ANOTHER, channel="desk", by=ANA)
            except NotReleased as error:
                outcomes.append(error.error_code)
            else:
                outcomes.append("added")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(add, "Bo")
            tasks.start_soon(add, "Cy")

        assert outcomes.count("added") == 1
        assert set(outcomes) <= {"added", "approver.changed", "approver.passcode_in_use"}
        assert len(await active(bench)) == 2


async def test_a_passcode_changes_with_the_old_one_or_by_another(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        before = {name: one.id for name, one in (await active(bench)).items()}
        approvals = bench.app.approvals
        for wrong in (Proof("Bo", ANOTHER), Proof("Ana", ANOTHER)):
            with refused_for("approval.wrong_passcode"):
                await approvals.change_passcode("Bo", "a third passcode", channel="desk", by=wrong)
        with pytest.raises(NotFound):
            await approvals.change_passcode("Cy", "a third passcode", channel="desk", by=ANA)

        await approvals.change_passcode("bo", ANOTHER, channel="desk", by=Proof("Bo", PASSCODE))
        await approvals.change_passcode("Bo", "a third passcode", channel="desk", by=ANA)

        with refused_for("approval.wrong_passcode"):
            await approvals.verify("Bo", ANOTHER, channel="desk")
        await approvals.verify("Bo", "a third passcode", channel="desk")
        assert {name: one.id for name, one in (await active(bench)).items()} == before
        about = {"name": "Bo", "approver_id": before["Bo"], "channel": "desk"}
        assert await audited(bench, "approver_passcode_changed") == [
            ("Bo", about | {"by_id": before["Bo"]}),
            ("Ana", about | {"by_id": before["Ana"]}),
        ]


async def test_the_last_approver_removes_themselves_and_nobody_else(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        for by, code in ((None, "approver.proof_needed"), (Proof("Ana", ANOTHER), "approval.wrong_passcode")):
            with refused_for(code):
                await bench.app.approvals.remove_approver("Ana", channel="terminal", by=by)
        ana = await bench.id_of("Ana")

        await bench.remove_approver("ana")

        assert await active(bench) == {}
        about = {"name": "Ana", "approver_id": ana, "by_id": ana, "channel": "terminal"}
        assert await audited(bench, "approver_removed") == [("Ana", about)]
        with pytest.raises(NotFound):
            await bench.app.approvals.remove_approver("Ana", channel="terminal", by=None)


async def test_writes_are_allowed_again_only_by_an_approver(home: Path) -> None:
    async with a_bench(home) as bench:
        approvals, store = bench.app.approvals, bench.app.store
        await store.write(lambda tx: tx.controls.freeze("somebody"))
        await approvals.unfreeze(channel="terminal")
        await bench.approver("Ana")
        await store.write(lambda tx: tx.controls.freeze("somebody"))

        for by, code in ((None, "approver.proof_needed"), (Proof("Ana", ANOTHER), "approval.wrong_passcode")):
            with pytest.raises(NotReleased) as error:
                await approvals.unfreeze(channel="terminal", by=by)
            assert error.value.error_code == code
        assert await store.read(lambda tx: tx.controls.frozen_by()) is not None

        await approvals.unfreeze(channel="desk", by=ANA)

        assert await store.read(lambda tx: tx.controls.frozen_by()) is None
        assert await audited(bench, "unfrozen") == [
            ("terminal", {"approver_id": None, "channel": "terminal"}),
            ("Ana", {"approver_id": await bench.id_of("Ana"), "channel": "desk"}),
        ]


async def test_who_released_and_who_declined_is_recorded_by_id(home: Path) -> None:
    async with a_bench(home) as bench:
        await bench.approver("Ana")
        ana = await bench.id_of("Ana")
        await bench.approve((await bench.pay("FT-778")).proposal_id)
        other = str((await bench.pay(LARGE)).proposal_id)
        await bench.app.approvals.decline(other, by=Proof("ana", PASSCODE), channel="desk")

        ((actor, approved),) = await audited(bench, "approved")
        assert (actor, approved["approver_id"], approved["channel"]) == ("Ana", ana, "terminal")
        assert await audited(bench, "declined") == [("Ana", {"approver_id": ana, "channel": "desk", "reason": ""})]


@pytest.mark.parametrize("meanwhile", ["removed", "another passcode"])
async def test_who_was_verified_must_still_be_an_approver_at_the_end(home: Path, meanwhile: str) -> None:
    """The passcode is checked before the facts are read again, and those take their time."""
    async with a_bench(home) as bench:
        await bench.approver("Ana", "Bo")
        held = await bench.proposal((await bench.pay("FT-778")).proposal_id)
        seen = await bench.app.approvals.preview(held.id, bench.company)
        gate = bench.wire.gate(lambda request: "/bills/" in request.url.path)

        async def approve() -> None:
            with pytest.raises(NotReleased) as error:
                await bench.app.approvals.approve(seen, bench.company, by=Proof("Bo", PASSCODE), channel="desk")
            assert error.value.error_code == "approval.wrong_passcode"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(approve)
            await gate.reached.wait()
            if meanwhile == "removed":
                await bench.remove_approver("Bo")
            else:
                await bench.app.approvals.change_passcode("Bo", ANOTHER, channel="desk", by=ANA)
            gate.go.set()

        assert (await bench.proposal(held.id)).state == "held"
        assert bench.wire.writes == []


def test_a_proof_shows_no_secret() -> None:
    assert PASSCODE not in repr(ANA)
