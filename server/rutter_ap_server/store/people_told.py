"""Where the audit chain tells of approvers and their passkeys, which every release and every payment asks.

The chain is looked through once by each process, and then only what is new in it: a payment has no time for all of it.
What stands there is read anew each time, and must fit into the chain.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

from sqlalchemy import bindparam, or_, select

from rutter_ap_server.store.audit import LINKED, Entry, Head, genuine
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.ready import WORDINGS_MAX, Ready, among, numbered
from rutter_ap_server.store.schema import audit

# How the body of an entry begins with which an upgrade told of the rows it found.
ROWS_FOUND = '{"rows_found":'
# The first entry of all says whether an earlier version made the store.
_ABOUT_PEOPLE = or_(
    audit.c.seq == 1,
    audit.c.body.startswith(ROWS_FOUND),
    audit.c.proposal_id.is_(None)
    & or_(
        audit.c.rows.contains('"approvers"'),
        audit.c.rows.contains('"passkeys"'),
        audit.c.kind.startswith("approver_"),
    ),
)
_NEW = Ready(
    select(audit.c.seq)
    .where(audit.c.seq > bindparam("after"), audit.c.seq <= bindparam("up_to"), _ABOUT_PEOPLE)
    .order_by(audit.c.seq)
)
_OWN = Ready(LINKED.where(audit.c.seq > bindparam("after"), _ABOUT_PEOPLE).order_by(audit.c.seq))
_HASH = Ready(select(audit.c.hash).where(audit.c.seq == bindparam("place")))


class PeopleTold:
    """The places of those entries, up to one that is committed; shared by a store's transactions."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._head = Head(0, "", None)
        self._places: tuple[int, ...] = ()

    def entries(self, connection: Recorded, head: Head) -> list[Entry]:
        """All of them, in order. Raises `Tampered` if one was changed or is gone.

        `head` is the chain's end as this transaction found it; what came after is its own, and may be undone.
        """
        places = self._places_up_to(connection, head)
        return [*_at(connection, places), *genuine(connection.run(_OWN, {"after": head.seq}))]

    def _places_up_to(self, connection: Recorded, head: Head) -> tuple[int, ...]:
        with self._lock:
            if head.seq < self._head.seq:
                # Another transaction has read further than this one can see, or the store was restored meanwhile.
                return _places(connection, 0, head.seq)
            if not self._is_the_chain(connection):
                self._head, self._places = Head(0, "", None), ()
            self._places += _places(connection, self._head.seq, head.seq)
            self._head = head
            return self._places

    def _is_the_chain(self, connection: Recorded) -> bool:
        """Whether the chain up to where it was read is still the same one."""
        there = connection.first(_HASH, {"place": self._head.seq})
        return self._head.seq == 0 or (there is not None and there.hash == self._head.hash)


def _places(connection: Recorded, after: int, up_to: int) -> tuple[int, ...]:
    return tuple(row.seq for row in connection.run(_NEW, {"after": after, "up_to": up_to}))


def _at(connection: Recorded, places: tuple[int, ...]) -> list[Entry]:
    found = genuine(connection.run(_told(len(places)), numbered("place", places)))
    if len(found) != len(places):
        raise Tampered("the audit chain")
    return found


@lru_cache(maxsize=WORDINGS_MAX)
def _told(count: int) -> Ready:
    return Ready(LINKED.where(among(audit.c.seq, "place", count)).order_by(audit.c.seq))
