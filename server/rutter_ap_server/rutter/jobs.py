"""Determines the outcome of a write, following its job to the end (Rutter docs: Asynchronous Operations).

A response is read in this order: the object under its key, then `async_response`, then an error. `Rejected` only when
Rutter is known to have refused, `Done` only with the object in hand, otherwise `Unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import anyio
import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.decode import error_of, nonsense, read, read_body
from rutter_ap_server.rutter.error_map import is_refusal, read_error_body, safe_id
from rutter_ap_server.rutter.errors import Conflict, NotFoundUpstream, RutterError, UpstreamNonsense
from rutter_ap_server.rutter.exchange import Exchange
from rutter_ap_server.rutter.ids import path_of, quoted_id
from rutter_ap_server.rutter.models.jobs import Job
from rutter_ap_server.rutter.outcomes import Done, Rejected, Unknown, UnknownReason, WriteOutcome
from rutter_ap_server.rutter.request import Call, NoAnswer, Outcome, Response
from rutter_ap_tools.errors import RetryError

R = TypeVar("R")
POLL_SECONDS = (1.0, 2.0, 5.0)
# Whatever a state that is not documented is called: these say that not all of it was done.
_SAYS_NO = re.compile("fail|partial|unsuccess|error|reject|cancel|abort|expire", re.IGNORECASE)


class _Ticket(msgspec.Struct):
    id: str
    status: str | None = None


Find = Callable[[dict[str, msgspec.Raw]], tuple[R, ...]]
"""Finds the written objects among the members of a body; () when there are none. May raise `NotReadable`."""


async def read_job(exchange: Exchange, job_id: str) -> Job:
    """The current state of a job. Raises `RutterError`."""
    path = path_of("jobs", quoted_id(job_id, "The job id"))
    response = await read(exchange, Call("GET", path, on_object=True))
    job = read_body(response, Job)
    if job.id != job_id:
        raise nonsense(response)
    return job


class Verdicts(Generic[R]):
    """Determines the outcome of one write."""

    def __init__(self, exchange: Exchange, find: Find[R], *, on_object: bool) -> None:
        self._exchange = exchange
        self._find = find
        self._on_object = on_object

    async def of(self, outcome: Outcome, *, doubt: bool) -> WriteOutcome[R]:
        """The outcome of an exchange. `doubt`: an earlier attempt under the same key may have been carried out."""
        if isinstance(outcome, NoAnswer):
            return Unknown(None, _reason(outcome) if outcome.sent else "doubtful_retry")
        verdict = self._of_response(outcome)
        # What was said to be done only in part stays so, whatever the job says of it later.
        if isinstance(verdict, Unknown) and verdict.job_id is not None and verdict.reason != "partly_refused":
            return await self.of_job(verdict.job_id)
        if isinstance(verdict, Rejected) and doubt and not _is_of_the_first(verdict):
            return Unknown(None, "doubtful_retry")
        return verdict

    async def of_job(self, job_id: str, *, wait: bool = True) -> WriteOutcome[R]:
        """The outcome of a job, polled after 1, 2, then every 5 seconds until it ends or the limit is reached.

        Looks that find nothing to read are no end: the next one may.
        """
        last = Unknown(job_id, "still_running")
        with anyio.move_on_after(self._exchange.limits.job_wait_seconds if wait else None):
            for pause_seconds in self._pauses() if wait else (0.0,):
                if pause_seconds:
                    await self._exchange.sleep(pause_seconds)
                try:
                    job = await read_job(self._exchange, job_id)
                except (RetryError, NotFoundUpstream, UpstreamNonsense):
                    last = Unknown(job_id, "job_unreadable")
                except RutterError:
                    return Unknown(job_id, "job_unreadable")
                else:
                    if not job.is_running:
                        return self._of_ended(job, job_id)
                    last = Unknown(job_id, "still_running")
        return last

    def _pauses(self) -> Iterator[float]:
        wait_seconds = self._exchange.limits.job_wait_seconds
        deadline = self._exchange.clock() + wait_seconds
        # Limited by number too, in case the clock stands still.
        for poll in range(int(wait_seconds) + 1):
            pause_seconds = POLL_SECONDS[min(poll, len(POLL_SECONDS) - 1)]
            if self._exchange.clock() + pause_seconds > deadline:
                return
            yield pause_seconds

    def _of_ended(self, job: Job, job_id: str) -> WriteOutcome[R]:
        if job.response is None:
            return Unknown(job_id, "job_unreadable")
        response = Response(
            status=job.response.http_status,
            body=bytes(job.response.body),
            request_id=None,
            job_id=job_id,
            retry_after_seconds=None,
            is_html=False,
        )
        verdict = self._of_response(response)
        if isinstance(verdict, Unknown):
            return Unknown(job_id, verdict.reason)
        # Two statements of one job, of which only one can be true.
        state = job.state.lower()
        if _SAYS_NO.search(state) if isinstance(verdict, Done) else "success" in state:
            return Unknown(job_id, "partly_refused" if "partial" in state else "job_unreadable")
        return verdict

    def _of_response(self, response: Response) -> WriteOutcome[R]:
        if not response.is_success:
            return self._of_failure(response)
        try:
            members = wire.decode_members(response.body)
            records = self._find(members)
        except wire.NotReadable:
            # It was very likely done, but "very likely" is not good enough for money.
            return Unknown(response.job_id, "unreadable_answer")
        body = read_error_body(response.body)
        is_error = body is not None and body.is_error
        try:
            ticket = _ticket_in(members)
        except wire.NotReadable:
            return Unknown(response.job_id, "unreadable_answer")
        if records:
            if is_error or (ticket is not None and _SAYS_NO.search(ticket.status or "")):
                return Unknown(response.job_id or (ticket.id if ticket else None), "partly_refused")
            return Done(records[0], response.job_id, response.request_id, records)
        if ticket is not None:
            return Unknown(ticket.id, "still_running")
        if is_error:
            return Rejected(self._error(response), response.job_id)
        return Unknown(response.job_id, "unreadable_answer")

    def _of_failure(self, response: Response) -> WriteOutcome[R]:
        if is_refusal(response.status):
            return Rejected(self._error(response), response.job_id)
        reason: UnknownReason = "server_error" if response.status >= 500 else "undocumented_status"
        return Unknown(response.job_id, reason)

    def _error(self, response: Response) -> RutterError:
        return error_of(response, on_object=self._on_object)


def _is_of_the_first(verdict: Rejected) -> bool:
    # A job id means that this is the stored response to the first attempt. Anything else, such as an expired sign-in or
    # a conflict of keys, is about this attempt alone and says nothing about the first.
    return verdict.job_id is not None and not isinstance(verdict.error, Conflict)


def _reason(outcome: NoAnswer) -> UnknownReason:
    match outcome.reason:
        case "timeout":
            return "timeout"
        case "too_large" | "not_readable":
            return "unreadable_answer"
        case _:
            return "cut_off"


def _ticket_in(members: dict[str, msgspec.Raw]) -> _Ticket | None:
    """The job that an answer names, if any. Raises `NotReadable` where there is one, and nobody can tell which."""
    raw = members.get("async_response")
    if raw is None or bytes(raw) == b"null":
        return None
    ticket = wire.decode(raw, _Ticket)
    if safe_id(ticket.id) is None:
        raise wire.NotReadable
    return ticket
