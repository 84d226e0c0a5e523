"""The composition root: the only module that knows every part. Each is made on first use, so that starting is quick."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from rutter_ap_server.clock import Clock
from rutter_ap_server.settings import Settings, make_home, read_settings

if TYPE_CHECKING:
    from rutter_ap_server.backend import AppBackend
    from rutter_ap_server.companies import ConnectFlow
    from rutter_ap_server.companies.company import Company
    from rutter_ap_server.companies.registry import CompanyRegistry
    from rutter_ap_server.guard.approvals import Approvals
    from rutter_ap_server.guard.dispatch import Dispatcher
    from rutter_ap_server.guard.guard import Guard
    from rutter_ap_server.guard.policy import PolicyFile
    from rutter_ap_server.guard.recovery import Recovery
    from rutter_ap_server.guard.views import Views
    from rutter_ap_server.interaction import Asker
    from rutter_ap_server.mcp.live_data import LiveData
    from rutter_ap_server.store.engine import Store, Tx
    from rutter_ap_server.store.proposals import Proposal
    from rutter_ap_server.store.secrets import SecretBox

logger = logging.getLogger("rutter_ap")


class App:
    """Everything one process works with."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or Clock()

    @cached_property
    def store(self) -> Store:
        """The store; opening it checks it."""
        from rutter_ap_server.store.engine import Store

        make_home(self.settings.home)
        return Store(self.settings.database_url.reveal(), self.clock)

    @cached_property
    def companies(self) -> CompanyRegistry:
        """The connected companies."""
        from rutter_ap_server.companies.registry import CompanyRegistry, Kept

        return CompanyRegistry(self.settings, self.clock, Kept(lambda: self.store, lambda: self.secret_box))

    @cached_property
    def secret_box(self) -> SecretBox:
        """What seals stored access tokens and opens them."""
        from rutter_ap_server.store.secrets import box_of

        settings = self.settings
        return box_of(settings.secret_keys, settings.key_file, shared=settings.shared_store)

    @cached_property
    def connect_flow(self) -> ConnectFlow:
        """What links companies and keeps them."""
        from rutter_ap_server.companies import ConnectFlow, ConnectionRepository, Onboarding

        keeping = ConnectionRepository(self.store, self.companies, lambda: self.secret_box, self.settings.environment)
        return ConnectFlow(keeping, Onboarding(keeping))

    @cached_property
    def policy(self) -> PolicyFile:
        """Where the policy is read from."""
        from rutter_ap_server.guard.policy import PolicyFile

        return PolicyFile(self.settings.policy_file, named=self.settings.policy_named)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """The one sender."""
        from rutter_ap_server.guard.dispatch import Dispatcher

        return Dispatcher(self.store, self.policy)

    @cached_property
    def views(self) -> Views:
        """Shapes of answers."""
        from rutter_ap_server.guard.views import Views

        return Views(self.settings.approvals_url)

    @cached_property
    def guard(self) -> Guard:
        """The order of judgement."""
        from rutter_ap_server.guard.guard import Guard

        return Guard(self.store, self.policy, self.dispatcher, self.views)

    @cached_property
    def recovery(self) -> Recovery:
        """What finds out about open outcomes."""
        from rutter_ap_server.guard.recovery import Recovery

        return Recovery(self.store, self.dispatcher)

    @cached_property
    def approvals(self) -> Approvals:
        """What approvers do."""
        from rutter_ap_server.guard.approvals import Approvals

        return Approvals(self.store, self.dispatcher)

    def backend(self, preparer: str, asker: Asker) -> AppBackend:
        """The desk of one call."""
        from rutter_ap_server.backend import AppBackend

        return AppBackend(self, preparer, asker)

    def live_data(self) -> LiveData:
        """What resources show and completion offers."""
        from rutter_ap_server.mcp.live_data import LiveData

        companies = self.companies
        return LiveData(companies.all, companies.broken, companies.get, lambda: self.store, lambda: self.policy)

    async def company_of(self, proposal: Proposal) -> Company:
        """The company of a proposal."""
        return await self.companies.get(proposal.company_id)

    async def proposal(self, reference: str) -> Proposal:
        """The proposal with that id, or whose id starts so. Raises `NotFound` or `Ambiguous`."""
        from rutter_ap_tools.errors import Ambiguous, NotFound

        found = await self.store.read(lambda tx: tx.proposals.starting_with(reference))
        if len(found) == 1:
            return await self._tended(found[0])
        if found:
            raise Ambiguous(
                "several proposals start so",
                candidates=[(p.id, p.summary) for p in found],
                next_step="Type more of it.",
            )
        raise NotFound("there is no such proposal", next_step="Use the proposal_id a write answered with.")

    async def _tended(self, proposal: Proposal) -> Proposal:
        """Expires a held proposal whose time is up, so that nobody is told it still waits."""
        from rutter_ap_server.guard import journal

        if proposal.state != "held" or proposal.expires_at > self.clock.now():
            return proposal

        def expire(tx: Tx) -> Proposal:
            journal.expire(tx, proposal.id)
            return journal.get(tx, proposal.id)

        return await self.store.write(expire)

    async def recover(self) -> None:
        """Takes up every proposal with an open outcome, once."""
        from rutter_ap_tools.errors import ApError

        for proposal in await self.recovery.waiting():
            try:
                await self.recovery.resolve(proposal, await self.company_of(proposal))
            except ApError:
                continue
            except Exception as error:  # noqa: BLE001 - one that nobody can make sense of must not keep the others waiting
                logger.error("recovery: an unexpected %s on proposal %s", type(error).__name__, proposal.id)

    async def aclose(self) -> None:
        """Closes what was opened."""
        if "companies" in self.__dict__:
            await self.companies.aclose()
        if "store" in self.__dict__:
            self.store.close()


def open_app() -> App:
    """The app over the settings of this process. Raises `SettingsError`."""
    return App(read_settings())
