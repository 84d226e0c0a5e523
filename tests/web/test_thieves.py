"""What a thief of a passkey, a passcode or the store tries, and a desk that may only read."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from pyotp import TOTP

from rutter_ap_server.clock import stamp
from rutter_ap_server.guard.approvers import NotReleased, Proof
from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.states import State
from support.authenticator import Authenticator
from support.desk import HOST, LARGE_BILL, SAMS, Desk, a_desk, an_empty_desk
from support.serving import PASSCODE, serving

pytestmark = pytest.mark.anyio
ORIGIN = f"http://{HOST}"
OURS = {"sec-fetch-site": "same-origin", "origin": ORIGIN}


async def names(desk: Desk) -> list[str]:
    return [one.name for one in await desk.app.store.read(lambda tx: tx.approvers.active())]


async def id_of(desk: Desk, name: str) -> str:
    return next(one.id for one in await desk.app.store.read(lambda tx: tx.approvers.active()) if one.name == name)


@pytest.mark.parametrize("another", [True, False], ids=["a new approver", "a passkey of Dana's"])
async def test_a_link_written_into_the_store_enrols_nobody(home: Path, another: bool) -> None:
    key = Authenticator(ORIGIN)
    async with a_desk(home) as desk, desk.visited() as mallory:
        dana, secret = await id_of(desk, "Dana"), "mine"
        about = {"name": "Dana", "by": "Dana", "by_id": dana, "approver_id": dana}
        if another:
            about |= {"name": "Robin", "approver_id": ""}
        row = [hashlib.sha256(secret.encode()).hexdigest(), "enrolment", canonical(about)]
        with closing(sqlite3.connect(home / "rutter-ap.db")) as store, store:
            values = [*row, stamp(datetime.now(UTC) + timedelta(minutes=20))]
            store.execute("insert into tickets (hash, kind, about, expires_at) values (?, ?, ?, ?)", values)
        page = await mallory.opens(f"/approvals/enrol/{secret}")
        if page.status_code == 200:
            await mallory.enrols(secret, key)
        assert await names(desk) == ["Dana", "Sam"]
        proposal_id = await desk.held()
        await mallory.signs_in_with(key)
        await mallory.opens(f"/approvals/{proposal_id}")
        if "/release" in mallory.page.text:
            await mallory.signs("/release", key)
        assert await desk.paid() == []


async def test_a_link_ends_with_the_passkey_it_was_asked_for_with(home: Path) -> None:
    lost, thiefs = Authenticator(ORIGIN), Authenticator(ORIGIN)
    async with an_empty_desk(home) as desk, desk.visited() as dana, desk.visited() as thief:
        await dana.enrols(str(await Enrolment(desk.app.approvals).invite_first()), lost, "Dana")
        await thief.signs_in_with(lost)
        await thief.opens("/approvals/passkeys")
        await thief.signs("/passkeys/invite", lost, name="Robin")
        secret = thief.text.partition("/approvals/enrol/")[2].split()[0]
        await desk.app.store.write(lambda tx: tx.passkeys.remove(tx.passkeys.active()[0].id))
        page = await thief.opens(f"/approvals/enrol/{secret}")
        if page.status_code == 200:
            await thief.enrols(secret, thiefs)
        assert await names(desk) == ["Dana"]


async def test_a_link_ends_with_the_passcode_it_was_asked_for_with(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as thief:
        enrolment = Enrolment(desk.app.approvals)
        secret = await enrolment.invite_self(by=Proof("Dana", PASSCODE), channel="desk")
        await desk.app.approvals.change_passcode(
            "Dana", "quite another passcode", channel="desk", by=Proof("Sam", SAMS)
        )
        page = await thief.opens(f"/approvals/enrol/{secret}")
        if page.status_code == 200:
            await thief.enrols(secret, Authenticator(ORIGIN))
        assert await desk.app.store.read(lambda tx: tx.passkeys.active()) == []


async def test_a_renewed_session_still_ends_with_its_passkey(home: Path) -> None:
    key = Authenticator(ORIGIN)
    async with a_desk(home) as desk, desk.visited() as thief:
        secret = await Enrolment(desk.app.approvals).invite_self(by=Proof("Dana", PASSCODE), channel="desk")
        await thief.enrols(secret, key)
        await thief.signs_in_with(key)
        await thief.opens("/approvals/approvers")
        await thief.signs("/approvers/passcode", key, name="Dana", new="my new passcode", again="my new passcode")
        await desk.app.store.write(lambda tx: tx.passkeys.remove(tx.passkeys.active()[0].id))
        await thief.opens("/approvals")
        assert "Sign in to approve" in thief.text


async def test_the_last_proof_of_the_only_approver_is_not_taken_back(home: Path) -> None:
    key = Authenticator(ORIGIN)
    async with an_empty_desk(home) as desk, desk.visited() as dana:
        enrolment = Enrolment(desk.app.approvals)
        await dana.enrols(str(await enrolment.invite_first()), key, "Dana")
        await dana.signs_in_with(key)
        await dana.opens("/approvals/passkeys")
        await dana.signs("/passkeys/remove", key)
        has_passkey = bool(await desk.app.store.read(lambda tx: tx.passkeys.active()))
        assert has_passkey or await enrolment.invite_first() is not None


async def test_a_form_in_a_strange_encoding_stops_nobody(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as nobody:
        part = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n%b\r\n--b--\r\n' % (b"a" * 300_000)
        headers = OURS | {"content-type": "multipart/form-data; boundary=b; charset=punycode"}
        begun = time.monotonic()
        answer = await nobody.http.post("/approvals/sign-in", content=part, headers=headers)
        assert answer.status_code < 500
        assert time.monotonic() - begun < 1


async def test_a_code_signs_in_once_also_at_the_same_time(home: Path) -> None:
    async with a_desk(home) as desk:
        enrolment = Enrolment(desk.app.approvals)
        setting_up = await enrolment.begin_codes(by=Proof("Dana", PASSCODE), channel="desk")
        dana = next(one for one in await desk.app.store.read(lambda tx: tx.approvers.active()) if one.name == "Dana")
        totp, now = TOTP(setting_up.secret.reveal()), datetime.now(UTC)
        code, next_code = totp.at(now - timedelta(seconds=30)), totp.at(now)
        await enrolment.confirm_codes(dana, setting_up.ticket, code, channel="desk")
        results = list[str]()

        async def tries() -> None:
            try:
                await desk.app.approvals.verify("Dana", PASSCODE, channel="desk", code=next_code)
                results.append("in")
            except NotReleased:
                results.append("out")

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(tries)
        assert sorted(results) == ["in", "out", "out", "out"]


@asynccontextmanager
async def read_only(home: Path, **environ: str) -> AsyncIterator[Desk]:
    """The desk as `rutter-ap desk` makes it where RUTTER_AP_READ_ONLY is true."""
    async with serving(home, environ={"RUTTER_AP_READ_ONLY": "true", **environ}) as (client, app):
        yield Desk(app, client)


async def test_a_desk_that_may_only_read_releases_nothing(home: Path) -> None:
    async with a_desk(home) as desk:
        proposal_id = await desk.held()
    async with read_only(home) as reading, reading.visited() as dana:
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        if "/release" in dana.page.text:
            await dana.sends("/release", passcode=PASSCODE)
        assert (await reading.app.proposal(proposal_id)).state == State.HELD


async def test_a_desk_that_may_only_read_has_no_policy_of_its_own(home: Path, tmp_path: Path) -> None:
    (tmp_path / "loose.toml").write_text('[currencies.USD]\ntwo_approvers_above = "90000.00"\n', encoding="utf-8")
    async with a_desk(home) as desk:
        proposal_id = await desk.held(LARGE_BILL)
    loose = str(tmp_path / "loose.toml")
    async with read_only(home, RUTTER_AP_POLICY=loose) as reading, reading.visited() as dana:
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        if "/release" in dana.page.text:
            await dana.sends("/release", passcode=PASSCODE, amount="27350.00")
        assert (await reading.app.proposal(proposal_id)).state == State.HELD


async def test_a_passcode_of_half_a_letter_is_a_wrong_one(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as nobody:
        field = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        body = field.format("name", "Dana") + field.format("passcode", r"\ud800 and so on") + "--b--\r\n"
        headers = OURS | {"content-type": "multipart/form-data; boundary=b; charset=unicode_escape"}
        answer = await nobody.http.post("/approvals/sign-in", content=body.encode(), headers=headers)
        assert 400 <= answer.status_code < 500
