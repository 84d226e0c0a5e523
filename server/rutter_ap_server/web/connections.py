"""The connections page: whether each company can be reached, and signing in again to one that asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.store.connections import SavedConnection
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.web.frame import Frame, field
from rutter_ap_server.web.signing_in import CHANNEL, Session
from rutter_ap_tools.connections import ConnectionRow, ConnectLedger, ConnectResult
from rutter_ap_tools.errors import ApError, BadInput
from rutter_ap_tools.people import BOOKS
from rutter_ap_tools.text import clean
from rutter_ap_tools.validate import read_arguments

_LOOK_SECONDS_MAX = 10
_ASK_SECONDS_MAX = 20
_HEALTH = {
    "active": ("✓", "can be reached"),
    "not_ready": ("△", "the first synchronisation is still running"),
    "unhealthy": ("△", "Rutter has trouble reaching it"),
    "needs_reauth": ("▲", "somebody must sign in again"),
    "disabled": ("✕", "disabled at Rutter"),
    "waiting": ("▲", "nobody has signed in yet"),
    "unknown": ("?", "it is not known whether it can be reached"),
}
_TO_SIGN_IN = ("needs_reauth", "waiting")


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection for reading; `asks` says that a person must sign in to the platform."""

    id: str
    name: str
    platform: str
    mark: str
    health: str
    synced: str
    problem: str
    asks: bool


@dataclass(frozen=True)
class ConnectionsPages:
    """How the companies are connected, and the form with which an approver renews one."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            self.frame.get("/connections", self._connections),
            self.frame.post("/connections/sign-in", self._sign_in),
        ]

    async def _connections(self, _: Request, session: Session) -> Response:
        rows, problem = await self._listed(session)
        environment = self.frame.connect_flow.connections.environment
        return self.frame.page(
            "connections.html",
            session=session,
            rows=rows,
            problem=problem,
            environment=environment,
            books=BOOKS[environment],
        )

    async def _listed(self, session: Session) -> tuple[list[Connection], str]:
        """Every connection with its health; without an answer in time, those in the store with none."""
        flow = self.frame.connect_flow
        try:
            with anyio.fail_after(_LOOK_SECONDS_MAX):
                found = await flow.listed("", actor=session.approver.name, read_only=True)
            return [_row(one) for one in found.connections], ""
        except TimeoutError:
            problem = f"There was no answer within {_LOOK_SECONDS_MAX} seconds, so their health is not known."
        except ApError as error:
            problem = f"{error.message}. {error.next_step}"
        saved = await self.frame.store.read(lambda tx: tx.connections.all(flow.connections.environment))
        return [_saved(one) for one in saved], problem

    async def _sign_in(self, request: Request, session: Session) -> Response:
        """Rutter's page for signing in to the accounting platform, or that it is connected after all."""
        connection_id = await field(request, "connection")
        if not connection_id:
            # Without one a new connection would be begun.
            raise BadInput("the form names no connection", next_step="Open the page again.")
        result = await self._asked(connection_id, session)
        if not result.link_url:
            return self.frame.message(
                f"{result.company.name or result.company.id} is connected.", result.next_step, 200, session
            )
        about = {"company": result.company.id, "approver_id": session.approver.id, "channel": CHANNEL}

        def note(tx: Tx) -> None:
            tx.audit.append("connection_link_shown", actor=session.approver.name, **about)

        await self.frame.store.write(note)
        return self.frame.page(
            "connection_link.html",
            session=session,
            name=clean(result.company.name or result.company.id, 120),
            environment=result.environment,
            books=BOOKS[result.environment],
            link=result.link_url,
            host=urlsplit(result.link_url).netloc,
        )

    async def _asked(self, connection_id: str, session: Session) -> ConnectResult:
        query = read_arguments(ConnectLedger, {"connection_id": connection_id})
        try:
            with anyio.fail_after(_ASK_SECONDS_MAX):
                return await self.frame.connect_flow.connect(
                    query, actor=session.approver.name, interaction=NO_INTERACTION
                )
        except TimeoutError:
            raise ApError(
                f"Rutter did not answer within {_ASK_SECONDS_MAX} seconds", next_step="Try again in a minute."
            ) from None


def _row(one: ConnectionRow) -> Connection:
    mark, words = _HEALTH[one.health]
    return Connection(
        id=one.id,
        name=one.name or one.id,
        platform=one.platform or "",
        mark=mark,
        health=words,
        synced=f"{one.last_synced_at:%Y-%m-%d %H:%M} UTC" if one.last_synced_at else "",
        problem=one.problem or "",
        asks=one.health in _TO_SIGN_IN,
    )


def _saved(one: SavedConnection) -> Connection:
    last = f"It last responded on {one.last_seen_at:%Y-%m-%d %H:%M} UTC." if one.last_seen_at else ""
    name = clean(one.name, 120) or one.id
    return Connection(one.id, name, clean(one.platform, 40), *_HEALTH["unknown"], "", last, asks=False)
