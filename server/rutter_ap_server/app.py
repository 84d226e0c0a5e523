"""The composition root: the only module that knows every part. Creating an app opens nothing; its parts open on use."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import anyio

from rutter_ap_server.backend import AppBackend
from rutter_ap_server.clock import Clock
from rutter_ap_server.companies import ConnectFlow, ConnectionRepository, Onboarding
from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard.approvals import Approvals
from rutter_ap_server.guard.card import Cards
from rutter_ap_server.guard.dispatch import Dispatcher
from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.guard.guard import Guard
from rutter_ap_server.guard.long_calls import LongCalls
from rutter_ap_server.guard.policy import PolicyFile
from rutter_ap_server.guard.recovery import Recovery
from rutter_ap_server.guard.reports.proposal import find_proposal
from rutter_ap_server.guard.views import Views
from rutter_ap_server.guard.writes.registry import shown_abilities
from rutter_ap_server.interaction import Interaction
from rutter_ap_server.notices.notifier import Notifier
from rutter_ap_server.notices.words import where_to_decide
from rutter_ap_server.processes import Processes
from rutter_ap_server.services import Services
from rutter_ap_server.settings import DESK_PORT, Settings, make_home, read_settings
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.secrets import SecretKeys
from rutter_ap_server.store.states import State
from rutter_ap_server.web.desk import desk_app
from rutter_ap_server.web.frame import PREFIX
from rutter_ap_server.web.hosting import LocalDesk, open_in_browser
from rutter_ap_server.web.proposal_run import RELEASE_SECONDS
from rutter_ap_tools.errors import ApError

logger = logging.getLogger("rutter_ap")


class App:
    """Everything one process works with. `serves` is false for a command.

    With `hosts_desk` it opens the approvals desk on this machine once a person is needed, if the settings let it.
    Tests pass their own `companies`, and a `sleep` that takes no time.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        *,
        companies: CompanyRegistry | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        serves: bool = True,
        hosts_desk: bool = False,
    ) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.store = Store(settings.database_url.reveal(), self.clock, prepare=partial(make_home, settings.home))
        self.secret_keys = SecretKeys(settings.secret_keys, settings.key_file, is_shared=settings.shared_store)
        self.policy = PolicyFile(
            settings.policy_file,
            self.store,
            named=settings.policy_named,
            may_write=not settings.read_only,
            serves=serves,
        )
        self.companies = companies or CompanyRegistry(settings, self.clock, self.store, self.secret_keys)
        connections = ConnectionRepository(
            self.store, self.companies, self.secret_keys, settings.environment, shown_abilities()
        )
        self.connect_flow = ConnectFlow(connections, Onboarding(connections))
        self.processes = Processes(settings.home / "processes")
        self.dispatcher = Dispatcher(self.store, self.policy, sleep, self.processes)
        self.approvals = Approvals(self.store, self.dispatcher, secret_keys=self.secret_keys)
        self.recovery = Recovery(self.store, self.dispatcher)
        self.desk = self.local_desk(settings.desk_port) if hosts_desk and settings.hosts_desk else None
        self.views = Views(self.desk_address)
        self.guard = Guard(self.store, self.policy, self.dispatcher, self.recovery, self.views)
        self.notifier = Notifier(self.store, settings.notify, self._where_to_decide)
        self.long_calls = LongCalls()
        self.releases = LongCalls(RELEASE_SECONDS)
        self.cards = Cards(self.store, self.dispatcher, self.companies, self.views, self.long_calls)
        self.services = Services(
            settings=settings,
            store=self.store,
            policy=self.policy,
            companies=self.companies,
            connect_flow=self.connect_flow,
            guard=self.guard,
            recovery=self.recovery,
            views=self.views,
            long_calls=self.long_calls,
        )

    def backend(self, preparer: str, interaction: Interaction) -> AppBackend:
        """The backend of one call."""
        return AppBackend(self.services, preparer, interaction)

    def local_desk(self, port: int | None) -> LocalDesk:
        """The desk of this home on this machine, at that port or the usual one; nothing is opened yet."""

        return LocalDesk(
            self.settings.home,
            lambda host: desk_app(self.approvals, self.connect_flow, hosts=[host], releases=self.releases),
            port=DESK_PORT if port is None else port,
            invitation=self._invitation,
            open_browser=open_in_browser,
        )

    async def _invitation(self) -> str | None:
        """The path at which the first approver enrols, None once there is one."""
        secret = await Enrolment(self.approvals).invite_first()
        return None if secret is None else f"{PREFIX}/enrol/{secret}"

    async def desk_address(self) -> str:
        """Where a person decides, empty if only a command can. Opens the desk of this machine if that is the place."""
        if self.desk is None:
            return self.settings.approvals_url.rstrip("/")
        address = await self.desk.address()
        self.desk.invite_soon()
        return address

    async def reopen_desk(self) -> None:
        """Serves the desk again that was there before, while something waits: somebody may have its page open."""
        if self.desk is None or not self.desk.was_opened_before:
            return
        if await self.store.read(lambda tx: tx.proposals.in_states([State.HELD], 1)):
            await self.desk.address()

    async def _where_to_decide(self) -> str:
        return where_to_decide(await self.desk_address())

    async def keep_desk(self) -> None:
        """Takes the desk over from a process that served it and has ended."""
        if self.desk is not None:
            await self.desk.keep()

    async def hold_policy(self) -> None:
        """Tells the store which policy this process holds. Whatever is wrong with it is said by the first write."""
        with suppress(ApError):
            await self.policy.read()

    async def tell_people(self) -> None:
        """Tells those who want to know that a person is needed."""
        await self.notifier.tell()

    async def company_of(self, proposal: Proposal) -> Company:
        """The company of a proposal."""
        return await self.companies.of_ledger(proposal.company_id)

    async def proposal(self, reference: str) -> Proposal:
        """The proposal with that id, or whose id starts with it. Raises `NotFound` or `Ambiguous`."""
        return await find_proposal(self.store, reference)

    async def recover(self) -> None:
        """Tries once to resolve every proposal with an open outcome, and looks again for what may not have failed."""
        await self._recover(lambda proposal: True)

    async def recover_of(self, company: Company) -> None:
        """The same for one company, as soon as something is heard of its ledger."""
        await self._recover(lambda proposal: proposal.company_id == company.ledger_id)

    async def _recover(self, is_meant: Callable[[Proposal], bool]) -> None:
        recovery = self.recovery
        open_ones = [(one, recovery.resolve) for one in await recovery.waiting()]
        for proposal, take_up in (*open_ones, *((one, recovery.look_again) for one in await recovery.doubted())):
            if not is_meant(proposal):
                continue
            try:
                await take_up(proposal, await self.company_of(proposal))
            except ApError:
                continue
            except Exception as error:  # noqa: BLE001 - an unexpected error on one must not block the others
                logger.error("recovery: an unexpected %s on proposal %s", type(error).__name__, proposal.id)

    async def aclose(self) -> None:
        """Closes everything that was opened."""
        if self.desk is not None:
            await self.desk.aclose()
        await self.long_calls.aclose()
        await self.releases.aclose()
        await self.policy.leave()
        await self.companies.aclose()
        self.store.close()
        self.processes.close()


def open_app() -> App:
    """The app of a command, over the settings of this process. Raises `SettingsError`."""
    return App(read_settings(), serves=False)
