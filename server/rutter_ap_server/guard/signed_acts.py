"""Acts that an approver signed with a passkey, checked against what they were asked to sign and whose key it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rutter_ap_server.clock import stamp
from rutter_ap_server.guard.passkeys import (
    Assertion,
    Decision,
    Site,
    WrongAssertion,
    challenge_of,
    check_assertion,
    credential_of,
)
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.passkeys import Passkey, id_of
from rutter_ap_server.store.tickets import Kind

TICKET_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Signed:
    """An act as it would be done now, and the browser's answer to the challenge that was given out for it.

    `ticket` is what `ask_to_sign` gave, and `answer` what `PublicKeyCredential.toJSON` gave, as text.
    """

    act: str
    about: str
    form: Mapping[str, str]
    approver: Approver
    ticket: str = field(repr=False)
    answer: str = field(repr=False)
    site: Site

    @property
    def decision(self) -> Decision:
        """What must have been signed for it."""
        nonce, _, at = self.ticket.partition(".")
        return Decision(self.act, self.about, self.form, self.approver.id, self.approver.name, at, nonce)


def ask_to_sign(tx: Tx, act: str, about: str, form: Mapping[str, str], approver: Approver) -> str:
    """A ticket for one signature of an act by that approver, as `NUMBER.TIME`; a `Signed` with it says what to sign."""
    at = stamp(tx.now)
    return f"{tx.tickets.issue('decision', _asked(act, about, form, approver, at), seconds=TICKET_SECONDS)}.{at}"


def take_signed(tx: Tx, signed: Signed) -> bool:
    """Takes the ticket, whatever comes of it; False if it was not given out for this act of this approver then."""
    decision = signed.decision
    asked = _asked(signed.act, signed.about, signed.form, signed.approver, decision.at)
    return tx.tickets.take("decision", decision.nonce) == asked


def check_signed(tx: Tx, signed: Signed) -> dict[str, Any]:
    """The signature, as the evidence keeps it. Raises `WrongAssertion`."""
    decision = signed.decision.as_json
    passkey, assertion = _checked(tx, signed.answer, challenge_of(decision), signed.site)
    if passkey.approver_id != signed.approver.id:
        raise WrongAssertion("the passkey is somebody else's")
    return {
        "decision": decision,
        "origin": signed.site.origin,
        "rp_id": passkey.rp_id,
        "credential_id": passkey.credential_id,
        "public_key": passkey.public_key,
        "aaguid": passkey.aaguid,
        "is_backed_up": assertion.is_backed_up,
        "sign_count": [passkey.sign_count, assertion.sign_count],
        "client_data": assertion.client_data,
        "authenticator_data": assertion.authenticator_data,
        "signature": assertion.signature,
    }


def check_sign_in(tx: Tx, ticket: str, answer: str, site: Site) -> Passkey:
    """The passkey with which somebody signs in. Raises `WrongAssertion`. The ticket was taken before."""
    passkey, _ = _checked(tx, answer, challenge_of({"act": "sign_in", "nonce": ticket}), site)
    return passkey


def take(tx: Tx, kind: Kind, ticket: str) -> bool:
    """Takes a ticket, whatever comes of it; False if it is worth nothing any more."""
    return tx.tickets.take(kind, ticket) is not None


def _asked(act: str, about: str, form: Mapping[str, str], approver: Approver, at: str) -> str:
    return canonical({"act": act, "about": about, "form": dict(form), "approver_id": approver.id, "at": at})


def _checked(tx: Tx, answer: str, challenge: str, site: Site) -> tuple[Passkey, Assertion]:
    wanted = id_of(credential_of(answer))
    passkey = next((one for one in tx.passkeys.active() if one.id == wanted and one.rp_id == site.rp_id), None)
    if passkey is None:
        raise WrongAssertion("it is no passkey of an approver here")
    assertion = check_assertion(answer, challenge=challenge, site=site, public_key=passkey.public_key)
    # Passkeys that are synchronised say 0 for ever; one that counts must count on, or somebody has a copy of it.
    if (assertion.sign_count or passkey.sign_count) and assertion.sign_count <= passkey.sign_count:
        raise WrongAssertion("it was used before, or there is a copy of it")
    tx.passkeys.used(passkey.id, assertion.sign_count)
    return passkey, assertion
