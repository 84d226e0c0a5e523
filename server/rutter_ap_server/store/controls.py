"""Controls: the emergency stop for all writes, the policy in force, and which processes hold which policy."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, select

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.audit import newest_of
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.ready import Ready, changing
from rutter_ap_server.store.schema import meta

# Longer than any pause between two signs of life; what a process held that died counts no longer than this.
HELD_SECONDS = 180
# The holder, and the policy, that a note nobody can read stands for.
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy in force: where it was read, and whether from a file; None where an earlier release noted it."""

    version: str
    place: str
    from_file: bool | None


@dataclass(frozen=True, slots=True)
class Held:
    """The policy that one process holds, where it reads it, and when it last said so."""

    version: str
    place: str
    at: datetime


def held_in(text: str, unread_at: datetime) -> dict[str, Held]:
    """The processes a note names. One that cannot be read may have named any: it stands for one that holds another."""
    try:
        rows = json.loads(text)
        return {holder: Held(str(version), str(place), unstamp(at)) for holder, (version, place, at) in rows.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {UNREADABLE: Held(UNREADABLE, "a note in the store that cannot be read", unread_at)}


class Controls:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def frozen_by(self) -> str | None:
        """Who froze all writes and when, or None while writes are allowed."""
        row = self._get("freeze")
        # A row that was removed by hand frees nothing: it takes an entry to be unfrozen.
        said = newest_of(self._connection, "frozen", "unfrozen") if row is None else None
        return f"{said.actor} at {said.at}" if said is not None and said.kind == "frozen" else row

    def freeze(self, by: str) -> None:
        """Stops every write at once."""
        self._put("freeze", f"{by} at {stamp(self._now)}")

    def unfreeze(self) -> None:
        """Allows writes again."""
        self._connection.execute(delete(meta).where(meta.c.key == "freeze"))

    def last_look(self) -> datetime | None:
        """When the newest was settled of what a person has been shown at a terminal; None before the first time."""
        try:
            return unstamp(self._get("last_look") or "")
        except ValueError:
            # Also where somebody changed it: then everything is shown.
            return None

    def note_look(self, shown_up_to: datetime) -> None:
        """Records that a person was shown all that was settled up to then."""
        before = self.last_look()
        self._put("last_look", stamp(max(shown_up_to, before) if before is not None else shown_up_to))

    def policy_in_force(self) -> InForce | None:
        """The policy that writes are judged by; None before the first.

        What the chain said last counts where the rows say another one, or none: no edit by hand makes a policy unknown.
        """
        version = self._get("policy")
        stored = InForce(version, *_origin(self._get("policy_origin"))) if version else None
        entry = newest_of(self._connection, "policy_changed", "policy_reset")
        if entry is None:
            return stored
        body = json.loads(entry.body)
        said = InForce(body["version"], "", False if entry.kind == "policy_reset" else body.get("from_file"))
        if stored is None or stored.version != said.version:
            return said
        return replace(stored, from_file=said.from_file or stored.from_file)

    def put_policy_in_force(self, policy: InForce) -> None:
        """Records the policy that writes are judged by from now on."""
        self._put("policy", policy.version)
        self._put("policy_origin", json.dumps([policy.place, policy.from_file]))

    def policies_held(self) -> dict[str, Held]:
        """What each process that is alive holds, by its id."""
        held = held_in(self._get("policy_held") or "{}", unread_at=self._now)
        # One from the future was noted at a wrong time.
        return {holder: one for holder, one in held.items() if abs((self._now - one.at).total_seconds()) < HELD_SECONDS}

    def hold_policy(self, holder: str, version: str, place: str) -> None:
        """Records what this process holds, and so every other one that reads the same file."""
        held = self.policies_held()
        after = {
            other: Held(version if one.place == place else one.version, one.place, one.at)
            for other, one in held.items()
        }
        if not self.holds_policy(holder, place):
            after[holder] = Held(version, place, self._now)
        self._put_held(held, after)

    def holds_policy(self, holder: str, place: str) -> bool:
        """Whether it was recorded lately that this process holds the policy of that place."""
        mine = self.policies_held().get(holder)
        return mine is not None and mine.place == place and self._now - mine.at <= timedelta(seconds=HELD_SECONDS / 3)

    def let_policy_go(self, holder: str) -> None:
        """Records that this process holds no policy."""
        held = self.policies_held()
        self._put_held(held, {other: one for other, one in held.items() if other != holder})

    def _put_held(self, before: dict[str, Held], after: dict[str, Held]) -> None:
        if after != before:
            rows = {holder: [one.version, one.place, stamp(one.at)] for holder, one in after.items()}
            self._put("policy_held", json.dumps(rows))

    def _get(self, key: str) -> str | None:
        row = self._connection.first(_GET, {"named": key})
        return row.value if row is not None else None

    def _put(self, key: str, value: str) -> None:
        if not self._connection.change(_PUT, {"named": key, "value": value}):
            self._connection.add(meta, {"key": key, "value": value})


_GET = Ready(select(meta.c.value).where(meta.c.key == bindparam("named")))
_PUT = changing(meta, meta.c.key == bindparam("named"), ("value",))


def _origin(text: str | None) -> tuple[str, bool | None]:
    """Where a policy was read and whether from a file; what somebody else wrote there says nothing."""
    try:
        place, from_file = json.loads(text or "")
    except (ValueError, TypeError):
        return "", None
    return str(place), from_file if isinstance(from_file, bool) else None
