"""Who may approve: identities, their passcodes, and what only an approver may do apart from approving."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

import anyio.to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from rutter_ap_server.guard import codes
from rutter_ap_server.guard.approver_names import check_name
from rutter_ap_server.guard.passkeys import Site, WrongAssertion
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.signed_acts import Signed, check_sign_in, check_signed, take, take_signed
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.controls import InForce
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.passkeys import id_of
from rutter_ap_server.store.secrets import SecretBox, SecretKeys
from rutter_ap_tools.errors import BadInput, NotFound, PersonError
from rutter_ap_tools.names import canonical_name, look_of
from rutter_ap_tools.text import clean

PASSCODE_CHARACTERS_MIN = 8
_LOCK_AFTER = 5
_LOCK_SECONDS = 900
# All people behind one address, and on one machine all people of it.
_ADDRESS_FAILURES_MAX = 20
_ADDRESS_WINDOW = timedelta(seconds=_LOCK_SECONDS)
# argon2id with the library's own parameters (RFC 9106, low-memory profile).
_HASHER = PasswordHasher()
# Checked for an unknown name, so that the response takes as long as for a known one.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class NotReleased(PersonError):
    """A person tried to release or decline, or to do what only an approver may, and could not."""

    code = "approval.refused"


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody gave, from an address, to prove who they are; a code only where codes are on."""

    name: str
    passcode: str = field(repr=False)
    address: str = ""
    code: str = field(default="", repr=False)


By: TypeAlias = Proof | Signed


@dataclass(frozen=True, slots=True)
class Proven:
    """An approver who proved who they are; with the signature over what they decided, if they used a passkey."""

    approver: Approver
    signature: dict[str, Any] | None = None

    @property
    def means(self) -> str:
        """With what they proved it: it is worth nothing any more once that was taken back or replaced."""
        if self.signature is not None:
            return f"passkey:{id_of(self.signature['credential_id'])}"
        return f"passcode:{digest(self.approver.passcode_hash)}"

    @property
    def recorded(self) -> dict[str, Any]:
        """What an entry of the audit chain holds of it."""
        return {} if self.signature is None else {"signature": self.signature}


