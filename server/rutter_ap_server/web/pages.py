"""The pages of the desk: what waits, one proposal whole, and the two forms with which a person decides."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard.approvals import Approvals, Preview
from rutter_ap_server.guard.approvers import NotReleased, Proof
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.reports.listing import limits_left, policy_or_none
from rutter_ap_server.guard.reports.proposal import find_proposal
from rutter_ap_server.guard.statement import body_of, differences, statement_of
from rutter_ap_server.store.audit import Entry, Verification
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_server.web.shown import InboxPart, Page, history_row, inbox_parts, is_sound, limit_rows, page_of
from rutter_ap_server.web.signing_in import CHANNEL, Session, SignIn
from rutter_ap_tools.errors import ApError, NotFound
from rutter_ap_tools.people import for_people
from rutter_ap_tools.statement import Section, Statement
from rutter_ap_tools.text import clean

PREFIX = "/approvals"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIGURE = re.compile(r"[\d.,]+ [A-Z]{3}")
# A longer statement is not sent back by the browser, so that only its digest tells that something moved.
_SENT_BACK_CHARACTERS_MAX = 100_000
_LISTED_MAX = 500
_ENTRIES = 100
_FORM_FIELDS_MAX = 20
Answer: TypeAlias = Callable[[Request, Session], Awaitable[Response]]
logger = logging.getLogger("rutter_ap")


@dataclass(frozen=True, slots=True)
class Shown:
    """A proposal as it is on the page: its statement as of now, and the page that shows it."""

    seen: Preview
    page: Page


@dataclass(frozen=True, slots=True)
class Inbox:
    """What the first page shows; `edited` are the ids of proposals that were edited by hand."""

    parts: tuple[InboxPart, ...]
    limits: list[tuple[str, list[tuple[str, str, str]]]]
    edited: list[str]
    frozen: str | None
    in_flight: int


@dataclass(frozen=True)
class Pages:
    """Every page, over the parts of one app."""

    store: Store
    approvals: Approvals
    companies: CompanyRegistry
    sign_in: SignIn

    def routes(self) -> list[Route]:
        """The addresses; each but signing in needs somebody who is signed in."""
        return [
            Route("/", self._home, methods=["GET"]),
            Route(f"{PREFIX}/sign-in", self._safely(self._sign_in_form), methods=["GET"]),
            Route(f"{PREFIX}/sign-in", self._safely(self._signed_in), methods=["POST"]),
            Route(f"{PREFIX}/sign-out", self._for_approvers(self._sign_out), methods=["POST"]),
            Route(PREFIX, self._for_approvers(self._inbox), methods=["GET"]),
            Route(f"{PREFIX}/history", self._for_approvers(self._history), methods=["GET"]),
            Route(f"{PREFIX}/freeze", self._for_approvers(self._freeze), methods=["POST"]),
            Route(f"{PREFIX}/unfreeze", self._for_approvers(self._unfreeze), methods=["POST"]),
            Route(f"{PREFIX}/{{id}}", self._for_approvers(self._proposal), methods=["GET"]),
            Route(f"{PREFIX}/{{id}}/release", self._for_approvers(self._release), methods=["POST"]),
            Route(f"{PREFIX}/{{id}}/decline", self._for_approvers(self._decline), methods=["POST"]),
        ]

    async def _home(self, _: Request) -> Response:
        return RedirectResponse(PREFIX, 303)

    def _for_approvers(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            session = await self.sign_in.session_of(request)
            if session is None:
                return await self._signed_out(request)
            if request.method == "POST" and not session.wrote(await _field(request, "token")):
                return self._message("This form is no longer valid; nothing was done.", "Open the page again.", 403)
            return await answer(request, session)

        return self._safely(checked)

    def _safely(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Our own errors are pages; of any other only its kind reaches the log."""

        async def safe(request: Request) -> Response:
            try:
                return await answer(request)
            except HTTPException:
                # A body that is too large or no form, which the framework answers.
                raise
            except NotFound as error:
                return self._message(error.message, "The list shows what waits.", 404)
            except ApError as error:
                return self._message(error.message, error.next_step, 409)
            except Exception as error:  # noqa: BLE001 - its text may hold anything
                logger.error("desk: an unexpected %s", type(error).__name__)
                return self._message("Something went wrong in this program.", "Its log says what kind of fault.", 500)

        return safe

    async def _sign_in_form(self, request: Request) -> Response:
        then = request.query_params.get("then", "")
        return await self._sign_in_page(then=then if _ID.fullmatch(then) else "")

    async def _sign_in_page(self, *, then: str = "", problem: str = "", step: str = "", status: int = 200) -> Response:
        is_nobody = not await self.store.read(lambda tx: tx.approvers.active())
        return self._page("sign_in.html", status, then=then, problem=problem, step=step, is_nobody=is_nobody)

    async def _signed_in(self, request: Request) -> Response:
        then = await _field(request, "then")
        then = then if _ID.fullmatch(then) else ""
        response = RedirectResponse(f"{PREFIX}/{then}" if then else PREFIX, 303)
        try:
            await self.sign_in.begin(
                request, await _field(request, "name"), await _field(request, "passcode"), response
            )
        except NotReleased as error:
            step = "Wait, or ask another approver." if error.error_code == "approval.locked" else ""
            return await self._sign_in_page(then=then, problem=error.message, step=step, status=403)
        return response

    async def _signed_out(self, request: Request) -> Response:
        """Where somebody has to sign in: after a form that nobody was signed in for, nothing was done."""
        then = request.path_params.get("id", "")
        then = then if _ID.fullmatch(then) else ""
        if request.method == "GET":
            return RedirectResponse(f"{PREFIX}/sign-in" + (f"?then={then}" if then else ""), 303)
        problem = "You are signed out, so nothing was done."
        return await self._sign_in_page(then=then, problem=problem, step="Sign in and look again.", status=401)

    async def _sign_out(self, _: Request, session: Session) -> Response:
        response = RedirectResponse(f"{PREFIX}/sign-in", 303)
        await self.sign_in.end(session, response)
        return response

    async def _inbox(self, _: Request, session: Session) -> Response:
        return await self._inbox_page(session)

    async def _inbox_page(self, session: Session, *, problem: str = "", status: int = 200) -> Response:
        policy = await policy_or_none(self.approvals.dispatcher.policy)

        def look(tx: Tx) -> Inbox:
            waiting, edited = _waiting(tx)
            open_ones = [one for one in tx.proposals.in_states(IN_FLIGHT_STATES, _LISTED_MAX) if one.run_id is None]
            limits = _limits(tx, policy, [one for one, _ in waiting])
            return Inbox(inbox_parts(waiting, tx.now), limits, edited, tx.controls.frozen_by(), len(open_ones))

        inbox = await self.store.read(look)
        return self._page(
            "inbox.html",
            status,
            session=session,
            problem=problem,
            inbox=inbox,
            frozen=clean(inbox.frozen, 200),
            has_policy=policy is not None,
        )

    async def _freeze(self, _: Request, session: Session) -> Response:
        """Stops every write at once: whoever notices something may do it."""

        def freeze(tx: Tx) -> None:
            tx.controls.freeze(f"{session.approver.name} at the desk")
            tx.audit.append("frozen", actor=session.approver.name, channel=CHANNEL)

        await self.store.write(freeze)
        return RedirectResponse(PREFIX, 303)

    async def _unfreeze(self, request: Request, session: Session) -> Response:
        by = Proof(session.approver.name, await _field(request, "passcode"))
        try:
            await self.approvals.unfreeze(channel=CHANNEL, by=by)
        except NotReleased as error:
            return await self._inbox_page(session, problem=f"{error.message}. {error.next_step}", status=409)
        return RedirectResponse(PREFIX, 303)

    async def _history(self, request: Request, session: Session) -> Response:
        asked = {name: request.query_params.get(name, "") for name in ("kind", "proposal", "before")}
        before = int(asked["before"]) if re.fullmatch(r"[0-9]{1,12}", asked["before"]) else None
        proposal_id = asked["proposal"] if _ID.fullmatch(asked["proposal"]) else ""

        def look(tx: Tx) -> tuple[list[Entry], list[str], Verification]:
            entries = tx.audit.told(_ENTRIES + 1, kind=asked["kind"], proposal_id=proposal_id, before=before)
            return entries, tx.audit.kinds(), tx.audit.verify()

        entries, kinds, chain = await self.store.read(look)
        return self._page(
            "history.html",
            session=session,
            rows=[history_row(one) for one in entries[:_ENTRIES]],
            older=entries[_ENTRIES - 1].seq if len(entries) > _ENTRIES else None,
            kinds=kinds,
            kind=asked["kind"],
            proposal=proposal_id,
            chain=chain,
        )

    async def _proposal(self, request: Request, session: Session) -> Response:
        return self._shown(await self._look(request), session)

    async def _release(self, request: Request, session: Session) -> Response:
        shown = await self._look(request)
        page = shown.page
        if page.state != State.HELD:
            return self._shown(shown, session, problem=f"It is {page.state}; nothing was released.", status=409)
        asked = (await _field(request, "digest"), await _field(request, "facts"))
        # The second stands for what the release is bound to and no page shows, such as the texts of a bill's lines.
        if asked != (page.digest, page.facts):
            moved = _moved(await _field(request, "shown"), asked[0], shown.seen.statement)
            unseen = "" if moved else " It is in something that this page does not show."
            problem = f"Something is different from what you saw, so nothing was released.{unseen} Look at it again."
            return self._shown(shown, session, problem=problem, moved=moved, status=409)
        if page.must_type and not _same_amount(await _field(request, "amount"), page.must_type):
            problem = "The amount you typed is another one, so nothing was released."
            return self._shown(shown, session, problem=problem, status=409)
        try:
            await self.approvals.approve(
                shown.seen,
                await self.companies.of_ledger(shown.seen.proposal.company_id),
                name=session.approver.name,
                passcode=await _field(request, "passcode"),
                channel=CHANNEL,
            )
        except ApError as error:
            return self._shown(
                await self._look(request), session, problem=f"{error.message}. {error.next_step}", status=409
            )
        return RedirectResponse(f"{PREFIX}/{page.id}", 303)

    async def _decline(self, request: Request, session: Session) -> Response:
        proposal_id, reason = _id_in(request), (await _field(request, "reason")).strip()
        if not reason:
            problem = "Say why you decline it: the assistant is told. Nothing was declined."
            return self._shown(await self._look(request), session, problem=problem, status=409)
        try:
            await self.approvals.decline(
                proposal_id,
                name=session.approver.name,
                passcode=await _field(request, "passcode"),
                channel=CHANNEL,
                reason=reason,
            )
        except NotReleased as error:
            shown = await self._look(request)
            return self._shown(shown, session, problem=f"{error.message}. {error.next_step}", status=409)
        return RedirectResponse(f"{PREFIX}/{proposal_id}", 303)

    async def _look(self, request: Request) -> Shown:
        """The proposal with facts as of now; one that is no longer held as it was left. Raises `ApError`."""
        proposal = await find_proposal(self.store, _id_in(request))
        if not is_sound(proposal):
            raise Tampered(f"proposal {proposal.id}")
        if proposal.state == State.HELD:
            company = await self.companies.of_ledger(proposal.company_id)
            seen = await self.approvals.preview(proposal.id, company)
        else:
            policy = await policy_or_none(self.approvals.dispatcher.policy)
            seen = await self.store.read(lambda tx: Preview(proposal, statement_of(tx, proposal, policy), tx.now))
        approvals = await self.store.read(lambda tx: tx.proposals.approvals(seen.proposal.id))
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
        return self._page(
            "proposal.html",
            status,
            session=session,
            page=shown.page,
            proposal=shown.seen.proposal,
            body=body if len(body) <= _SENT_BACK_CHARACTERS_MAX else "",
            problem=problem,
            moved=moved,
        )

    def _message(self, message: str, step: str, status: int) -> Response:
        return self._page("message.html", status, message=message, step=step)

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(template).render(prefix=PREFIX, **{"session": None} | values)
        return HTMLResponse(text, status)

    @cached_property
    def _templates(self) -> Environment:
        found = Environment(
            loader=PackageLoader("rutter_ap_server.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        found.filters["for_people"] = for_people
        found.tests["figure"] = lambda text: bool(_FIGURE.fullmatch(text))
        return found


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


async def _field(request: Request, name: str) -> str:
    """A field of a form; empty if it is not there, or is a file."""
    form = await request.form(max_files=0, max_fields=_FORM_FIELDS_MAX)
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _id_in(request: Request) -> str:
    proposal_id: str = request.path_params["id"]
    if not _ID.fullmatch(proposal_id):
        raise NotFound("there is no proposal with that id")
    return proposal_id


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
