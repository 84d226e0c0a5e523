"""Findings: what a rule saw, how severe it is, and in one sentence why."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from pydantic import BaseModel, ConfigDict, field_serializer, field_validator


class Severity(IntEnum):
    """How much a finding asks for; the severest finding is the verdict."""

    ALLOW = 0
    ASK = 1
    APPROVE = 2
    REFUSE = 3

    @property
    def word(self) -> str:
        """The word used on the wire: allow, ask, approve, refuse."""
        return self.name.lower()


class Finding(BaseModel):
    """One rule's answer. `code` is stable (`amount.over_balance`); `message` is a sentence for people."""

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
    """The severest of the findings; nothing found means allow."""
    return max((finding.severity for finding in findings), default=Severity.ALLOW)
