"""The page of one proposal, whole, and the two forms with which a person decides."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.guard.approvals import Preview
from rutter_ap_server.guard.approvers import NotReleased
from rutter_ap_server.guard.reports.listing import policy_or_none
from rutter_ap_server.guard.reports.proposal import find_proposal
from rutter_ap_server.guard.statement import body_of, differences, statement_of
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.states import State
from rutter_ap_server.web.frame import PREFIX, Frame, field, id_in
from rutter_ap_server.web.shown import Page, is_sound, page_of
from rutter_ap_server.web.signing_in import CHANNEL, Session
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.statement import Section, Statement

# A longer statement is not sent back by the browser, so that only its digest tells that something moved.
_SENT_BACK_CHARACTERS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A proposal as it is on the page: its statement as of now, and the page that shows it."""

    seen: Preview
    page: Page


@dataclass(frozen=True)
class ProposalPages:
    """One proposal, released or declined."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses; last of all, because any id is one."""
        return [
            self.frame.get("/{id}", self._proposal),
            self.frame.post("/{id}/release", self._release),
            self.frame.post("/{id}/decline", self._decline),
        ]

    async def _proposal(self, request: Request, session: Session) -> Response:
        return self._shown(await self._look(request), session)

    async def _release(self, request: Request, session: Session) -> Response:
        shown = await self._look(request)
        page = shown.page
        if page.state != State.HELD:
            return self._shown(shown, session, problem=f"It is {page.state}; nothing was released.", status=409)
        asked = (await field(request, "digest"), await field(request, "facts"))
        # The second stands for what the release is bound to and no page shows, such as the texts of a bill's lines.
        if asked != (page.digest, page.facts):
            moved = _moved(await field(request, "shown"), asked[0], shown.seen.statement)
            unseen = "" if moved else " It is in something that this page does not show."
            problem = f"Something is different from what you saw, so nothing was released.{unseen} Look at it again."
            return self._shown(shown, session, problem=problem, moved=moved, status=409)
        if page.must_type and not _same_amount(await field(request, "amount"), page.must_type):
            problem = "The amount you typed is another one, so nothing was released."
            return self._shown(shown, session, problem=problem, status=409)
        try:
            await self.frame.approvals.approve(
                shown.seen,
                await self.frame.companies.of_ledger(shown.seen.proposal.company_id),
                by=await self.frame.proof(request, session),
                channel=CHANNEL,
            )
        except ApError as error:
            return self._shown(
                await self._look(request), session, problem=f"{error.message}. {error.next_step}", status=409
            )
        return RedirectResponse(f"{PREFIX}/{page.id}", 303)

    async def _decline(self, request: Request, session: Session) -> Response:
        proposal_id, reason = id_in(request), await field(request, "reason")
        if not reason.strip():
            problem = "Say why you decline it: the assistant is told. Nothing was declined."
            return self._shown(await self._look(request), session, problem=problem, status=409)
        try:
            await self.frame.approvals.decline(
                proposal_id,
                by=await self.frame.proof(request, session),
                channel=CHANNEL,
                reason=reason,
            )
        except NotReleased as error:
            shown = await self._look(request)
            return self._shown(shown, session, problem=f"{error.message}. {error.next_step}", status=409)
        return RedirectResponse(f"{PREFIX}/{proposal_id}", 303)

    async def _look(self, request: Request) -> Shown:
        """The proposal with facts as of now; one that is no longer held as it was left. Raises `ApError`."""
        proposal = await find_proposal(self.frame.store, id_in(request))
        if not is_sound(proposal):
            raise Tampered(f"proposal {proposal.id}")
        if proposal.state == State.HELD:
            company = await self.frame.companies.of_ledger(proposal.company_id)
            seen = await self.frame.approvals.preview(proposal.id, company)
        else:
            policy = await policy_or_none(self.frame.approvals.dispatcher.policy)
            seen = await self.frame.store.read(lambda tx: Preview(proposal, statement_of(tx, proposal, policy), tx.now))
        approvals = await self.frame.store.read(lambda tx: tx.proposals.approvals(seen.proposal.id))
        return Shown(seen, page_of(seen.proposal, seen.statement, approvals, seen.at))

    def _shown(
        self,
        shown: Shown,
        session: Session,
        *,
        problem: str = "",
        moved: Sequence[tuple[str, str, str]] = (),
        status: int = 200,
    ) -> Response:
        body = body_of(shown.seen.statement)
        return self.frame.page(
            "proposal.html",
            status,
            session=session,
            page=shown.page,
            proposal=shown.seen.proposal,
            body=body if len(body) <= _SENT_BACK_CHARACTERS_MAX else "",
            problem=problem,
            moved=moved,
        )


def _moved(text: str, said: str, now: Statement) -> list[tuple[str, str, str]]:
    """What differs from the page that was shown, which a browser sends back; of a page that never was, nothing."""
    try:
        before = [Section(**one) for one in json.loads(text)]
        if digest([one.model_dump() for one in before]) != said:
            return []
    except (ValueError, TypeError, RecursionError):
        return []
    return list(differences(before, now.sections))


def _same_amount(typed: str, exact: str) -> bool:
    """Whether what a person typed is the amount, to the last digit; they may group its digits."""
    try:
        return Decimal(re.sub(r"[\s,’']", "", typed)) == Decimal(exact)
    except InvalidOperation:
        return False
