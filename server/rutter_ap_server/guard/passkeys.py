"""Passkeys: what a browser says an authenticator made or signed, checked (Web Authentication Level 3, 7.1 and 7.2).

An approver's signature is over the SHA-256 of a `Decision`, so that it proves by itself who decided what.
`cryptography` is all that is needed to check one; nothing here reads a store or a clock.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.passkeys import NewPasskey

VERSION = "rutter-ap/decision/1"
# COSE algorithms: ES256, Ed25519, RS256. The first is what every authenticator knows.
ALGORITHMS = (-7, -8, -257)
_ANSWER_CHARACTERS_MAX = 20_000
_CREDENTIAL_ID_BYTES_MAX = 1023
_RSA_BITS_MIN = 2048
_PRESENT, _VERIFIED, _MAY_BE_BACKED_UP, _IS_BACKED_UP, _HAS_CREDENTIAL = 0x01, 0x04, 0x08, 0x10, 0x40
_COUNTER = slice(33, 37)
_AAGUID = slice(37, 53)
_ID_LENGTH = slice(53, 55)
_ID_BEGINS = 55


class WrongAssertion(Exception):
    """What the browser sent is no answer of that passkey to that challenge; the message is ours and says why."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the desk is: the origin of its pages, and the name that its passkeys belong to."""

    origin: str
    rp_id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What an approver signs: the act, what it is about, what its form said, when they were asked, and a number.

    The form of a release names the digests of the statement that was shown and of the write with the facts that it
    covers. `at` is a `stamp`, and `nonce` the number, which is used once.
    """

    act: str
    about: str
    form: Mapping[str, str]
    approver_id: str
    approver: str
    at: str
    nonce: str

    @property
    def as_json(self) -> dict[str, Any]:
        """As it stands in the evidence."""
        return {
            "v": VERSION,
            "act": self.act,
            "about": self.about,
            "form": dict(self.form),
            "approver_id": self.approver_id,
            "approver": self.approver,
            "at": self.at,
            "nonce": self.nonce,
        }


@dataclass(frozen=True, slots=True)
class Assertion:
    """A signature that was checked. Bytes are in URL-safe base64, as the browser sent them."""

    credential_id: str
    client_data: str
    authenticator_data: str
    signature: str
    sign_count: int
    is_backed_up: bool


def challenge_of(signed: Mapping[str, Any]) -> str:
    """The challenge for a decision, or for anything else that is signed: the SHA-256 of its canonical JSON."""
    return _to_text(hashlib.sha256(canonical(signed).encode()).digest())


def credential_of(answer: str) -> str:
    """The id of the credential that an answer says it is of. Raises `WrongAssertion`."""
    return _text(_object(answer), "id")


def check_assertion(answer: str, *, challenge: str, site: Site, public_key: str) -> Assertion:
    """The answer to `navigator.credentials.get`, signed by that key over that challenge. Raises `WrongAssertion`."""
    said = _object(answer)
    response = _mapping(said, "response")
    client_data, authenticator_data = _bytes(response, "clientDataJSON"), _bytes(response, "authenticatorData")
    _check_client_data(client_data, "webauthn.get", challenge, site)
    flags = _flags(authenticator_data, site)
    _check_signature(public_key, _bytes(response, "signature"), authenticator_data, client_data)
    return Assertion(
        credential_id=_text(said, "id"),
        client_data=_text(response, "clientDataJSON"),
        authenticator_data=_text(response, "authenticatorData"),
        signature=_text(response, "signature"),
        sign_count=int.from_bytes(authenticator_data[_COUNTER], "big"),
        is_backed_up=bool(flags & _IS_BACKED_UP),
    )


def check_new_passkey(answer: str, *, challenge: str, site: Site) -> NewPasskey:
    """The answer to `navigator.credentials.create` for that challenge. Raises `WrongAssertion`.

    No attestation is asked for: whose key it is, the one who witnesses the enrolment says.
    """
    said = _object(answer)
    response = _mapping(said, "response")
    _check_client_data(_bytes(response, "clientDataJSON"), "webauthn.create", challenge, site)
    data = _bytes(response, "authenticatorData")
    flags = _flags(data, site)
    id_bytes = int.from_bytes(data[_ID_LENGTH], "big")
    if not flags & _HAS_CREDENTIAL or not 0 < id_bytes <= _CREDENTIAL_ID_BYTES_MAX:
        raise WrongAssertion("it holds no credential")
    ends = _ID_BEGINS + id_bytes
    if len(data) < ends or _to_text(data[_ID_BEGINS:ends]) != _text(said, "id"):
        raise WrongAssertion("it is of another credential")
    public_key = _bytes(response, "publicKey")
    # The browser wrote the key out for us; the authenticator's own words must hold the same one.
    if not all(part in data[ends:] for part in _parts(_key(public_key))):
        raise WrongAssertion("the public key is another one")
    return NewPasskey(
        credential_id=_text(said, "id"),
        public_key=_to_text(public_key),
        rp_id=site.rp_id,
        aaguid=str(uuid.UUID(bytes=data[_AAGUID])),
        is_backed_up=bool(flags & _IS_BACKED_UP),
        sign_count=int.from_bytes(data[_COUNTER], "big"),
    )


def fingerprint_of(public_key: str) -> str:
    """What two people compare to know that they mean the same key."""
    hashed = hashlib.sha256(_to_bytes(public_key)).hexdigest()[:32]
    return "-".join(hashed[at : at + 4] for at in range(0, len(hashed), 4))


def _check_client_data(client_data: bytes, kind: str, challenge: str, site: Site) -> None:
    said = _object(client_data.decode("utf-8", "replace"))
    if said.get("type") != kind:
        raise WrongAssertion("it is of another ceremony")
    if said.get("challenge") != challenge:
        raise WrongAssertion("it answers another challenge")
    if said.get("origin") != site.origin or said.get("crossOrigin") not in (None, False) or "topOrigin" in said:
        raise WrongAssertion("it was made on another page")


def _flags(data: bytes, site: Site) -> int:
    """The flags of authenticator data for this site, by a person who was there and was verified."""
    if len(data) < _COUNTER.stop or data[:32] != hashlib.sha256(site.rp_id.encode()).digest():
        raise WrongAssertion("it is for another site")
    flags = data[32]
    if not (flags & _PRESENT and flags & _VERIFIED):
        raise WrongAssertion("nobody was present and verified")
    if flags & _IS_BACKED_UP and not flags & _MAY_BE_BACKED_UP:
        raise WrongAssertion("it contradicts itself")
    return flags


def _check_signature(public_key: str, signature: bytes, authenticator_data: bytes, client_data: bytes) -> None:
    signed = authenticator_data + hashlib.sha256(client_data).digest()
    key = _key(_to_bytes(public_key))
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            key.verify(signature, signed, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        raise WrongAssertion("the signature is not of this passkey") from None


def _key(der: bytes) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise WrongAssertion("the public key cannot be read") from None
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1):
            return key
        case ed25519.Ed25519PublicKey():
            return key
        case rsa.RSAPublicKey() if key.key_size >= _RSA_BITS_MIN:
            return key
    raise WrongAssertion("the public key is of no kind that is taken")


def _parts(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey) -> tuple[bytes, ...]:
    """The numbers of a key, as a COSE key holds them (RFC 9053, 7)."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        return numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return (key.public_bytes_raw(),)
    return (key.public_numbers().n.to_bytes(key.key_size // 8, "big"),)


def _object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text) if len(text) <= _ANSWER_CHARACTERS_MAX else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise WrongAssertion("it cannot be read")
    return said


def _mapping(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = said.get(name)
    if not isinstance(value, dict):
        raise WrongAssertion("it cannot be read")
    return value


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise WrongAssertion("it cannot be read")
    # One way to write each, so that nothing passes for another credential.
    return _to_text(_to_bytes(value))


def _bytes(said: Mapping[str, Any], name: str) -> bytes:
    return _to_bytes(_text(said, name))


def _to_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise WrongAssertion("it cannot be read") from None


def _to_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
