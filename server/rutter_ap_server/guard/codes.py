"""Codes from an authenticator app (TOTP, RFC 6238), which an approver may want beside the passcode.

Each code is good once. The secret behind them is sealed for its approver, and is shown only while it is being set up.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import datetime

from pyotp import TOTP, random_base32

from rutter_ap_server.secret import Secret
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.secrets import Sealed, SecretBox

SETUP_SECONDS = 600
_STEP_SECONDS = 30
_NAME = "codes"
_ISSUER = "rutter-ap approvals"


@dataclass(frozen=True, slots=True)
class CodesToSetUp:
    """What an authenticator app needs, and the ticket with which the first code is sent back."""

    ticket: str
    secret: Secret
    address: Secret


def begin(tx: Tx, box: SecretBox, approver: Approver) -> CodesToSetUp:
    """A new secret for an approver, which counts for nothing until a code of it is confirmed."""
    secret = Secret(random_base32())
    sealed = box.seal(secret, company_id=approver.id, name=_NAME)
    about = canonical({"approver_id": approver.id, "sealed": sealed})
    ticket = tx.tickets.issue("codes", about, seconds=SETUP_SECONDS)
    address = TOTP(secret.reveal()).provisioning_uri(name=approver.name, issuer_name=_ISSUER)
    return CodesToSetUp(ticket, secret, Secret(address))


def confirm(tx: Tx, box: SecretBox, approver: Approver, ticket: str, code: str) -> bool:
    """Turns codes on with the first of them; False if it is wrong, or too late. The ticket is taken either way."""
    kept = json.loads(tx.tickets.take("codes", ticket) or "{}")
    if kept.get("approver_id") != approver.id:
        return False
    sealed = Sealed(kept["sealed"])
    step = _step_of(box.open(sealed, company_id=approver.id, name=_NAME), code, tx.clock)
    if step is None:
        return False
    tx.secrets.put(approver.id, _NAME, sealed)
    tx.approvers.code_accepted(approver.id, step)
    return True


def turn_off(tx: Tx, approver_id: str) -> None:
    """From now on the passcode alone is enough."""
    tx.secrets.delete(approver_id, _NAME)
    tx.approvers.code_accepted(approver_id, None)


def accept(tx: Tx, box: SecretBox | None, approver: Approver, code: str) -> bool:
    """Whether it is one of the approver's codes and a later one than the last that was used. It is used up by that."""
    if approver.code_step is None:
        return True
    sealed = tx.secrets.get(approver.id, _NAME)
    if sealed is None or box is None:
        return False
    step = _step_of(box.open(sealed, company_id=approver.id, name=_NAME), code, tx.clock)
    if step is None or step <= approver.code_step:
        return False
    tx.approvers.code_accepted(approver.id, step)
    return True


def _step_of(secret: Secret, code: str, now: datetime) -> int | None:
    """Which step of time a code is of: this one, or the one before or after, for a clock that is a little off."""
    now_step, totp = int(now.timestamp()) // _STEP_SECONDS, TOTP(secret.reveal())
    typed = "".join(code.split()).encode("utf-8", "surrogatepass")
    around = (now_step, now_step - 1, now_step + 1)
    return next((one for one in around if hmac.compare_digest(totp.generate_otp(one).encode(), typed)), None)
