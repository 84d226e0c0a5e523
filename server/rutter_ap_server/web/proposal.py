"""The page of one proposal, whole, and the two forms with which a person decides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.guard.approvals import Preview
from rutter_ap_server.guard.long_calls import LongCalls
from rutter_ap_server.guard.reports.listing import policy_or_none
from rutter_ap_server.guard.reports.proposal import find_proposal
from rutter_ap_server.guard.statement import body_of, differences, statement_of
from rutter_ap_server.guard.taking_out import take_out
from rutter_ap_server.guard.views import lines_of
from rutter_ap_server.interaction import is_amount
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import StoreError, Tampered
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import State
from rutter_ap_server.web.frame import PREFIX, Frame, field, id_in, number_in
from rutter_ap_server.web.proposal_beside import Beside, beside
from rutter_ap_server.web.proposal_documents import Papers, bills_of
from rutter_ap_server.web.proposal_run import Going, RunTable, going_of, released, run_table
from rutter_ap_server.web.shown import Page, is_sound, page_of
from rutter_ap_server.web.signing_in import CHANNEL, Session
from rutter_ap_tools.errors import ApError, NotFound
from rutter_ap_tools.statement import Section, Statement

# A longer statement is not sent back by the browser, so that only its digest tells that something moved.
_SENT_BACK_CHARACTERS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A proposal as it is on the page: its statement as of now, and the page that shows it.

    `stale` says why the facts are not as of now, empty if they are; nothing can be released then.
    """

    seen: Preview
    page: Page
    run: RunTable | None
    going: Going | None
    stale: str


