"""Controls: the emergency stop for all writes, and the version of the policy in force at the last judgement."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.schema import meta


class Controls:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def frozen_by(self) -> str | None:
        """Who froze all writes and when, or None while writes are allowed."""
        return self._get("freeze")

    def freeze(self, by: str) -> None:
        """Stops every write at once."""
        self._put("freeze", f"{by} at {stamp(self._now)}")

    def unfreeze(self) -> None:
        """Allows writes again."""
        self._connection.execute(delete(meta).where(meta.c.key == "freeze"))

    def last_look(self) -> datetime | None:
        """When the newest was settled of what a person has been shown at a terminal; None before the first time."""
        text = self._get("last_look")
        return unstamp(text) if text is not None else None

    def note_look(self, shown_up_to: datetime) -> None:
        """Records that a person was shown all that was settled up to then."""
        before = self.last_look()
        self._put("last_look", stamp(max(shown_up_to, before) if before is not None else shown_up_to))

    def policy_version(self) -> str | None:
        """The version of the policy that the last judgement was made by."""
        return self._get("policy")

    def set_policy_version(self, version: str) -> None:
        """Records the version of the policy that a judgement was made by."""
        self._put("policy", version)

    def _get(self, key: str) -> str | None:
        row = self._connection.execute(select(meta.c.value).where(meta.c.key == key)).first()
        return row.value if row is not None else None

    def _put(self, key: str, value: str) -> None:
        self._connection.execute(delete(meta).where(meta.c.key == key))
        self._connection.execute(insert(meta).values(key=key, value=value))
