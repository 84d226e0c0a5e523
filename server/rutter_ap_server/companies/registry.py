"""The connected companies, and the one Rutter client they share."""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio
import httpx

from rutter_ap_server.clock import Clock
from rutter_ap_server.companies.company import Company, CompanyIdentity
from rutter_ap_server.companies.directory import Directory
from rutter_ap_server.companies.health import OWN_COMPANY, UnavailableCompany
from rutter_ap_server.companies.ledgers import Claim, LinkedTwice, OtherLedger, claim, claimed_before, identity_of
from rutter_ap_server.companies.link_pages import LinkPages
from rutter_ap_server.documents.files import Documents
from rutter_ap_server.rutter import Credentials, RutterClient
from rutter_ap_server.secret import Secret
from rutter_ap_server.settings import Settings, SettingsError, make_home
from rutter_ap_server.store.connections import ACCESS_TOKEN, SavedConnection
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.ledgers import LedgerIdentity
from rutter_ap_server.store.secrets import Sealed, SecretKeys
from rutter_ap_tools.errors import Ambiguous, ApError, NotFound, OperatorError, PersonError
from rutter_ap_tools.text import clean, fold
from rutter_sandbox import Sandbox, open_sandbox

# How long to wait before retrying the company of RUTTER_ACCESS_TOKEN (while there are others) or an unreachable store,
# so that not every call waits for them.
_LEFT_ALONE_SECONDS = 30
# How long it is taken for granted that a connection leads to the ledger it led to.
_SAME_LEDGER_SECONDS = 600


