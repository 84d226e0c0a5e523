"""What an enemy of the desk tries: each test says which promise is broken if it fails."""

from __future__ import annotations

import hashlib
import hmac
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
from pyotp import TOTP
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from rutter_ap_server.clock import FixedClock, stamp
from rutter_ap_server.guard.approvers import NotReleased, Proof
from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.local_server import LocalServer, listen
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.states import State
from rutter_ap_server.web.desk import desk_app
from rutter_ap_server.web.hosting import LocalDesk
from support import pdfs
from support.authenticator import Authenticator
from support.desk import HOST, LARGE_BILL, SAMS, Desk, a_desk, an_empty_desk
from support.papers import attached
from support.runs import PLAIN
from support.serving import PASSCODE, app_in, done

pytestmark = pytest.mark.anyio
ORIGIN = f"http://{HOST}"
OURS = {"sec-fetch-site": "same-origin", "origin": ORIGIN}


async def names(desk: Desk) -> list[str]:
    return [one.name for one in await desk.app.store.read(lambda tx: tx.approvers.active())]


async def id_of(desk: Desk, name: str) -> str:
    return next(one.id for one in await desk.app.store.read(lambda tx: tx.approvers.active()) if one.name == name)


@pytest.mark.parametrize("another", [True, False], ids=["a new approver", "a passkey of Dana's"])
async def test_a_link_written_into_the_store_enrols_nobody(home: Path, another: bool) -> None:
    """Breaks: who edits the store makes no approver. A row of `tickets` makes one, witnessed by Dana in the chain."""
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
    """Breaks: a passkey that was taken back does nothing more; a link it asked for makes an approver and a passkey."""
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
    """Breaks: a new passcode ends what the old one began, as it ends sessions; links go on for half an hour."""
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


async def test_a_session_that_a_passkey_began_ends_with_it_after_a_new_passcode(home: Path) -> None:
    """Breaks: taking a passkey back ends the session it began; a new passcode makes that session forget its passkey."""
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
    """Breaks: fail closed says what to do; this store can never be released, unfrozen or enrolled into again."""
    key = Authenticator(ORIGIN)
    async with an_empty_desk(home) as desk, desk.visited() as dana:
        enrolment = Enrolment(desk.app.approvals)
        await dana.enrols(str(await enrolment.invite_first()), key, "Dana")
        await dana.signs_in_with(key)
        await dana.opens("/approvals/passkeys")
        await dana.signs("/passkeys/remove", key)
        has_passkey = bool(await desk.app.store.read(lambda tx: tx.passkeys.active()))
        assert has_passkey or await enrolment.invite_first() is not None


@pytest.mark.parametrize("typed", ["273,50", "2,7,3,5,0", "27350,", "273 50", "2.735e4"])
async def test_an_amount_is_typed_as_it_is(home: Path, typed: str) -> None:
    """Breaks: the amount is typed to the last digit; `273,50`, which is a hundredth to most of Europe, is taken."""
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(LARGE_BILL)
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/release", passcode=PASSCODE, amount=typed)
        assert await desk.app.store.read(lambda tx: tx.proposals.approvals(proposal_id)) == ()


