"""The answers that faults give: instead of handling a request, or in place of the answer to one that was handled."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from rutter_sandbox import clock, faults
from rutter_sandbox.errors import JsonObject, Refusal
from rutter_sandbox.jsons import decode, encode
from rutter_sandbox.wire import Call, Response, refused

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_BOMB_MEBIBYTES = 256
_BLANKS = b" " * 2**20


def instead(call: Call) -> Response | None:
    """The response of a fault that happens before the request is handled; None for other faults."""
    name = call.fault.partition("=")[0]
    if name in faults.STATUSES_BEFORE:
        return _status(faults.STATUSES_BEFORE[name])
    if name in faults.REDIRECTS:
        # Nothing is there. Whoever follows is seen among the requests on the home page.
        return Response(faults.REDIRECTS[name], b"", {"Location": f"{call.origin}/elsewhere{call.path}"})
    if name in faults.RETRY_AFTER:
        seconds = faults.seconds_of(call.fault)
        when = clock.http_date(seconds) if name == faults.RETRY_AFTER_DATE else str(seconds)
        return replace(_status(429), headers={"Retry-After": when})
    return Response(502, _HTML, content_type="text/html") if name == "html" else None


def quoted(call: Call) -> str:
    """The request with its secrets, as careless programs put it into their messages."""
    token, authorization = call.query.get("access_token", ""), call.headers.get("authorization", "")
    return f"{call.method} {call.path}?access_token={token} ({authorization}) for {token.upper()}"


def afterwards(call: Call, response: Response) -> Response:
    """The response to send for a request whose work is committed already, changed as the call's fault says."""
    if call.fault in faults.STATUSES_AFTER:
        return _status(faults.STATUSES_AFTER[call.fault])
    spoil = _SPOILED.get(call.fault)
    return spoil(call, response) if spoil else response


def _with_body(body: bytes) -> Callable[[Call, Response], Response]:
    return lambda call, response: replace(response, body=body)


def _truncated(call: Call, response: Response) -> Response:
    return replace(response, body=response.body[: len(response.body) // 2])


def _malformed(call: Call, response: Response) -> Response:
    return replace(response, body=response.body.replace(b":", b"=", 1))


def _quoting(call: Call, response: Response) -> Response:
    return replace(response, body=encode(_with_quotes(decode(response.body), f" {quoted(call)}")))


def _bomb(call: Call, response: Response) -> Response:
    """The answer after blanks, which JSON allows: a quarter of a megabyte that unpacks to 256 MiB."""
    begun, packer = _packed_blanks()
    rest = packer.copy()
    headers = response.headers | {"Content-Encoding": "gzip"}
    return replace(response, body=b"".join([begun, rest.compress(response.body), rest.flush()]), headers=headers)


@lru_cache(maxsize=1)
def _packed_blanks() -> tuple[bytes, Any]:
    """The packed blanks, and what packs on after them; they take a second to pack."""
    packer = zlib.compressobj(level=1, wbits=31)
    return b"".join(packer.compress(_BLANKS) for _ in range(_BOMB_MEBIBYTES)), packer


def _without_list(call: Call, response: Response) -> Response:
    """A list whose array is null, or is not there at all; another answer stays as it is."""
    body = decode(response.body) if response.status == 200 and call.method == "GET" else None
    if isinstance(body, list):
        return replace(response, body=b"null")
    if not isinstance(body, dict) or not any(isinstance(part, list) for part in body.values()):
        return response
    rest: JsonObject = {name: part for name, part in body.items() if not isinstance(part, list)}
    if call.fault == faults.LIST_NULL:
        rest = {name: None if isinstance(part, list) else part for name, part in body.items()}
    return replace(response, body=encode(rest))


_SPOILED: dict[str, Callable[[Call, Response], Response]] = {
    faults.TOKEN_QUOTED: _quoting,
    faults.LIST_NULL: _without_list,
    faults.LIST_MISSING: _without_list,
    "truncated_json": _truncated,
    "malformed_json": _malformed,
    "empty_after_commit": _with_body(b""),
    "keyless_after_commit": _with_body(b"{}"),
    "html_after_commit": lambda call, response: replace(response, body=_HTML, content_type="text/html"),
    "gzip_bomb": _bomb,
}


def _with_quotes(value: Any, quote: str) -> Any:
    if isinstance(value, list):
        return [_with_quotes(part, quote) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"{part or ''}{quote}" if name in {"memo", "error_message"} else _with_quotes(part, quote)
        for name, part in value.items()
    }


def _status(status: int) -> Response:
    codes = {429: "RATE_LIMIT_EXCEEDED", 450: "PLATFORM_ERROR", 452: "PLATFORM_RATE_LIMIT_EXCEEDED"}
    code = codes.get(status, "INTERNAL_ERROR")
    return refused(Refusal(status, "API_ERROR", code, "The sandbox was asked to fail in this way."))
