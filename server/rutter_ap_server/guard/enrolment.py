"""Enrolment: how somebody becomes an approver without a terminal, and how an approver gets another passkey.

Each is witnessed. The first approver comes by a link that this program itself opens in the browser of its machine;
everyone after that by a link that an approver asks for, and so comes another passkey of an approver's own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import timedelta

from rutter_ap_server.clock import unstamp
from rutter_ap_server.guard import codes
from rutter_ap_server.guard.approver_names import check_name
from rutter_ap_server.guard.approvers import (
    Approvers,
    By,
    NotReleased,
    check_all_seen,
    check_free,
    still_active,
    still_proven,
)
from rutter_ap_server.guard.codes import CodesToSetUp
from rutter_ap_server.guard.passkeys import Site, WrongAssertion, challenge_of, check_new_passkey
from rutter_ap_server.guard.signed_acts import TICKET_SECONDS
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.check import said_by
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.passkeys import NewPasskey
from rutter_ap_server.store.secrets import SecretBox
from rutter_ap_server.store.tickets import hash_of
from rutter_ap_tools.errors import BadInput, NotFound

INVITATION_SECONDS = 1800
_LINK = "enrolment_link"
# Who witnesses the first enrolment.
THIS_PROGRAM = "a link opened by this program"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an enrolment link is for, as the audit chain says it.

    An approver with that name, or the first one, who says their own; with `approver_id`, another passkey of that one.
    `means` is what the one who gave it out had proved it with.
    """

    name: str = ""
    by: str = ""
    by_id: str = ""
    approver_id: str = ""
    means: str = ""

    @property
    def is_first(self) -> bool:
        """Whether nobody was there yet to give it out."""
        return not self.by_id


