"""Saved connections: found by id or name, listed, renamed and removed; their secrets are encrypted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from rutter_ap_server.companies.company import Company, Environment
from rutter_ap_server.companies.health import UnavailableCompany, Verbs, Waiting, list_connections
from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.rutter.errors import NotFoundUpstream, UpstreamNonsense
from rutter_ap_server.rutter.models.connections import ConnectionEntry
from rutter_ap_server.secret import Secret
from rutter_ap_server.store.connections import ACCESS_TOKEN, LINK_URL, SavedConnection
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.secrets import SecretBox, SecretKeys
from rutter_ap_server.store.states import IN_FLIGHT_STATES
from rutter_ap_tools.connections import ConnectionList, ConnectionRow
from rutter_ap_tools.errors import Ambiguous, ApError, BadInput, NotFound, PersonError
from rutter_ap_tools.text import clean, fold

AnyConnection = Company | UnavailableCompany | SavedConnection
K = TypeVar("K", bound=Company | UnavailableCompany | SavedConnection | Waiting)


@dataclass(frozen=True, slots=True)
class ConnectionRepository:
    """The connections this installation knows. The store holds access tokens and links only in encrypted form."""

    store: Store
    companies: CompanyRegistry
    secret_keys: SecretKeys
    environment: Environment
    verbs: Verbs

    async def all(self) -> list[AnyConnection]:
        """Every connected or pending company, from the settings and from the store."""
        return [*await self.companies.all(), *await self.companies.unavailable(), *await self.pending()]

    async def pending(self) -> tuple[SavedConnection, ...]:
        """The connections that no person has completed yet."""
        return await self.store.read(lambda tx: tx.connections.all(self.environment, ["pending"]))

    async def named(self, reference: str) -> AnyConnection:
        """The connection with that id or name: only those known here, never others of the organisation."""
        return _only(await self.all(), reference)

    async def pending_named(self, name: str) -> SavedConnection | None:
        """The pending connection of that name. Raises `BadInput` when a connected company has the name."""
        every = await self.all()
        for one in every:
            if isinstance(one, SavedConnection) and fold(one.name) == fold(name):
                return one
        if name and any(fold(one.name) == fold(name) for one in every):
            raise BadInput(
                "a connected company already has that name",
                code="connection.name_taken",
                next_step="To sign in to that company again, pass it as connection_id; otherwise choose another name.",
            )
        return None

    async def saved(self, reference: str) -> SavedConnection:
        """The saved connection with that id or name. Raises `BadInput` for one that comes from the settings."""
        rows = await self.store.read(lambda tx: tx.connections.all(self.environment))
        known = {row.id: row for row in rows}
        found = _only(await self.all(), reference)
        if found.id in known:
            return known[found.id]
        raise BadInput(
            "that company comes from the settings and is not a saved connection",
            code="connection.from_settings",
            next_step="Change RUTTER_ACCESS_TOKEN instead; the embedded practice company cannot be changed.",
        )

    async def secret(self, connection_id: str, name: str) -> Secret | None:
        """A connection's secret, decrypted; None when there is none. Raises `StoreError` without the right key."""
        sealed = await self.store.read(lambda tx: tx.secrets.get(connection_id, name))
        return None if sealed is None else self.secret_keys.box().open(sealed, company_id=connection_id, name=name)

    def seal_token(self, tx: Tx, box: SecretBox, entry: ConnectionEntry) -> None:
        """Saves the access token from Rutter's entry for a connection, encrypted."""
        sealed = box.seal(entry.access_token, company_id=entry.id, name=ACCESS_TOKEN)
        tx.secrets.put(entry.id, ACCESS_TOKEN, sealed)

    def seal_link(self, tx: Tx, box: SecretBox, entry: ConnectionEntry) -> None:
        """Saves the link, encrypted, until it is used: anyone who has it can connect on the company's behalf."""
        if entry.link_url:
            tx.secrets.put(entry.id, LINK_URL, box.seal(Secret(entry.link_url), company_id=entry.id, name=LINK_URL))

    async def link_of(self, begun: SavedConnection) -> str:
        """The link for a pending connection."""
        link = await self.secret(begun.id, LINK_URL)
        if link is None:
            raise UpstreamNonsense("Rutter did not provide a link for this connection.")
        return link.reveal()

    async def entry(self, connection_id: str) -> ConnectionEntry | None:
        """A connection as Rutter lists it, with its token; None if Rutter no longer has it or nobody completed it."""
        client = await self.companies.client()
        found = [one for one in await client.connections.list(status="any") if one.id == connection_id]
        return found[0] if found else None

    async def elsewhere(self) -> list[ConnectionEntry]:
        """The organisation's other connections at Rutter: for an operator, never for an assistant."""
        known = {one.id for one in await self.all()}
        client = await self.companies.client()
        return [entry for entry in await client.connections.list(status="any") if entry.id not in known]

    async def listed(self, reference: str) -> ConnectionList:
        """Every connection, or one, with its health."""
        every: list[Company | UnavailableCompany | Waiting] = []
        for one in await self.all():
            every.append(await self._waiting(one) if isinstance(one, SavedConnection) else one)
        if reference:
            only = _only(every, reference).id
            every = [one for one in every if one.id == only]
        found = await list_connections(every, self._shown, self.environment, self.verbs)
        return await self._with_last_answers(found)

    async def _with_last_answers(self, found: ConnectionList) -> ConnectionList:
        """Records which connections responded, and adds when the others last did."""
        saved = {one.id: one for one in await self.store.read(lambda tx: tx.connections.all(self.environment))}
        responded = [
            row.id for row in found.connections if row.id in saved and row.health not in ("unknown", "waiting")
        ]
        if responded:
            await self.store.write(lambda tx: tx.connections.seen(responded))
        return found.model_copy(update={"connections": [_last_answer(row, saved) for row in found.connections]})

    async def rename(self, saved: SavedConnection, name: str, *, actor: str) -> None:
        """Renames it, at Rutter and here. Raises `BadInput` for a name that another company has."""
        if any(one.id != saved.id and fold(one.name) == fold(name) for one in await self.all()):
            raise BadInput("another connected company has that name", next_step="Choose another name.")
        client = await self.companies.client()
        await client.connections.rename(saved.id, name)

        def save(tx: Tx) -> None:
            if tx.connections.rename(saved.id, name):
                tx.audit.append("connection_renamed", actor=actor, company=saved.id, name=name)

        await self.store.write(save)

    async def remove(self, saved: SavedConnection, *, actor: str) -> None:
        """Removes it at Rutter, then here with its secrets; if interrupted, it can be repeated.

        Raises `PersonError` while a write to the company is unsettled: afterwards its outcome could not be found out.
        """
        unsettled = await self.store.read(lambda tx: tx.proposals.of_connection(saved.id, IN_FLIGHT_STATES))
        if unsettled:
            raise PersonError(
                "a write to this company is not settled yet, and its outcome could not be found out after the removal",
                code="connection.unsettled",
                next_step=f"Settle it first; see `rutter-ap proposals show {unsettled[0].id}`.",
            )
        client = await self.companies.client()
        # If Rutter has already removed it, only our own record is left.
        with suppress(NotFoundUpstream):
            await client.connections.delete(saved.id)

        def forget(tx: Tx) -> None:
            for name in (ACCESS_TOKEN, LINK_URL):
                tx.secrets.delete(saved.id, name)
            tx.bill_mirrors.drop(saved.id)
            if tx.connections.remove(saved.id):
                tx.audit.append("connection_removed", actor=actor, company=saved.id, name=saved.name)

        await self.store.write(forget)

    async def reseal(self, *, actor: str) -> int:
        """Encrypts every stored secret with the first key, so that older keys can be dropped; returns how many."""
        box = self.secret_keys.box()

        def seal(tx: Tx) -> int:
            count = tx.secrets.reseal(box)
            tx.audit.append("secrets_resealed", actor=actor, count=count)
            return count

        return await self.store.write(seal)

    async def _waiting(self, begun: SavedConnection) -> Waiting:
        try:
            link = await self.link_of(begun)
        except ApError:
            link = ""
        return Waiting(begun.id, begun.name, self.environment, link)

    async def _shown(self, link_url: str) -> str | None:
        try:
            return await self.companies.shown(link_url)
        except ApError:
            return None


def _last_answer(row: ConnectionRow, saved: Mapping[str, SavedConnection]) -> ConnectionRow:
    last = saved[row.id].last_seen_at if row.health == "unknown" and row.id in saved else None
    if last is None:
        return row
    return row.model_copy(update={"problem": f"{row.problem} It last responded on {last:%Y-%m-%d %H:%M} UTC."})


def _only(every: Sequence[K], reference: str) -> K:
    wanted = fold(reference)
    found = [one for one in every if one.id == reference]
    found = found or [one for one in every if wanted and fold(one.name) == wanted]
    if len(found) > 1:
        raise Ambiguous("several connections have that name", candidates=[(one.id, clean(one.name)) for one in found])
    if not found:
        raise NotFound(
            "no connection has that id or name",
            code="company.unknown",
            next_step="Call list_connections to see them.",
        )
    return found[0]
