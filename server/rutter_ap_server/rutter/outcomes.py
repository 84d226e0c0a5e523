"""What is known after a write: done, refused, or unknown. A write never raises for what happened to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from rutter_ap_server.rutter.errors import RutterError

R = TypeVar("R")

UnknownReason = Literal[
    "timeout",  # sent, and no response in time
    "cut_off",  # sent, and the connection broke
    "server_error",  # 5xx without a job
    "unreadable_answer",  # the response is not one of Rutter's, is too large, or does not say that it was done
    "partly_refused",  # the response holds what was written, and errors beside it
    "undocumented_status",  # a status for which Rutter does not document whether anything was written
    "still_running",  # the job had not ended when we stopped asking
    "job_unreadable",  # the job exists and could not be read
    "doubtful_retry",  # an attempt failed for a known reason, but an earlier one may have been carried out
]


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """It was done. `records` holds more than one only where the platform split the write (Xero payments)."""

    record: R
    job_id: str | None = None
    request_id: str | None = None
    records: tuple[R, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """It was not done; with a `job_id` it never will be under the same key, as Rutter has stored that."""

    error: RutterError
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been done. With a job id the job can be read; without one, the books must be."""

    job_id: str | None
    reason: UnknownReason


WriteOutcome = Done[R] | Rejected | Unknown
