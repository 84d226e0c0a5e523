"""The values of an exchange: limits, a request without credentials, and the response."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Final

import httpx

from rutter_ap_server.rutter.credentials import Secret
from rutter_ap_server.rutter.error_map import safe_id
from rutter_ap_server.rutter.errors import Misconfigured, RutterError
from rutter_ap_server.rutter.known_secrets import KnownSecrets
from rutter_ap_server.rutter.their_time import http_date

API_VERSION: Final = "2024-08-31"
PRODUCTION_URL: Final = "https://production.rutterapi.com/versioned"
SANDBOX_URL: Final = "https://sandbox.rutterapi.com/versioned"


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of the client. Rutter itself waits up to 30 s for a platform before it returns a job.

    No attempt of a call begins later than `call_seconds` after the first, and none lasts longer than `attempt_seconds`:
    together they bound a call, its waiting for a turn included. `downloads` are open at once beside `concurrency`
    requests, each for at most `download_seconds`. `job_wait_seconds` bounds the following of a
    job, and `walk_seconds` what a walk waits for its pages.
    """

    connect_seconds: float = 10.0
    read_seconds: float = 45.0
    write_seconds: float = 30.0
    pool_seconds: float = 30.0
    attempt_seconds: float = 90.0
    call_seconds: float = 120.0
    download_seconds: float = 120.0
    walk_seconds: float = 1800.0
    attempts_max: int = 4
    write_attempts_max: int = 3
    backoff_first_seconds: float = 0.5
    backoff_max_seconds: float = 8.0
    retry_after_max_seconds: float = 30.0
    job_wait_seconds: float = 90.0
    body_bytes_max: int = 32 * 1024 * 1024
    attachment_bytes_max: int = 20 * 1024 * 1024
    concurrency: int = 16
    downloads: int = 2
    requests_max: int = 500
    window_seconds: float = 10.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value, is_count = getattr(self, each.name), each.type == "int"
            kind = int if is_count else int | float
            if isinstance(value, bool) or not isinstance(value, kind) or not (1 if is_count else 0) <= value < math.inf:
                what = "a whole number of at least 1" if is_count else "a number of seconds"
                raise Misconfigured(f"The limit {each.name} must be {what}.")


Fence = Callable[[], Awaitable[bool]]
"""Asked just before each attempt of a change leaves; False keeps it here, and it counts as never sent."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request before it has credentials. `path` starts with a slash and is already quoted (`path_of`).

    `hands_over` says that Rutter answers with access tokens.
    """

    method: str
    path: str = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: Secret | None = None
    body: bytes | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    on_object: bool = False
    fence: Fence | None = field(default=None, repr=False)
    hands_over: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """A response, without the secrets we know. `body` is untrusted and in no repr."""

    status: int
    body: bytes = field(repr=False)
    request_id: str | None
    job_id: str | None
    retry_after_seconds: float | None
    is_html: bool

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why there is no usable response, in a word of ours. `sent`: the request may have reached Rutter.

    `error`, if any, says more, such as what in the client's set-up keeps it from sending.
    """

    reason: str
    sent: bool
    error: RutterError | None = field(default=None, repr=False)


Outcome = Response | NoAnswer


def read_response(
    response: httpx.Response, body: bytes, secrets: KnownSecrets, *, hands_over: bool = False
) -> Response:
    headers = response.headers
    return Response(
        status=response.status_code,
        body=secrets.without(body, hands_over=hands_over and response.is_success),
        # A mask is no id.
        request_id=safe_id(secrets.text(headers.get("x-rutter-request-id", ""))),
        job_id=safe_id(secrets.text(headers.get("x-rutter-job-id", ""))),
        retry_after_seconds=_retry_after_seconds(headers.get("retry-after"), headers.get("date")),
        is_html="html" in headers.get("content-type", "").lower(),
    )


def _retry_after_seconds(text: str | None, sent_at: str | None) -> float | None:
    """The wait that is asked for: in seconds, or until a date (RFC 9110 §10.2.3), by the clock that wrote it if known.

    Rutter does not document this header, but a gateway in front of it may send one.
    """
    stripped = (text or "").strip()
    if stripped.isascii() and stripped.isdigit():
        return float(stripped.lstrip("0")[:9] or "0")
    until = http_date(stripped)
    if until is None:
        return None
    now = http_date(sent_at) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())
