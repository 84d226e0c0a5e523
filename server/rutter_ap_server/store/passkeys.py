"""Passkeys of approvers: public keys that the chain vouches for, and how often each signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.check import Checks
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.schema import passkeys


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A key as an authenticator made it. Ids and keys are in URL-safe base64, the key as SubjectPublicKeyInfo."""

    credential_id: str
    public_key: str
    rp_id: str
    aaguid: str
    is_backed_up: bool
    sign_count: int

    @property
    def id(self) -> str:
        """What we know it by."""
        return id_of(self.credential_id)


@dataclass(frozen=True, slots=True)
class Passkey(NewPasskey):
    """One that an approver may sign with."""

    approver_id: str
    added_at: datetime
    used_at: datetime | None


class Passkeys:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime, checks: Checks) -> None:
        self._connection = connection
        self._now = now
        self._checks = checks

    def add(self, approver_id: str, new: NewPasskey) -> bool:
        """Adds one; False if it is or was somebody's already."""
        if self._connection.execute(select(passkeys.c.id).where(passkeys.c.id == new.id)).first() is not None:
            return False
        values = {name: getattr(new, name) for name in NewPasskey.__slots__}
        self._connection.execute(
            insert(passkeys).values(id=new.id, approver_id=approver_id, added_at=stamp(self._now), **values)
        )
        return True

    def active(self) -> list[Passkey]:
        """All that can sign, of whomever, the oldest first. Raises `Tampered` if any was changed or removed by hand.

        A row that was added by hand is no passkey.
        """
        found = self._checks.passkeys()
        if any(one.what != "added" for one in found):
            raise Tampered("a passkey")
        forged = {one.key for one in found}
        query = select(passkeys).where(passkeys.c.removed_at.is_(None)).order_by(passkeys.c.added_at, passkeys.c.id)
        return [_passkey(row) for row in self._connection.execute(query) if row.id not in forged]

    def used(self, passkey_id: str, sign_count: int) -> None:
        """Notes that it signed, and how often it says it has."""
        mine = update(passkeys).where(passkeys.c.id == passkey_id)
        self._connection.execute(mine.values(sign_count=sign_count, used_at=stamp(self._now)))

    def remove(self, passkey_id: str) -> bool:
        """Takes one back for good; False if it is none that can sign."""
        mine = update(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.removed_at.is_(None))
        return bool(self._connection.execute(mine.values(removed_at=stamp(self._now))).rowcount)

    def remove_all_of(self, approver_id: str) -> None:
        """Takes all of an approver's back."""
        theirs = update(passkeys).where(passkeys.c.approver_id == approver_id, passkeys.c.removed_at.is_(None))
        self._connection.execute(theirs.values(removed_at=stamp(self._now)))


def id_of(credential_id: str) -> str:
    """What we know an authenticator's credential by."""
    return hashlib.sha256(credential_id.encode()).hexdigest()


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        row.credential_id,
        row.public_key,
        row.rp_id,
        row.aaguid,
        bool(row.is_backed_up),
        row.sign_count,
        row.approver_id,
        unstamp(row.added_at),
        unstamp(row.used_at) if row.used_at else None,
    )
