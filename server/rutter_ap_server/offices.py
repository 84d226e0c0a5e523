"""The offices: which companies are connected, and the one Rutter client behind them all."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from rutter_ap_server.clock import Clock
from rutter_ap_server.lookup.directory import Directory
from rutter_ap_server.lookup.documents import Documents
from rutter_ap_server.lookup.office import Company, Office
from rutter_ap_server.settings import Settings, make_home
from rutter_ap_tools.errors import NotFound, OperatorError
from rutter_ap_tools.text import clean, fold

if TYPE_CHECKING:
    import httpx

    from rutter_ap_server.rutter import RutterClient
    from rutter_ap_server.sandbox import Sandbox
    from rutter_ap_server.secret import Secret


class Offices:
    """Opens the client on first use, so that a server that only lists its tools never pays for it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._opening = anyio.Lock()
        self._stack = AsyncExitStack()
        self._offices: tuple[Office, ...] | None = None

    async def all(self) -> tuple[Office, ...]:
        """Every connected company."""
        async with self._opening:
            if self._offices is None:
                self._offices = await self._open()
        return self._offices

    async def named(self, reference: str) -> Office:
        """The company with that id or name; the only one when nothing is said.

        Raises `NotFound` for a name nobody has, listing those there are.
        """
        offices = await self.all()
        if not reference and len(offices) == 1:
            return offices[0]
        wanted = fold(reference)
        found = [o for o in offices if reference == o.company.id or (wanted and wanted == fold(o.company.name))]
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"{clean(o.company.name, 60)} ({o.company.id})" for o in offices)
        raise NotFound(
            "`company` must name one connected company"
            if not reference
            else "no connected company has that name or id",
            code="company.unknown",
            next_step=f"Connected: {names}.",
        )

    async def aclose(self) -> None:
        """Closes the client and, where it is embedded, the sandbox's file."""
        await self._stack.aclose()
        self._offices = None

    async def _open(self) -> tuple[Office, ...]:
        from rutter_ap_server.rutter import Credentials, RutterClient

        settings = self._settings
        if settings.embedded:
            sandbox = self._open_sandbox()
            credentials = Credentials(sandbox.client_id, sandbox.client_secret)
            token: str | Secret | None = sandbox.connections[0].access_token
            transport: httpx.AsyncBaseTransport | None = _in_process(sandbox)
        else:
            credentials = Credentials(settings.client_id, settings.client_secret)
            token, transport = settings.access_token, None
        # The settings refuse credentials without a token.
        assert token is not None
        client = RutterClient(credentials, base_url=settings.base_url, transport=transport)
        self._stack.push_async_callback(client.aclose)
        return (await self._office(client, token),)

    def _open_sandbox(self) -> Sandbox:
        from rutter_ap_server.sandbox import open_sandbox

        make_home(self._settings.home)
        try:
            sandbox = open_sandbox(self._settings.sandbox_file)
        except RuntimeError:
            raise OperatorError(
                "the practice company's books were made by another version of this program",
                code="sandbox.other_version",
                next_step="Remove sandbox.db from RUTTER_AP_HOME: the practice company is made anew.",
            ) from None
        self._stack.callback(sandbox.close)
        return sandbox

    async def _office(self, client: RutterClient, token: str | Secret) -> Office:
        books = client.connection(token)
        detail = await books.detail()
        name = detail.store_name or (await books.company_info()).name or detail.id
        company = Company(
            id=detail.id,
            name=clean(name, 80),
            platform=detail.platform,
            environment=self._settings.environment,
        )
        return Office(
            company=company,
            ledger=books,
            directory=Directory(books, self._clock),
            documents=Documents(self._settings.files, self._settings.home / "uploads"),
            clock=self._clock,
        )


def _in_process(sandbox: Sandbox) -> httpx.AsyncBaseTransport:
    import httpx

    return httpx.ASGITransport(sandbox.asgi)
