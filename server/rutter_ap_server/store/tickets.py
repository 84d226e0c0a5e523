"""Tickets: what may be done once by whoever holds a secret, such as answering a challenge or enrolling.

Only a hash of the secret is stored, with what the ticket is for. Taking one ends it, whatever comes of it afterwards.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, insert, select

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.schema import tickets

# An act that is to be signed, a sign-in, a passkey to be made, an approver to be enrolled, codes to be set up, or a
# delivery of Rutter's that is taken once.
Kind = Literal["decision", "sign_in", "passkey", "enrolment", "codes", "webhook"]


class Tickets:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def issue(self, kind: Kind, about: str, *, seconds: int, at_most: int | None = None) -> str:
        """A new secret for it, good for as long; forgets those whose time is over.

        `at_most` is how many of the kind there may be with it: those that end first make room.
        """
        self._connection.execute(delete(tickets).where(tickets.c.expires_at < stamp(self._now)))
        if at_most is not None:
            latest = select(tickets.c.hash).where(tickets.c.kind == kind).order_by(tickets.c.expires_at.desc())
            gone = self._connection.execute(latest.offset(at_most - 1)).scalars().all()
            self._connection.execute(delete(tickets).where(tickets.c.hash.in_(gone)))
        secret = secrets.token_urlsafe(32)
        values = {"hash": hash_of(secret), "kind": kind, "about": about}
        expires_at = stamp(self._now + timedelta(seconds=seconds))
        self._connection.execute(insert(tickets).values(expires_at=expires_at, **values))
        return secret

    def is_first(self, kind: Kind, key: str, *, seconds: int) -> bool:
        """Whether nothing of that key came for as long, whoever asks at the same time; from now on something did."""
        self._connection.execute(delete(tickets).where(tickets.c.expires_at < stamp(self._now)))
        seen = tickets.c.hash == hash_of(key)
        if self._connection.execute(select(tickets.c.hash).where(seen)).first() is not None:
            return False
        expires_at = stamp(self._now + timedelta(seconds=seconds))
        self._connection.execute(insert(tickets).values(hash=hash_of(key), kind=kind, about="", expires_at=expires_at))
        return True

    def about(self, kind: Kind, secret: str) -> str | None:
        """What it is for, as long as it was not taken and its time is not over."""
        mine = (tickets.c.hash == hash_of(secret)) & (tickets.c.kind == kind)
        row = self._connection.execute(select(tickets).where(mine)).first()
        return row.about if row is not None and unstamp(row.expires_at) > self._now else None

    def take(self, kind: Kind, secret: str) -> str | None:
        """What it is for, once: it is worth nothing afterwards."""
        about = self.about(kind, secret)
        self._connection.execute(delete(tickets).where(tickets.c.hash == hash_of(secret), tickets.c.kind == kind))
        return about

    def end_all(self, kind: Kind) -> None:
        """Ends all of a kind."""
        self._connection.execute(delete(tickets).where(tickets.c.kind == kind))


def hash_of(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
