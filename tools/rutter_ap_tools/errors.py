"""The error tree: every failure has a stable code, says who can act on it, and what to do next.

It is split by who must act, because that is the first question of anyone who reads an error:

    ApError
    ├── AssistantError   the caller can correct the call
    │   ├── BadInput         an argument is wrong
    │   ├── NotFound         no record has that id or name
    │   ├── Ambiguous        several records have that name; the candidates are listed
    │   └── Refused          the guard refused the write; the findings say why
    ├── PersonError      a person must do something (sign in again, release, decide)
    ├── OperatorError    the operator of the server must do something (settings, policy, credentials)
    └── RetryError       nothing is wrong with the call; it can be repeated later
        └── OutcomeUnknown   a write may or may not have happened; it must not simply be sent again

We write every message. Upstream bodies, URLs, headers and exception texts never appear in one, because they can carry
secrets and injected instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from rutter_ap_tools.findings import Finding


class Who(StrEnum):
    """Who can act on an error."""

    ASSISTANT = "assistant"
    PERSON = "person"
    OPERATOR = "operator"
    RETRY = "retry"


class ApError(Exception):
    """The base of every error this project raises on purpose.

    `code` is stable, and programs may match it; `message` and `next_step` are sentences for people and models.
    """

    code: ClassVar[str] = "error"
    who: ClassVar[Who] = Who.OPERATOR
    default_next_step: ClassVar[str] = ""

    def __init__(self, message: str, *, code: str | None = None, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or self.code
        self.next_step = next_step if next_step is not None else self.default_next_step


class AssistantError(ApError):
    """The caller can correct the call."""

    code = "bad_call"
    who = Who.ASSISTANT


class BadInput(AssistantError):
    """An argument is wrong; the message names it and says what it must be."""

    code = "bad_input"
    default_next_step = "Correct the named argument and call again. Nothing was written."


class NotFound(AssistantError):
    """No record of this company has that id or name."""

    code = "not_found"
    default_next_step = "Look it up (list_bills, list_payments, list_credits, find_records) and use the id shown there."


class Ambiguous(AssistantError):
    """Several records have that name. `candidates` holds `(id, name)` pairs, names already cleaned."""

    code = "ambiguous"
    default_next_step = "Ask the person which one they mean, then call again with its id."

    def __init__(self, message: str, *, candidates: Sequence[tuple[str, str]], next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.candidates = tuple(candidates)


class Refused(AssistantError):
    """The guard refused this write; nothing was sent."""

    code = "refused"
    default_next_step = "Nothing was written. Tell the person which rule refused it; do not try to work around it."

    def __init__(self, message: str, *, findings: Sequence[Finding] = (), next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.findings = tuple(findings)


class PersonError(ApError):
    """A person must do something before this can work."""

    code = "needs_person"
    who = Who.PERSON


class OperatorError(ApError):
    """The operator of the server must do something: settings, policy, credentials."""

    code = "not_configured"
    who = Who.OPERATOR
    default_next_step = "Run `rutter-ap doctor` on the server; it says what to fix."


class RetryError(ApError):
    """Nothing is wrong with the call; it can be repeated later."""

    code = "try_again"
    who = Who.RETRY
    default_next_step = "Try again in a minute."


class OutcomeUnknown(RetryError):
    """A write was sent and its outcome is not known. It must not simply be sent again."""

    code = "outcome_unknown"
    default_next_step = (
        "Do not send it again. Check the outcome with get_proposal; if it stays unknown, a person can settle it."
    )
