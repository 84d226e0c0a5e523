"""An authenticator in software: it makes passkeys and signs with them as a browser would pass it on, or wrongly."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRESENT, VERIFIED, MAY_BE_BACKED_UP, IS_BACKED_UP, HAS_CREDENTIAL = 0x01, 0x04, 0x08, 0x10, 0x40
_ES256 = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20%b\x22\x58\x20%b"
_ED25519 = b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20%b"


def to_text(raw: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def to_bytes(text: str) -> bytes:
    """What `to_text` was given."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey. `counts` is False for one that is synchronised between devices."""

    origin: str
    rp_id: str = "localhost"
    kind: str = "ES256"
    counts: bool = True
    flags: int = PRESENT | VERIFIED
    count: int = 0
    id: bytes = field(default_factory=lambda: os.urandom(32))

    def __post_init__(self) -> None:
        self.key: Any = (
            ec.generate_private_key(ec.SECP256R1()) if self.kind == "ES256" else ed25519.Ed25519PrivateKey.generate()
        )

    @property
    def public_key(self) -> bytes:
        """The public key as SubjectPublicKeyInfo."""
        spki: bytes = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return spki

    def makes(self, challenge: str, /, **client: Any) -> dict[str, Any]:
        """The answer to `navigator.credentials.create`."""
        client_data = self._client_data("webauthn.create", challenge, client)
        public = self.key.public_key()
        if self.kind == "ES256":
            numbers = public.public_numbers()
            cose = _ES256 % (numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
        else:
            cose = _ED25519 % public.public_bytes_raw()
        data = self._data(HAS_CREDENTIAL) + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        # CBOR: {"fmt": "none", "attStmt": {}, "authData": data} (WebAuthn 6.5.4).
        attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59" + len(data).to_bytes(2, "big") + data
        return self._answer(
            clientDataJSON=to_text(client_data),
            attestationObject=to_text(attestation),
            authenticatorData=to_text(data),
            publicKey=to_text(self.public_key),
        )

    def signs(self, challenge: str, /, **client: Any) -> dict[str, Any]:
        """The answer to `navigator.credentials.get`."""
        self.count += self.counts
        client_data = self._client_data("webauthn.get", challenge, client)
        data = self._data(0)
        signed = data + hashlib.sha256(client_data).digest()
        signature = self.key.sign(signed, ec.ECDSA(SHA256())) if self.kind == "ES256" else self.key.sign(signed)
        return self._answer(
            clientDataJSON=to_text(client_data), authenticatorData=to_text(data), signature=to_text(signature)
        )

    def _client_data(self, kind: str, challenge: str, client: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False} | client
        return json.dumps(said).encode()

    def _data(self, more_flags: int) -> bytes:
        flags = self.flags | more_flags
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _answer(self, **response: str) -> dict[str, Any]:
        return {"id": to_text(self.id), "rawId": to_text(self.id), "type": "public-key", "response": response}