@dataclass(frozen=True, slots=True)
class Approvers:
    """Adds, changes and removes approvers, and verifies that somebody is one.

    Once there is an active approver, all of it needs an active approver's passcode (`by`), and so does allowing writes
    again. `channel` names where the person acts, such as "terminal", and is recorded in the audit chain.
    """

    store: Store
    # Seals the secrets of codes; without it no code can be checked, so none is right.
    secret_keys: SecretKeys | None = field(default=None, kw_only=True)

    async def add_approver(self, name: str, passcode: str, *, channel: str, by: By | None = None) -> None:
        """Adds a person as a new identity. Only the argon2id hash of the passcode is stored.

        The very first approver needs no `by`. A name that was removed may be added again: its earlier approvals stay
        void.
        """
        check_name(name)
        await self.store.read(lambda tx: check_free(tx, name))
        actor = await self._actor(by, channel)
        hashed, checked = await self.new_passcode(passcode, actor, channel)

        def add(tx: Tx) -> None:
            _check_still(tx, actor)
            check_free(tx, name)
            check_all_seen(tx, checked)
            approver_id = tx.approvers.add(name, hashed)
            _audit(tx, "approver_added", actor, channel, name=name, approver_id=approver_id)

        await self.store.write(add)

    async def change_passcode(self, name: str, passcode: str, *, channel: str, by: By) -> None:
        """Gives an approver another passcode; `by` is that approver, with the old one, or another. Raises `NotFound`.

        The identity stays the same, and so do its approvals.
        """
        target = await self._named(name)
        actor = await self._actor(by, channel)
        hashed, checked = await self.new_passcode(passcode, actor, channel)

        def change(tx: Tx) -> None:
            _check_still(tx, actor)
            _check_still(tx, target)
            check_all_seen(tx, checked)
            tx.approvers.change_passcode(target.id, hashed)
            # Who needs a colleague for a new passcode has lost what makes the codes as well.
            if actor is not None and actor.id != target.id:
                codes.turn_off(tx, target.id)
            _audit(tx, "approver_passcode_changed", actor, channel, name=target.name, approver_id=target.id)

        await self.store.write(change)

    async def remove_approver(self, name: str, *, channel: str, by: By | None) -> None:
        """Removes an approver for good; what they approved and was not sent yet is void. Raises `NotFound`."""
        target = await self._named(name)
        actor = await self._actor(by, channel)

        def remove(tx: Tx) -> None:
            _check_still(tx, actor)
            if not tx.approvers.remove(target.id):
                raise _nobody()
            tx.proposals.void_approvals_by(target.id)
            tx.passkeys.remove_all_of(target.id)
            codes.turn_off(tx, target.id)
            _audit(tx, "approver_removed", actor, channel, name=target.name, approver_id=target.id)

        await self.store.write(remove)

    async def unfreeze(self, *, channel: str, by: By | None = None) -> None:
        """Allows writes again; without an approver anybody may, as anybody may freeze."""
        actor = await self._actor(by, channel)

        def unfreeze(tx: Tx) -> None:
            _check_still(tx, actor)
            tx.controls.unfreeze()
            approver_id = actor.id if actor else None
            tx.audit.append("unfrozen", actor=_name(actor, channel), channel=channel, approver_id=approver_id)

        await self.store.write(unfreeze)

    async def reset_policy(self, *, channel: str, by: By | None = None) -> None:
        """Forgets the policy file that is gone, so that the built-in default is in force; as `unfreeze`, by whom."""
        actor = await self._actor(by, channel)

        def reset(tx: Tx) -> None:
            _check_still(tx, actor)
            version = Policy().version
            tx.controls.put_policy_in_force(InForce(version, "", from_file=False))
            _audit(tx, "policy_reset", actor, channel, version=version)

        await self.store.write(reset)

    async def verify(self, name: str, passcode: str, *, channel: str, address: str = "", code: str = "") -> Approver:
        """The approver, if the passcode is correct, and the code where codes are on.

        Wrong ones are counted: five lock the approver for a while, and twenty from one address that address.
        """
        approver, now, failures = await self.store.read(
            lambda tx: (_active(tx, name), tx.now, _failures(tx, address)),
        )
        if failures >= _ADDRESS_FAILURES_MAX:
            raise _address_locked()
        if approver is not None and approver.locked_until is not None and approver.locked_until > now:
            raise _locked()
        hashed = approver.passcode_hash if approver else ""
        right = await anyio.to_thread.run_sync(_matches, hashed or _NOBODY, passcode)
        if approver is None or not hashed or not right:
            await self.store.write(lambda tx: _count_failure(tx, name, approver, channel, address))
            raise _wrong()
        box = self.box() if approver.code_step is not None else None
        if not await self.store.write(lambda tx: _code_accepted(tx, box, approver, code)):
            await self.store.write(lambda tx: _count_failure(tx, name, approver, channel, address))
            raise _wrong()
        if not await self.store.write(lambda tx: _accepted(tx, approver)):
            raise _locked()
        return approver

    def box(self) -> SecretBox | None:
        """What the secrets of codes are sealed with."""
        return self.secret_keys.box() if self.secret_keys is not None else None

    async def prove(self, by: By, *, channel: str) -> Proven:
        """Who acts, by their passcode or by a passkey's signature over this very act."""
        if isinstance(by, Proof):
            return Proven(await self.verify(by.name, by.passcode, channel=channel, address=by.address, code=by.code))
        # Taken first and for good, so that no answer is ever judged twice.
        if not await self.store.write(lambda tx: take_signed(tx, by)):
            raise _stale()
        try:
            signature = await self.store.write(lambda tx: check_signed(tx, by))
        except WrongAssertion as error:
            why = str(error)
            await self.store.write(lambda tx: _refuse_passkey(tx, why, by.approver, channel))
            raise _wrong_passkey(why) from None
        await self.store.read(lambda tx: still_active(tx, by.approver))
        return Proven(by.approver, signature)

    async def verify_passkey(
        self, ticket: str, answer: str, site: Site, *, channel: str, address: str
    ) -> tuple[Approver, str]:
        """Who signs in with a passkey, and its id. Raises `NotReleased`."""
        if await self.store.read(lambda tx: _failures(tx, address)) >= _ADDRESS_FAILURES_MAX:
            raise _address_locked()
        if not await self.store.write(lambda tx: take(tx, "sign_in", ticket)):
            raise _stale()

        def check(tx: Tx) -> tuple[Approver, str]:
            passkey = check_sign_in(tx, ticket, answer, site)
            whose = next((one for one in tx.approvers.active() if one.id == passkey.approver_id), None)
            if whose is None:
                raise WrongAssertion("it is no passkey of an approver here")
            return whose, passkey.id

        try:
            return await self.store.write(check)
        except WrongAssertion as error:
            why = str(error)
            await self.store.write(lambda tx: _refuse_passkey(tx, why, None, channel, address))
            raise _wrong_passkey(why) from None

    async def _actor(self, by: By | None, channel: str) -> Approver | None:
        """The approver who acts; None only while there is nobody who could prove anything."""
        if by is not None:
            return (await self.prove(by, channel=channel)).approver
        await self.store.read(lambda tx: _check_still(tx, None))
        return None

    async def _named(self, name: str) -> Approver:
        found = await self.store.read(lambda tx: _active(tx, name))
        if found is None:
            raise _nobody()
        return found

    async def new_passcode(self, passcode: str, actor: Approver | None, channel: str) -> tuple[str, frozenset[str]]:
        """The hash of a new passcode, and the hashes of the others it was checked against."""
        _check_length(passcode)
        checked = await self._check_unused(passcode, actor, channel)
        return await anyio.to_thread.run_sync(_HASHER.hash, passcode), checked

    async def _check_unused(self, passcode: str, actor: Approver | None, channel: str) -> frozenset[str]:
        """The hashes that the passcode was checked against; raises if it is an active approver's."""
        hashes = [one.passcode_hash for one in await self.store.read(lambda tx: tx.approvers.active())]

        # Every one is checked, so that the time it takes does not say whose it is.
        def count() -> int:
            return sum(_matches(one, passcode) for one in hashes)

        if await anyio.to_thread.run_sync(count):
            await self.store.write(lambda tx: _audit(tx, "passcode_in_use", actor, channel))
            raise NotReleased(
                "an approver uses this passcode already; nothing was changed",
                code="approver.passcode_in_use",
                next_step="Choose another one, which nobody else would choose.",
            )
        return frozenset(hashes)


