"""The desk on this machine: the processes of one home share one address, and one of them serves it.

Whoever needs the desk first binds its port. The others recognize it: the answer to a number they make up is sealed with
a key in the home folder, so that the address of another program is never given to a person. When the one that serves
ends, the next that needs the desk, or looks after it, takes the same port. Pages that are open go on working, because
who is signed in is in the store.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rutter_ap_server.local_server import LocalServer, listen
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.secrets import key_in_file
from rutter_ap_server.web.door import HEADERS

Invitation = Callable[[], Awaitable[str | None]]
OpenBrowser = Callable[[str], Awaitable[None]]

_PATH = "/approvals"
_WHOSE = "/approvals/whose/"
# Where it is looked for beside the usual port, if another program has that.
_NEARBY = 20
_ANSWER_BYTES_MAX = 4096
_ANSWER_SECONDS = 1
_ALL_SECONDS = 3
_INVITED_AGAIN_SECONDS = 600
# Long enough for a browser to have read it.
_PAGE_SECONDS = 60
_BROWSER_SECONDS = 20
_LEADS_TO = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>rutter-ap</title>'
    '<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url={0}">'
    '<a href="{0}">Continue</a></html>\n'
)
logger = logging.getLogger("rutter_ap")


class LocalDesk:
    """The desk of one home. `app_for` makes it for a host, such as `localhost:8765`.

    Nothing is opened before `address` is asked for. With `port` 0 any free port serves, shared with nobody.
    `invitation` is the path at which the first approver enrols, None once there is one.
    """

    def __init__(
        self,
        home: Path,
        app_for: Callable[[str], ASGIApp],
        *,
        port: int,
        invitation: Invitation,
        open_browser: OpenBrowser,
    ) -> None:
        self._home = home
        self._app_for = app_for
        self._wanted = port
        self._port: int | None = None
        self._invitation = invitation
        self._open_browser = open_browser
        self._starting = anyio.Lock()
        self._server: LocalServer | None = None
        self._is_closed = False
        self._inviting: asyncio.Task[None] | None = None

    @property
    def is_served_here(self) -> bool:
        """Whether this process serves it."""
        return self._server is not None and self._server.is_serving

    @property
    def was_opened_before(self) -> bool:
        """Whether a process of this home has ever served it."""
        return self._port_file.exists()

    async def address(self) -> str:
        """Where a person decides; served from here if nobody does yet. Empty if there can be no desk now."""
        async with self._starting:
            if not self.is_served_here:
                self._port = await self._settled()
        return "" if self._port is None else f"http://localhost:{self._port}{_PATH}"

    async def keep(self) -> None:
        """Takes over from a process that served it and has ended, if this one ever gave its address."""
        async with self._starting:
            if self._port is not None and not self.is_served_here:
                with suppress(OSError, StoreError):
                    self._serve(self._port)

    def invite_soon(self) -> None:
        """Opens this machine's browser where the first approver enrols, while there is none. Nothing waits for it."""
        if self._port is not None and self._inviting is None:
            self._inviting = asyncio.create_task(self._invite(self._port))

    async def open(self) -> None:
        """Opens this machine's browser at the desk, or where the first approver enrols."""
        assert self._port is not None, "it has an address by now"
        path = await self._invitation()
        if path is None:
            await self._open_browser(f"http://localhost:{self._port}{_PATH}")
        else:
            await self._show(f"http://localhost:{self._port}{path}")

    async def aclose(self) -> None:
        """Stops serving; another process may take over."""
        self._is_closed = True
        if self._inviting is not None:
            self._inviting.cancel()
        self._forget_page()
        if self._server is not None:
            await self._server.aclose()
            self._server = None

    async def _settled(self) -> int | None:
        """The port at which the desk of this home is served, here or by another process."""
        # A number that is no port overflows.
        try:
            with anyio.move_on_after(_ALL_SECONDS), suppress(OSError, OverflowError):
                return await self._found()
        except StoreError as error:
            logger.warning("the desk cannot be served: %s. %s", error.message, error.next_step)
        return None

    async def _found(self) -> int | None:
        candidates = self._candidates()
        strangers = set[int]()
        for port in candidates:
            if self._serve(port):
                assert self._server is not None
                self._remember(self._server.port)
                return self._server.port
            if port in strangers:
                continue
            # After the first all at once: programs that say nothing may have many ports, and each takes its time.
            whose = await self._whose([one for one in candidates if one not in strangers] if strangers else [port])
            ours = [one for one in candidates if whose.get(one)]
            if ours:
                return ours[0]
            strangers.update(whose)
        return None

    async def _whose(self, ports: list[int]) -> dict[int, bool]:
        """Of each port at which a program is, whether it is the desk of this home."""
        found = dict[int, bool]()

        async def ask(port: int) -> None:
            with suppress(OSError):
                found[port] = await self._is_of_this_home(port)

        async with anyio.create_task_group() as tasks:
            for port in ports:
                tasks.start_soon(ask, port)
        return found

    def _candidates(self) -> list[int]:
        """The ports to try, first the one where it was."""
        if self._wanted == 0:
            return [0]
        usual = range(self._wanted, min(self._wanted + _NEARBY, 65536))
        return list(dict.fromkeys([self._remembered(), *usual]))

    def _serve(self, port: int) -> bool:
        """Serves on that port, unless another program holds it."""
        if self._is_closed:
            return False
        key = self._key()
        listening = listen(port)
        if listening is None:
            return False
        port = listening[0].getsockname()[1]
        self._server = LocalServer(_Recognized(self._app_for(f"localhost:{port}"), key, port), listening)
        return True

    async def _is_of_this_home(self, port: int) -> bool:
        """Whether the program at that port is the desk of this home. Raises `OSError` if there is none."""
        asked = secrets.token_hex(16)
        try:
            with anyio.fail_after(_ANSWER_SECONDS):
                answer = await _asked(port, f"{_WHOSE}{asked}")
        except (TimeoutError, anyio.BrokenResourceError):
            return False
        return hmac.compare_digest(answer, _sealed(self._key(), port, asked).encode())

    async def _invite(self, port: int) -> None:
        try:
            path = None if self._was_invited_lately() else await self._invitation()
            if path is not None:
                _write_privately(self._invited_file, "")
                await self._show(f"http://localhost:{port}{path}")
        except Exception as error:  # noqa: BLE001 - a convenience must not take the server down, and its text may hold anything
            logger.warning("the first approver's page was not opened: %s", type(error).__name__)
        finally:
            self._inviting = None

    async def _show(self, address: str) -> None:
        """Opens an address that nobody else may learn: a command's arguments can be read by every user of a machine."""
        _write_privately(self._page, _LEADS_TO.format(address))
        asyncio.get_running_loop().call_later(_PAGE_SECONDS, self._forget_page)
        await self._open_browser(self._page.as_uri())

    def _forget_page(self) -> None:
        with suppress(OSError):
            self._page.unlink(missing_ok=True)

    def _was_invited_lately(self) -> bool:
        with suppress(OSError):
            return 0 <= time.time() - self._invited_file.stat().st_mtime < _INVITED_AGAIN_SECONDS
        return False

    @property
    def _page(self) -> Path:
        return self._home / "desk-invitation.html"

    @property
    def _invited_file(self) -> Path:
        return self._home / "desk.invited"

    def _key(self) -> bytes:
        return key_in_file(self._home / "desk.key").reveal().encode()

    @property
    def _port_file(self) -> Path:
        return self._home / "desk.port"

    def _remembered(self) -> int:
        """The port where it was last, as long as it is still wanted in the same place."""
        with suppress(OSError, ValueError):
            wanted, port = map(int, self._port_file.read_text(encoding="ascii").split())
            if wanted == self._wanted and 0 < port < 65536:
                return port
        return self._wanted

    def _remember(self, port: int) -> None:
        if self._wanted and (port != self._remembered() or not self.was_opened_before):
            _write_privately(self._port_file, f"{self._wanted} {port}\n")