class CompanyRegistry:
    """Opens the client on first use, so that a server that only lists its tools never pays for it.

    The companies are the one of RUTTER_ACCESS_TOKEN, or the embedded sandbox's, and every active one in the store. A
    company that cannot be used is listed in `unavailable` and does not hide the others.
    """

    def __init__(self, settings: Settings, clock: Clock, store: Store, secret_keys: SecretKeys) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._secret_keys = secret_keys
        self._opening = anyio.Lock()
        self._stack = AsyncExitStack()
        self._client: RutterClient | None = None
        self._pages: LinkPages | None = None
        self._own_token: str | Secret | None = None
        self._own: Company | UnavailableCompany | None = None
        self._own_failed_at: float | None = None
        self._store_failed_at: float | None = None
        self._revision: int | None = None
        self._stored: dict[str, tuple[SavedConnection, Company | UnavailableCompany]] = {}
        self._unavailable: tuple[UnavailableCompany, ...] = ()
        # What Rutter said of the ledger behind a connection and when, and which connections their ledgers are used by.
        self._leads_to: dict[str, tuple[LedgerIdentity, float]] = {}
        self._unread: dict[str, tuple[ApError, float]] = {}
        self._claims: dict[str, Claim] = {}
        self._has_claimed: set[str] = set()

    async def all(self) -> tuple[Company, ...]:
        """Every usable company, as the store has them now."""
        async with self._opening:
            self._open()
            await self._follow_store()
            await self._open_own()
            every = [await self._with_ledger(one) for one in self._every()]
            self._unavailable = tuple(one for one in every if isinstance(one, UnavailableCompany))
            return tuple(one for one in every if isinstance(one, Company))

    async def unavailable(self) -> tuple[UnavailableCompany, ...]:
        """Every company that cannot be used, with the reason."""
        await self.all()
        return self._unavailable

    async def get(self, reference: str) -> Company:
        """The company with that id or name; without a `reference`, the only one.

        Raises `NotFound` for an unknown name, listing the companies there are, and the company's own error for one
        that cannot be used.
        """
        every: list[Company | UnavailableCompany] = [*await self.all(), *self._unavailable]
        # A ledger that is linked twice is meant through the connection in use, unless the other is named by its id.
        found = [one for one in every if one.id == reference or not _is_second(one)] or every
        if not found:
            raise NotFound(
                "no company is connected yet",
                code="company.none",
                next_step="Call connect_ledger, or run `rutter-ap connect`; a person then signs in to the platform.",
            )
        if reference:
            wanted = fold(reference)
            chosen = [one for one in found if one.id == reference]
            chosen = chosen or [one for one in found if wanted and wanted == fold(one.name)]
        else:
            chosen = found if len(found) == 1 else []
        if len(chosen) > 1:
            raise Ambiguous("several connected companies have that name", candidates=_candidates(chosen))
        if not chosen:
            raise _unknown(reference, found)
        if isinstance(chosen[0], UnavailableCompany):
            raise chosen[0].trouble.with_traceback(None)
        return chosen[0]

    async def get_to_write(self, reference: str) -> Company:
        """`get`, once Rutter has said lately that the connection still leads to its ledger."""
        company = await self.get(reference)
        if self._said_lately(company):
            return company
        async with self._opening:
            if not self._said_lately(company):
                await self._read_identity(company)
                self._claims.pop(company.id, None)
        return await self.get(company.id)

    def _said_lately(self, company: Company) -> bool:
        _, at = self._leads_to.get(company.id, (None, -math.inf))
        return anyio.current_time() - at < _SAME_LEDGER_SECONDS

    async def of_ledger(self, ledger_id: str) -> Company:
        """The company whose ledger has that id, through whichever connection it is used now. Raises as `get` does."""
        found = [one for one in await self.all() if one.identity.ledger_id == ledger_id]
        return found[0] if found else await self.get(ledger_id)

    async def client(self) -> RutterClient:
        """The shared Rutter client."""
        async with self._opening:
            return self._open()

    async def shown(self, link_url: str) -> str:
        """A link from Rutter as an address a browser can open. Raises `OperatorError` for an unsafe address."""
        await self.client()
        if self._pages is not None:
            return await self._pages.shown(link_url)
        local = self._settings.base_url.startswith("http://")
        if len(link_url) > 2000 or not link_url.isascii() or not link_url.isprintable() or " " in link_url:
            raise _no_link()
        if not link_url.startswith(("https://", "http://") if local else "https://"):
            raise _no_link()
        return link_url

    def is_own(self, connection_id: str) -> bool:
        """Whether a connection comes from the settings or the embedded sandbox, and so is not saved in the store."""
        return self._own is not None and self._own.id == connection_id

    @property
    def own_id(self) -> str | None:
        """The connection of the settings' token: None if there is none, empty while Rutter has not said which it is."""
        if self._own_token is None:
            return None
        return self._own.id if isinstance(self._own, Company) else ""

    async def aclose(self) -> None:
        """Closes the client and, if embedded, the sandbox's file."""
        await self._stack.aclose()
        self._client = self._pages = self._own = self._revision = None
        self._stored = {}

    def _every(self) -> list[Company | UnavailableCompany]:
        """The company from the settings first; if it is also saved, it is listed once, with the operator's token."""
        own = [self._own] if self._own is not None else []
        return own + [one for id_, (_, one) in self._stored.items() if not self.is_own(id_)]

    def _open(self) -> RutterClient:
        if self._client is None:
            self._client = self._opened()
        return self._client

    def _opened(self) -> RutterClient:
        settings = self._settings
        if settings.embedded:
            sandbox = self._open_sandbox()
            credentials = Credentials(sandbox.client_id, sandbox.client_secret)
            self._own_token = sandbox.connections[0].access_token
            transport: httpx.AsyncBaseTransport | None = _in_process(sandbox)
            self._pages = LinkPages(sandbox.asgi)
            self._stack.push_async_callback(self._pages.aclose)
        else:
            credentials = Credentials(settings.client_id, settings.client_secret)
            self._own_token, transport = settings.access_token, None
        client = RutterClient(credentials, base_url=settings.base_url, transport=transport)
        self._stack.push_async_callback(client.aclose)
        return client

    def _open_sandbox(self) -> Sandbox:
        make_home(self._settings.home)
        try:
            sandbox = open_sandbox(self._settings.sandbox_file)
        except RuntimeError:
            raise OperatorError(
                "the practice company was created by another version of this program",
                code="sandbox.other_version",
                next_step="Delete sandbox.db from RUTTER_AP_HOME; a new practice company is then created.",
            ) from None
        self._stack.callback(sandbox.close)
        return sandbox

    async def _open_own(self) -> None:
        """Reads the company of the settings' token; if it is the only one, retries on every call until it responds."""
        if self._own_token is None or isinstance(self._own, Company):
            return
        if self._stored and _lately(self._own_failed_at):
            return
        try:
            self._own = await self._own_company(self._own_token)
        except ApError as error:
            self._own_failed_at = anyio.current_time()
            self._own = UnavailableCompany(
                OWN_COMPANY, f"the company of {OWN_COMPANY}", "", self._settings.environment, error
            )

    async def _own_company(self, token: str | Secret) -> Company:
        rutter = self._open().connection(token, bypass_first_sync=True)
        detail = await rutter.detail()
        name = detail.store_name or (await rutter.company_info()).name or detail.id
        self._note(await identity_of(rutter, detail.id, detail, self._settings.environment))
        return self._company(token, detail.id, name, detail.platform)

    async def _follow_store(self) -> None:
        """Loads what changed in the store since the last check, whichever process changed it."""
        if _lately(self._store_failed_at):
            return
        environment, seen = self._settings.environment, self._revision

        def read(tx: Tx) -> tuple[int, list[tuple[SavedConnection, Sealed | None]] | None]:
            revision = tx.connections.revision()
            if revision == seen:
                return revision, None
            active = tx.connections.all(environment, ["active"])
            return revision, [(one, tx.secrets.get(one.id, ACCESS_TOKEN)) for one in active]

        try:
            self._revision, rows = await self._store.read(read)
        except (StoreError, SettingsError):
            # Without the store nothing is written, but companies already loaded can still be read.
            self._store_failed_at = anyio.current_time()
            return
        if rows is None:
            return
        self._claims = {}
        before, self._stored = self._stored, {}
        for row, sealed in rows:
            known = before.get(row.id)
            # An unchanged company stays, with its cached names.
            again = known is not None and known[0] == row and isinstance(known[1], Company)
            self._stored[row.id] = known if known is not None and again else (row, self._of_store(row, sealed))

    async def _with_ledger(self, one: Company | UnavailableCompany) -> Company | UnavailableCompany:
        """The company under the id of its ledger, or why it must not be used: another connection leads to it too.

        Without the store the ledger's id is not known: such a company can be read, and not written to.
        """
        if isinstance(one, UnavailableCompany):
            return one
        ledger_id = ""
        trouble: ApError | None = None
        try:
            claimed = await self._claim(one)
            ledger_id, trouble = claimed.ledger_id, claimed.trouble
        except (StoreError, SettingsError):
            self._store_failed_at = anyio.current_time()
        except ApError as error:
            trouble = error
        if trouble is not None:
            return UnavailableCompany(one.id, one.name, one.platform, one.environment, trouble)
        return replace(one, identity=replace(one.identity, ledger_id=ledger_id))

    async def _claim(self, company: Company) -> Claim:
        known = self._claims.get(company.id)
        if known is not None:
            return known
        if _lately(self._store_failed_at):
            raise StoreError("the store could not be read or written")
        found, own_id = self._leads_to.get(company.id, (None, 0.0))[0], self.own_id
        if company.id in self._unread:
            found = await self._read_identity_sometimes(company)
        claimed = await self._store.read(lambda tx: claimed_before(tx, company.id, found))
        if claimed is None:
            leads_to = found or await self._read_identity_sometimes(company)
            # What another process took over since then is not taken back: the two would go on for ever.
            spared = "" if company.id in self._has_claimed else own_id
            claimed = await self._store.write(lambda tx: claim(tx, company.id, leads_to, own_id=spared))
        if isinstance(claimed.trouble, OtherLedger):
            # A person may sign in to the right company at any time, and nobody tells us.
            self._unread[company.id] = (claimed.trouble, anyio.current_time())
        elif own_id != "":
            self._claims[company.id] = claimed
            self._has_claimed.add(company.id)
        return claimed

    async def _read_identity_sometimes(self, company: Company) -> LedgerIdentity:
        """`_read_identity`, while there are other companies not so often that all calls wait for this one."""
        trouble, failed_at = self._unread.get(company.id, (None, None))
        if trouble is not None and len(self._every()) > 1 and _lately(failed_at):
            raise trouble.with_traceback(None)
        try:
            return await self._read_identity(company)
        except ApError as error:
            self._unread[company.id] = (error, anyio.current_time())
            raise

    async def _read_identity(self, company: Company) -> LedgerIdentity:
        """Asks Rutter which ledger a connection leads to. Raises while it cannot be told: nobody may write then."""
        detail = await company.rutter.detail()
        found = await identity_of(company.rutter, company.id, detail, self._settings.environment)
        self._note(found)
        return found

    def _note(self, found: LedgerIdentity) -> None:
        self._leads_to[found.connection_id] = (found, anyio.current_time())
        self._unread.pop(found.connection_id, None)

    def _of_store(self, row: SavedConnection, sealed: Sealed | None) -> Company | UnavailableCompany:
        platform = row.platform or ""
        try:
            if sealed is None:
                raise _token_gone(row.id)
            token = self._secret_keys.box().open(sealed, company_id=row.id, name=ACCESS_TOKEN)
        except ApError as error:
            return UnavailableCompany(row.id, row.name or row.id, platform, self._settings.environment, error)
        return self._company(token, row.id, row.name or row.id, platform)

    def _company(self, token: str | Secret, connection_id: str, name: str, platform: str) -> Company:
        assert self._client is not None
        rutter = self._client.connection(token, bypass_first_sync=True)
        shown = clean(name, 80)
        return Company(
            identity=CompanyIdentity(connection_id, shown, platform, self._settings.environment),
            rutter=rutter,
            directory=Directory(rutter, self._clock),
            documents=Documents(self._settings.files, self._settings.home / "uploads"),
            clock=self._clock.in_zone(self._settings.time_zones.of(connection_id, shown)),
            written_here=self._written_here,
        )

    async def _written_here(self, ledger_id: str, ids: Collection[str]) -> int:
        return await self._store.read(lambda tx: tx.attempts.may_have_written(ledger_id, ids))


