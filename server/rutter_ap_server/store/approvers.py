"""Approvers: the people who may release a write, and the lock that follows too many wrong passcodes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.schema import approvers


@dataclass(frozen=True, slots=True)
class Approver:
    """A person who may release. The hash is argon2id's; it leaves the store only to be checked."""

    name: str
    passcode_hash: str
    added_at: datetime
    failures: int
    locked_until: datetime | None

    def __repr__(self) -> str:
        return f"Approver({self.name!r})"


class Approvers:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, name: str, passcode_hash: str) -> None:
        """Adds an approver, or gives an existing one a new passcode."""
        self._connection.execute(delete(approvers).where(approvers.c.name == name))
        self._connection.execute(
            insert(approvers).values(name=name, passcode_hash=passcode_hash, added_at=stamp(self._now), failures=0)
        )

    def remove(self, name: str) -> bool:
        """Revokes an approver's right; the approvals they gave stay on record. False when there is no such approver."""
        done = self._connection.execute(
            update(approvers)
            .where(approvers.c.name == name, approvers.c.removed_at.is_(None))
            .values(removed_at=stamp(self._now))
        )
        return bool(done.rowcount)

    def active(self) -> list[Approver]:
        """Everyone who may release now, by name."""
        query = select(approvers).where(approvers.c.removed_at.is_(None)).order_by(approvers.c.name)
        return [
            Approver(
                row.name,
                row.passcode_hash,
                unstamp(row.added_at),
                row.failures,
                unstamp(row.locked_until) if row.locked_until else None,
            )
            for row in self._connection.execute(query)
        ]

    def passcode_failed(self, name: str, *, lock_after: int, lock_seconds: int) -> None:
        """Counts a wrong passcode; after `lock_after` of them the approver is locked for a while."""
        row = self._connection.execute(select(approvers.c.failures).where(approvers.c.name == name)).first()
        failures = (row.failures if row else 0) + 1
        locked = stamp(self._now + timedelta(seconds=lock_seconds)) if failures >= lock_after else None
        values = {"failures": 0 if locked else failures, "locked_until": locked}
        self._connection.execute(update(approvers).where(approvers.c.name == name).values(**values))

    def passcode_accepted(self, name: str) -> None:
        """Resets the count of wrong passcodes."""
        self._connection.execute(
            update(approvers).where(approvers.c.name == name).values(failures=0, locked_until=None)
        )
