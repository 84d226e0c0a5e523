"""Approvers: the people who may release a write, and the lock that follows too many wrong passcodes.

A person is known by an id that is made once and never used again. A name that was removed may be given again, but to a
new identity with another id; the removed one stays on record and can never be active again.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, insert, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.check import Checks
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.ready import Ready
from rutter_ap_server.store.schema import approvers


@dataclass(frozen=True, slots=True)
class Approver:
    """A person who may release, or could. The hash is argon2id's; it leaves the store only to be checked.

    It is empty for who has passkeys alone. With `code_step`, a code is asked for beside the passcode.
    """

    id: str
    name: str
    passcode_hash: str
    added_at: datetime
    failures: int
    locked_until: datetime | None
    removed_at: datetime | None = None
    code_step: int | None = None

    def __repr__(self) -> str:
        return f"Approver({self.name!r}, {self.id})"


class Approvers:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime, checks: Checks) -> None:
        self._connection = connection
        self._now = now
        self._checks = checks

    def add(self, name: str, passcode_hash: str) -> str:
        """Adds a new identity and returns its id. Whether the name is free is the caller's question."""
        approver_id = str(uuid.uuid4())
        values = {"id": approver_id, "name": name, "passcode_hash": passcode_hash}
        self._connection.execute(insert(approvers).values(added_at=stamp(self._now), **values))
        return approver_id

    def change_passcode(self, approver_id: str, passcode_hash: str) -> None:
        """Gives an approver another passcode; wrong attempts at the old one are forgotten."""
        values = {"passcode_hash": passcode_hash, "failures": 0, "locked_until": None}
        self._connection.execute(_update(approver_id).values(**values))

    def remove(self, approver_id: str) -> bool:
        """Revokes an approver's right for good. False when no active approver has that id."""
        still_active = _update(approver_id).where(approvers.c.removed_at.is_(None))
        return bool(self._connection.execute(still_active.values(removed_at=stamp(self._now))).rowcount)

    def active(self) -> list[Approver]:
        """Everyone who may release now, by name. Raises `Tampered` if any was changed or removed by hand.

        A row that was added by hand is no approver.
        """
        found = self._checks.people()
        if any(one.what != "added" for one in found):
            raise Tampered("an approver")
        forged = {one.key for one in found}
        return [_approver(row) for row in self._connection.run(_ACTIVE) if row.id not in forged]

    def everyone(self) -> list[Approver]:
        """Everyone who may or ever could release, the oldest first."""
        query = select(approvers).order_by(approvers.c.added_at, approvers.c.id)
        return [_approver(row) for row in self._connection.execute(query)]

    def passcode_failed(self, approver_id: str, *, lock_after: int, lock_seconds: int) -> None:
        """Counts a wrong passcode; after `lock_after` of them the approver is locked for a while."""
        row = self._connection.execute(select(approvers.c.failures).where(approvers.c.id == approver_id)).first()
        if row is None:
            return
        failures = row.failures + 1
        locked = stamp(self._now + timedelta(seconds=lock_seconds)) if failures >= lock_after else None
        values = {"failures": 0 if locked else failures, "locked_until": locked}
        self._connection.execute(_update(approver_id).values(**values))

    def passcode_accepted(self, approver_id: str) -> None:
        """Resets the count of wrong passcodes, if there were any."""
        counted = (approvers.c.failures != 0) | approvers.c.locked_until.is_not(None)
        self._connection.execute(_update(approver_id).where(counted).values(failures=0, locked_until=None))

    def code_accepted(self, approver_id: str, step: int | None) -> None:
        """Notes the step of the last code that was used; without one, codes are off."""
        self._connection.execute(_update(approver_id).values(code_step=step))


_ACTIVE = Ready(select(approvers).where(approvers.c.removed_at.is_(None)).order_by(approvers.c.name, approvers.c.id))


def _update(approver_id: str) -> Update:
    return update(approvers).where(approvers.c.id == approver_id)


def _approver(row: Any) -> Approver:
    return Approver(
        id=row.id,
        name=row.name,
        passcode_hash=row.passcode_hash,
        added_at=unstamp(row.added_at),
        failures=row.failures,
        locked_until=unstamp(row.locked_until) if row.locked_until else None,
        removed_at=unstamp(row.removed_at) if row.removed_at else None,
        code_step=row.code_step,
    )
