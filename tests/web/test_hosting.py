"""The desk on this machine as its processes see it, and how the first approver is brought there without a terminal."""

from __future__ import annotations

import hmac
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from rutter_ap_server import local_server
from rutter_ap_server.local_server import LocalServer, listen
from rutter_ap_server.web import hosting
from rutter_ap_server.web.hosting import LocalDesk, open_in_browser

pytestmark = pytest.mark.anyio
TOKEN = "a-token-that-only-a-browser-sees"


class Person:
    """A browser that keeps what it was opened at, and whether there is an approver yet."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.pages: list[str] = []
        self.is_enrolled = False

    async def invitation(self) -> str | None:
        return None if self.is_enrolled else f"/approvals/enrol/{TOKEN}"

    async def opens(self, address: str) -> None:
        self.opened.append(address)
        if address.startswith("file:"):
            file = Path(url2pathname(urlsplit(address).path))
            assert file.stat().st_mode & 0o777 == 0o600
            self.pages.append(file.read_text())


def a_desk_of(home: Path, person: Person | None = None, port: int = 0) -> LocalDesk:
    person = person or Person()

    def app_for(_host: str) -> ASGIApp:
        return Starlette()

    return LocalDesk(home, app_for, port=port, invitation=person.invitation, open_browser=person.opens)


@asynccontextmanager
async def opened(home: Path, person: Person | None = None, port: int = 0) -> AsyncIterator[tuple[LocalDesk, str]]:
    home.mkdir(mode=0o700, exist_ok=True)
    desk = a_desk_of(home, person, port)
    try:
        yield desk, await desk.address()
    finally:
        await desk.aclose()


async def invited(desk: LocalDesk) -> None:
    desk.invite_soon()
    with anyio.fail_after(10):
        while desk._inviting is not None:  # noqa: ASYNC110 - nothing waits for an invitation
            await anyio.sleep(0.01)


async def test_the_first_approver_is_brought_to_a_page_by_a_file(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The arguments of a process can be read by every user of the machine, so the token is in none."""
    caplog.set_level(logging.DEBUG)
    person = Person()
    async with opened(home, person) as (desk, address):
        await invited(desk)
        assert len(person.opened) == 1
        assert TOKEN not in person.opened[0] + address + caplog.text
        assert f'url={address}/enrol/{TOKEN}"' in person.pages[0]
    assert TOKEN not in "".join(file.read_text() for file in home.iterdir())


async def test_within_ten_minutes_one_invitation_is_opened(home: Path) -> None:
    person = Person()
    async with opened(home, person) as (desk, _), opened(home, person) as (other, _):
        for one in (desk, desk, other):
            await invited(one)
        assert len(person.opened) == 1
        long_ago = (home / "desk.invited").stat().st_mtime - 601
        os.utime(home / "desk.invited", (long_ago, long_ago))
        await invited(other)
        assert len(person.opened) == 2


async def test_with_an_approver_no_browser_is_opened(home: Path) -> None:
    person = Person()
    person.is_enrolled = True
    async with opened(home, person) as (desk, address):
        await invited(desk)
        assert person.opened == []
        await desk.open()
        assert person.opened == [address]


async def test_the_page_of_an_invitation_is_soon_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "_PAGE_SECONDS", 0.05)
    async with opened(home) as (desk, _):
        await desk.open()
        page = home / "desk-invitation.html"
        assert page.exists()
        with anyio.fail_after(10):
            while page.exists():  # noqa: ASYNC110 - the loop itself takes it away
                await anyio.sleep(0.02)


async def test_a_browser_that_cannot_be_opened_fails_nothing(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Person):
        async def opens(self, address: str) -> None:
            raise RuntimeError(TOKEN)

    async with opened(home, Broken()) as (desk, address):
        await invited(desk)
        assert await desk.address() == address
    assert "RuntimeError" in caplog.text
    assert TOKEN not in caplog.text


