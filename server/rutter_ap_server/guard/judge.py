"""Judging: every rule speaks, all findings are kept, and the severest one is the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rutter_ap_server.guard.frozen import Frozen
from rutter_ap_server.guard.kinds.base import Facts, Kind, OwnFacts, finding
from rutter_ap_server.guard.own_rules import SHARED_RULES
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.untrusted import worth_remembering
from rutter_ap_tools.findings import Finding, Severity, verdict


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is worth keeping of the facts of one judgement: how the vendor looked, and what text from outside named."""

    vendor_id: str | None = None
    details: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    heard: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the guard thinks of a write, under which policy, and for which facts.

    `parts` are the judgements of its lines, where it is a write of many.
    """

    findings: tuple[Finding, ...]
    policy_version: str
    fingerprint: str
    remembered: Remembered = Remembered()
    parts: tuple[tuple[Frozen, Judgement], ...] = ()

    @property
    def verdict(self) -> Severity:
        """The severest finding."""
        return verdict(self.findings)

    @property
    def approvals_needed(self) -> int:
        """How many people must release it: none when it is allowed, two above the upper tier."""
        if self.verdict is Severity.ALLOW:
            return 0
        return 2 if any(f.code == "amount.two_approvers" for f in self.findings) else 1


def judge(kind: Kind, frozen: Frozen, facts: Facts[Any], own: OwnFacts, policy: Policy) -> Judgement:
    """Asks every rule. Pure: the same intent, facts and policy always get the same judgement."""
    company = policy.of(frozen.company_id).closed(facts.closed_up_to)
    spoken = [rule(frozen, facts.seen, company) for rule in kind.rules]
    found = [one for one in spoken if one is not None]
    for shared in SHARED_RULES:
        found += shared(kind, frozen, facts, own, company)
    found += facts.missing
    adjusted = [*heeded(found, company), *base_findings(kind, company)]
    ordered = tuple(sorted(adjusted, key=lambda f: (-f.severity, f.code)))
    return Judgement(ordered, policy.version, facts.fingerprint, _remembered(facts))


def heeded(found: Iterable[Finding], policy: Policy) -> Iterable[Finding]:
    """The findings as severe as the operator wants them, without what is switched off."""
    adjusted = (policy.adjusted(one) for one in found)
    return (one for one in adjusted if one is not None)


def base_findings(kind: Kind, policy: Policy) -> list[Finding]:
    """What the policy asks of every call of this tool."""
    severity = policy.base(kind.tool)
    if severity is Severity.ALLOW:
        return []
    words = {
        Severity.ASK: "every call of this tool asks a person",
        Severity.APPROVE: "every call of this tool needs a named approver",
        Severity.REFUSE: "the policy does not allow this tool",
    }
    return [finding(f"policy.{severity.word}", severity, words[severity])]


def _remembered(facts: Facts[Any]) -> Remembered:
    heard = worth_remembering(facts.texts)
    if facts.vendor is None:
        return Remembered(heard=heard)
    return Remembered(facts.vendor.id, facts.vendor.details, facts.vendor.parts, heard)