@dataclass(frozen=True)
class ProposalPages:
    """One proposal, released or declined, with the documents of its bills."""

    frame: Frame
    papers: Papers
    releases: LongCalls

    def routes(self) -> list[Route]:
        """Their addresses; last of all, because any id is one."""
        document = "/{id}/bills/{bill}/documents/{document}"
        return [
            self.frame.get("/{id}", self._proposal),
            self.frame.get("/{id}/progress", self._progress),
            self.frame.get("/{id}/bills/{bill}", self._bill),
            self.frame.get(f"{document}/file", self._file),
            self.frame.get(f"{document}/pages/{{page}}.png", self._picture),
            self.frame.form("/{id}/take-out", self._take_out, self._again),
            self.frame.form("/{id}/release", self._release, self._again),
            self.frame.form("/{id}/decline", self._decline, self._again),
        ]

    async def _proposal(self, request: Request, session: Session) -> Response:
        return await self._shown(await self._look(request), session)

    async def _progress(self, request: Request, _: Session) -> Response:
        """How far a run is that is being sent, for the script of its page."""
        proposal = await find_proposal(self.frame.store, id_in(request))
        going = going_of(proposal, await lines_of(self.frame.store, proposal))
        if going is None:
            return JSONResponse({"is_going": False})
        return JSONResponse({"is_going": True, "done": going.done, "words": going.words})

    async def _bill(self, request: Request, session: Session) -> Response:
        """One bill of a proposal that is about several."""
        proposal, bill_id = await self._bill_in(request)
        company = await self.frame.companies.of_ledger(proposal.company_id)
        found = await beside(self.papers, company, proposal, bill_id, number_in(request, "bill"))
        return self.frame.page("bill.html", session=session, proposal=proposal, beside=found)

    async def _picture(self, request: Request, _: Session) -> Response:
        """A page of a document, counted from 1."""
        of, page = request.query_params.get("of", ""), max(number_in(request, "page") - 1, 0)
        proposal, bill_id = await self._bill_in(request)
        company = await self.frame.companies.of_ledger(proposal.company_id)
        return await self.papers.page(company, proposal, bill_id, number_in(request, "document"), page, of)

    async def _file(self, request: Request, _: Session) -> Response:
        """A document itself."""
        of = request.query_params.get("of", "")
        proposal, bill_id = await self._bill_in(request)
        company = await self.frame.companies.of_ledger(proposal.company_id)
        return await self.papers.download(company, proposal, bill_id, number_in(request, "document"), of)

    async def _bill_in(self, request: Request) -> tuple[Proposal, str]:
        """The proposal, and its bill that the address names. Raises `NotFound`."""
        proposal = await self.frame.store.read(lambda tx: tx.proposals.get(id_in(request)))
        if proposal is None:
            raise NotFound("there is no proposal with that id")
        if not is_sound(proposal):
            raise Tampered(f"proposal {proposal.id}")
        bills, number = bills_of(proposal), number_in(request, "bill")
        if number >= len(bills):
            raise NotFound("this proposal has no such bill")
        return proposal, bills[number]

    async def _take_out(self, request: Request, session: Session) -> Response:
        """Proposes the run again without one payment: what is signed is what is seen."""
        run, bill_id = await find_proposal(self.frame.store, id_in(request)), await field(request, "bill")
        company, by = await self.frame.companies.of_ledger(run.company_id), await self.frame.proof(request, session)
        new = await take_out(self.frame.approvals, run.id, bill_id, company, by=by, channel=CHANNEL)
        return RedirectResponse(f"{PREFIX}/{new.id}", 303)

    async def _again(self, request: Request, session: Session, problem: str) -> Response:
        return await self._shown(await self._look(request), session, problem=problem, status=409)

    async def _release(self, request: Request, session: Session) -> Response:
        shown = await self._look(request)
        page = shown.page
        if shown.stale:
            return await self._shown(shown, session, status=409)
        if page.state != State.HELD:
            return await self._shown(shown, session, problem=f"It is {page.state}; nothing was released.", status=409)
        asked = (await field(request, "digest"), await field(request, "facts"))
        # The second stands for what the release is bound to and no page shows, such as the texts of a bill's lines.
        if asked != (page.digest, page.facts):
            moved = _moved(await field(request, "shown"), asked[0], shown.seen.statement)
            unseen = "" if moved else " It is in something that this page does not show."
            problem = f"Something is different from what you saw, so nothing was released.{unseen} Look at it again."
            return await self._shown(shown, session, problem=problem, moved=moved, status=409)
        money = shown.seen.proposal.money
        if page.must_type and (money is None or not is_amount(await field(request, "amount"), money)):
            problem = "The amount you typed is another one, so nothing was released."
            return await self._shown(shown, session, problem=problem, status=409)
        company = await self.frame.companies.of_ledger(shown.seen.proposal.company_id)
        by = await self.frame.proof(request, session)
        approve = partial(self.frame.approvals.approve, shown.seen, company, by=by, channel=CHANNEL)
        await released(self.releases, approve)
        return RedirectResponse(f"{PREFIX}/{page.id}", 303)

    async def _decline(self, request: Request, session: Session) -> Response:
        proposal_id, reason = id_in(request), await field(request, "reason")
        if not reason.strip():
            problem = "Say why you decline it: the assistant is told. Nothing was declined."
            return await self._again(request, session, problem)
        by = await self.frame.proof(request, session)
        await self.frame.approvals.decline(proposal_id, by=by, channel=CHANNEL, reason=reason)
        return RedirectResponse(f"{PREFIX}/{proposal_id}", 303)

    async def _look(self, request: Request) -> Shown:
        """The proposal with facts as of now; one that is no longer held as it was left. Raises `ApError`."""
        proposal = await find_proposal(self.frame.store, id_in(request))
        if not is_sound(proposal):
            raise Tampered(f"proposal {proposal.id}")
        seen, stale = None, ""
        if proposal.state == State.HELD:
            try:
                company = await self.frame.companies.of_ledger(proposal.company_id)
                seen = await self.frame.approvals.preview(proposal.id, company)
            except StoreError:
                raise
            except ApError as error:
                stale = f"Nothing can be released now: {error.message}. What follows is as it was last judged."
        policy = await policy_or_none(self.frame.approvals.dispatcher.policy)

        def look(tx: Tx) -> tuple[Preview, tuple[Approval, ...]]:
            known = seen or Preview(proposal, statement_of(tx, proposal, policy), tx.now)
            return known, tx.proposals.approvals(proposal.id)

        known, approvals = await self.frame.store.read(look)
        page = page_of(known.proposal, known.statement, approvals, known.at)
        lines = await lines_of(self.frame.store, known.proposal)
        run = run_table(known.proposal, known.statement.sections, lines)
        return Shown(known, page, run, going_of(known.proposal, lines), stale)

    async def _shown(
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
            run=shown.run,
            going=shown.going,
            beside=await self._beside(shown.seen.proposal),
            stale=shown.stale,
            body=body if len(body) <= _SENT_BACK_CHARACTERS_MAX else "",
            problem=problem,
            moved=moved,
        )

    async def _beside(self, proposal: Proposal) -> Beside | None:
        """What stands beside it; None for a run, whose bills have pages of their own."""
        bills = bills_of(proposal)
        if len(bills) > 1 or proposal.tool == "propose_payment_run" or not (bills or proposal.vendor_id):
            return None
        try:
            company = await self.frame.companies.of_ledger(proposal.company_id)
        except ApError as error:
            return Beside(0, notes=[f"The ledger cannot be asked: {error.message}."])
        return await beside(self.papers, company, proposal, bills[0] if bills else None, 0)


def _moved(text: str, said: str, now: Statement) -> list[tuple[str, str, str]]:
    """What differs from the page that was shown, which a browser sends back; of a page that never was, nothing."""
    try:
        before = [Section(**one) for one in json.loads(text)]
        if digest([one.model_dump() for one in before]) != said:
            return []
    except (ValueError, TypeError, RecursionError):
        return []
    return list(differences(before, now.sections))
