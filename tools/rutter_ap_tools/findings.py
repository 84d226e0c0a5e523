"""Findings: what a rule found, how severe it is, and why, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from pydantic import BaseModel, ConfigDict, field_serializer, field_validator


class Severity(IntEnum):
    """What a finding requires; the most severe finding decides the verdict."""

    ALLOW = 0
    ASK = 1
    APPROVE = 2
    REFUSE = 3

    @property
    def word(self) -> str:
        """The word used on the wire: allow, ask, approve, refuse."""
        return self.name.lower()

    @property
    def label(self) -> str:
        """The words used in text: "approve" alone could be read as "approved"."""
        return _LABELS[self]


_LABELS = {
    Severity.ALLOW: "ok",
    Severity.ASK: "needs confirmation",
    Severity.APPROVE: "needs an approver",
    Severity.REFUSE: "refused",
}


class Finding(BaseModel):
    """What one rule found. `code` is stable (`amount.over_balance`); `message` is a sentence for people and models."""

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Severity
    message: str

    @field_serializer("severity")
    def _word(self, value: Severity) -> str:
        return value.word

    @field_validator("severity", mode="before")
    @classmethod
    def _from_word(cls, value: object) -> object:
        return Severity[value.upper()] if isinstance(value, str) else value


def verdict(findings: Iterable[Finding]) -> Severity:
    """The most severe of the findings; no findings means allow."""
    return max((finding.severity for finding in findings), default=Severity.ALLOW)
