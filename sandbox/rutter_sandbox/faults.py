"""Everything that can go wrong between a client and Rutter, switched on by a header, by a rule, or at a rate."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from rutter_sandbox.errors import JsonObject, Refusal, bad_request
from rutter_sandbox.jsons import decode, encode
from rutter_sandbox.shapes import Shape, checked, choice, listing, optional, record, required, text
from rutter_sandbox.shapes import amount as number
from rutter_sandbox.wire import Call, Response, refused

HEADER = "x-sandbox-fault"
SECONDS_MAX = 120
"""The longest a slow response or a silence may take. `slow=<seconds>` and the like set the time."""

# The request is never looked at: nothing is committed.
NO_ANSWER_BEFORE, CUT_BEFORE = "no_answer_before_commit", "cut_before_commit"
# The request is carried out in full, and the client does not learn it.
NO_ANSWER_AFTER, CUT_AFTER, CUT_MID_BODY = "no_answer_after_commit", "cut_after_commit", "cut_mid_body"
BEFORE, AFTER = frozenset({NO_ANSWER_BEFORE, CUT_BEFORE}), frozenset({NO_ANSWER_AFTER, CUT_AFTER})
_SECONDS = {"slow": 1, NO_ANSWER_BEFORE: 2, NO_ANSWER_AFTER: 2}
_DATE_OFF_SECONDS = 3600
# The socket misbehaves; the app sends these itself.
ON_THE_SOCKET = BEFORE | AFTER | {CUT_MID_BODY, "slow"}

_STATUSES_BEFORE = {"status_429": 429, "status_452": 452} | {
    f"status_{status}_before_commit": status for status in (500, 502, 503, 504)
}
_STATUSES_AFTER = {f"status_{status}_after_commit": status for status in (450, 500, 502, 503, 504)}
_BODIES = frozenset({"malformed_json", "truncated_json", "html"})
# Carried out deeper down, where lists, jobs and webhooks are made.
_LISTS_AND_JOBS = frozenset(
    {"repeated_cursor", "stale_read", "stale_list", "missing_from_list", "job_never_ends", "job_fails"}
)
# Every error sentence and memo repeats the request with its secrets; a write fails in its job, and that says so too.
TOKEN_QUOTED = "token_quoted"  # noqa: S105 - the name of a fault
_TEXTS = frozenset({"tidied_texts"})
_WEBHOOKS = frozenset({"duplicate_webhooks", "reordered_webhooks"})
_DEEP = _LISTS_AND_JOBS | _TEXTS | _WEBHOOKS
# The `Date` of the answer is so many seconds ahead; below zero it is behind. The answer itself is as ever.
DATE_OFF = "date_off"
NAMES = tuple(
    sorted(ON_THE_SOCKET | set(_STATUSES_BEFORE) | set(_STATUSES_AFTER) | _BODIES | _DEEP | {TOKEN_QUOTED, DATE_OFF})
)

_WHOLE = 1_000_000
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"

_RULE: Shape = {
    "fault": required(choice(*NAMES)),
    "method": optional(text(10)),
    "path": optional(text(200)),
    "times": optional(number),
    "rate": optional(number),
    "seconds": optional(number),
}
_PLAN: Shape = {"seed": optional(number), "rules": required(listing(record(_RULE)))}


@dataclass(slots=True)
class Rule:
    """Applies a fault to calls with that method and path, a number of times or at a rate."""

    fault: str
    method: str = ""
    path: str = ""
    times: int | None = None
    rate_millionths: int = _WHOLE
    struck: int = 0

    def fits(self, call: Call) -> bool:
        spent = self.times is not None and self.struck >= self.times
        return not spent and self.method in {"", call.method} and self.path in call.path


@dataclass(slots=True)
class Faults:
    """The fault rules of this process. The same seed and the same calls meet the same faults."""

    rules: list[Rule] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - repeatable, not secret

    def replace(self, body: JsonObject) -> None:
        """Take `{"seed"?, "rules": [{"fault", "method"?, "path"?, "times"?, "rate"?}]}`; a rate lies in 0 to 1."""
        plan = checked(_PLAN, body, "body", lambda *_: False)
        seed, rules = _whole(Decimal(plan.get("seed", 0)), "seed"), [_rule(row) for row in plan["rules"]]
        self.chance, self.rules = random.Random(seed), rules  # noqa: S311 - repeatable, not secret

    def choose(self, call: Call) -> str:
        """The fault of this call: the one its header names, or that of the first rule that applies."""
        named = call.headers.get(HEADER)
        if named is not None:
            return _named(named)
        for rule in self.rules:
            if rule.fits(call) and self.chance.randrange(_WHOLE) < rule.rate_millionths:
                rule.struck += 1
                return rule.fault
        return ""


def _rule(row: JsonObject) -> Rule:
    times = _whole(row["times"], "times") if "times" in row else None
    rate = Decimal(row.get("rate", 1))
    if not 0 <= rate <= 1:
        raise bad_request("rate must lie in 0 to 1.")
    fault = _named(f"{row['fault']}={row['seconds']}") if "seconds" in row else row["fault"]
    return Rule(fault, row.get("method", ""), row.get("path", ""), times, int(rate * _WHOLE))


def _whole(value: Decimal, name: str) -> int:
    if value < 0 or value != int(value):
        raise bad_request(f"{name} must be a whole number from 0 up.")
    return int(value)


def _named(header: str) -> str:
    name, _, seconds = header.partition("=")
    digits = seconds.removeprefix("-") if name == DATE_OFF else seconds
    takes_them = name in _SECONDS or name == DATE_OFF
    if name not in NAMES or (seconds and (not takes_them or not (digits.isascii() and digits.isdecimal()))):
        raise bad_request(f"There is no fault of this name. Known: {', '.join(NAMES)}.", "UNKNOWN_FAULT")
    return header


def seconds_of(fault: str) -> int:
    """How long the fault takes: the number after `=` in the header, or the default; 0 for one that takes no time."""
    name, _, seconds = fault.partition("=")
    return min(int(seconds[:6]), SECONDS_MAX) if seconds else _SECONDS.get(name, 0)


def date_off_seconds(fault: str) -> int:
    """How far ahead the `Date` of the answer is."""
    name, _, seconds = fault.partition("=")
    if name != DATE_OFF:
        return 0
    return int(seconds[:8]) if seconds else _DATE_OFF_SECONDS


def instead(fault: str) -> Response | None:
    """The response of a fault that happens before the request is handled; None for other faults."""
    if fault in _STATUSES_BEFORE:
        return _status(_STATUSES_BEFORE[fault])
    return Response(502, _HTML, content_type="text/html") if fault == "html" else None


def quoted(call: Call) -> str:
    """The request with its secrets, as careless programs put it into their messages."""
    token, authorization = call.query.get("access_token", ""), call.headers.get("authorization", "")
    return f"{call.method} {call.path}?access_token={token} ({authorization}) for {token.upper()}"


def afterwards(call: Call, response: Response) -> Response:
    """The response to send for a request whose work is committed already, changed as the call's fault says."""
    fault = call.fault
    if fault == TOKEN_QUOTED:
        return replace(response, body=encode(_with_quotes(decode(response.body), f" {quoted(call)}")))
    if fault in _STATUSES_AFTER:
        return _status(_STATUSES_AFTER[fault])
    if fault == "truncated_json":
        return Response(response.status, response.body[: len(response.body) // 2], response.headers)
    if fault == "malformed_json":
        return Response(response.status, response.body.replace(b":", b"=", 1), response.headers)
    return response


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