async def test_what_a_browser_prints_goes_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server speaks with its client over stdout."""
    seen, browser = tmp_path / "seen", tmp_path / "browser"
    browser.write_text(f"#!{sys.executable}\nimport sys\nprint('hello')\nopen({str(seen)!r}, 'w').write(sys.argv[1])\n")
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(browser))
    await open_in_browser("http://localhost:8765/approvals")
    assert seen.read_text() == "http://localhost:8765/approvals"
    assert capfd.readouterr().out == ""


async def test_the_seal_of_one_port_is_none_of_another(home: Path) -> None:
    """So that a program on the usual port cannot pass itself off as the desk by asking it."""
    async with opened(home) as (_, address), opened(home) as (_, other):
        answers = [httpx.URL(one).copy_with(path="/approvals/whose/4711") for one in (address, address, other)]
        async with httpx.AsyncClient() as http:
            first, again, another = [(await http.get(one)).text for one in answers]
        assert first == again != another


async def test_a_desk_answers_at_both_addresses_of_this_machine(home: Path) -> None:
    """A browser takes `localhost` for either, and what listens at the other could be anybody's."""
    async with opened(home) as (_, address):
        port = int(address.split(":")[2].partition("/")[0])
        for host in ("127.0.0.1", "[::1]"):
            if host == "[::1]" and not has_ipv6():
                continue
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"http://{host}:{port}/approvals/whose/1")).status_code == 200


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
async def test_a_port_half_of_which_is_taken_is_not_used(home: Path) -> None:
    with socket.socket(socket.AF_INET6) as squatter:
        squatter.bind(("::1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        assert listen(port) is None
        async with opened(home, port=port) as (_, address):
            assert f":{port}/" not in address
            assert address


async def test_a_last_request_is_answered_when_the_server_stops() -> None:
    started, go = anyio.Event(), anyio.Event()

    async def slow(scope: local_server.Scope, receive: local_server.Receive, send: local_server.Send) -> None:
        started.set()
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"released"})

    listening = listen(0)
    assert listening is not None
    server = LocalServer(slow, listening)
    said = list[str]()

    async def ask() -> None:
        async with httpx.AsyncClient() as http:
            said.append((await http.get(f"http://127.0.0.1:{server.port}/")).text)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await started.wait()
        tasks.start_soon(server.aclose)
        await anyio.sleep(0.3)
        go.set()
    assert said == ["released"]
    assert not server.is_serving


@pytest.mark.parametrize("content", ["", "A" * 43 + "\n"])
async def test_a_damaged_key_recognizes_nobody(home: Path, caplog: pytest.LogCaptureFixture, content: str) -> None:
    """With an empty one all can make the seal."""
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "desk.key").write_text(content)

    async def impostor(scope: local_server.Scope, receive: local_server.Receive, send: local_server.Send) -> None:
        asked = scope["path"].rpartition("/")[2]
        seal = hmac.digest(content.strip().encode(), f"desk:{scope['server'][1]}:{asked}".encode(), "sha256").hex()
        await PlainTextResponse(seal)(scope, receive, send)

    listening = listen(0)
    assert listening is not None
    server = LocalServer(impostor, listening)
    try:
        async with opened(home, port=server.port) as (_, address):
            assert address == ""
        assert "the key file desk.key holds no key. Put it back from a backup" in caplog.text
        assert (home / "desk.key").read_text() == content
    finally:
        await server.aclose()


async def test_silent_programs_leave_the_desk_a_port(home: Path) -> None:
    first = next(port for port in range(21000, 40000, 50) if all(is_free(port + n) for n in range(13)))
    silent = [one for n in range(12) for one in listen(first + n) or ()]
    try:
        async with opened(home, port=first) as (_, address):
            assert address == f"http://localhost:{first + 12}/approvals"
    finally:
        for one in silent:
            one.close()


async def test_a_desk_behind_a_silent_program_is_found(home: Path) -> None:
    first = next(port for port in range(21000, 40000, 50) if all(is_free(port + n) for n in range(2)))
    silent = listen(first) or ()
    try:
        async with opened(home, port=first) as (served, address):
            (home / "desk.port").unlink()
            async with opened(home, port=first) as (other, again):
                assert again == address == f"http://localhost:{first + 1}/approvals"
                assert (served.is_served_here, other.is_served_here) == (True, False)
    finally:
        for one in silent:
            one.close()


def is_free(port: int) -> bool:
    found = listen(port)
    for one in found or ():
        one.close()
    return found is not None