class _Recognized:
    """The desk, and its answer to those who ask whose it is."""

    def __init__(self, desk: ASGIApp, key: bytes, port: int) -> None:
        self._desk = desk
        self._key = key
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_WHOSE):
            sealed = _sealed(self._key, self._port, scope["path"].removeprefix(_WHOSE))
            await PlainTextResponse(sealed, headers=HEADERS)(scope, receive, send)
        else:
            await self._desk(scope, receive, send)


def _sealed(key: bytes, port: int, asked: str) -> str:
    """The answer of the desk at that port. With the port in it, no program can pass on the answer of another."""
    return hmac.digest(key, f"desk:{port}:{asked}".encode(), hashlib.sha256).hex()


async def _asked(port: int, path: str) -> bytes:
    """What a program on this machine answers to a GET, at most so much of it. Raises `OSError`."""
    answer = b""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(f"GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n".encode("ascii"))
        with suppress(anyio.EndOfStream):
            while len(answer) < _ANSWER_BYTES_MAX:
                answer += await stream.receive()
    return answer.partition(b"\r\n\r\n")[2]


async def open_in_browser(address: str) -> None:
    """Opens an address with this machine's browser; without one, nothing happens.

    In a process apart, since some browsers write to where a server speaks with its client.
    """
    nowhere = subprocess.DEVNULL
    command = [sys.executable, "-P", "-m", "webbrowser", address]
    with anyio.move_on_after(_BROWSER_SECONDS), suppress(OSError):
        await anyio.run_process(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, check=False)


def _write_privately(path: Path, text: str) -> None:
    """Writes a file that only this user can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
        file.write(text)
    draft.replace(path)
