"""The approvers' page: who may release, where one is signed in, and what the terminal can do about both."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rutter_ap_server.guard.passkeys import fingerprint_of
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.sessions import SignedIn
from rutter_ap_server.web.frame import PREFIX, Frame, field
from rutter_ap_server.web.signing_in import CHANNEL, Session
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.text import clean

_HERE = f"{PREFIX}/approvers"


@dataclass(frozen=True, slots=True)
class ApproverRow:
    """An approver for reading. `facts` are what else is known of them, each under its label."""

    name: str
    is_me: bool
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class People:
    """Everyone who may release, those who could, and the places where the one who looks is signed in."""

    active: tuple[ApproverRow, ...]
    removed: tuple[tuple[str, str], ...]
    mine: tuple[SignedIn, ...]


@dataclass(frozen=True)
class ApproversPages:
    """Approvers, and the forms that change them: each needs a proof of who is signed in."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            self.frame.get("/approvers", self._approvers),
            self.frame.form("/approvers/add", self._add, self._again),
            self.frame.form("/approvers/remove", self._remove, self._again),
            self.frame.form("/approvers/passcode", self._passcode, self._again),
            self.frame.post("/approvers/sign-out", self._sign_out),
        ]

    async def _approvers(self, _: Request, session: Session) -> Response:
        return await self._page(session)

    async def _page(self, session: Session, *, problem: str = "", status: int = 200) -> Response:
        people = await self.frame.store.read(lambda tx: _people(tx, session))
        return self.frame.page("approvers.html", status, session=session, people=people, problem=problem)

    async def _again(self, _: Request, session: Session, problem: str) -> Response:
        return await self._page(session, problem=problem, status=409)

    async def _add(self, request: Request, session: Session) -> Response:
        name, new, by = (
            await field(request, "name"),
            await _typed_twice(request),
            await self.frame.proof(request, session),
        )
        await self.frame.approvals.add_approver(name, new, channel=CHANNEL, by=by)
        return RedirectResponse(_HERE, 303)

    async def _remove(self, request: Request, session: Session) -> Response:
        by, name = await self.frame.proof(request, session), await field(request, "name")
        await self.frame.approvals.remove_approver(name, channel=CHANNEL, by=by)
        return RedirectResponse(_HERE, 303)

    async def _passcode(self, request: Request, session: Session) -> Response:
        name, new, by = (
            await field(request, "name"),
            await _typed_twice(request),
            await self.frame.proof(request, session),
        )
        await self.frame.approvals.change_passcode(name, new, channel=CHANNEL, by=by)
        changed = RedirectResponse(_HERE, 303)
        if name == session.approver.name:
            # Their sessions are over; this one is begun anew.
            await self.frame.sign_in.renew(request, session, changed)
        return changed

    async def _sign_out(self, _: Request, session: Session) -> Response:
        """Signs out everywhere, here as well."""
        approver = session.approver

        def end(tx: Tx) -> None:
            count = tx.sessions.end_all(approver.id)
            who = {"actor": approver.name, "approver_id": approver.id}
            tx.audit.append("signed_out_everywhere", **who, channel=CHANNEL, count=count)

        await self.frame.store.write(end)
        response = RedirectResponse(f"{PREFIX}/sign-in", 303)
        await self.frame.sign_in.end(session, response)
        return response


async def _typed_twice(request: Request) -> str:
    """The new passcode. Raises `BadInput` if it was not typed alike both times."""
    new = await field(request, "new")
    if new != await field(request, "again"):
        raise BadInput("the two passcodes are not the same, so nothing was changed", next_step="Type them again.")
    return new


def _people(tx: Tx, session: Session) -> People:
    active = tx.approvers.active()
    gone = [one for one in tx.approvers.everyone() if one.removed_at is not None]
    return People(
        active=tuple(_row(tx, one, session) for one in active),
        removed=tuple((clean(one.name, 120), f"{one.removed_at:%Y-%m-%d} UTC") for one in reversed(gone)),
        mine=tuple(tx.sessions.of(session.approver, session.id)),
    )


def _row(tx: Tx, one: Approver, session: Session) -> ApproverRow:
    is_locked = one.locked_until is not None and one.locked_until > tx.now
    signed_in = len(tx.sessions.of(one))
    passkeys = [fingerprint_of(key.public_key) for key in tx.passkeys.active() if key.approver_id == one.id]
    ways = ["a passcode"] if one.passcode_hash else []
    ways += ["codes from an app"] if one.code_step is not None else []
    facts = [
        ("Approver since", f"{one.added_at:%Y-%m-%d} UTC"),
        ("Locked", f"until {one.locked_until:%Y-%m-%d %H:%M} UTC, after too many wrong passcodes" if is_locked else ""),
        ("Signed in", f"in {signed_in} {'place' if signed_in == 1 else 'places'}" if signed_in else "nowhere"),
    ]
    facts += [("Passkey", fingerprint) for fingerprint in passkeys]
    facts += [("Proves by", " and ".join(ways))] if ways else []
    is_me = one.id == session.approver.id
    return ApproverRow(clean(one.name, 120), is_me, tuple((label, text) for label, text in facts if text))
