"""Onboarding: a connection is created at Rutter, completed there by a person, and from then on saved here as a company.

A new connection is saved right after Rutter's response. If this process dies in between, an unusable connection stays
behind at Rutter; `rutter-ap connections list --all` shows it if someone completes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import anyio

from rutter_ap_server.companies.ledgers import Claim, claim, identity_of
from rutter_ap_server.companies.saved_connections import ConnectionRepository
from rutter_ap_server.rutter.errors import (
    BadRequest,
    CredentialsRejected,
    NotFoundUpstream,
    UpstreamNonsense,
    WriteOutcomeUnknown,
)
from rutter_ap_server.rutter.models.connections import ConnectionEntry
from rutter_ap_server.secret import Secret
from rutter_ap_server.store.connections import ACCESS_TOKEN, LINK_URL, SavedConnection
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.ledgers import LedgerIdentity
from rutter_ap_server.store.secrets import SecretBox
from rutter_ap_tools.errors import ApError, BadInput, NotFound, RetryError
from rutter_ap_tools.text import clean

# The errors Rutter returns for a connection that is not linked yet, or whose token it no longer accepts.
_NOT_LINKED = (BadRequest, CredentialsRejected, NotFoundUpstream, UpstreamNonsense)
logger = logging.getLogger("rutter_ap")


@dataclass(frozen=True, slots=True)
class Onboarding:
    """Creates connections at Rutter and turns completed ones into saved companies."""

    connections: ConnectionRepository
    _beginning: anyio.Lock = field(default_factory=anyio.Lock)

    async def begin(self, name: str, *, actor: str) -> SavedConnection:
        """Creates a connection at Rutter and saves it with an encrypted token, or returns the pending one of that name.

        Raises `StoreError` when there is no encryption key, before anything is created.
        """
        box = self.connections.secret_keys.box()
        client = await self.connections.companies.client()
        async with self._beginning:
            waiting = await self.connections.pending_named(name)
            if waiting is not None:
                return waiting
            # Cancellation must not separate Rutter's response from saving it.
            with anyio.CancelScope(shield=True):
                try:
                    made = await client.connections.create()
                except WriteOutcomeUnknown:
                    raise RetryError(
                        "Rutter did not confirm that it created the connection",
                        code="connection.no_answer",
                        next_step="Call again; an unused connection does no harm.",
                    ) from None
                saved = await self._save(box, made, name, actor)
        if saved.id != made.id:
            await self._forget_at_rutter(made.id)
        elif name:
            await self._name_at_rutter(saved.id, name)
        return saved

    async def _save(self, box: SecretBox, made: ConnectionEntry, name: str, actor: str) -> SavedConnection:
        def save(tx: Tx) -> SavedConnection:
            saved = tx.connections.begin(made.id, environment=self.connections.environment, name=name)
            if saved.id == made.id:
                self.connections.seal_token(tx, box, made)
                self.connections.seal_link(tx, box, made)
                tx.audit.append("connection_started", actor=actor, company=saved.id, name=name)
            return saved

        return await self.connections.store.write(save)

    async def finish(self, begun: SavedConnection, *, actor: str) -> SavedConnection | None:
        """The connection once a person has completed it; None until then."""
        token = await self.connections.secret(begun.id, ACCESS_TOKEN)
        linked = await self._linked(begun, token)
        if linked is None:
            return None
        platform, name, entry, leads_to = linked
        box = self.connections.secret_keys.box() if entry else None
        own_id = self.connections.companies.own_id

        def save(tx: Tx) -> tuple[SavedConnection, Claim] | None:
            if tx.connections.activate(begun.id, name=name, platform=platform):
                if box is not None and entry is not None:
                    self.connections.seal_token(tx, box, entry)
                # From now on Rutter provides a link when one is needed.
                tx.secrets.delete(begun.id, LINK_URL)
                tx.audit.append("connection_linked", actor=actor, company=begun.id, name=name, platform=platform)
            saved = tx.connections.get(begun.id)
            # Another process may have finished or removed it in the meantime.
            if saved is None or saved.status != "active":
                return None
            return saved, claim(tx, begun.id, leads_to, own_id=own_id)

        done = await self.connections.store.write(save)
        return _said_at_once(*done) if done is not None else None

    async def _linked(
        self, begun: SavedConnection, token: Secret | None
    ) -> tuple[str, str, ConnectionEntry | None, LedgerIdentity] | None:
        """Platform, name and ledger once it is completed; Rutter's entry if the token had to come from there."""
        client, entry = await self.connections.companies.client(), None
        try:
            if token is None:
                raise CredentialsRejected("the token is gone")
            rutter = client.connection(token, bypass_first_sync=True)
            detail = await rutter.detail()
        except _NOT_LINKED:
            entry = await self.connections.entry(begun.id)
            if entry is None or not entry.platform:
                return None
            rutter = client.connection(entry.access_token, bypass_first_sync=True)
            detail = await rutter.detail()
        name = begun.name or clean(detail.store_name, 80)
        if not name:
            try:
                name = clean((await rutter.company_info()).name, 80)
            except ApError:
                # A name is optional; during the first sync there may be none.
                name = ""
        platform = clean(detail.platform, 60)
        leads_to = await identity_of(rutter, begun.id, detail, self.connections.environment)
        return platform, name or platform, entry, leads_to

    async def adopt(self, connection_id: str, *, actor: str) -> SavedConnection:
        """Saves a connection that the organisation already has at Rutter: for operators, never for assistants."""
        box, entry = self.connections.secret_keys.box(), await self.connections.entry(connection_id)
        if entry is None or not entry.platform:
            raise NotFound(
                "Rutter has no linked connection with that id",
                next_step="List them with `rutter-ap connections list --all`.",
            )
        adopted = entry
        client = await self.connections.companies.client()
        rutter = client.connection(adopted.access_token, bypass_first_sync=True)
        detail = await rutter.detail()
        leads_to = await identity_of(rutter, adopted.id, detail, self.connections.environment)
        own_id = self.connections.companies.own_id
        platform = clean(detail.platform, 60)
        name = clean(adopted.name, 30) or clean(detail.store_name, 80) or platform

        def save(tx: Tx) -> tuple[SavedConnection, Claim]:
            saved = tx.connections.begin(adopted.id, environment=self.connections.environment, name=name)
            if saved.id != adopted.id:
                raise BadInput(
                    "a pending connection already has that name", next_step="Rename or remove that one first."
                )
            self.connections.seal_token(tx, box, adopted)
            tx.connections.activate(adopted.id, name=name, platform=platform)
            tx.audit.append("connection_adopted", actor=actor, company=adopted.id, name=name, platform=platform)
            return tx.connections.get(adopted.id) or saved, claim(tx, adopted.id, leads_to, own_id=own_id)

        return _said_at_once(*await self.connections.store.write(save))

    async def _name_at_rutter(self, connection_id: str, name: str) -> None:
        client = await self.connections.companies.client()
        try:
            await client.connections.rename(connection_id, name)
        except ApError as error:
            # The name applies here in any case; at Rutter another connection may already have it.
            logger.warning("naming a connection at Rutter: %s", error.error_code)

    async def _forget_at_rutter(self, connection_id: str) -> None:
        client = await self.connections.companies.client()
        try:
            await client.connections.delete(connection_id)
        except ApError as error:
            logger.warning("removing a connection that was begun twice: %s", error.error_code)


def _said_at_once(saved: SavedConnection, claimed: Claim) -> SavedConnection:
    """The connection. Raises if it is saved, but must not be used: whoever linked it must hear so now."""
    if claimed.trouble is not None:
        raise claimed.trouble
    return saved