@dataclass(frozen=True, slots=True)
class Made:
    """What a browser says of a passkey that it had made: the ticket of its challenge, and its answer as text."""

    ticket: str
    answer: str
    site: Site


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Gives out links, and takes in who comes by them."""

    approvers: Approvers

    async def invite_first(self) -> str | None:
        """The secret of a link for the first approver, in place of any earlier one; None once there is one."""

        def invite(tx: Tx) -> str | None:
            if tx.approvers.active():
                return None
            tx.tickets.end_all("enrolment")
            return _given_out(tx, Invitation(), actor=THIS_PROGRAM, channel="desk")

        return await self.approvers.store.write(invite)

    async def invite(self, name: str, *, by: By, channel: str) -> str:
        """The secret of a link by which a person of that name becomes an approver, vouched for by one."""
        check_name(name)
        await self.approvers.store.read(lambda tx: check_free(tx, name))
        proven = await self.approvers.prove(by, channel=channel)
        person = proven.approver

        def invite(tx: Tx) -> str:
            still_active(tx, person)
            check_free(tx, name)
            invitation = Invitation(name, person.name, person.id, means=proven.means)
            return _given_out(tx, invitation, actor=person.name, channel=channel)

        return await self.approvers.store.write(invite)

    async def invite_self(self, *, by: By, channel: str) -> str:
        """The secret of a link by which an approver makes themselves another passkey."""
        proven = await self.approvers.prove(by, channel=channel)
        person = proven.approver

        def invite(tx: Tx) -> str:
            still_active(tx, person)
            invitation = Invitation(person.name, person.name, person.id, person.id, proven.means)
            return _given_out(tx, invitation, actor=person.name, channel=channel)

        return await self.approvers.store.write(invite)

    async def invitation(self, secret: str) -> Invitation:
        """What a link is for. Raises `NotFound` when it was used, is too old, or never was one."""
        return await self.approvers.store.read(lambda tx: _invitation(tx, secret))

    async def ask_for_passkey(self, about: str) -> str:
        """A ticket for making one passkey, for that link or that approver."""
        issue = _for_passkey(about)
        return await self.approvers.store.write(lambda tx: tx.tickets.issue("passkey", issue, seconds=TICKET_SECONDS))

    async def enrol(self, secret: str, name: str, *, passcode: str, made: Made | None, channel: str) -> None:
        """Adds who came by a link, with a passkey, a passcode or both. The link is worth nothing afterwards.

        A link for another passkey takes a passkey alone.
        """
        invited = await self.invitation(secret)
        name, is_new = invited.name or name, not invited.approver_id
        if made is None and not (passcode and is_new):
            raise BadInput("a passkey is needed, or a passcode for a new approver; nothing was changed")
        hashed, seen = "", frozenset[str]()
        if is_new:
            check_name(name)
            await self.approvers.store.read(lambda tx: check_free(tx, name))
            if passcode:
                hashed, seen = await self.approvers.new_passcode(passcode, None, channel)
        new = await self._checked(made, secret) if made is not None else None

        def add(tx: Tx) -> None:
            now = _invitation(tx, secret)
            tx.tickets.take("enrolment", secret)
            actor = now.by or channel
            who = {"by_id": now.by_id, "channel": channel, "witness": now.by or THIS_PROGRAM, "name": name}
            who["link"] = hash_of(secret)
            approver_id = now.approver_id
            if is_new:
                check_free(tx, name)
                if passcode:
                    check_all_seen(tx, seen)
                approver_id = tx.approvers.add(name, hashed)
                tx.audit.append("approver_added", actor=actor, approver_id=approver_id, **who)
            if new is not None:
                _add_passkey(tx, approver_id, new, actor=actor, **who)

        await self.approvers.store.write(add)

    async def begin_codes(self, *, by: By, channel: str) -> CodesToSetUp:
        """Starts to set up codes for the approver who asks, in place of any they have once it is confirmed."""
        actor, box = (await self.approvers.prove(by, channel=channel)).approver, self._box()

        def set_up(tx: Tx) -> CodesToSetUp:
            still_active(tx, actor)
            return codes.begin(tx, box, actor)

        return await self.approvers.store.write(set_up)

    async def confirm_codes(self, approver: Approver, ticket: str, code: str, *, channel: str) -> None:
        """Turns codes on, with the first of them. Raises `NotReleased`."""
        box = self._box()

        def turn_on(tx: Tx) -> bool:
            still_active(tx, approver)
            is_right = codes.confirm(tx, box, approver, ticket, code)
            if is_right:
                tx.audit.append("codes_on", actor=approver.name, approver_id=approver.id, channel=channel)
            return is_right

        if not await self.approvers.store.write(turn_on):
            raise NotReleased("this is no code of it now; codes were not turned on", next_step="Start again.")

    async def turn_codes_off(self, *, by: By, channel: str) -> None:
        """From now on the passcode of the approver who asks is enough."""
        actor = (await self.approvers.prove(by, channel=channel)).approver

        def off(tx: Tx) -> None:
            still_active(tx, actor)
            codes.turn_off(tx, actor.id)
            tx.audit.append("codes_off", actor=actor.name, approver_id=actor.id, channel=channel)

        await self.approvers.store.write(off)

    def _box(self) -> SecretBox:
        box = self.approvers.box()
        if box is None:
            raise NotReleased("this program has no key to keep a secret with; nothing was changed")
        return box

    async def remove_passkey(self, passkey_id: str, *, by: By, channel: str) -> None:
        """Takes a passkey back: one's own, or a colleague's that was lost. Raises `NotFound`."""
        actor = (await self.approvers.prove(by, channel=channel)).approver

        def remove(tx: Tx) -> None:
            still_active(tx, actor)
            known = tx.passkeys.active()
            whose = next((one for one in known if one.id == passkey_id), None)
            if whose is None:
                raise NotFound("there is no such passkey")
            owners = {one.approver_id for one in known if one.id != passkey_id}
            if not any(one.passcode_hash or one.id in owners for one in tx.approvers.active()):
                raise NotReleased(
                    "it is the last thing by which anybody can prove who they are; nothing was changed",
                    code="approver.last_proof",
                    next_step="Add another passkey first, or give yourself a passcode.",
                )
            tx.passkeys.remove(passkey_id)
            # Whoever had it may have released with it.
            tx.proposals.void_approvals_by(whose.approver_id)
            about = {"approver_id": whose.approver_id, "passkey": passkey_id}
            tx.audit.append("passkey_removed", actor=actor.name, by_id=actor.id, channel=channel, **about)

        await self.approvers.store.write(remove)

    async def _checked(self, made: Made, about: str) -> NewPasskey:
        """The passkey that was made for this ticket, which is taken whatever comes of it."""
        taken = await self.approvers.store.write(lambda tx: tx.tickets.take("passkey", made.ticket))
        if taken != _for_passkey(about):
            raise NotReleased("this passkey was asked for too long ago; nothing was changed", next_step="Try again.")
        try:
            return check_new_passkey(made.answer, challenge=challenge_of_passkey(made.ticket), site=made.site)
        except WrongAssertion as error:
            raise NotReleased(f"the passkey was not accepted: {error}; nothing was changed") from None


def challenge_of_passkey(ticket: str) -> str:
    """The challenge with which a passkey is made for a ticket."""
    return challenge_of({"act": "passkey", "nonce": ticket})


def _for_passkey(about: str) -> str:
    # A link is a secret, so that only its digest is kept.
    return challenge_of({"act": "passkey", "for": about})


def _add_passkey(tx: Tx, approver_id: str, new: NewPasskey, *, actor: str, **who: str) -> None:
    if not tx.passkeys.add(approver_id, new):
        raise NotReleased("this passkey is or was an approver's already; nothing was changed", next_step="Use another.")
    key = {"passkey": new.id, "public_key": new.public_key, "rp_id": new.rp_id, "aaguid": new.aaguid}
    tx.audit.append("passkey_added", actor=actor, approver_id=approver_id, is_backed_up=new.is_backed_up, **key, **who)


def _given_out(tx: Tx, invitation: Invitation, *, actor: str, channel: str) -> str:
    secret = tx.tickets.issue("enrolment", "", seconds=INVITATION_SECONDS)
    # The chain vouches for the link: a row that somebody wrote by hand is none.
    tx.audit.append(_LINK, actor=actor, channel=channel, link=hash_of(secret), **asdict(invitation))
    return secret


def _invitation(tx: Tx, secret: str) -> Invitation:
    """What a link is for, while it is worth something. Raises `NotFound`."""
    given_out = next((one for one in tx.audit.vouched(_LINK) if said_by(one.body).get("link") == hash_of(secret)), None)
    is_open = tx.tickets.about("enrolment", secret) is not None and given_out is not None
    if not is_open or given_out is None or _was_used(tx, secret) or _is_over(tx, given_out.at):
        raise _worth_nothing()
    said = said_by(given_out.body)
    found = Invitation(**{one.name: said[one.name] for one in fields(Invitation)})
    if bool(tx.approvers.active()) if found.is_first else not still_proven(tx, found.by_id, found.means):
        raise _worth_nothing()
    return found


def _was_used(tx: Tx, secret: str) -> bool:
    used = (*tx.audit.vouched("approver_added"), *tx.audit.vouched("passkey_added"))
    return any(said_by(one.body).get("link") == hash_of(secret) for one in used)


def _is_over(tx: Tx, given_out_at: str) -> bool:
    return unstamp(given_out_at) + timedelta(seconds=INVITATION_SECONDS) <= tx.now


def _worth_nothing() -> NotFound:
    return NotFound("this link was used already, or is too old", next_step="Ask for another one.")
