"""Everything that can go wrong between a client and Rutter, switched on by a header, by a rule, or at a rate."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal

from rutter_sandbox.errors import JsonObject, bad_request
from rutter_sandbox.shapes import Shape, checked, choice, listing, optional, record, required, text
from rutter_sandbox.shapes import amount as number
from rutter_sandbox.wire import Call

HEADER = "x-sandbox-fault"
SECONDS_MAX = 120
"""The longest a slow response or a silence may take. `slow=<seconds>` and the like set the time."""

# The request is never looked at: nothing is committed.
NO_ANSWER_BEFORE, CUT_BEFORE = "no_answer_before_commit", "cut_before_commit"
# The request is carried out in full, and the client does not learn it.
NO_ANSWER_AFTER, CUT_AFTER = "no_answer_after_commit", "cut_after_commit"
# Half of the answer comes, and then the end of the connection, or nothing any more.
CUT_MID_BODY, NO_ANSWER_MID_BODY = "cut_mid_body", "no_answer_mid_body"
# The answer comes and does not end: a byte at a time, or as fast as it is read. The number after `=` bounds it.
DRIPPING, ENDLESS = "dripping_body", "endless_body"
BEFORE, AFTER = frozenset({NO_ANSWER_BEFORE, CUT_BEFORE}), frozenset({NO_ANSWER_AFTER, CUT_AFTER})
# The socket misbehaves; the app sends these itself.
ON_THE_SOCKET = BEFORE | AFTER | {CUT_MID_BODY, NO_ANSWER_MID_BODY, DRIPPING, ENDLESS, "slow"}

# Too many requests, and when to come again: in seconds, or at a date of HTTP. Nothing is committed.
RETRY_AFTER_SECONDS, RETRY_AFTER_DATE = "retry_after_seconds", "retry_after_date"
RETRY_AFTER = frozenset({RETRY_AFTER_SECONDS, RETRY_AFTER_DATE})
_SECONDS = {
    "slow": 1,
    **dict.fromkeys((NO_ANSWER_BEFORE, NO_ANSWER_AFTER, NO_ANSWER_MID_BODY), 2),
    **dict.fromkeys((DRIPPING, ENDLESS), SECONDS_MAX),
    **dict.fromkeys(RETRY_AFTER, 1),
}
_DATE_OFF_SECONDS = 3600

STATUSES_BEFORE = {"status_429": 429, "status_452": 452} | {
    f"status_{status}_before_commit": status for status in (408, 500, 502, 503, 504)
}
STATUSES_AFTER = {f"status_{status}_after_commit": status for status in (408, 450, 500, 502, 503, 504)}
# Nothing is committed, and the answer leads to another address of this sandbox where nothing is.
REDIRECTS = {f"redirect_{status}": status for status in (301, 302, 307, 308)}
_BODIES = frozenset({"malformed_json", "truncated_json", "html", "gzip_bomb"}) | {
    f"{kind}_after_commit" for kind in ("html", "empty", "keyless")
}
# The array of a list is null, or its key is left out.
LIST_NULL, LIST_MISSING = "list_null", "list_missing"
_LISTS = frozenset({"repeated_cursor", "stale_read", "stale_list", "missing_from_list", LIST_NULL, LIST_MISSING})
# What becomes of the job of a write. The last three answer asynchronously: the job's first read is an error, or says
# `processing`, and the reads after it are as ever.
JOB_NEVER_ENDS, JOB_FAILS = "job_never_ends", "job_fails"
JOB_404, JOB_500, JOB_PROCESSING = "job_404_at_first", "job_500_at_first", "job_processing"
_JOBS = frozenset({JOB_NEVER_ENDS, JOB_FAILS, JOB_404, JOB_500, JOB_PROCESSING})
# The older answers of writes (Rutter docs, 2023-03-14): `errors` beside what was written, or alone and nothing written.
# Several bills that are paid at once on Xero are then paid in part. And the plural alone for the payments there.
ERRORS_BESIDE, ERRORS_ALONE, PLURAL_ALONE = "errors_beside", "errors_alone", "plural_alone"
# A credit is not applied or not taken off, nothing is deleted, no sync begins, and all that the answer says is
# `success: false`.
SUCCESS_FALSE = "success_false"
_WRITES = frozenset({ERRORS_BESIDE, ERRORS_ALONE, PLURAL_ALONE, SUCCESS_FALSE})
# Bill payments on Business Central without Rutter's extension: the list is not there, rather than empty.
NO_EXTENSION_404 = "no_extension_404"
# Every error sentence and memo repeats the request with its secrets; a write fails in its job, and that says so too.
TOKEN_QUOTED = "token_quoted"  # noqa: S105 - the name of a fault
_TEXTS = frozenset({"tidied_texts", TOKEN_QUOTED})
_WEBHOOKS = frozenset({"duplicate_webhooks", "reordered_webhooks"})
# The `Date` of the answer is so many seconds ahead; below zero it is behind. The answer itself is as ever.
DATE_OFF = "date_off"
NAMES = tuple(
    sorted(
        ON_THE_SOCKET
        | RETRY_AFTER
        | set(STATUSES_BEFORE)
        | set(STATUSES_AFTER)
        | set(REDIRECTS)
        | _BODIES
        | _LISTS
        | _JOBS
        | _WRITES
        | _TEXTS
        | _WEBHOOKS
        | {DATE_OFF, NO_EXTENSION_404}
    )
)

_WHOLE = 1_000_000

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
