"""Jobs: every write runs as one (Rutter docs: Asynchronous Operations, Jobs)."""

from __future__ import annotations

from typing import Final

import msgspec

from rutter_ap_server.rutter.models.base import Part

JOB_STATES: Final = ("prequeued", "pending", "success", "failure", "partial_success")
JOB_STATES_ENDED: Final = frozenset({"success", "failure", "partial_success"})


class JobRequest(Part, frozen=True, kw_only=True):
    """The job's request. The URL and the body are not kept: the one contains a token, the other the books."""

    method: str | None = None
    idempotency_key: str | None = None


class JobResponse(Part, frozen=True, kw_only=True):
    """The response the write would have got if it had waited."""

    http_status: int
    body: msgspec.Raw = msgspec.Raw(b"{}")


class Job(Part, frozen=True, kw_only=True):
    """A write in progress. `state` is one of JOB_STATES or a later one."""

    id: str
    state: str = msgspec.field(name="status")
    request: JobRequest = JobRequest()
    response: JobResponse | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended: a state that is not documented has ended once there is a response."""
        return self.state not in JOB_STATES_ENDED and (self.response is None or self.state in JOB_STATES)

    def __repr__(self) -> str:
        return f"Job(id={self.id!r}, state={self.state!r})"
