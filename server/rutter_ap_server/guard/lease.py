"""The right of one process to send one proposal, for a time that both a wall clock and a monotonic one measure.

A process may be suspended anywhere, and a clock may be set. So a lease that has run out by either clock is lost, even
where nobody has taken it over: whoever held it must neither send nor settle anything any more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from rutter_ap_server.store.engine import Tx

LEASE_SECONDS = 120


def elapsed_seconds() -> float:
    """A clock that nobody can set; where the system has one, it runs on while the machine sleeps."""
    sleeping_too: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if sleeping_too is None else time.clock_gettime(sleeping_too)


@dataclass(slots=True)
class Lease:
    """One claim on one proposal. `owner` is its own: a later claim of the same process is another lease."""

    proposal_id: str
    owner: str
    _until: float = float("-inf")

    @property
    def renewed_every_seconds(self) -> float:
        """How often it is renewed while its proposal is being sent: often enough to miss it a time or two."""
        return LEASE_SECONDS / 4

    def claim(self, tx: Tx) -> bool:
        """Takes a released proposal for sending; only one process ever gets True."""
        return self._start(tx.proposals.claim(self.proposal_id, self.owner, LEASE_SECONDS))

    def take_over(self, tx: Tx, gone: str | None = None) -> bool:
        """Takes over what no process sends any more, to find out its outcome.

        `gone` is the owner of a lease whose process is known to have ended, so that it need not run out first.
        """
        return self._start(tx.proposals.take_over(self.proposal_id, self.owner, LEASE_SECONDS, gone))

    def holds(self, tx: Tx) -> bool:
        """Whether it is still this one: its outcome is open, nobody took it over, and no clock says that it ran out."""
        taken = tx.proposals.lease(self.proposal_id)
        if taken is None or taken.owner != self.owner:
            return False
        return taken.until > tx.now and elapsed_seconds() < self._until

    def renew(self, tx: Tx) -> bool:
        """Starts its time again; False once it is lost."""
        return self.holds(tx) and self._start(tx.proposals.renew(self.proposal_id, self.owner, LEASE_SECONDS))

    def _start(self, taken: bool) -> bool:
        if taken:
            self._until = elapsed_seconds() + LEASE_SECONDS
        return taken
