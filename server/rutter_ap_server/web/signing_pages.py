"""Signing in and out at the desk."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.guard.approvers import NotReleased, Proof
from rutter_ap_server.guard.signed_acts import TICKET_SECONDS
from rutter_ap_server.web.frame import PREFIX, Frame, field, id_or_nothing
from rutter_ap_server.web.proving import asked_to_sign
from rutter_ap_server.web.signing_in import Session, address_of

# Whoever opens the page may ask for one, and nobody makes the store grow.
_SIGN_INS_AT_ONCE_MAX = 100


@dataclass(frozen=True)
class SigningPages:
    """The two forms of a session."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            self.frame.open_to_all("/sign-in", self._form),
            self.frame.open_to_all("/sign-in", self._signed_in, method="POST"),
            self.frame.open_to_all("/sign-in/challenge", self._challenge, method="POST"),
            self.frame.post("/sign-out", self._sign_out),
            self.frame.post("/challenge", self.frame.proving.challenge),
        ]

    async def _form(self, request: Request) -> Response:
        return await self.frame.sign_in_page(then=id_or_nothing(request.query_params.get("then", "")))

    async def _signed_in(self, request: Request) -> Response:
        then = id_or_nothing(await field(request, "then"))
        response = RedirectResponse(f"{PREFIX}/{then}" if then else PREFIX, 303)
        try:
            await self._begin(request, response)
        except NotReleased as error:
            return await self.frame.sign_in_page(then=then, problem=error.message, step=error.next_step, status=403)
        return response

    async def _begin(self, request: Request, response: Response) -> None:
        sign_in = self.frame.sign_in
        if ticket := await field(request, "ticket"):
            await sign_in.begin_with_passkey(request, ticket, await field(request, "answer"), response)
        else:
            given = [await field(request, name) for name in ("name", "passcode", "code")]
            await sign_in.begin(request, Proof(given[0], given[1], address_of(request), given[2]), response)

    async def _challenge(self, _: Request) -> Response:
        """A challenge for whoever has a passkey here."""
        limits = {"seconds": TICKET_SECONDS, "at_most": _SIGN_INS_AT_ONCE_MAX}
        ticket = await self.frame.store.write(lambda tx: tx.tickets.issue("sign_in", "", **limits))
        return asked_to_sign(ticket, {"act": "sign_in", "nonce": ticket}, self.frame.proving.site, ())

    async def _sign_out(self, _: Request, session: Session) -> Response:
        response = RedirectResponse(f"{PREFIX}/sign-in", 303)
        await self.frame.sign_in.end(session, response)
        return response
