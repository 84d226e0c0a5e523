"""Webhooks: their signature, their content, and a key to recognise repeats (Rutter docs: Webhooks, Webhook Security).

The signature has no timestamp, so an old delivery can be replayed: remember `WebhookEvent.key`, and read the object
again by its id instead of trusting the copy in the delivery.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any, Final

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.credentials import Revealing, Secret
from rutter_ap_server.rutter.errors import InvalidInput
from rutter_ap_server.rutter.models.base import Part, decode_exact

SIGNATURE_HEADER: Final = "X-Rutter-Signature"
BODY_BYTES_MAX: Final = 1024 * 1024
_PREFIX = "sha256="
# What may stand beside the object, and is not what the event is about.
_ENVELOPE: Final = frozenset({"type", "code", "connection_id", "access_token", "connection"})


def sign(body: bytes, client_secret: str | Revealing) -> str:
    """The value of the signature header for a body: base64 of HMAC-SHA256 under the client secret.

    Raises `InvalidInput` for a body that is not bytes, and for a secret that is no text.
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise InvalidInput("The webhook's body must be bytes.")
    secret = Secret.of(client_secret).reveal() if isinstance(client_secret, str | Revealing) else None
    if not isinstance(secret, str):
        raise InvalidInput("The client secret must be a text.")
    digest = hmac.new(secret.encode("utf-8", "surrogatepass"), body, hashlib.sha256).digest()
    return _PREFIX + base64.b64encode(digest).decode("ascii")


def is_genuine(body: bytes, header: str | None, client_secret: str | Revealing) -> bool:
    """Whether Rutter signed these raw bytes. Every wrong one takes the same time; an empty secret matches none."""
    if not isinstance(header, str) or not header.isascii():
        return False
    try:
        signature = sign(body, client_secret)
    except InvalidInput:
        return False
    is_equal = hmac.compare_digest(signature.encode("ascii"), header.strip().encode("ascii"))
    return is_equal and bool(Secret.of(client_secret).reveal())


class _Base(Part, frozen=True, kw_only=True):
    type: str
    code: str
    connection_id: str | None = None
    access_token: Secret | None = None


class _ObjectHead(Part, frozen=True, kw_only=True):
    id: str
    # An odd one of these must not hide the id.
    status: Any = None
    updated_at: Any = None
    last_synced_at: Any = None


class WebhookEvent(Part, frozen=True, kw_only=True):
    """One delivery. `type` is CONNECTION, JOB or an object such as BILL; `code` is the event.

    `object_id` is the id of the object or job it is about. `key` is the same for repeated deliveries of one event and
    for nothing else. Where a delivery holds nothing that would tell a repeat from the next event of its kind, as those
    of connections do, the key is another one each time: what they ask for must be harmless to do twice.
    """

    type: str
    code: str
    key: str
    connection_id: str | None = None
    access_token: Secret | None = None
    object_id: str | None = None
    state: str | None = None


def read_event(body: bytes) -> WebhookEvent:
    """The event in a body whose signature was checked. Raises `InvalidInput` for anything else."""
    members, base = _members_and_base(body)
    if members is None or base is None:
        raise InvalidInput("The webhook's body is not a Rutter event.")
    raw = _object_in(members, base.type)
    head = _head_of(raw)
    return WebhookEvent(
        type=base.type,
        code=base.code,
        key=_key(base, head, raw, members),
        connection_id=base.connection_id,
        access_token=base.access_token,
        object_id=head.id if head else None,
        state=head.status if head and isinstance(head.status, str) else None,
    )


def _members_and_base(body: bytes) -> tuple[dict[str, msgspec.Raw] | None, _Base | None]:
    if not isinstance(body, bytes | bytearray | memoryview) or len(body) > BODY_BYTES_MAX:
        return None, None
    try:
        return wire.decode_members(body), wire.decode(body, _Base)
    except wire.NotReadable:
        return None, None


def _object_in(members: dict[str, msgspec.Raw], kind: str) -> msgspec.Raw | None:
    """What the event is about: under its type in lower case, else the only other member that could be it."""
    name = kind.lower()
    if name in members and (name not in _ENVELOPE or name == "connection"):
        return members[name]
    others = [value for name, value in members.items() if name not in _ENVELOPE and _head_of(value) is not None]
    return others[0] if len(others) == 1 else None


def _head_of(raw: msgspec.Raw | None) -> _ObjectHead | None:
    if raw is None:
        return None
    try:
        # Some deliveries hold only the id.
        is_bare = bytes(raw).startswith(b'"')
        head = _ObjectHead(id=wire.decode(raw, str)) if is_bare else wire.decode(raw, _ObjectHead)
    except wire.NotReadable:
        return None
    return head if head.id.strip() else None


def _key(base: _Base, head: _ObjectHead | None, raw: msgspec.Raw | None, members: dict[str, msgspec.Raw]) -> str:
    if head is None or raw is None or not (head.updated_at or head.last_synced_at or base.type == "JOB"):
        return secrets.token_hex(32)
    # Two changes within one second have one stamp, so what the object says counts too, and what is said beside it; the
    # order of its fields, in which deliveries of one event may differ, does not.
    beside = {name: _exact(value) for name, value in members.items() if name not in _ENVELOPE}
    content = [base.type, base.code, base.connection_id, head.id, _exact(raw), beside]
    return hashlib.sha256(_sorted.encode(content)).hexdigest()


_sorted = msgspec.json.Encoder(order="sorted", decimal_format="number")


def _exact(raw: msgspec.Raw) -> object:
    try:
        return decode_exact(bytes(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # A repeat is the same, byte for byte, where it cannot be read.
        return bytes(raw)
