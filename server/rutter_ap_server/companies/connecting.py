"""Connects a company: started at Rutter, finished by a person in a browser, saved with an encrypted access token.

Nothing here writes accounting records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.health import UnavailableCompany, health_of
from rutter_ap_server.companies.ledgers import LinkedTwice
from rutter_ap_server.companies.onboarding import Onboarding
from rutter_ap_server.companies.saved_connections import AnyConnection, ConnectionRepository
from rutter_ap_server.interaction import Interaction, LinkToOpen, Opened
from rutter_ap_server.rutter.errors import (
    ConnectionDisabled,
    CredentialsRejected,
    UpstreamNonsense,
)
from rutter_ap_server.store.connections import SavedConnection
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.connections import ConnectionList, ConnectLedger, ConnectResult
from rutter_ap_tools.errors import ApError, PersonError, Refused
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import CompanyNamed

ASK_SECONDS_MAX = 120
# A list checks this many pending connections; older ones are checked when they are named.
_LOOKED_AT_MAX = 10
Status = Literal["waiting", "connected", "dry_run"]


@dataclass(frozen=True, slots=True)
class ConnectFlow:
    """Starts connections, checks whether a person has finished them, and renews one whose sign-in has expired."""

    connections: ConnectionRepository
    onboarding: Onboarding

    async def connect(self, query: ConnectLedger, *, actor: str, interaction: Interaction) -> ConnectResult:
        """The `connect_ledger` tool.

        A pending connection with the same name is continued, so calling twice does not create a second one.
        Raises `Refused` while all writes are stopped.
        """
        await self._refuse_while_frozen()
        name = clean(query.name, 30)
        target = (
            await self.connections.named(query.connection_id)
            if query.connection_id
            else await self.connections.pending_named(name)
        )
        if query.dry_run:
            return self._dry_run(target, name)
        if isinstance(target, Company | UnavailableCompany):
            return await self._sign_in_again(target, actor=actor, interaction=interaction)
        begun = target or await self.onboarding.begin(name, actor=actor)
        done = await self.onboarding.finish(begun, actor=actor) if target else None
        if done is not None:
            return self._connected(done)
        return await self._let_link(begun, actor=actor, interaction=interaction)

    async def _let_link(self, begun: SavedConnection, *, actor: str, interaction: Interaction) -> ConnectResult:
        shown = await self.connections.companies.shown(await self.connections.link_of(begun))
        link = LinkToOpen(begun.id, _ASK.format(begun.name or "a company"), shown, ASK_SECONDS_MAX)
        opened = await interaction.open_link(link)
        # Rutter is asked whatever the client reports: opening the link, or not opening it, proves nothing.
        done = await self.onboarding.finish(begun, actor=actor) if opened is not Opened.CANNOT_ASK else None
        if done is not None:
            await interaction.link_done(link)
            return self._connected(done)
        return ConnectResult(
            company=CompanyNamed(id=begun.id, name=begun.name or None),
            environment=self.connections.environment,
            status="waiting",
            link_url=shown,
            next_step=f"{_OPENED[opened]} Then call connect_ledger again with connection_id {begun.id}.",
        )

    async def _sign_in_again(
        self, target: Company | UnavailableCompany, *, actor: str, interaction: Interaction
    ) -> ConnectResult:
        """A company that is already connected: its health, or the link for signing in again."""
        company = target if isinstance(target, Company) else await self.fetch_token(target, actor=actor)
        try:
            status = await company.rutter.status()
        except CredentialsRejected:
            company = await self.fetch_token(company, actor=actor)
            status = await company.rutter.status()
        health = health_of(status)
        if health == "disabled":
            raise ConnectionDisabled("Rutter has disabled the connection to this company.")
        if health != "needs_reauth":
            return self._result("connected", company.named, company.platform, _HEALTHY[health])
        if not status.link_url:
            raise UpstreamNonsense("Rutter did not provide a link for signing in again.")
        shown = await self.connections.companies.shown(status.link_url)
        link = LinkToOpen(company.id, _ASK_AGAIN.format(company.name), shown, ASK_SECONDS_MAX)
        opened = await interaction.open_link(link)
        if opened is not Opened.CANNOT_ASK and health_of(await company.rutter.status()) != "needs_reauth":
            await interaction.link_done(link)
            await self.connections.store.write(
                lambda tx: tx.audit.append("connection_signed_in", actor=actor, company=company.id)
            )
            return self._result("connected", company.named, company.platform, _HEALTHY["active"])
        step = f"{_OPENED[opened]} Then call connect_ledger again with connection_id {company.id}."
        waiting = self._result("waiting", company.named, company.platform, step)
        return waiting.model_copy(update={"link_url": shown})

    async def fetch_token(self, target: Company | UnavailableCompany, *, actor: str) -> Company:
        """The company, its token fetched from Rutter and encrypted again. Raises `PersonError` if it is gone."""
        connection_id = target.id
        if isinstance(target, Company) and self.connections.companies.is_own(connection_id):
            raise CredentialsRejected("Rutter does not accept RUTTER_ACCESS_TOKEN.")
        if isinstance(target, UnavailableCompany) and (
            self.connections.companies.is_own(connection_id) or _is_locked(target)
        ):
            raise target.trouble.with_traceback(None)
        box, entry = self.connections.secret_keys.box(), await self.connections.entry(connection_id)
        if entry is None:
            raise _gone(connection_id)
        fresh = entry

        def save(tx: Tx) -> None:
            self.connections.seal_token(tx, box, fresh)
            tx.connections.touch(connection_id)
            tx.audit.append("connection_token_fetched", actor=actor, company=connection_id)

        await self.connections.store.write(save)
        return await self.connections.companies.get(connection_id)

    async def listed(self, reference: str, *, actor: str, read_only: bool) -> ConnectionList:
        """Every connection, or one. Pending ones that a person has finished become usable first."""
        waiting = () if read_only else (await self.connections.pending())[-_LOOKED_AT_MAX:]
        for begun in waiting:
            try:
                await self.onboarding.finish(begun, actor=actor)
            except ApError:
                # It is still listed as waiting; the problem is reported when it is named.
                continue
        return await self.connections.listed(reference)

    async def _refuse_while_frozen(self) -> None:
        by = await self.connections.store.read(lambda tx: tx.controls.frozen_by())
        if by is not None:
            words = f"all writes are stopped, by {clean(by, 100)}"
            finding = Finding(code="freeze.active", severity=Severity.REFUSE, message=words)
            raise Refused(
                words, findings=[finding], next_step="A person can allow writes again with `rutter-ap unfreeze`."
            )

    def _dry_run(self, target: AnyConnection | None, name: str) -> ConnectResult:
        if target is None:
            company = CompanyNamed(id="", name=name or None)
            step = "A new connection would be started and its link returned."
        elif isinstance(target, SavedConnection):
            company = CompanyNamed(id=target.id, name=target.name or None)
            step = "This connection is pending: it would be finished, or its link returned again."
        else:
            company = target.named
            step = "This company is connected: its health would be checked and, if needed, a sign-in link returned."
        return self._result("dry_run", company, None, f"{step} Nothing was changed.")

    def _connected(self, done: SavedConnection) -> ConnectResult:
        return self._result(
            "connected", CompanyNamed(id=done.id, name=done.name or None), done.platform, _HEALTHY["active"]
        )

    def _result(self, status: Status, company: CompanyNamed, platform: str | None, next_step: str) -> ConnectResult:
        return ConnectResult(
            company=company,
            environment=self.connections.environment,
            status=status,
            platform=platform,
            next_step=next_step,
        )


_ASK = "Open this page to connect {}, and sign in to its accounting platform there."
_ASK_AGAIN = "Open this page to sign in again to the accounting platform of {}."
_OPENED = {
    Opened.OPENED: "The link was opened, but Rutter shows no completed sign-in yet. Ask the person to finish there.",
    Opened.NOT_OPENED: "The link was not opened. Ask the person whether they want to open it.",
    Opened.CANNOT_ASK: "Give the person the link to open in a browser.",
}
_HEALTHY = {
    "active": "The company is connected. If several companies are connected, name the company in every call.",
    "not_ready": "The company is connected. The first sync can take hours; until it finishes, lists may be incomplete.",
    "unhealthy": "The company is connected, but Rutter has trouble reaching the platform and keeps retrying.",
}


def _is_locked(broken: UnavailableCompany) -> bool:
    """Whether no other token would help: the operator must fix the keys first, or remove one of two connections."""
    return isinstance(broken.trouble, StoreError | LinkedTwice)


def _gone(connection_id: str) -> PersonError:
    return PersonError(
        "Rutter no longer has this connection",
        code="connection.gone",
        next_step=f"Remove it with `rutter-ap connections remove {connection_id}`, then connect the company again.",
    )
