"""Pages for becoming an approver by a link, and for an approver's own passkeys."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

import segno
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.guard.enrolment import INVITATION_SECONDS, Enrolment, Made, challenge_of_passkey
from rutter_ap_server.guard.passkeys import ALGORITHMS, fingerprint_of
from rutter_ap_server.guard.signed_acts import TICKET_SECONDS
from rutter_ap_server.web.frame import PREFIX, Frame, field
from rutter_ap_server.web.signing_in import CHANNEL, Session
from rutter_ap_tools.errors import ApError

_DESK_NAME = "rutter-ap approvals"
_MINE = f"{PREFIX}/passkeys"


@dataclass(frozen=True)
class EnrolmentPages:
    """The page behind a link, and the page of one's own passkeys."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            self.frame.open_to_all("/enrol/{secret}", self._form),
            self.frame.open_to_all("/enrol/{secret}", self._enrol, method="POST"),
            self.frame.open_to_all("/enrol/{secret}/challenge", self._challenge, method="POST"),
            self.frame.get("/passkeys", self._mine),
            self.frame.form("/passkeys/add", self._add, self._again),
            self.frame.form("/passkeys/remove", self._remove, self._again),
            self.frame.form("/passkeys/invite", self._invite, self._again),
            self.frame.form("/passkeys/codes", self._begin_codes, self._again),
            self.frame.form("/passkeys/codes-on", self._confirm_codes, self._again),
            self.frame.form("/passkeys/codes-off", self._turn_codes_off, self._again),
        ]

    @property
    def _enrolment(self) -> Enrolment:
        return Enrolment(self.frame.approvals)

    async def _form(self, request: Request) -> Response:
        return await self._form_page(request.path_params["secret"])

    async def _form_page(self, secret: str, *, name: str = "", problem: str = "", status: int = 200) -> Response:
        invitation = await self._enrolment.invitation(secret)
        values = {"secret": secret, "invitation": invitation, "name": name, "problem": problem}
        return self.frame.page("enrol.html", status, **values)

    async def _challenge(self, request: Request) -> Response:
        """What the browser needs to make a passkey for who came by a link."""
        secret = request.path_params["secret"]
        try:
            invitation = await self._enrolment.invitation(secret)
        except ApError as error:
            return JSONResponse({"problem": error.message}, 409)
        name = invitation.name or (await field(request, "name")).strip() or "approver"
        return await self._asked_to_make(secret, name, invitation.approver_id)

    async def _enrol(self, request: Request) -> Response:
        secret, name = request.path_params["secret"], (await field(request, "name")).strip()
        try:
            await self._enrolment.enrol(
                secret,
                name,
                passcode=await field(request, "passcode"),
                made=await self._made(request),
                channel=CHANNEL,
            )
        except ApError as error:
            problem = f"{error.message}. {error.next_step}"
            return await self._form_page(secret, name=name, problem=problem, status=409)
        return RedirectResponse(f"{PREFIX}/sign-in", 303)

    async def _mine(self, _: Request, session: Session) -> Response:
        return self._my_page(session)

    async def _again(self, _: Request, session: Session, problem: str) -> Response:
        return self._my_page(session, problem=problem, status=409)

    def _my_page(self, session: Session, *, problem: str = "", link: str = "", status: int = 200) -> Response:
        rows = [
            (one.id, fingerprint_of(one.public_key), f"{one.added_at:%Y-%m-%d}", one.used_at)
            for one in session.passkeys
        ]
        values = {"rows": rows, "problem": problem, "link": link, "minutes": INVITATION_SECONDS // 60}
        return self.frame.page("passkeys.html", status, session=session, **values)

    async def _add(self, request: Request, session: Session) -> Response:
        secret = await self._enrolment.invite_self(by=await self.frame.proof(request, session), channel=CHANNEL)
        return RedirectResponse(f"{PREFIX}/enrol/{secret}", 303)

    async def _remove(self, request: Request, session: Session) -> Response:
        by = await self.frame.proof(request, session)
        await self._enrolment.remove_passkey(await field(request, "passkey"), by=by, channel=CHANNEL)
        return RedirectResponse(_MINE, 303)

    async def _invite(self, request: Request, session: Session) -> Response:
        by, name = await self.frame.proof(request, session), (await field(request, "name")).strip()
        secret = await self._enrolment.invite(name, by=by, channel=CHANNEL)
        return self._my_page(session, link=f"{self.frame.proving.site.origin}{PREFIX}/enrol/{secret}")

    async def _begin_codes(self, request: Request, session: Session) -> Response:
        codes = await self._enrolment.begin_codes(by=await self.frame.proof(request, session), channel=CHANNEL)
        picture = segno.make(codes.address.reveal()).svg_inline(scale=4, omitsize=True)
        return self.frame.page(
            "codes.html",
            session=session,
            secret=codes.secret.reveal(),
            picture=Markup(picture),  # noqa: S704 - drawn here, of squares alone
            ticket=codes.ticket,
        )

    async def _confirm_codes(self, request: Request, session: Session) -> Response:
        ticket, code = await field(request, "ticket"), await field(request, "code")
        await self._enrolment.confirm_codes(session.approver, ticket, code, channel=CHANNEL)
        return RedirectResponse(_MINE, 303)

    async def _turn_codes_off(self, request: Request, session: Session) -> Response:
        await self._enrolment.turn_codes_off(by=await self.frame.proof(request, session), channel=CHANNEL)
        return RedirectResponse(_MINE, 303)

    async def _made(self, request: Request) -> Made | None:
        ticket = await field(request, "ticket")
        return Made(ticket, await field(request, "answer"), self.frame.proving.site) if ticket else None

    async def _asked_to_make(self, secret: str, name: str, approver_id: str) -> Response:
        """The options for `navigator.credentials.create`."""
        ticket, site = await self._enrolment.ask_for_passkey(secret), self.frame.proving.site
        known = await self.frame.store.read(lambda tx: tx.passkeys.active())
        # What an authenticator keeps a passkey under: never the name, which is for people.
        user_id = hashlib.sha256((approver_id or secret).encode()).digest()
        options = {
            "challenge": challenge_of_passkey(ticket),
            "rp": {"id": site.rp_id, "name": _DESK_NAME},
            "user": {"id": _base64(user_id), "name": name[:64], "displayName": name[:64]},
            "pubKeyCredParams": [{"type": "public-key", "alg": one} for one in ALGORITHMS],
            "authenticatorSelection": {"residentKey": "required", "userVerification": "required"},
            "excludeCredentials": [
                {"type": "public-key", "id": one.credential_id} for one in known if one.approver_id == approver_id
            ],
            "attestation": "none",
            "timeout": TICKET_SECONDS * 1000,
        }
        return JSONResponse({"ticket": ticket, "publicKey": options})


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
