"""How a form proves who sends it: a passcode, or a passkey's signature over all that the form says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rutter_ap_server.guard.approvals import Approvals
from rutter_ap_server.guard.approvers import By, NotReleased, Proof
from rutter_ap_server.guard.passkeys import Site, challenge_of
from rutter_ap_server.guard.signed_acts import TICKET_SECONDS, Signed, ask_to_sign
from rutter_ap_server.store.passkeys import Passkey
from rutter_ap_server.web.signing_in import Session, address_of

FORM_FIELDS_MAX = 20
_FORM = "application/x-www-form-urlencoded"
# What proves, or only helps to show what differs, is not what is decided; and no passcode is kept with a challenge.
_NOT_SIGNED = ("token", "username", "passcode", "code", "new", "again", "shown", "ticket", "answer", "for")
_SIGNED_CHARACTERS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Proving:
    """Gives out challenges, and reads what forms bring as a proof. Addresses are below `prefix`."""

    approvals: Approvals
    site: Site
    prefix: str

    async def challenge(self, request: Request, session: Session) -> Response:
        """The challenge for the form whose address and fields the page sends; or the problem, which it shows."""
        form = await form_of(request)
        act, about = self._act(str(form.get("for", "")))
        try:
            fields = _signed_fields(form)
        except NotReleased as error:
            return JSONResponse({"problem": error.message}, 409)
        ticket = await self.approvals.store.write(lambda tx: ask_to_sign(tx, act, about, fields, session.approver))
        asked = Signed(act, about, fields, session.approver, ticket, "", self.site)
        return asked_to_sign(ticket, asked.decision.as_json, self.site, session.passkeys)

    async def by(self, request: Request, session: Session) -> By:
        """What the form brings as a proof of who sends it."""
        form = await form_of(request)
        if not form.get("ticket"):
            passcode, code = str(form.get("passcode", "")), str(form.get("code", ""))
            return Proof(session.approver.name, passcode, address_of(request), code)
        act, about = self._act(request.url.path)
        return Signed(
            act, about, _signed_fields(form), session.approver, str(form["ticket"]), str(form.get("answer")), self.site
        )

    def _act(self, path: str) -> tuple[str, str]:
        """What a form with that address does, and to what."""
        about, _, act = path.removeprefix(self.prefix).strip("/").rpartition("/")
        return act, about


async def form_of(request: Request) -> FormData:
    """The fields of a form of the one kind that our pages send; any other could name an encoding of its own."""
    if request.headers.get("content-type", _FORM).partition(";")[0].strip().lower() != _FORM:
        raise HTTPException(415, "This is no form of this desk.")
    return await request.form(max_files=0, max_fields=FORM_FIELDS_MAX)


def asked_to_sign(ticket: str, signed: Mapping[str, Any], site: Site, passkeys: Sequence[Passkey]) -> Response:
    """The options for `navigator.credentials.get`; without passkeys the browser offers whichever it has."""
    return JSONResponse(
        {
            "ticket": ticket,
            "publicKey": {
                "challenge": challenge_of(signed),
                "rpId": site.rp_id,
                "allowCredentials": [{"type": "public-key", "id": one.credential_id} for one in passkeys],
                "userVerification": "required",
                "timeout": TICKET_SECONDS * 1000,
            },
        }
    )


def _signed_fields(form: FormData) -> dict[str, str]:
    fields = {name: value for name, value in form.items() if name not in _NOT_SIGNED and isinstance(value, str)}
    if sum(map(len, fields.values())) > _SIGNED_CHARACTERS_MAX:
        raise NotReleased("this form is too long to be signed; nothing was done", next_step="Write less.")
    return fields
