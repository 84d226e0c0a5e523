"""Sessions of the approvals desk: who is signed in, for how long, and how often an address failed.

Only a hash of a session's id is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.schema import desk_sessions, failed_attempts

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
_ADDRESS_CHARACTERS_MAX = 64


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One session that is not over; `is_here` says that it is the one that asks."""

    begun_at: datetime
    seen_at: datetime
    is_here: bool


class Sessions:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def begin(self, approver: Approver, passkey_id: str | None = None) -> str:
        """Signs an approver in, perhaps with a passkey; returns the id, which only their browser keeps.

        Forgets sessions that are over.
        """
        c = desk_sessions.c
        over = (c.seen_at < stamp(self._now - IDLE)) | (c.begun_at < stamp(self._now - LONGEST))
        self._connection.execute(delete(desk_sessions).where(over))
        session_id = secrets.token_urlsafe(32)
        values = {
            "id_hash": _hash(session_id),
            "approver_id": approver.id,
            "passcode": _hash(approver.passcode_hash),
            "begun_at": stamp(self._now),
            "seen_at": stamp(self._now),
            "passkey_id": passkey_id,
        }
        self._connection.execute(insert(desk_sessions).values(**values))
        return session_id

    def whose(
        self, session_id: str, active: Collection[Approver], passkey_ids: Collection[str] = (), *, in_use: bool = True
    ) -> Approver | None:
        """Which of the approvers it belongs to. If it is in use, its time begins anew.

        None once it is over, or they have another passcode, or the passkey it was begun with is not among these.
        """
        mine = desk_sessions.c.id_hash == _hash(session_id)
        row = self._connection.execute(select(desk_sessions).where(mine)).first()
        if row is None or self._times(row) is None:
            return None
        if row.passkey_id is not None and row.passkey_id not in passkey_ids:
            return None
        found = [one for one in active if (one.id, _hash(one.passcode_hash)) == (row.approver_id, row.passcode)]
        if not found:
            return None
        if in_use:
            self._connection.execute(update(desk_sessions).where(mine).values(seen_at=stamp(self._now)))
        return found[0]

    def passkey_of(self, session_id: str) -> str | None:
        """The passkey that a session was begun with; None for a passcode."""
        mine = desk_sessions.c.id_hash == _hash(session_id)
        passkey_id: str | None = self._connection.execute(select(desk_sessions.c.passkey_id).where(mine)).scalar()
        return passkey_id

    def failed(self, address: str, *, within: timedelta) -> None:
        """Counts an attempt from an address that proved nothing; forgets those that are longer ago."""
        self._connection.execute(delete(failed_attempts).where(failed_attempts.c.at < stamp(self._now - within)))
        values = {"address": address[:_ADDRESS_CHARACTERS_MAX], "at": stamp(self._now)}
        self._connection.execute(insert(failed_attempts).values(**values))

    def failures(self, address: str, *, within: timedelta) -> int:
        """How often an address failed lately."""
        c = failed_attempts.c
        mine = (c.address == address[:_ADDRESS_CHARACTERS_MAX]) & (c.at >= stamp(self._now - within))
        count: int = self._connection.execute(select(func.count()).where(mine)).scalar_one()
        return count

    def of(self, approver: Approver, session_id: str = "") -> list[SignedIn]:
        """Where an approver is signed in, the newest first; the session that asks may be named."""
        c = desk_sessions.c
        query = select(desk_sessions).where(c.approver_id == approver.id, c.passcode == _hash(approver.passcode_hash))
        rows = self._connection.execute(query.order_by(c.begun_at.desc(), c.id_hash)).all()
        found = ((self._times(row), row.id_hash == _hash(session_id)) for row in rows)
        return [SignedIn(*times, is_here) for times, is_here in found if times is not None]

    def end(self, session_id: str) -> None:
        """Signs it out."""
        self._connection.execute(delete(desk_sessions).where(desk_sessions.c.id_hash == _hash(session_id)))

    def end_all(self, approver_id: str) -> int:
        """Signs an approver out everywhere; how many sessions that were."""
        mine = desk_sessions.c.approver_id == approver_id
        return self._connection.execute(delete(desk_sessions).where(mine)).rowcount

    def _times(self, row: Row[Any]) -> tuple[datetime, datetime] | None:
        """When it was begun and last used; None once it is over, or if that cannot be read."""
        try:
            begun, seen = unstamp(row.begun_at), unstamp(row.seen_at)
        except (ValueError, TypeError):
            return None
        return None if self._now >= min(seen + IDLE, begun + LONGEST) else (begun, seen)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
