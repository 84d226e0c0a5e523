"""What people set: approvers, the freeze, and which account plays which role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store import statements as sql
from rutter_ap_server.store.driver import run
from rutter_ap_server.store.schema import approvers, links, meta


@dataclass(frozen=True, slots=True)
class Approver:
    """Someone who may release. The hash is argon2id's; it never leaves the store but to be checked."""

    name: str
    passcode_hash: str
    added_at: datetime
    failures: int
    locked_until: datetime | None

    def __repr__(self) -> str:
        return f"Approver({self.name!r})"


@dataclass(frozen=True, slots=True)
class Link:
    """An account that plays a role for a company."""

    role: str
    account_id: str
    account_name: str


class People:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add_approver(self, name: str, passcode_hash: str) -> None:
        """Adds an approver, or gives a known one a new passcode."""
        self._connection.execute(delete(approvers).where(approvers.c.name == name))
        self._connection.execute(
            insert(approvers).values(name=name, passcode_hash=passcode_hash, added_at=stamp(self._now), failures=0)
        )

    def remove_approver(self, name: str) -> bool:
        """Takes an approver's right away; what they released before stays on record."""
        done = self._connection.execute(
            update(approvers)
            .where(approvers.c.name == name, approvers.c.removed_at.is_(None))
            .values(removed_at=stamp(self._now))
        )
        return bool(done.rowcount)

    def approvers(self) -> list[Approver]:
        """Everyone who may release now."""
        rows = run(self._connection, sql.APPROVERS)
        return [
            Approver(
                row.name,
                row.passcode_hash,
                unstamp(row.added_at),
                row.failures,
                unstamp(row.locked_until) if row.locked_until else None,
            )
            for row in rows
        ]

    def passcode_failed(self, name: str, *, lock_after: int, lock_seconds: int) -> None:
        """Counts a wrong passcode; after `lock_after` of them the approver is locked for a while."""
        row = self._connection.execute(select(approvers.c.failures).where(approvers.c.name == name)).first()
        failures = (row.failures if row else 0) + 1
        locked = stamp(self._now + timedelta(seconds=lock_seconds)) if failures >= lock_after else None
        values = {"failures": 0 if locked else failures, "locked_until": locked}
        self._connection.execute(update(approvers).where(approvers.c.name == name).values(**values))

    def passcode_accepted(self, name: str) -> None:
        """Forgets earlier wrong passcodes."""
        self._connection.execute(
            update(approvers).where(approvers.c.name == name).values(failures=0, locked_until=None)
        )

    def policy_version(self) -> str | None:
        """The policy by which anything was judged last."""
        row = run(self._connection, sql.POLICY).first()
        return row.value if row is not None else None

    def set_policy_version(self, version: str) -> None:
        """Remembers by which policy something was judged."""
        self._connection.execute(delete(meta).where(meta.c.key == "policy"))
        self._connection.execute(insert(meta).values(key="policy", value=version))

    def frozen(self) -> str | None:
        """Who froze all writes and when, or None."""
        row = run(self._connection, sql.FREEZE).first()
        return row.value if row is not None else None

    def freeze(self, by: str) -> None:
        """Stops every write at once."""
        self.unfreeze()
        self._connection.execute(insert(meta).values(key="freeze", value=f"{by} at {stamp(self._now)}"))

    def unfreeze(self) -> None:
        """Allows writes again."""
        self._connection.execute(delete(meta).where(meta.c.key == "freeze"))

    def link(self, company_id: str, role: str, account_id: str, account_name: str) -> None:
        """Remembers which account plays a role."""
        self._connection.execute(delete(links).where(links.c.company_id == company_id, links.c.role == role))
        self._connection.execute(
            insert(links).values(
                company_id=company_id, role=role, account_id=account_id, account_name=account_name, at=stamp(self._now)
            )
        )

    def linked(self, company_id: str, role: str) -> Link | None:
        """The account that plays a role, if one was linked."""
        query = select(links).where(links.c.company_id == company_id, links.c.role == role)
        row = self._connection.execute(query).first()
        return Link(row.role, row.account_id, row.account_name) if row else None