def still_proven(tx: Tx, approver_id: str, means: str) -> bool:
    """Whether the approver is one still, and has still what they proved it with."""
    person = next((one for one in tx.approvers.active() if one.id == approver_id), None)
    if person is None:
        return False
    keys = {f"passkey:{one.id}" for one in tx.passkeys.active() if one.approver_id == approver_id}
    return means in keys | ({Proven(person).means} if person.passcode_hash else set())


def still_active(tx: Tx, approver: Approver) -> None:
    """Raises `NotReleased` if the approver was removed, or given another passcode, since it was verified."""
    if all((one.id, one.passcode_hash) != (approver.id, approver.passcode_hash) for one in tx.approvers.active()):
        raise _wrong()


def _active(tx: Tx, name: str) -> Approver | None:
    wanted = canonical_name(name)
    return next((one for one in tx.approvers.active() if canonical_name(one.name) == wanted), None)


def _check_length(passcode: str) -> None:
    if len(passcode) < PASSCODE_CHARACTERS_MIN:
        raise BadInput(f"the passcode must have at least {PASSCODE_CHARACTERS_MIN} characters")


def check_free(tx: Tx, name: str) -> None:
    """Raises `BadInput` if the name is an active approver's, or could be taken for another one's, removed or not."""
    wanted, look = canonical_name(name), look_of(name)
    others = [one for one in tx.approvers.everyone() if canonical_name(one.name) != wanted]
    if _active(tx, name) is not None:
        raise BadInput(
            "there is an approver with that name already; nothing was changed",
            code="approver.exists",
            next_step=f'To change the passcode, run `rutter-ap approvers passcode "{clean(name, 60)}"`. '
            "For another person of the same name, add a middle name.",
        )
    alike = next((one for one in others if look_of(one.name) == look), None)
    if alike is not None:
        raise BadInput(
            f"this name could be taken for {clean(alike.name, 100)}, who is or was an approver; nothing was changed",
            code="approver.name_confusable",
            next_step="Use the person's full name, or add a middle name.",
        )


def _check_still(tx: Tx, actor: Approver | None) -> None:
    """Raises `NotReleased` unless the one who acts may still do so: nobody needs proof while there is no approver."""
    if actor is not None:
        still_active(tx, actor)
    elif tx.approvers.active():
        raise NotReleased(
            "this needs an approver's passcode; nothing was changed",
            code="approver.proof_needed",
            next_step="Run the command again with --as and your name as an approver.",
        )