async def test_a_number_of_thousands_of_digits_is_no_fault(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Breaks: a strange address is not found; this one is an error of ours with a trace, for anybody unsigned in."""
    async with a_desk(home) as desk:
        served = desk_app(desk.app.approvals, desk.app.connect_flow, hosts=[HOST])
        transport = httpx.ASGITransport(served, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            path = f"/approvals/00000000-0000-4000-8000-000000000000/bills/{'9' * 5000}"
            assert (await http.get(path)).status_code in (303, 404)


async def test_a_document_is_shown_as_that_of_its_own_bill(home: Path) -> None:
    """Breaks: a picture is of the file of that bill; whatever was read lately is given for any bill and number."""
    async with a_desk(home) as desk, desk.visited() as dana:
        await attached(desk, pdfs.pdf(["INVOICE", "NW-2291"]))
        one, other = await desk.held(), await desk.held("BH-5520")
        await dana.signs_in()
        await dana.opens(f"/approvals/{one}")
        [path] = re.findall(r'<a href="([^"]+/file[^"]+)"', dana.page.text)
        [picture] = re.findall(r'<img class="page"[^>]* src="([^"]+)"', dana.page.text)
        assert (await dana.http.get(path)).status_code == 200
        drawn = await dana.http.get(picture.replace(one, other))
        assert drawn.headers["content-type"] == "image/svg+xml"


async def test_a_file_of_a_number_that_is_none_is_not_found(home: Path) -> None:
    """Breaks: an address that names nothing is not found; this one is a fault of the program."""
    async with a_desk(home) as desk, desk.visited() as dana:
        await attached(desk, pdfs.pdf(["INVOICE", "NW-2291"]))
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        [path] = re.findall(r'<a href="([^"]+/file[^"]+)"', dana.page.text)
        assert (await dana.http.get(re.sub(r"documents/\d+", "documents/77", path))).status_code == 404


async def test_a_form_in_a_strange_encoding_stops_nobody(home: Path) -> None:
    """Breaks: no form holds the server; one that says its charset is punycode, by nobody in particular, for 17 s."""
    async with a_desk(home) as desk, desk.visited() as nobody:
        part = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n%b\r\n--b--\r\n' % (b"a" * 300_000)
        headers = OURS | {"content-type": "multipart/form-data; boundary=b; charset=punycode"}
        begun = time.monotonic()
        answer = await nobody.http.post("/approvals/sign-in", content=part, headers=headers)
        assert answer.status_code < 500
        assert time.monotonic() - begun < 1


async def test_who_is_nobody_leaves_no_rows_in_the_store(home: Path) -> None:
    """Breaks: nobody makes the server grow; each unsigned request for a challenge adds a row, as fast as they come."""
    async with a_desk(home) as desk, desk.visited() as nobody:
        for _ in range(300):
            await nobody.http.post("/approvals/sign-in/challenge", headers=OURS)
        with closing(sqlite3.connect(home / "rutter-ap.db")) as store:
            [count] = store.execute("select count(*) from tickets").fetchone()
        assert count <= 200


async def test_two_homes_on_one_machine_keep_both_signed_in(home: Path, tmp_path: Path) -> None:
    """Breaks: homes on one machine have a desk each; a browser shows one cookie to both, so one signs out the other."""
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


HOSTILE = "\u202eevil\u2066 \u200b<b>\x1b[31m"


async def test_no_page_shows_a_letter_that_turns_the_others(home: Path) -> None:
    """Breaks: what outsiders wrote is shown without hidden or turning characters, also as evidence."""
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held(memo=HOSTILE, reason=HOSTILE)
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        await dana.sends("/decline", passcode=PASSCODE, reason=HOSTILE)
        for path in (proposal_id, f"{proposal_id}/evidence", "history", "vendors", ""):
            page = await dana.opens(f"/approvals/{path}")
            assert not set("\u202e\u2066\u200b\x1b") & set(page.text), path
            assert "<b>" not in page.text


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


async def test_a_run_released_while_a_payment_is_taken_out_is_one_of_both(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as sam:
        ids = [(await desk.bill(one))["id"] for one in PLAIN]
        run_id = (await done(desk.client, "propose_payment_run", bill_ids=ids))["proposal_id"]
        await dana.signs_in()
        await sam.signs_in("Sam", SAMS)
        for who in (dana, sam):
            await who.opens(f"/approvals/{run_id}")
        take_out = re.findall(r'action="[^"]*(/bills/\d+/take-out)"', sam.page.text)[0]

        async def released() -> None:
            await dana.sends("/release", passcode=PASSCODE)

        async def taken() -> None:
            await anyio.sleep(0.2)
            await sam.sends(take_out)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(released)
            tasks.start_soon(taken)
        held = await desk.app.store.read(lambda tx: tx.proposals.in_states([State.HELD], 10))
        assert ((await desk.state(run_id)) == "posted") != bool(held)
        assert (await desk.state(run_id)) in ("posted", "withdrawn")


async def test_the_cookie_alone_withdraws_nothing(home: Path) -> None:
    """Breaks: approving.md says with the cookie one can look and stop all writes. It also ends a run half released."""
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as program:
        ids = [(await desk.bill(one))["id"] for one in (LARGE_BILL, *PLAIN)]
        run_id = (await done(desk.client, "propose_payment_run", bill_ids=ids))["proposal_id"]
        await dana.signs_in()
        await dana.opens(f"/approvals/{run_id}")
        await dana.sends("/release", passcode=PASSCODE, amount="28913.20")
        assert len(await desk.app.store.read(lambda tx: tx.proposals.approvals(run_id))) == 1
        # A program that served a page on another port of localhost, and was shown the cookie.
        [(name, value)] = dana.http.cookies.items()
        program.http.cookies.set(name, value)
        token = hashlib.sha256(f"form:{value}".encode()).hexdigest()
        await program.posts(f"/approvals/{run_id}/bills/0/take-out", {"token": token})
        assert await desk.state(run_id) == "held"


async def test_a_page_on_another_port_keeps_no_session_alive(home: Path) -> None:
    """Breaks: one is signed out 15 minutes after the last click; a picture on another page of localhost puts it off."""
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


@asynccontextmanager
async def read_only(home: Path, **environ: str) -> AsyncIterator[Desk]:
    """The desk as `rutter-ap desk` makes it where RUTTER_AP_READ_ONLY is true."""
    app = app_in(home, {"RUTTER_AP_READ_ONLY": "true", **environ})
    try:
        yield Desk(app, None)  # type: ignore[arg-type]
    finally:
        await app.aclose()


async def test_a_desk_that_may_only_read_releases_nothing(home: Path) -> None:
    """Breaks: `RUTTER_AP_READ_ONLY` refuses every write; the desk of `rutter-ap desk` releases and books them."""
    async with a_desk(home) as desk:
        proposal_id = await desk.held()
    async with read_only(home) as reading, reading.visited() as dana:
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        if "/release" in dana.page.text:
            await dana.sends("/release", passcode=PASSCODE)
        assert (await reading.app.proposal(proposal_id)).state == State.HELD


async def test_a_desk_that_may_only_read_has_no_policy_of_its_own(home: Path, tmp_path: Path) -> None:
    """Breaks: a command judges by the policy in force; one that only reads takes any, and one person releases for two.

    Without RUTTER_AP_READ_ONLY the same is refused, as `policy.differs`.
    """
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
    """Breaks: a malformed form is its sender's fault, and each wrong passcode is counted; this is a fault of ours."""
    async with a_desk(home) as desk, desk.visited() as nobody:
        field = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        body = field.format("name", "Dana") + field.format("passcode", r"\ud800 and so on") + "--b--\r\n"
        headers = OURS | {"content-type": "multipart/form-data; boundary=b; charset=unicode_escape"}
        answer = await nobody.http.post("/approvals/sign-in", content=body.encode(), headers=headers)
        assert 400 <= answer.status_code < 500


async def test_an_empty_key_recognizes_nobody(home: Path) -> None:
    """Breaks: another program's address is never given out; with an empty `desk.key` all can make the seal."""
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "desk.key").touch(mode=0o600)

    async def impostor(scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["path"].rpartition("/")[2]
        seal = hmac.digest(b"", f"desk:{scope['server'][1]}:{asked}".encode(), hashlib.sha256).hex()
        await PlainTextResponse(seal)(scope, receive, send)

    listening = listen(0)
    assert listening is not None
    server = LocalServer(impostor, listening)

    async def nobody_is_invited() -> str | None:
        return None

    async def opens(_: str) -> None:
        return None

    desk = LocalDesk(home, lambda _: Starlette(), port=server.port, invitation=nobody_is_invited, open_browser=opens)
    try:
        assert f":{server.port}/" not in await desk.address()
    finally:
        await desk.aclose()
        await server.aclose()


async def test_three_silent_programs_leave_the_desk_a_port(home: Path) -> None:
    """Breaks: if another program has the port, the desk is at the next free one; three that say nothing leave none."""
    home.mkdir(mode=0o700, exist_ok=True)
    first = next(port for port in range(21000, 40000, 50) if all(is_free(port + n) for n in range(5)))
    silent = [one for n in range(3) for one in listen(first + n) or ()]

    async def nobody_is_invited() -> str | None:
        return None

    async def opens(_: str) -> None:
        return None

    desk = LocalDesk(home, lambda _: Starlette(), port=first, invitation=nobody_is_invited, open_browser=opens)
    try:
        assert await desk.address() == f"http://localhost:{first + 3}/approvals"
    finally:
        await desk.aclose()
        for one in silent:
            one.close()


def is_free(port: int) -> bool:
    found = listen(port)
    for one in found or ():
        one.close()
    return found is not None
