"""Webhooks: their signature, their content, and a key to recognise repeats (Rutter docs: Webhooks, Webhook Security).

The signature has no timestamp, so an old delivery can be replayed: remember `WebhookEvent.key`, and read the object
again by its id instead of trusting the copy in the delivery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.credentials import Revealing, Secret
from rutter_ap_server.rutter.models.base import Part
from rutter_ap_tools.errors import BadInput

SIGNATURE_HEADER: Final = "X-Rutter-Signature"
BODY_BYTES_MAX: Final = 1024 * 1024
_PREFIX = "sha256="


def sign(body: bytes, client_secret: str | Revealing) -> str:
    """The value of the signature header for a body: base64 of HMAC-SHA256 under the client secret."""
    digest = hmac.new(Secret.of(client_secret).reveal().encode(), body, hashlib.sha256).digest()
    return _PREFIX + base64.b64encode(digest).decode("ascii")


def is_genuine(body: bytes, header: str | None, client_secret: str | Revealing) -> bool:
    """Whether Rutter signed these raw bytes. Every wrong one takes the same time; an empty secret matches none."""
    secret = Secret.of(client_secret)
    if not secret or header is None or not header.isascii():
        return False
    return hmac.compare_digest(sign(body, secret).encode("ascii"), header.strip().encode("ascii"))


class _Base(Part, frozen=True, kw_only=True):
    type: str
    code: str
    connection_id: str | None = None
    access_token: Secret | None = None


class _ObjectHead(Part, frozen=True, kw_only=True):
    id: str | None = None
    status: str | None = None
    updated_at: str | None = None
    last_synced_at: str | None = None


class WebhookEvent(Part, frozen=True, kw_only=True):
    """One delivery. `type` is CONNECTION, JOB or an object such as BILL; `code` is the event.

    `object_id` is the id of the object or job it is about. `key` is equal for deliveries of the same event.
    """

    type: str
    code: str
    key: str
    connection_id: str | None = None
    access_token: Secret | None = None
    object_id: str | None = None
    state: str | None = None


def read_event(body: bytes) -> WebhookEvent:
    """The event in a body whose signature was checked. Raises `BadInput` for anything else."""
    members, base = _members_and_base(body)
    if members is None or base is None:
        raise BadInput("The webhook's body is not a Rutter event.")
    head = _head_of(members, base.type)
    return WebhookEvent(
        type=base.type,
        code=base.code,
        key=_key(body, base, head),
        connection_id=base.connection_id,
        access_token=base.access_token,
        object_id=head.id,
        state=head.status,
    )


def _members_and_base(body: bytes) -> tuple[dict[str, msgspec.Raw] | None, _Base | None]:
    if len(body) > BODY_BYTES_MAX:
        return None, None
    try:
        return wire.decode_members(body), wire.decode(body, _Base)
    except wire.NotReadable:
        return None, None


def _head_of(members: dict[str, msgspec.Raw], kind: str) -> _ObjectHead:
    raw = members.get(kind.lower())
    if raw is not None:
        try:
            return wire.decode(raw, _ObjectHead)
        except wire.NotReadable:
            pass
    return _ObjectHead()


def _key(body: bytes, base: _Base, head: _ObjectHead) -> str:
    # Deliveries of one event may differ in their bytes. Without an id and a timestamp there is nothing else to compare.
    stamp = head.updated_at or head.last_synced_at or head.status
    if head.id is None or stamp is None:
        return hashlib.sha256(body).hexdigest()
    parts = (base.type, base.code, base.connection_id or "", head.id, stamp)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
