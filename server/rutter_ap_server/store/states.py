"""The states of a proposal, and which of them belong together."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """What has become of a proposal: held, released, dispatching and posted when nothing goes wrong."""

    HELD = "held"
    """It waits for a person."""
    RELEASED = "released"
    """Enough people released it; it is not claimed for sending yet."""
    DISPATCHING = "dispatching"
    """A process holds its lease, and may have sent it."""
    UNKNOWN = "unknown"
    """It may have been sent, and the ledger has not shown whether it was."""
    POSTED = "posted"
    """The ledger shows it."""
    REFUSED = "refused"
    """A rule refused it for good."""
    DECLINED = "declined"
    """A person said no."""
    WITHDRAWN = "withdrawn"
    """Whoever proposed it took it back."""
    EXPIRED = "expired"
    """Nobody released it, or it could not be sent, in time."""
    SUPERSEDED = "superseded"
    """A payment run that was released pays its bill."""
    FAILED = "failed"
    """It was not booked."""


OPEN_STATES = (State.HELD, State.RELEASED, State.DISPATCHING, State.UNKNOWN)
# Released, and without an outcome.
IN_FLIGHT_STATES = (State.RELEASED, State.DISPATCHING, State.UNKNOWN)
# Left this machine, or may have.
SENDING_STATES = (State.DISPATCHING, State.UNKNOWN)
CLOSED_STATES = (
    State.POSTED,
    State.REFUSED,
    State.DECLINED,
    State.WITHDRAWN,
    State.EXPIRED,
    State.SUPERSEDED,
    State.FAILED,
)