def _is_second(one: Company | UnavailableCompany) -> bool:
    return isinstance(one, UnavailableCompany) and isinstance(one.trouble, LinkedTwice)


def _lately(failed_at: float | None) -> bool:
    return failed_at is not None and anyio.current_time() - failed_at < _LEFT_ALONE_SECONDS


def _candidates(found: list[Company | UnavailableCompany]) -> list[tuple[str, str]]:
    return [(one.id, clean(one.name, 60)) for one in found]


def _unknown(reference: str, found: list[Company | UnavailableCompany]) -> NotFound:
    names = ", ".join(f"{name} ({id_})" for id_, name in _candidates(found))
    message = "no connected company has that name or id" if reference else "`company` must name one connected company"
    return NotFound(message, code="company.unknown", next_step=f"Connected: {names}.")


def _token_gone(connection_id: str) -> PersonError:
    return PersonError(
        "the access token for this connection is no longer stored",
        code="connection.token_gone",
        next_step=f"Call connect_ledger with connection_id {connection_id} to fetch the token from Rutter again.",
    )


def _no_link() -> OperatorError:
    return OperatorError(
        "Rutter's sign-in link is not a safe address to show",
        code="connection.bad_link",
        next_step="Check RUTTER_BASE_URL, or connect the company in Rutter's dashboard.",
    )


def _in_process(sandbox: Sandbox) -> httpx.AsyncBaseTransport:
    return httpx.ASGITransport(sandbox.asgi)
