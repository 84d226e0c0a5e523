"""With a passkey a person signs what they decide: once, for one proposal, as it was shown, and nobody else can."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pyotp import TOTP

from rutter_ap_server.clock import Clock, FixedClock
from rutter_ap_server.guard.approvers import NotReleased, Proof
from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.guard.signed_acts import TICKET_SECONDS
from rutter_ap_server.store.sessions import IDLE
from rutter_ap_server.web.desk import desk_app
from support.authenticator import PRESENT, Authenticator
from support.desk import HOST, LARGE_BILL, SAMS, Desk, Visitor, a_desk, an_empty_desk
from support.serving import PASSCODE

pytestmark = pytest.mark.anyio
SECOND_BILL = "BH-5520"
ORIGIN = f"http://{HOST}"


def a_key(*, counts: bool = True) -> Authenticator:
    return Authenticator(ORIGIN, counts=counts)


async def link(desk: Desk) -> str:
    """The secret of the link that the program opens for the first approver."""
    secret = await Enrolment(desk.app.approvals).invite_first()
    assert secret is not None
    return secret


@asynccontextmanager
async def dana_at_her_desk(
    home: Path, key: Authenticator, clock: Clock | None = None
) -> AsyncIterator[tuple[Desk, Visitor]]:
    """Dana was the first to enrol, with a passkey alone, and is signed in with it."""
    async with an_empty_desk(home, clock) as desk, desk.visited() as dana:
        await dana.enrols(await link(desk), key, "Dana")
        await dana.signs_in_with(key)
        yield desk, dana


async def told(desk: Desk, kind: str) -> list[dict[str, object]]:
    entries = await desk.app.store.read(lambda tx: list(tx.audit.of_kind(kind)))
    return [json.loads(one.body) for one in entries]


async def test_the_first_approver_enrols_signs_in_and_releases(home: Path) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana):
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        assert 'type="password"' not in dana.page.text
        await dana.signs("/release", key)
        assert "POSTED" in dana.text
        assert await desk.paid() == ["684.20"]
        [approved] = await told(desk, "approved")
        signature = approved["signature"]
        assert isinstance(signature, dict)
        decision = signature["decision"]
        assert (decision["act"], decision["about"], decision["approver"]) == ("release", proposal_id, "Dana")
        assert decision["form"]["digest"] == approved["statement"]
        [added] = await told(desk, "passkey_added")
        assert (added["name"], added["witness"]) == ("Dana", "a link opened by this program")


async def test_an_answer_is_worth_nothing_the_second_time(home: Path) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana):
        first, second = await desk.held(), await desk.held(SECOND_BILL)
        await dana.opens(f"/approvals/{first}")
        path, answered = await dana.signed("/release", key)
        await dana.posts(path.replace(first, second), answered)
        assert await desk.state(second) == "held"
        await dana.posts(path, answered)
        assert await desk.state(first) == "posted"
        await dana.posts(path, answered)
        assert await desk.paid() == ["684.20"]
        await dana.opens(f"/approvals/{second}")
        _, of_second = await dana.signed("/release", key)
        # A new challenge, and the answer to the old one: its number is taken by that.
        stolen = of_second | {"answer": answered["answer"]}
        await dana.posts(f"/approvals/{second}/release", stolen)
        await dana.posts(f"/approvals/{second}/release", of_second)
        assert await desk.state(second) == "held"


async def test_a_signed_decline_is_no_release_and_a_release_no_decline(home: Path) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana):
        proposal_id = await desk.held()
        for signed_act, sent_to in (("/decline", "/release"), ("/release", "/decline")):
            await dana.opens(f"/approvals/{proposal_id}")
            path, answered = await dana.signed(signed_act, key, reason="No.")
            await dana.posts(path.replace(signed_act, sent_to), answered)
            assert await desk.state(proposal_id) == "held"


@pytest.mark.parametrize("name", ["digest", "facts", "reason"])
async def test_no_field_of_a_form_changes_after_it_was_signed(home: Path, name: str) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana):
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        ending = "/decline" if name == "reason" else "/release"
        path, answered = await dana.signed(ending, key, **({"reason": "Too much."} if name == "reason" else {}))
        await dana.posts(path, answered | {name: "0" * 64})
        assert await desk.state(proposal_id) == "held"


async def test_what_moved_after_it_was_signed_is_not_released(home: Path) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana):
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        path, answered = await dana.signed("/release", key)
        await desk.app.store.write(lambda tx: tx.controls.freeze("Sam"))
        page = await dana.posts(path, answered)
        assert page.status_code == 409
        assert await desk.state(proposal_id) == "held"
        assert await desk.paid() == []


@pytest.mark.parametrize(
    "wrong",
    [{"flags": PRESENT}, {"rp_id": "evil.example"}, {"origin": "http://localhost:1"}],
    ids=["not verified", "another site", "another page"],
)
async def test_an_answer_that_proves_nothing_is_refused_and_told(home: Path, wrong: dict[str, object]) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana):
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        for name, value in wrong.items():
            setattr(key, name, value)
        await dana.signs("/release", key)
        assert "the passkey was not accepted" in dana.text
        assert await desk.state(proposal_id) == "held"
        assert len(await told(desk, "passkey_refused")) == 1


async def test_a_copy_of_a_passkey_that_counts_is_noticed(home: Path) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana):
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        key.count = 0
        await dana.signs("/release", key)
        assert "there is a copy of it" in dana.text
        assert await desk.state(proposal_id) == "held"


async def test_a_synchronised_passkey_never_counts(home: Path) -> None:
    key = a_key(counts=False)
    async with dana_at_her_desk(home, key) as (desk, dana):
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.signs("/release", key)
        assert await desk.state(proposal_id) == "posted"


async def test_two_approvers_sign_a_large_payment_each_for_themselves(home: Path) -> None:
    danas, sams = a_key(), a_key()
    async with dana_at_her_desk(home, danas) as (desk, dana), desk.visited() as sam:
        await dana.opens("/approvals/passkeys")
        await dana.signs("/passkeys/invite", danas, name="Sam")
        secret = dana.text.partition("/approvals/enrol/")[2].split()[0]
        await sam.enrols(secret, sams)
        await sam.signs_in_with(sams)
        proposal_id = await desk.held(LARGE_BILL)
        await dana.opens(f"/approvals/{proposal_id}")
        await sam.opens(f"/approvals/{proposal_id}")
        # Sam's key cannot sign for Dana, nor Dana's for Sam.
        path, answered = await dana.signed("/release", danas, amount="27350.00")
        await sam.posts(path, answered)
        assert await desk.state(proposal_id) == "held"
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.signs("/release", sams, amount="27350.00")
        assert await desk.state(proposal_id) == "held"
        for person, key in ((dana, danas), (sam, sams)):
            await person.opens(f"/approvals/{proposal_id}")
            await person.signs("/release", key, amount="27350.00")
        assert await desk.state(proposal_id) == "posted"
        assert [one["witness"] for one in await told(desk, "passkey_added")][1] == "Dana"


async def test_a_link_works_once_and_only_while_there_is_nobody(home: Path) -> None:
    async with an_empty_desk(home) as desk, desk.visited() as first, desk.visited() as second:
        older = await link(desk)
        secret = await link(desk)
        assert (await first.opens(f"/approvals/enrol/{older}")).status_code == 404
        await second.opens(f"/approvals/enrol/{secret}")
        path, answered = await second.signed(f"/enrol/{secret}", a_key(), name="Mallory")
        await first.enrols(secret, a_key(), "Dana")
        await second.posts(path, answered)
        assert (await second.opens(f"/approvals/enrol/{secret}")).status_code == 404
        assert [one.name for one in await desk.app.store.read(lambda tx: tx.approvers.active())] == ["Dana"]
        assert await Enrolment(desk.app.approvals).invite_first() is None


async def test_a_passcode_enrols_where_there_are_no_scripts(home: Path) -> None:
    async with an_empty_desk(home) as desk, desk.visited() as dana:
        secret = await link(desk)
        await dana.enrols(secret, None, "Dana", "short")
        assert "at least 8 characters" in dana.text
        await dana.enrols(secret, None, "Dana", "")
        assert "a passkey is needed, or a passcode" in dana.text
        await dana.enrols(secret, None, "Dana", PASSCODE)
        await dana.signs_in("Dana", PASSCODE)
        assert "What waits for a person" in dana.text


async def test_an_invitation_dies_with_whoever_gave_it(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as guest:
        by = Proof("Sam", SAMS)
        secret = await Enrolment(desk.app.approvals).invite("Robin", by=by, channel="desk")
        await guest.opens(f"/approvals/enrol/{secret}")
        path, answered = await guest.signed(f"/enrol/{secret}", a_key())
        await desk.app.approvals.remove_approver("Sam", channel="desk", by=Proof("Dana", PASSCODE))
        await guest.posts(path, answered)
        assert "Robin" not in [one.name for one in await desk.app.store.read(lambda tx: tx.approvers.active())]


async def test_another_passkey_is_added_by_its_owner_and_taken_back(home: Path) -> None:
    first, second = a_key(), a_key()
    async with dana_at_her_desk(home, first) as (desk, dana), desk.visited() as elsewhere:
        await dana.opens("/approvals/passkeys")
        await dana.signs("/passkeys/add", first)
        await dana.signs('/enrol/[^"]*', second)
        await elsewhere.signs_in_with(second)
        assert "What waits for a person" in elsewhere.text
        proposal_id = await desk.held()
        await elsewhere.opens("/approvals/passkeys")
        await elsewhere.signs("/passkeys/remove", second)
        # The form of the first row takes back the first passkey, and the session that it began.
        assert "Sign in to approve" in (await dana.opens("/approvals")).text
        await dana.signs_in_with(first)
        assert "it is no passkey of an approver here" in dana.text
        await elsewhere.opens(f"/approvals/{proposal_id}")
        await elsewhere.signs("/release", second)
        assert await desk.state(proposal_id) == "posted"


async def test_one_passkey_is_one_persons(home: Path) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana), desk.visited() as guest:
        await dana.opens("/approvals/passkeys")
        await dana.signs("/passkeys/invite", key, name="Sam")
        secret = dana.text.partition("/approvals/enrol/")[2].split()[0]
        await guest.enrols(secret, key)
        assert "is or was an approver's already" in guest.text
        assert [one.name for one in await desk.app.store.read(lambda tx: tx.approvers.active())] == ["Dana"]


async def test_who_was_removed_signs_nothing(home: Path) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana), desk.visited() as again:
        await dana.opens("/approvals/passkeys")
        await dana.signs("/passkeys/invite", key, name="Sam")
        secret = dana.text.partition("/approvals/enrol/")[2].split()[0]
        await again.enrols(secret, None, "", SAMS)
        await desk.app.approvals.remove_approver("Dana", channel="desk", by=Proof("Sam", SAMS))
        proposal_id = await desk.held()
        assert "Sign in to approve" in (await dana.opens(f"/approvals/{proposal_id}")).text
        await again.opens("/approvals/sign-in")
        assert "with a passkey" not in again.text


@pytest.mark.parametrize(
    "edit",
    [
        "INSERT INTO passkeys SELECT hex(randomblob(32)), approver_id, credential_id || 'x', public_key, rp_id, "
        "aaguid, is_backed_up, added_at, removed_at, sign_count, used_at FROM passkeys",
        "UPDATE passkeys SET public_key = 'AAAA'",
        "UPDATE passkeys SET approver_id = (SELECT hex(randomblob(16)))",
        "DELETE FROM passkeys",
        "UPDATE passkeys SET sign_count = 0",
    ],
    ids=["added", "key", "owner", "removed", "count"],
)
async def test_a_passkey_edited_by_hand_is_found(home: Path, edit: str) -> None:
    async with dana_at_her_desk(home, a_key()) as (desk, dana):
        with closing(sqlite3.connect(home / "rutter-ap.db")) as database, database:
            assert database.execute(edit).rowcount
        compared = await desk.app.store.read(lambda tx: tx.checks.everything())
        assert {one.table for one in compared.differences} == {"passkeys"}
        page = await dana.opens("/approvals")
        assert page.status_code == (200 if "INSERT" in edit else 409)


async def test_a_storm_of_wrong_passcodes_locks_the_address_alone(home: Path) -> None:
    key = a_key()
    async with dana_at_her_desk(home, key) as (desk, dana), desk.visited() as enemy:
        for at in range(20):
            page = await enemy.signs_in(f"Person {at}", "wrong passcode")
            assert page.status_code == 403
        await enemy.signs_in("Dana", "wrong passcode")
        assert "too many wrong attempts from this address" in enemy.text
        await enemy.signs_in_with(key)
        assert "too many wrong attempts from this address" in enemy.text
        # Who is signed in already decides on: their signature is no guess.
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.signs("/release", key)
        assert await desk.state(proposal_id) == "posted"
        assert {one["address"] for one in await told(desk, "passcode_wrong")} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("pause", "status"), [(IDLE + timedelta(seconds=1), 401), (timedelta(seconds=TICKET_SECONDS), 409)]
)
async def test_what_was_signed_too_long_ago_releases_nothing(home: Path, pause: timedelta, status: int) -> None:
    clock, key = FixedClock(datetime.now(UTC)), a_key()
    async with dana_at_her_desk(home, key, clock) as (desk, dana):
        proposal_id = await desk.held()
        await dana.opens(f"/approvals/{proposal_id}")
        path, answered = await dana.signed("/release", key)
        clock.instant += pause
        page = await dana.posts(path, answered)
        assert (page.status_code, await desk.state(proposal_id)) == (status, "held")


async def test_a_challenge_is_asked_for_by_whoever_is_signed_in(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as nobody, desk.visited() as dana:
        sent = {"sec-fetch-site": "same-origin"}
        assert (await nobody.http.post("/approvals/challenge", data={}, headers=sent)).status_code == 401
        await dana.signs_in()
        forged = await dana.http.post("/approvals/challenge", data={"token": "x"}, headers=sent)
        assert forged.status_code == 403
        await dana.opens(f"/approvals/{await desk.held()}")
        _, fields, _ = dana.form("/decline")
        long = await dana.http.post("/approvals/challenge", data=fields | {"reason": "x" * 30_000}, headers=sent)
        assert (long.status_code, long.json()["problem"]) == (
            409,
            "this form is too long to be signed; nothing was done",
        )


async def codes_of(dana: Visitor) -> TOTP:
    """Dana sets up codes, and confirms the first."""
    await dana.opens("/approvals/passkeys")
    await dana.sends("/passkeys/codes", passcode=PASSCODE)
    found = re.search(r"<p><code>([A-Z2-7]{32})</code></p>", dana.page.text)
    assert found is not None
    return TOTP(found[1])


async def test_each_code_is_good_once_beside_the_passcode(home: Path) -> None:
    clock = FixedClock(datetime.now(UTC))
    async with a_desk(home, clock) as desk, desk.visited() as dana:
        await dana.signs_in()
        codes = await codes_of(dana)
        await dana.sends("/codes-on", code="000000")
        assert "codes were not turned on" in dana.text
        codes = await codes_of(dana)
        await dana.sends("/codes-on", code=codes.at(clock.now()))
        proposal_id = await desk.held()
        used, older, later = (codes.at(clock.now(), counter_offset=steps) for steps in (0, -1, 2))
        for code in ("", "000000", used, older, later):
            await dana.opens(f"/approvals/{proposal_id}")
            await dana.sends("/release", passcode=PASSCODE, code=code)
            assert await desk.state(proposal_id) == "held"
            # So that it is not the lock that holds it.
            await desk.app.store.write(lambda tx: tx.approvers.passcode_accepted(tx.approvers.active()[0].id))
        clock.instant += timedelta(seconds=30)
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/release", passcode=PASSCODE, code=codes.at(clock.now()))
        assert await desk.state(proposal_id) == "posted"
        with closing(sqlite3.connect(home / "rutter-ap.db")) as database:
            kept = "".join(database.iterdump())
        assert codes.secret not in kept


async def test_codes_are_asked_for_everywhere_and_turned_off_by_one(home: Path) -> None:
    clock = FixedClock(datetime.now(UTC))
    async with a_desk(home, clock) as desk, desk.visited() as dana, desk.visited() as again:
        await dana.signs_in()
        codes = await codes_of(dana)
        await dana.sends("/codes-on", code=codes.at(clock.now()))
        await again.signs_in()
        assert "Sign in to approve" in again.text
        proposal_id = await desk.held()
        with pytest.raises(NotReleased):
            await desk.app.approvals.decline(proposal_id, by=Proof("Dana", PASSCODE), channel="terminal")
        clock.instant += timedelta(seconds=30)
        await again.opens("/approvals/sign-in")
        await again.sends("/sign-in", name="Dana", passcode=PASSCODE, code=codes.at(clock.now()))
        assert "What waits for a person" in again.text
        clock.instant += timedelta(seconds=30)
        await again.opens("/approvals/passkeys")
        await again.sends("/codes-off", passcode=PASSCODE, code=codes.at(clock.now()))
        await again.opens(f"/approvals/{proposal_id}")
        await again.sends("/release", passcode=PASSCODE)
        assert await desk.state(proposal_id) == "posted"


async def test_a_colleague_gives_a_new_passcode_and_the_codes_are_gone(home: Path) -> None:
    clock = FixedClock(datetime.now(UTC))
    async with a_desk(home, clock) as desk, desk.visited() as dana:
        await dana.signs_in()
        codes = await codes_of(dana)
        await dana.sends("/codes-on", code=codes.at(clock.now()))
        newer = "a newer passcode of hers"
        await desk.app.approvals.change_passcode("Dana", newer, channel="terminal", by=Proof("Sam", SAMS))
        await dana.signs_in("Dana", newer)
        assert "What waits for a person" in dana.text


async def test_a_used_link_is_not_renewed_by_hand(home: Path) -> None:
    async with an_empty_desk(home) as desk, desk.visited() as dana, desk.visited() as thief:
        await dana.enrols(await link(desk), None, "Dana", PASSCODE)
        secret = await Enrolment(desk.app.approvals).invite("Sam", by=Proof("Dana", PASSCODE), channel="desk")
        with closing(sqlite3.connect(home / "rutter-ap.db")) as database:
            (row,) = database.execute("SELECT * FROM tickets").fetchall()
        await dana.enrols(secret, None, "", SAMS)
        await desk.app.approvals.remove_approver("Sam", channel="desk", by=Proof("Dana", PASSCODE))
        with closing(sqlite3.connect(home / "rutter-ap.db")) as database, database:
            database.execute("INSERT INTO tickets VALUES (?, ?, ?, ?)", row)
        assert (await thief.opens(f"/approvals/enrol/{secret}")).status_code == 404


async def test_what_a_lost_passkey_released_and_was_not_sent_is_void(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        key, enrolment = a_key(), Enrolment(desk.app.approvals)
        await dana.enrols(await enrolment.invite_self(by=Proof("Dana", PASSCODE), channel="desk"), key)
        await dana.signs_in_with(key)
        proposal_id = await desk.held(LARGE_BILL)
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.signs("/release", key, amount="27350.00")
        (passkey,) = await desk.app.store.read(lambda tx: tx.passkeys.active())
        assert len(await desk.app.store.read(lambda tx: tx.proposals.approvals(proposal_id))) == 1
        await enrolment.remove_passkey(passkey.id, by=Proof("Sam", SAMS), channel="desk")
        assert await desk.app.store.read(lambda tx: tx.proposals.approvals(proposal_id)) == ()


async def test_a_page_on_another_port_keeps_no_session_alive(home: Path) -> None:
    clock = FixedClock(datetime.now(UTC))
    async with a_desk(home, clock) as desk, desk.visited() as dana:
        await dana.signs_in()
        for _ in range(6):
            clock.instant += timedelta(minutes=14)
            # As Chromium asks for <img src="http://localhost:8765/approvals"> on http://localhost:3000: same-site.
            sent = {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
            await dana.http.get("/approvals", headers=sent)
        await dana.opens("/approvals")
        assert "Sign in to approve" in dana.text


async def test_two_homes_on_one_machine_keep_both_signed_in(home: Path, tmp_path: Path) -> None:
    """A browser shows the cookies of one to the other."""
    async with a_desk(home) as desk, a_desk(tmp_path / "other") as other:
        first = desk_app(desk.app.approvals, desk.app.connect_flow, hosts=["localhost:8765"])
        second = desk_app(other.app.approvals, other.app.connect_flow, hosts=["localhost:8766"])
        kept: dict[str, str] = {}
        for served, port in ((first, 8765), (second, 8766)):
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(served), base_url=f"http://localhost:{port}"
            ) as http:
                sent = {"sec-fetch-site": "same-origin"}
                await http.post("/approvals/sign-in", data={"name": "Dana", "passcode": PASSCODE}, headers=sent)
                kept |= dict(http.cookies.items())
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(first), base_url="http://localhost:8765") as http:
            assert (await http.get("/approvals", headers=cookie)).status_code == 200
