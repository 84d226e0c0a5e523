"""Secrets at rest: each is encrypted for its company and name before it reaches the database; keys are kept apart."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select

from rutter_ap_server.clock import stamp
from rutter_ap_server.secret import MASK, Secret
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.schema import secrets

Sealed = NewType("Sealed", str)
KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_FORM = "1."  # AES-256-GCM, nonce first


class SecretBox:
    """Seals and opens with AES-256-GCM. The first key seals and every key opens, so a new key goes in front of the old.

    A sealed value is bound to its company and name, so that someone who can write to the database still cannot give
    one company's token to another.
    """

    def __init__(self, keys: Sequence[Secret]) -> None:
        if not keys:
            raise StoreError("no encryption key is set", next_step=_HOW_TO_SET_KEYS)
        self._keys = tuple(_raw(key) for key in keys)

    def seal(self, secret: Secret, *, company_id: str, name: str) -> Sealed:
        """The secret in the form for the database; never the same twice."""
        nonce = os.urandom(_NONCE_BYTES)
        hidden = AESGCM(self._keys[0]).encrypt(nonce, secret.reveal().encode(), _bound_to(company_id, name))
        return Sealed(_FORM + base64.urlsafe_b64encode(nonce + hidden).decode("ascii"))

    def open(self, sealed: Sealed, *, company_id: str, name: str) -> Secret:
        """The secret. Raises `StoreError` when no key opens it or it was sealed for another company or name."""
        kept = _unpacked(sealed)
        for key in self._keys:
            try:
                text = AESGCM(key).decrypt(kept[:_NONCE_BYTES], kept[_NONCE_BYTES:], _bound_to(company_id, name))
            except InvalidTag:
                continue
            return Secret(text.decode())
        raise _cannot_open()

    def __repr__(self) -> str:
        return f"SecretBox({MASK!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("keys are not copied into other processes")


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The keys of a store: those in the settings, and on a single machine the one in a file next to the store."""

    given: tuple[Secret, ...]
    file: Path
    is_shared: bool

    def box(self) -> SecretBox:
        """The box under these keys; the file is made when the first box is asked for and no key was given.

        A key file that is there already opens still when keys are given, so that going over to them locks nothing
        away. A shared store has no file: raises `StoreError` without keys, since what one replica seals no other could
        open.
        """
        if self.is_shared and not self.given:
            raise StoreError(
                "this store is PostgreSQL, which several servers may share, but RUTTER_AP_SECRET_KEYS is not set, so "
                "it stores no access tokens",
                code="secrets.no_keys",
                next_step=_HOW_TO_SET_KEYS,
            )
        if not self.given or (not self.is_shared and self.file.exists()):
            return SecretBox([*self.given, key_in_file(self.file)])
        return SecretBox(self.given)


class Secrets:
    """Sealed values, read and written inside the caller's transaction."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(self, company_id: str, name: str, sealed: Sealed) -> None:
        """Stores a sealed value in place of any earlier one."""
        self.delete(company_id, name)
        values = {"company_id": company_id, "name": name, "sealed": sealed, "at": stamp(self._now)}
        self._connection.execute(insert(secrets).values(**values))

    def get(self, company_id: str, name: str) -> Sealed | None:
        """The sealed value, or None."""
        query = select(secrets.c.sealed).where(secrets.c.company_id == company_id, secrets.c.name == name)
        row = self._connection.execute(query).first()
        return Sealed(row.sealed) if row else None

    def delete(self, company_id: str, name: str) -> bool:
        """Deletes a value. False when there was none."""
        query = delete(secrets).where(secrets.c.company_id == company_id, secrets.c.name == name)
        return bool(self._connection.execute(query).rowcount)

    def names(self) -> list[tuple[str, str]]:
        """Company and name of every value, for sealing all of them under a new key."""
        rows = self._connection.execute(select(secrets.c.company_id, secrets.c.name))
        return sorted((row.company_id, row.name) for row in rows)

    def reseal(self, box: SecretBox) -> int:
        """Seals every value again under the box's first key, so that older keys can be removed. Returns how many."""
        names = self.names()
        for company_id, name in names:
            sealed = self.get(company_id, name)
            assert sealed is not None
            secret = box.open(sealed, company_id=company_id, name=name)
            self.put(company_id, name, box.seal(secret, company_id=company_id, name=name))
        return len(names)


def new_key() -> Secret:
    """A key, as `RUTTER_AP_SECRET_KEYS` takes it: 32 random bytes in URL-safe base64."""
    return Secret(base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode("ascii"))


def key_in_file(path: Path) -> Secret:
    """The key in a file only its owner may read, created on first use. Two processes that race get the same key.

    Raises `StoreError` for a file that holds anything else, which is never replaced.
    """
    try:
        if not path.exists():
            _make_key_file(path)
        path.chmod(0o600)
        key = Secret(path.read_text(encoding="ascii").strip())
    except OSError:
        raise StoreError(f"the key file {path.name} cannot be created or read") from None
    except UnicodeDecodeError:
        key = Secret("")
    if not _decoded(key):
        raise StoreError(f"the key file {path.name} holds no key", code="secrets.key_file", next_step=_HOW_TO_MEND_FILE)
    return key


def _make_key_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written in full under another name first: no process reads half a key, and of two writers one wins.
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(new_key().reveal() + "\n")
            file.flush()
            # A key lost in a power cut would make every secret sealed under it unreadable.
            os.fsync(file.fileno())
        _link(draft, path)
    finally:
        draft.unlink()


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    if os.name == "posix":  # Windows gives no handle on a folder.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


_HOW_TO_SET_KEYS = (
    "Set RUTTER_AP_SECRET_KEYS to one or more keys, the newest first and separated by commas, each 32 random bytes in "
    "URL-safe base64, as `openssl rand -base64 32 | tr +/ -_` makes one."
)
_HOW_TO_MEND_FILE = (
    "Put it back from a backup of the home folder. Without one, remove it: another is made, and the stored access "
    "tokens that were encrypted with the lost key have to be fetched anew."
)


def _raw(key: Secret) -> bytes:
    raw = _decoded(key)
    if not raw:
        raise StoreError("an encryption key is not 32 bytes in URL-safe base64", next_step=_HOW_TO_SET_KEYS)
    return raw


def _decoded(key: Secret) -> bytes:
    """The bytes of a key; none if it is not one."""
    try:
        raw = base64.b64decode(key.reveal().encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if len(raw) == KEY_BYTES else b""


def _unpacked(sealed: Sealed) -> bytes:
    if not sealed.startswith(_FORM):
        raise _cannot_open()
    text = sealed.removeprefix(_FORM)
    try:
        kept = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _cannot_open() from None
    # Exactly one spelling is accepted: base64 itself ignores a few changed bits at the end.
    if len(kept) < _NONCE_BYTES + _TAG_BYTES or base64.urlsafe_b64encode(kept).decode("ascii") != text:
        raise _cannot_open()
    return kept


def _bound_to(company_id: str, name: str) -> bytes:
    # The length keeps ("ab", "c") and ("a", "bc") apart.
    return f"{len(company_id)}:{company_id}{name}".encode()


def _cannot_open() -> StoreError:
    return StoreError(
        "a stored secret cannot be decrypted with the given keys",
        next_step="Add the key it was encrypted with back to RUTTER_AP_SECRET_KEYS, after the newest key.",
    )