def check_all_seen(tx: Tx, checked: frozenset[str]) -> None:
    """Raises `NotReleased` if there are passcodes that the new one was not compared with."""
    if any(one.passcode_hash not in checked for one in tx.approvers.active()):
        raise NotReleased(
            "the approvers changed in the meantime; nothing was changed",
            code="approver.changed",
            next_step="Try again.",
        )


def _audit(tx: Tx, kind: str, actor: Approver | None, channel: str, **about: str) -> None:
    """Records what was done to approvers: by whom (`by_id`, and the name as actor), where, and to whom."""
    tx.audit.append(kind, actor=_name(actor, channel), channel=channel, by_id=actor.id if actor else None, **about)


def _name(actor: Approver | None, channel: str) -> str:
    return actor.name if actor is not None else channel


def _matches(hashed: str, passcode: str) -> bool:
    try:
        return _HASHER.verify(hashed, passcode)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        # The last is for half a character, which no passcode holds.
        return False


def _failures(tx: Tx, address: str) -> int:
    return tx.sessions.failures(address, within=_ADDRESS_WINDOW) if address else 0


def _count_failure(tx: Tx, name: str, approver: Approver | None, channel: str, address: str) -> None:
    if address:
        tx.sessions.failed(address, within=_ADDRESS_WINDOW)
    if approver is not None:
        tx.approvers.passcode_failed(approver.id, lock_after=_LOCK_AFTER, lock_seconds=_LOCK_SECONDS)
    # Only a name that somebody has or had: a passcode typed as the name would stay in the chain for good.
    same = (one for one in tx.approvers.everyone() if canonical_name(one.name) == canonical_name(name))
    known = approver or next(same, None)
    about = {
        "name": clean(known.name, 100) if known else "unknown",
        "approver_id": approver.id if approver else None,
        "channel": channel,
    }
    tx.audit.append("passcode_wrong", actor=channel, **about, **({"address": clean(address, 64)} if address else {}))


def _refuse_passkey(tx: Tx, why: str, approver: Approver | None, channel: str, address: str = "") -> None:
    if address:
        tx.sessions.failed(address, within=_ADDRESS_WINDOW)
    about = {"reason": why, "channel": channel, "approver_id": approver.id if approver else None}
    about |= {"address": clean(address, 64)} if address else {}
    tx.audit.append("passkey_refused", actor=channel, **about)


def _code_accepted(tx: Tx, box: SecretBox | None, verified: Approver, code: str) -> bool:
    now = next((one for one in tx.approvers.active() if one.id == verified.id), None)
    return now is not None and codes.accept(tx, box, now, code)


def _accepted(tx: Tx, verified: Approver) -> bool:
    """False if the approver was locked, removed or given another passcode while this one was being checked."""
    now = {one.id: one for one in tx.approvers.active()}.get(verified.id)
    if now is None or now.passcode_hash != verified.passcode_hash or (now.locked_until or tx.now) > tx.now:
        return False
    tx.approvers.passcode_accepted(verified.id)
    return True


def _wrong() -> NotReleased:
    return NotReleased(
        "the name or the passcode is wrong; nothing was done",
        code="approval.wrong_passcode",
        next_step="Try again; `rutter-ap approvers list` shows the approvers.",
    )


def _locked() -> NotReleased:
    return NotReleased(
        f"too many wrong passcodes: this approver is locked for {_LOCK_SECONDS // 60} minutes",
        code="approval.locked",
        next_step=f"Wait {_LOCK_SECONDS // 60} minutes, or ask another approver.",
    )


def _address_locked() -> NotReleased:
    return NotReleased(
        f"too many wrong attempts from this address: it is locked for up to {_LOCK_SECONDS // 60} minutes",
        code="approval.locked",
        next_step=f"Wait {_LOCK_SECONDS // 60} minutes, or decide at the terminal.",
    )


def _stale() -> NotReleased:
    return NotReleased(
        "what was signed is not what would be done now, or was used already; nothing was done",
        code="approval.stale_signature",
        next_step="Open the page again and look once more.",
    )


def _wrong_passkey(why: str) -> NotReleased:
    return NotReleased(
        f"the passkey was not accepted: {why}; nothing was done",
        code="approval.wrong_passkey",
        next_step="Try again, or use your passcode.",
    )


def _nobody() -> NotFound:
    return NotFound("there is no approver with that name", next_step="See `rutter-ap approvers list`.")
