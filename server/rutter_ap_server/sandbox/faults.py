"""Everything that can go wrong between a client and Rutter, switched on by a header, by a rule, or at a rate."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from rutter_ap_server.sandbox.errors import JsonObject, Refusal, bad_request
from rutter_ap_server.sandbox.shapes import Shape, checked, choice, listing, optional, record, required, text
from rutter_ap_server.sandbox.shapes import amount as number
from rutter_ap_server.sandbox.wire import Answer, Call, refused

HEADER = "x-sandbox-fault"
SLOW_SECONDS = 1
"""How long a slow answer takes, unless the header says `slow=<seconds>`."""
_SLOW_SECONDS_MAX = 30

# The request is never looked at: nothing is committed.
NO_ANSWER_BEFORE, CUT_BEFORE = "no_answer_before_commit", "cut_before_commit"
# The request is carried out in full, and the client does not learn it.
NO_ANSWER_AFTER, CUT_AFTER, CUT_MID_BODY = "no_answer_after_commit", "cut_after_commit", "cut_mid_body"
# The socket misbehaves; the app sends these itself.
ON_THE_SOCKET = frozenset({NO_ANSWER_BEFORE, CUT_BEFORE, NO_ANSWER_AFTER, CUT_AFTER, CUT_MID_BODY, "slow"})

_STATUSES_BEFORE = {"status_429": 429, "status_452": 452} | {
    f"status_{status}_before_commit": status for status in (500, 502, 503, 504)
}
_STATUSES_AFTER = {f"status_{status}_after_commit": status for status in (500, 502, 503, 504)}
_BODIES = frozenset({"malformed_json", "truncated_json", "html"})
# Carried out deeper down, where lists, jobs and webhooks are made.
_DEEP = frozenset({"repeated_cursor", "stale_read", "job_never_ends", "job_fails"}) | frozenset(
    {"duplicate_webhooks", "reordered_webhooks"}
)
NAMES = tuple(sorted(ON_THE_SOCKET | set(_STATUSES_BEFORE) | set(_STATUSES_AFTER) | _BODIES | _DEEP))

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"

_RULE: Shape = {
    "fault": required(choice(*NAMES)),
    "method": optional(text(10)),
    "path": optional(text(200)),
    "times": optional(number),
    "rate": optional(number),
}
_PLAN: Shape = {"seed": optional(number), "rules": required(listing(record(_RULE)))}


@dataclass(slots=True)
class Rule:
    """Strikes calls whose method and path fit, a number of times or at a rate."""

    fault: str
    method: str = ""
    path: str = ""
    times: int | None = None
    rate_percent: int = 100
    struck: int = 0

    def fits(self, call: Call) -> bool:
        spent = self.times is not None and self.struck >= self.times
        return not spent and self.method in {"", call.method} and self.path in call.path


@dataclass(slots=True)
class Faults:
    """The rules in force in this process. The same seed and the same calls meet the same faults."""

    rules: list[Rule] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - repeatable, not secret

    def replace(self, body: JsonObject) -> None:
        """Take `{"seed"?, "rules": [{"fault", "method"?, "path"?, "times"?, "rate"?}]}`; a rate lies in 0 to 1."""
        plan = checked(_PLAN, body, "body", lambda *_: False)
        self.chance = random.Random(int(plan.get("seed", 0)))  # noqa: S311 - repeatable, not secret
        self.rules = [_rule(row) for row in plan["rules"]]

    def choose(self, call: Call) -> str:
        """The fault this call meets: the one its header names, or that of the first rule to strike."""
        named = call.headers.get(HEADER)
        if named is not None:
            return _named(named)
        for rule in self.rules:
            if rule.fits(call) and self.chance.randrange(100) < rule.rate_percent:
                rule.struck += 1
                return rule.fault
        return ""


def _rule(row: JsonObject) -> Rule:
    times = int(row["times"]) if "times" in row else None
    percent = int(row.get("rate", 1) * 100)
    return Rule(row["fault"], row.get("method", ""), row.get("path", ""), times, percent)


def _named(header: str) -> str:
    name, _, seconds = header.partition("=")
    if name not in NAMES or (seconds and (name != "slow" or not seconds.isdecimal())):
        raise bad_request(f"There is no fault of this name. Known: {', '.join(NAMES)}.", "UNKNOWN_FAULT")
    return header


def slow_seconds(fault: str) -> int:
    seconds = fault.partition("=")[2]
    return min(int(seconds), _SLOW_SECONDS_MAX) if seconds else SLOW_SECONDS


def instead(fault: str) -> Answer | None:
    """The answer of a fault that strikes before anything is done."""
    if fault in _STATUSES_BEFORE:
        return _status(_STATUSES_BEFORE[fault])
    return Answer(502, _HTML, content_type="text/html") if fault == "html" else None


def afterwards(fault: str, answer: Answer) -> Answer:
    """What becomes of an answer whose work is already committed."""
    if fault in _STATUSES_AFTER:
        return _status(_STATUSES_AFTER[fault])
    if fault == "truncated_json":
        return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
    if fault == "malformed_json":
        return Answer(answer.status, answer.body.replace(b":", b"=", 1), answer.headers)
    return answer


def _status(status: int) -> Answer:
    code = {429: "RATE_LIMIT_EXCEEDED", 452: "PLATFORM_RATE_LIMIT_EXCEEDED"}.get(status, "INTERNAL_ERROR")
    return refused(Refusal(status, "API_ERROR", code, "The sandbox was asked to fail in this way."))
