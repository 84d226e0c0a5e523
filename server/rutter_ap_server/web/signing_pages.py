"""Signing in and out at the desk."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.guard.approvers import NotReleased
from rutter_ap_server.web.frame import PREFIX, Frame, field, id_or_nothing
from rutter_ap_server.web.signing_in import Session


@dataclass(frozen=True)
class SigningPages:
    """The two forms of a session."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            self.frame.open_to_all("/sign-in", self._form),
            self.frame.open_to_all("/sign-in", self._signed_in, method="POST"),
            self.frame.post("/sign-out", self._sign_out),
        ]

    async def _form(self, request: Request) -> Response:
        return await self.frame.sign_in_page(then=id_or_nothing(request.query_params.get("then", "")))

    async def _signed_in(self, request: Request) -> Response:
        then = id_or_nothing(await field(request, "then"))
        response = RedirectResponse(f"{PREFIX}/{then}" if then else PREFIX, 303)
        try:
            await self.frame.sign_in.begin(
                request, await field(request, "name"), await field(request, "passcode"), response
            )
        except NotReleased as error:
            step = "Wait, or ask another approver." if error.error_code == "approval.locked" else ""
            return await self.frame.sign_in_page(then=then, problem=error.message, step=step, status=403)
        return response

    async def _sign_out(self, _: Request, session: Session) -> Response:
        response = RedirectResponse(f"{PREFIX}/sign-in", 303)
        await self.frame.sign_in.end(session, response)
        return response
