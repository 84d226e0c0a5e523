"""Signing in at the desk: a passkey or a passcode, and a cookie that only this desk can read."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from rutter_ap_server.guard.approvals import Approvals
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.passkeys import Site
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.passkeys import Passkey
from rutter_ap_tools.text import clean

CHANNEL = "desk"
# Where a request of one of our own pages comes from, or of a person who opens one. Pages at other ports of this machine
# are `same-site`; a browser that says nothing is too old to tell them apart.
_OWN_SITES = ("same-origin", "none", None)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. `token` stands in every form of theirs, and in no address.

    `frozen` says who stopped all writes and when; empty while they are allowed.
    """

    id: str
    approver: Approver
    passkeys: tuple[Passkey, ...] = ()
    frozen: str = ""

    @property
    def has_passcode(self) -> bool:
        """Whether there is one at all: an approver may have passkeys alone."""
        return bool(self.approver.passcode_hash)

    @property
    def token(self) -> str:
        """What a page of another site cannot know."""
        return hashlib.sha256(f"form:{self.id}".encode()).hexdigest()

    def wrote(self, token: str) -> bool:
        """Whether a form with that token is from one of this session's pages."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def __repr__(self) -> str:
        return f"Session({self.approver!r})"


@dataclass(frozen=True, slots=True)
class SignIn:
    """Signs approvers in and out."""

    approvals: Approvals
    site: Site

    @property
    def cookie(self) -> str:
        """Its name: a browser shows a cookie to every port of a machine, where each home has a desk of its own."""
        return f"rutter_ap_desk_{urlsplit(self.site.origin).port or ''}"

    async def session_of(self, request: Request) -> Session | None:
        """Who asks; None if nobody is signed in there any more. What another page asks for does not keep it alive."""
        session_id = request.cookies.get(self.cookie, "")
        if not session_id:
            return None
        in_use = request.headers.get("sec-fetch-site") in _OWN_SITES

        def look(tx: Tx) -> Session | None:
            known = tx.passkeys.active()
            approver = tx.sessions.whose(session_id, tx.approvers.active(), [one.id for one in known], in_use=in_use)
            if approver is None:
                return None
            usable = (one for one in known if (one.approver_id, one.rp_id) == (approver.id, self.site.rp_id))
            return Session(session_id, approver, tuple(usable), _frozen(tx))

        return await (self.approvals.store.write if in_use else self.approvals.store.read)(look)

    async def begin(self, request: Request, given: Proof, response: Response) -> None:
        """Signs an approver in, and whoever was signed in there out.

        Raises `NotReleased` for a wrong name, passcode or code, or when there were too many.
        """
        proven = await self.approvals.prove(given, channel=CHANNEL)
        await self._begin(request, proven.approver, None, response)

    async def begin_with_passkey(self, request: Request, ticket: str, answer: str, response: Response) -> None:
        """As `begin`, for whoever signed the challenge of that ticket."""
        approver, passkey_id = await self.approvals.verify_passkey(
            ticket, answer, self.site, channel=CHANNEL, address=address_of(request)
        )
        await self._begin(request, approver, passkey_id, response)

    async def renew(self, request: Request, session: Session, response: Response) -> None:
        """Begins the session anew after its approver got another passcode; it still ends with its passkey."""

        def look(tx: Tx) -> tuple[dict[str, Approver], str | None]:
            return {one.id: one for one in tx.approvers.active()}, tx.sessions.passkey_of(session.id)

        now, passkey_id = await self.approvals.store.read(look)
        if session.approver.id in now:
            await self._begin(request, now[session.approver.id], passkey_id, response)

    async def _begin(self, request: Request, approver: Approver, passkey_id: str | None, response: Response) -> None:
        def begin(tx: Tx) -> str:
            how = {"passkey": passkey_id} if passkey_id is not None else {}
            tx.audit.append("signed_in", actor=approver.name, approver_id=approver.id, channel=CHANNEL, **how)
            tx.sessions.end(request.cookies.get(self.cookie, ""))
            return tx.sessions.begin(approver, passkey_id)

        session_id = await self.approvals.store.write(begin)
        response.set_cookie(self.cookie, session_id, path="/", httponly=True, samesite="strict")

    async def end(self, session: Session, response: Response) -> None:
        """Signs out."""
        await self.approvals.store.write(lambda tx: tx.sessions.end(session.id))
        response.delete_cookie(self.cookie, path="/", httponly=True, samesite="strict")


def address_of(request: Request) -> str:
    """The address that somebody asks from."""
    return request.client.host if request.client is not None else ""


def _frozen(tx: Tx) -> str:
    try:
        return clean(tx.controls.frozen_by(), 200)
    except Tampered:
        # Nothing is sent while it is not known whether anything may be.
        return "nobody knows whom: the note of it was edited by hand"
