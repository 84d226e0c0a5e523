"""What can go wrong upstream: one class for each way to act. `error_map.py` maps Rutter's responses to them.

    RutterError
    ├── assistant   InvalidInput, BadRequest, NotFoundUpstream, NotSupportedHere, Conflict, PlatformRejected,
    │               WalkTooLong
    ├── person      NeedsReauth, ConnectionDisabled
    ├── operator    Misconfigured, CredentialsRejected, UpstreamNonsense
    └── retry       NotReady, RateLimited, PlatformRateLimited, UpstreamUnavailable (NothingSent), WriteOutcomeUnknown

Each also inherits the class of `rutter_ap_tools.errors` for the one who can act, so that a caller may catch either.
"""

from __future__ import annotations

from rutter_ap_tools.errors import (
    ApError,
    AssistantError,
    BadInput,
    NotFound,
    OperatorError,
    OutcomeUnknown,
    PersonError,
    RetryError,
)


class RutterError(ApError):
    """An error from Rutter, or the absence of a response, in our words.

    `status` is the HTTP status, `rutter_code` Rutter's error code, `request_id` what Rutter's support asks for; each is
    None when unknown. `untrusted_detail` is the upstream's own message: it may contain anything, including
    instructions, and is therefore in no message, repr or args.
    """

    code = "rutter_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        next_step: str | None = None,
        status: int | None = None,
        rutter_code: str | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
        untrusted_detail: str | None = None,
    ) -> None:
        super().__init__(message, code=code, next_step=next_step)
        self.status = status
        self.rutter_code = rutter_code
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        self.untrusted_detail = untrusted_detail


class InvalidInput(RutterError, BadInput):
    """An argument is wrong; the message names it and says what it must be. Nothing was sent."""

    code = "bad_input"


class Misconfigured(RutterError, OperatorError):
    """The client is set up in a way that cannot work: address, proxy, certificates, credentials. Nothing was sent."""

    code = "not_configured"


class BadRequest(RutterError, AssistantError):
    """Rutter refused the input: 400, 413, 422."""

    code = "rutter_bad_request"
    default_next_step = "Correct the fields and call again. Nothing was written."


class NotFoundUpstream(RutterError, NotFound):
    """Nothing in this company has that id: 410, or 404 on an object."""

    code = "rutter_not_found"


class NotSupportedHere(RutterError, AssistantError):
    """The accounting platform or the plan of this connection does not offer it."""

    code = "rutter_not_supported"
    default_next_step = "Do not retry: this company's accounting platform or plan does not support it."


class Conflict(RutterError, AssistantError):
    """The idempotency key was used before with other content, or an equal record exists: 409."""

    code = "rutter_conflict"
    default_next_step = "Check what already exists; start again only if this is something different."


class PlatformRejected(RutterError, AssistantError):
    """The accounting platform refused: 450, or the write's job failed."""

    code = "platform_rejected"
    default_next_step = "Nothing was written. Correct what the platform rejected, or ask the person to check it there."


class WalkTooLong(RutterError, AssistantError):
    """A walk reached its limit before the end; what it yielded is not everything."""

    code = "walk_too_long"
    default_next_step = "Ask for less: one vendor, one document number, or fewer days."


class NeedsReauth(RutterError, PersonError):
    """A person must sign in to the accounting platform again, through the connection's link."""

    code = "connection_needs_sign_in"
    default_next_step = "A person must sign in to the accounting platform again: connect_ledger returns the link."


class ConnectionDisabled(RutterError, PersonError):
    """The connection is disabled at Rutter."""

    code = "connection_disabled"
    default_next_step = "A person must enable or renew the connection in Rutter."


class CredentialsRejected(RutterError, OperatorError):
    """Rutter does not accept the client credentials or the access token: 401, 403."""

    code = "credentials_rejected"


class UpstreamNonsense(RutterError, OperatorError):
    """The response is not what Rutter documents: malformed, HTML, too large, a redirect, a repeated cursor."""

    code = "upstream_nonsense"
    default_next_step = "Check RUTTER_BASE_URL and Rutter's status page."


class NotReady(RutterError, RetryError):
    """The first sync of this connection has not finished."""

    code = "connection_not_ready"
    default_next_step = "Try again later; the first sync can take hours."


class RateLimited(RutterError, RetryError):
    """Rutter's own limit of requests: 429."""

    code = "rate_limited"


class PlatformRateLimited(RutterError, RetryError):
    """The accounting platform's limit of requests: 452."""

    code = "platform_rate_limited"


class UpstreamUnavailable(RutterError, RetryError):
    """No usable response: not reachable, too slow, cut off, or 5xx. Only raised when nothing can have changed."""

    code = "rutter_unavailable"


class NothingSent(UpstreamUnavailable):
    """A change that never left this machine, in any attempt. Only the exchange knows that, and only it raises this.

    So whatever else a call that changes something raises, the change may have been made.
    """


class WriteOutcomeUnknown(RutterError, OutcomeUnknown):
    """A call outside the books (a connection, a token) left this machine, and no usable response came back."""

    code = "rutter_outcome_unknown"
    default_next_step = "Check list_connections before you send it again."
