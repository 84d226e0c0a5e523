"""What every page of the desk stands in: who may ask for it, the templates, and what an error looks like."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.companies.connecting import ConnectFlow
from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard.approvals import Approvals
from rutter_ap_server.guard.approvers import By
from rutter_ap_server.installed import own_command
from rutter_ap_server.store.engine import Store
from rutter_ap_server.web.proving import Proving, form_of
from rutter_ap_server.web.signing_in import Session, SignIn
from rutter_ap_tools.errors import ApError, NotFound
from rutter_ap_tools.people import for_people
from rutter_ap_tools.text import visible

PREFIX = "/approvals"
# The pages that every page leads to, by the name that its template gives itself.
ROOMS = {
    "inbox": ("", "Approvals"),
    "history": ("/history", "History"),
    "limits": ("/limits", "Limits"),
    "vendors": ("/vendors", "Vendors"),
    "connections": ("/connections", "Connections"),
    "approvers": ("/approvers", "Approvers"),
    "passkeys": ("/passkeys", "Passkeys"),
}
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"[0-9]{1,6}")
_FIGURE = re.compile(r"[\d.,]+ [A-Z]{3}")
Answer: TypeAlias = Callable[[Request, Session], Awaitable[Response]]
Again: TypeAlias = Callable[[Request, Session, str], Awaitable[Response]]
OpenAnswer: TypeAlias = Callable[[Request], Awaitable[Response]]
logger = logging.getLogger("rutter_ap")


@dataclass(frozen=True)
class Frame:
    """The parts of one app that pages are made of, and how a page is answered."""

    store: Store
    approvals: Approvals
    connect_flow: ConnectFlow
    sign_in: SignIn
    proving: Proving

    @property
    def companies(self) -> CompanyRegistry:
        """The connected companies."""
        return self.connect_flow.connections.companies

    def get(self, path: str, answer: Answer) -> Route:
        """A page for whoever is signed in."""
        return Route(f"{PREFIX}{path}", self._for_approvers(answer), methods=["GET"])

    def post(self, path: str, answer: Answer) -> Route:
        """A form of such a page: it must carry the token of the session."""
        return Route(f"{PREFIX}{path}", self._for_approvers(answer), methods=["POST"])

    def form(self, path: str, answer: Answer, again: Again) -> Route:
        """As `post`; where something refused it, the page it stands on is shown again with why."""

        async def answered(request: Request, session: Session) -> Response:
            try:
                return await answer(request, session)
            except ApError as error:
                return await again(request, session, f"{error.message}. {error.next_step}")

        return self.post(path, answered)

    def open_to_all(self, path: str, answer: OpenAnswer, *, method: str = "GET") -> Route:
        """A page for which nobody needs to be signed in."""
        return Route(f"{PREFIX}{path}", self._safely(answer), methods=[method])

    async def proof(self, request: Request, session: Session) -> By:
        """What a form with the macro of `proof.html` brings to prove who sends it."""
        return await self.proving.by(request, session)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page from its template."""
        text = templates().get_template(template).render(prefix=PREFIX, **{"session": None} | values)
        return HTMLResponse(text, status)

    def message(self, message: str, step: str, status: int, session: Session | None = None) -> Response:
        """A page that says one thing, and what to do."""
        return self.page("message.html", status, message=message, step=step, session=session)

    async def sign_in_page(self, *, then: str = "", problem: str = "", step: str = "", status: int = 200) -> Response:
        """The page to sign in on; `then` is the proposal that is shown afterwards."""
        approvers, passkeys = await self.store.read(lambda tx: (tx.approvers.active(), tx.passkeys.active()))
        known: dict[str, Any] = {"command": own_command()}
        known |= {"is_nobody": not approvers, "has_passkeys": bool(passkeys)}
        known["has_codes"] = any(one.code_step is not None for one in approvers)
        return self.page("sign_in.html", status, then=then, problem=problem, step=step, **known)

    def _for_approvers(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            session = await self.sign_in.session_of(request)
            if session is None:
                return await self._signed_out(request)
            request.state.session = session
            if request.method == "POST" and not session.wrote(await field(request, "token")):
                return self.message(
                    "This form is no longer valid; nothing was done.", "Open the page again.", 403, session
                )
            return await answer(request, session)

        return self._safely(checked)

    def _safely(self, answer: OpenAnswer) -> OpenAnswer:
        """Our own errors are pages; of any other only its kind reaches the log."""

        async def safe(request: Request) -> Response:
            try:
                return await answer(request)
            except HTTPException:
                # A body that is too large or no form, which the framework answers.
                raise
            except NotFound as error:
                found = error.message, "The list shows what waits.", 404
            except ApError as error:
                found = error.message, error.next_step, 409
            except Exception as error:  # noqa: BLE001 - its text may hold anything
                logger.error("desk: an unexpected %s", type(error).__name__)
                found = "Something went wrong in this program.", "Its log says what kind of fault.", 500
            return self.message(*found, session=getattr(request.state, "session", None))

        return safe

    async def _signed_out(self, request: Request) -> Response:
        """Where somebody has to sign in: after a form that nobody was signed in for, nothing was done."""
        then = id_or_nothing(request.path_params.get("id", ""))
        if request.method == "GET":
            return RedirectResponse(f"{PREFIX}/sign-in" + (f"?then={then}" if then else ""), 303)
        problem = "You are signed out, so nothing was done."
        return await self.sign_in_page(then=then, problem=problem, step="Sign in and look again.", status=401)


@cache
def templates() -> Environment:
    """The templates of all pages: what stands in them is escaped, and nothing in it is hidden or turns the rest."""
    found = Environment(
        loader=PackageLoader("rutter_ap_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["rooms"] = ROOMS
    found.filters["for_people"] = for_people
    found.tests["figure"] = lambda text: bool(_FIGURE.fullmatch(text))
    return found


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


async def field(request: Request, name: str) -> str:
    """A field of a form; empty if it is not there, or is a file."""
    value = (await form_of(request)).get(name)
    return value if isinstance(value, str) else ""


def id_or_nothing(text: str) -> str:
    """The text if it is the id of a proposal, else nothing."""
    return text if _ID.fullmatch(text) else ""


def id_in(request: Request) -> str:
    """The proposal that the address names. Raises `NotFound` for what is no id."""
    proposal_id: str = request.path_params["id"]
    if not _ID.fullmatch(proposal_id):
        raise NotFound("there is no proposal with that id")
    return proposal_id


def number_in(request: Request, name: str) -> int:
    """A number that the address names. Raises `NotFound` for what is none, or larger than any here."""
    text: str = request.path_params[name]
    if not _NUMBER.fullmatch(text):
        raise NotFound("there is nothing with that number")
    return int(text)
