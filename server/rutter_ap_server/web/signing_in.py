"""Signing in at the desk: an approver's name and passcode, and a cookie that only this desk can read."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from rutter_ap_server.guard.approvals import Approvals
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_tools.text import clean

CHANNEL = "desk"
_COOKIE = "rutter_ap_desk"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. `token` stands in every form of theirs, and in no address.

    `frozen` says who stopped all writes and when; empty while they are allowed.
    """

    id: str
    approver: Approver
    frozen: str = ""

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

    async def session_of(self, request: Request) -> Session | None:
        """Who asks; None if nobody is signed in there any more."""
        session_id = request.cookies.get(_COOKIE, "")
        if not session_id:
            return None

        def look(tx: Tx) -> Session | None:
            approver = tx.sessions.whose(session_id, tx.approvers.active())
            return Session(session_id, approver, _frozen(tx)) if approver is not None else None

        return await self.approvals.store.write(look)

    async def begin(self, request: Request, name: str, passcode: str, response: Response) -> None:
        """Signs an approver in, and whoever was signed in there out.

        Raises `NotReleased` for a wrong name or passcode, or when there were too many.
        """
        approver = await self.approvals.verify(name, passcode, channel=CHANNEL)

        def begin(tx: Tx) -> str:
            tx.audit.append("signed_in", actor=approver.name, approver_id=approver.id, channel=CHANNEL)
            tx.sessions.end(request.cookies.get(_COOKIE, ""))
            return tx.sessions.begin(approver)

        session_id = await self.approvals.store.write(begin)
        response.set_cookie(_COOKIE, session_id, path="/", httponly=True, samesite="strict")

    async def end(self, session: Session, response: Response) -> None:
        """Signs out."""
        await self.approvals.store.write(lambda tx: tx.sessions.end(session.id))
        response.delete_cookie(_COOKIE, path="/", httponly=True, samesite="strict")


def _frozen(tx: Tx) -> str:
    try:
        return clean(tx.controls.frozen_by(), 200)
    except Tampered:
        # Nothing is sent while it is not known whether anything may be.
        return "nobody knows whom: the note of it was edited by hand"
