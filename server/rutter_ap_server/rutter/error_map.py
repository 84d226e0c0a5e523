"""Maps a response that is not a success to one of our errors; the message contains none of the response's text.

Rutter docs: Errors. The error code decides first, then the status; anything unknown gets a safe default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from rutter_ap_server.rutter import errors

_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}", re.ASCII)
_SAFE_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
DETAIL_CHARACTERS_MAX = 500
# Gateways in front of Rutter send these as web pages, and the status is right.
_FROM_GATEWAYS = frozenset({408, 413, 429})
_REFUSALS = frozenset(
    {301, 302, 307, 308, 501, 400, 401, 402, 403, 404, 405, 409, 410, 411, 413, 414, 415, 422, 429, 431, 450, 452}
)


def is_refusal(status: int) -> bool:
    """Whether it is known of that status that nothing was done; of any other that is no success, it is not."""
    return status in _REFUSALS


class ErrorBody(msgspec.Struct):
    """Rutter's error body. Every part is untrusted and may be of any type: one odd part must not hide the others."""

    error_type: object = None
    error_code: object = None
    error_message: object = None
    error_metadata: object = None
    errors: object = None

    @property
    def is_error(self) -> bool:
        """Whether the body says that something went wrong; the oldest success bodies carry the keys as nulls."""
        return bool(self.error_code or self.error_type or self.error_message or self.errors)

    def detail(self) -> str | None:
        """The upstream's own message, shortened; untrusted."""
        older = self.errors if isinstance(self.errors, list) else []
        candidates = [_member(self.error_metadata, "human_readable"), self.error_message]
        for text in candidates + [_member(entry, "description") for entry in older]:
            if isinstance(text, str) and text.strip():
                return text.strip()[:DETAIL_CHARACTERS_MAX]
        return None


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


_decoder = msgspec.json.Decoder(ErrorBody)


def safe_id(text: str | None) -> str | None:
    """A request or job id that is safe to print, or None."""
    return text if text and _SAFE_ID.fullmatch(text) else None


def read_error_body(body: bytes) -> ErrorBody | None:
    """The error body, or None when the bytes are not a JSON object of that shape."""
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that is not a success. `on_object` says whether the path named one object."""

    status: int
    body: bytes = field(repr=False)
    request_id: str | None = None
    retry_after_seconds: float | None = None
    is_html: bool = False
    on_object: bool = False


_Kind = tuple[type[errors.RutterError], str]

_BY_CODE: dict[str, _Kind] = {
    "PRODUCT_NOT_READY": (errors.NotReady, "The first sync of this company has not finished."),
    "PRODUCT_NOT_ALLOWED": (errors.NotSupportedHere, "This company's platform or plan does not offer such records."),
    "INVALID_CREDENTIALS": (errors.CredentialsRejected, "Rutter does not accept the credentials or the access token."),
    "CONNECTION_DISABLED": (errors.ConnectionDisabled, "Rutter has disabled the connection to this company."),
    "NEEDS_UPDATE": (errors.NeedsReauth, "The sign-in to this company's accounting platform has expired."),
    "MISSING_FIELDS": (errors.BadRequest, "Rutter reports that required fields are missing."),
    "DUPLICATE_VALUE_CONFLICT": (errors.Conflict, "Rutter reports that a record with that value already exists."),
}

_BAD: _Kind = (errors.BadRequest, "Rutter rejected the input.")
_DENIED: _Kind = (errors.CredentialsRejected, "Rutter does not accept the credentials or the access token.")
_NOT_HERE: _Kind = (errors.NotSupportedHere, "This company's accounting platform does not support this operation.")
_MISSING: _Kind = (errors.NotFoundUpstream, "This company has no record with that id.")
_REFUSED: _Kind = (errors.PlatformRejected, "The accounting platform rejected it.")

_BY_STATUS: dict[int, _Kind] = {
    400: _BAD,
    401: _DENIED,
    402: (errors.NotSupportedHere, "The Rutter plan of this connection does not include this operation."),
    403: _DENIED,
    404: _NOT_HERE,
    405: _NOT_HERE,
    408: (errors.UpstreamUnavailable, "Rutter timed out waiting for the request."),
    409: (errors.Conflict, "The idempotency key was used before with other content."),
    410: _MISSING,
    413: (errors.BadRequest, "Rutter reports that the content is too large."),
    415: _BAD,
    422: _BAD,
    429: (errors.RateLimited, "Rutter's rate limit has been reached."),
    450: _REFUSED,
    452: (errors.PlatformRateLimited, "The accounting platform's rate limit has been reached."),
    501: _NOT_HERE,
}


def _kind(refusal: Refusal, rutter_code: str | None) -> _Kind:
    status = refusal.status
    if rutter_code in _BY_CODE:
        return _BY_CODE[rutter_code]
    if 300 <= status < 400:
        return errors.UpstreamNonsense, "Rutter responded with a redirect, which is never followed."
    if refusal.is_html and status < 500 and status not in _FROM_GATEWAYS:
        return errors.UpstreamNonsense, "A web page was returned instead of Rutter's response."
    if status == 404 and refusal.on_object:
        return _MISSING
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return errors.UpstreamUnavailable, "Rutter could not process the request."
    if 200 <= status < 300:
        return _REFUSED
    return errors.UpstreamNonsense, "Rutter responded with an undocumented status."


def error_for(refusal: Refusal) -> errors.RutterError:
    """The error for a response that is not a success. Never raises."""
    body = read_error_body(refusal.body)
    raw_code = body.error_code if body else None
    rutter_code = raw_code if isinstance(raw_code, str) and _SAFE_CODE.fullmatch(raw_code) else None
    kind, message = _kind(refusal, rutter_code)
    # Only known codes are printed: an unknown one is upstream text like any other.
    known = f"; {rutter_code}" if rutter_code in _BY_CODE else ""
    request_id = safe_id(refusal.request_id)
    reference = f"; request {request_id}" if request_id else ""
    return kind(
        f"{message} (status {refusal.status}{known}{reference})",
        status=refusal.status,
        rutter_code=rutter_code,
        request_id=request_id,
        retry_after_seconds=refusal.retry_after_seconds,
        untrusted_detail=body.detail() if body else None,
    )
