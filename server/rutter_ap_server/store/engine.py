"""The store: whole transactions over a durable database, run off the event loop; SQLite or PostgreSQL by its URL."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import anyio.to_thread
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rutter_ap_server.clock import Clock
from rutter_ap_server.secret import Secret
from rutter_ap_server.store import postgres, sqlite
from rutter_ap_server.store.account_roles import AccountRoles
from rutter_ap_server.store.approvers import Approvers
from rutter_ap_server.store.attempts import Attempts
from rutter_ap_server.store.audit import AuditLog, Head, head_of
from rutter_ap_server.store.bill_mirror import BillMirrors
from rutter_ap_server.store.bookings import Bookings
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.check import Checks
from rutter_ap_server.store.connections import Connections
from rutter_ap_server.store.controls import Controls
from rutter_ap_server.store.documents import SeenDocuments
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.ledgers import Ledgers
from rutter_ap_server.store.modes import Mode, begin_as
from rutter_ap_server.store.notices import Notices
from rutter_ap_server.store.observations import Observations
from rutter_ap_server.store.overview import Overview
from rutter_ap_server.store.passkeys import Passkeys
from rutter_ap_server.store.people_told import PeopleTold
from rutter_ap_server.store.proposals import Proposals
from rutter_ap_server.store.questions import Questions
from rutter_ap_server.store.secrets import Secrets
from rutter_ap_server.store.sessions import Sessions
from rutter_ap_server.store.spend import Spend
from rutter_ap_server.store.tickets import Tickets
from rutter_ap_server.store.vendors_told import VendorsTold

__all__ = ["Store", "StoreError", "Tx"]

T = TypeVar("T")
TRIES_MAX = 3
_TRY_AGAIN = ("40001", "40P01")  # PostgreSQL's serialization_failure and deadlock_detected: nothing was written.


@dataclass(frozen=True, slots=True)
class Told:
    """What one process has read of the audit chain, for all its transactions."""

    vendors: VendorsTold = field(default_factory=VendorsTold)
    people: PeopleTold = field(default_factory=PeopleTold)


class Tx:
    """One transaction: what the guard reads and writes together, or not at all."""

    def __init__(self, connection: Connection, now: datetime, head: Head, clock: datetime, told: Told) -> None:
        self.now = now
        # What the clock shows, which may be behind the store's time.
        self.clock = clock
        recorded = Recorded(connection)
        self.checks = Checks(recorded, head, told.people)
        self.proposals = Proposals(recorded, self.now)
        self.attempts = Attempts(recorded, self.now)
        self.questions = Questions(recorded, self.now)
        self.spend = Spend(recorded, self.now)
        self.approvers = Approvers(recorded, self.now, self.checks)
        self.controls = Controls(recorded, self.now)
        self.account_roles = AccountRoles(recorded, self.now)
        self.observations = Observations(recorded, self.now, head, told.vendors)
        self.bookings = Bookings(recorded, self.now)
        self.sessions = Sessions(recorded, self.now)
        self.passkeys = Passkeys(recorded, self.now, self.checks)
        self.tickets = Tickets(recorded, self.now)
        self.notices = Notices(recorded, self.now)
        self.documents = SeenDocuments(recorded, self.now)
        self.secrets = Secrets(connection, self.now)
        self.bill_mirrors = BillMirrors(connection)
        self.connections = Connections(recorded, self.now)
        self.ledgers = Ledgers(recorded, self.now)
        self.overview = Overview(recorded)
        self.audit = AuditLog(recorded, self.now, head)

    def hours_back(self, hours: int) -> int:
        """As many hours of the store's time as reach back that many by the clock.

        Where a clock that was wrong once left the store ahead, all that was spent before still counts, and what was
        spent since counts longer.
        """
        return hours + math.ceil((self.now - self.clock) / timedelta(hours=1))


class Store:
    """Durable state behind whole transactions: `read` sees one snapshot, `write` holds the write lock throughout."""

    def __init__(self, url: str, clock: Clock, *, prepare: Callable[[], None] | None = None) -> None:
        """Opens the store at once; with `prepare`, only when the first transaction needs it and after calling that.

        A store that cannot be opened raises `StoreError` here, or in each transaction until it can be.
        """
        self._url = Secret(url)
        self._clock = clock
        self._prepare = prepare
        self._ahead = timedelta()
        self._opened: Engine | None = None
        self._opening = threading.Lock()
        self._told = Told()
        if prepare is None:
            self._engine  # noqa: B018 - opens it

    @property
    def _engine(self) -> Engine:
        with self._opening:
            if self._opened is None:
                if self._prepare is not None:
                    self._prepare()
                self._opened = _open(self._url.reveal())
            return self._opened

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in a read transaction on a worker thread."""
        return await anyio.to_thread.run_sync(self.read_now, work)

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in one transaction that is durable once this returns.

        A cancellation during it waits: a transaction is never left half done. Whatever `work` does outside its
        transaction must be safe to repeat, because a database may ask for another try.
        """
        return await anyio.to_thread.run_sync(self.write_now, work)

    def read_now(self, work: Callable[[Tx], T]) -> T:
        """`read`, for code that has no event loop."""
        return self._run(work, "read")

    def write_now(self, work: Callable[[Tx], T]) -> T:
        """`write`, for code that has no event loop."""
        return self._run(work, "write")

    def _run(self, work: Callable[[Tx], T], mode: Mode) -> T:
        for tries_left in range(TRIES_MAX - 1, -1, -1):
            try:
                with begin_as(self._engine.connect(), mode) as connection, connection.begin():
                    head = head_of(connection)
                    clock = self._shown(head)
                    tx = Tx(connection, self._now(head, clock), head, clock, self._told)
                    done = work(tx)
                    tx.audit.flush()
                    return done
            except (SQLAlchemyError, sqlite3.Error) as error:
                if tries_left and sqlite.is_no_text(error):
                    sqlite.read_anything(self._engine)
                elif not (tries_left and _to_try_again(error)):
                    raise StoreError("the store could not be read or written") from None
        raise AssertionError("unreachable: the last try answers or raises")

    def _shown(self, head: Head) -> datetime:
        """What the clock shows: the database's where it has one, because replicas share it.

        A fast one would empty the windows of all. A clock that was set by hand is taken at its word.
        """
        return head.clock if head.clock is not None and self._clock.is_machines else self._clock.now()

    def _now(self, head: Head, now: datetime) -> datetime:
        """The clock, or the store's own time where the clock is behind the newest entry of the audit chain.

        A clock that is set back, or is slow on one replica, would revive expired questions and proposals, and make the
        latest proposal for a request look older than an earlier one. So the store's time never goes back. It does not
        stop either, which would keep leases and questions alive: it continues from the newest entry at the clock's
        pace until the clock has caught up.
        """
        if head.at is None or now >= head.at:
            self._ahead = timedelta()
            return now
        self._ahead = max(self._ahead, head.at - now)
        return now + self._ahead

    def close(self) -> None:
        """Closes every connection; the last one folds the write-ahead log into the file."""
        if self._opened is not None:
            self._opened.dispose()


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise StoreError("RUTTER_AP_DATABASE_URL is not a database URL") from None
    backend = parsed.drivername.partition("+")[0]
    if backend == "sqlite":
        return sqlite.open_engine(parsed)
    if backend in ("postgresql", "postgres"):
        return postgres.open_engine(parsed)
    raise StoreError("RUTTER_AP_DATABASE_URL must be sqlite:///PATH or postgresql://HOST/DATABASE")


def _to_try_again(error: Exception) -> bool:
    """Whether a transaction failed only because of another one at the same time."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _TRY_AGAIN
