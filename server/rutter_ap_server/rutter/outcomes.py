"""What is known after a write: done, refused, or unknown. A write never raises for what happened to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from rutter_ap_server.rutter.errors import RutterError

R = TypeVar("R")

UnknownReason = Literal[
    "timeout",  # sent, and no answer in time
    "cut_off",  # sent, and the connection broke
    "server_error",  # 5xx, and no word of a job
    "unreadable_answer",  # something came back that is not Rutter's answer, or too large
    "undocumented_status",  # a status of which Rutter does not say whether anything was written
    "still_running",  # the job had not ended when we stopped asking
    "job_unreadable",  # the job exists and could not be read
    "doubtful_retry",  # an attempt failed for a known reason, but an earlier one may have been carried out
]


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """It happened. `records` holds more than one only where the platform split the write (Xero payments)."""

    record: R
    job_id: str | None = None
    request_id: str | None = None
    records: tuple[R, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """It did not happen, and never will under the same key."""

    error: RutterError
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have happened. With a job id the job can be asked; without one, the books must be read."""

    job_id: str | None
    reason: UnknownReason


WriteOutcome = Done[R] | Rejected | Unknown
