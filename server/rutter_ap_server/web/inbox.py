"""The first page of the desk: what waits, what is left of the limits, and stopping all writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.reports.listing import limits_left, policy_or_none
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_server.web.frame import PREFIX, Frame
from rutter_ap_server.web.shown import InboxPart, inbox_parts, is_sound, limit_rows
from rutter_ap_server.web.signing_in import CHANNEL, Session
from rutter_ap_tools.text import clean

_LISTED_MAX = 500


@dataclass(frozen=True, slots=True)
class Inbox:
    """What the first page shows; `edited` are the ids of proposals that were edited by hand."""

    parts: tuple[InboxPart, ...]
    limits: list[tuple[str, list[tuple[str, str, str]]]]
    edited: list[str]
    in_flight: int


@dataclass(frozen=True)
class InboxPages:
    """What waits, and the forms that stop and allow writes."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            self.frame.get("", self._inbox),
            self.frame.post("/freeze", self._freeze),
            self.frame.form("/unfreeze", self._unfreeze, self._again),
        ]

    async def _inbox(self, _: Request, session: Session) -> Response:
        return await self._inbox_page(session)

    async def _inbox_page(self, session: Session, *, problem: str = "", status: int = 200) -> Response:
        policy = await policy_or_none(self.frame.approvals.dispatcher.policy)

        def look(tx: Tx) -> Inbox:
            waiting, edited = _waiting(tx)
            open_ones = [one for one in tx.proposals.in_states(IN_FLIGHT_STATES, _LISTED_MAX) if one.run_id is None]
            limits = _limits(tx, policy, [one for one, _ in waiting])
            return Inbox(inbox_parts(waiting, tx.now), limits, edited, len(open_ones))

        inbox = await self.frame.store.read(look)
        return self.frame.page(
            "inbox.html",
            status,
            session=session,
            problem=problem,
            inbox=inbox,
            has_policy=policy is not None,
        )

    async def _freeze(self, _: Request, session: Session) -> Response:
        """Stops every write at once: whoever notices something may do it."""

        def freeze(tx: Tx) -> None:
            tx.controls.freeze(f"{session.approver.name} at the desk")
            tx.audit.append("frozen", actor=session.approver.name, channel=CHANNEL)

        await self.frame.store.write(freeze)
        return RedirectResponse(PREFIX, 303)

    async def _unfreeze(self, request: Request, session: Session) -> Response:
        await self.frame.approvals.unfreeze(channel=CHANNEL, by=await self.frame.proof(request, session))
        return RedirectResponse(PREFIX, 303)

    async def _again(self, _: Request, session: Session, problem: str) -> Response:
        return await self._inbox_page(session, problem=problem, status=409)


def _waiting(tx: Tx) -> tuple[list[tuple[Proposal, int]], list[str]]:
    """What is held, with how many people released each; and the ids of what was edited by hand."""
    waiting, edited = list[tuple[Proposal, int]](), list[str]()
    for one in tx.proposals.in_states([State.HELD], _LISTED_MAX):
        try:
            released = len(tx.proposals.approvals(one.id))
        except Tampered:
            edited.append(one.id)
            continue
        if not is_sound(one):
            edited.append(one.id)
        elif one.expires_at > tx.now:
            waiting.append((one, released))
    return waiting, edited


def _limits(tx: Tx, policy: Policy | None, found: Sequence[Proposal]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """What is left of the limits of each company and currency in which something waits."""
    if policy is None:
        return []
    wanted = {(one.company_ids, one.company_name, one.money.currency) for one in found if one.money is not None}
    rows = [
        (f"{clean(name, 60)}, {currency}", limit_rows(limits_left(tx, policy, ids, currency)))
        for ids, name, currency in sorted(wanted)
    ]
    return [(title, left) for title, left in rows if left]
