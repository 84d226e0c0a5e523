"""Judging: every rule speaks, all findings are kept, and the severest one is the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rutter_ap_server.guard.frozen import Frozen
from rutter_ap_server.guard.kinds.base import Facts, Kind, OwnFacts, approve, ask, finding, refuse
from rutter_ap_server.guard.policy import Policy
from rutter_ap_tools.findings import Finding, Severity, verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the guard thinks of a write, under which policy, and for which facts."""

    findings: tuple[Finding, ...]
    policy_version: str
    fingerprint: str

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
    spoken = [rule(frozen, facts.seen, policy) for rule in kind.rules]
    findings = [found for found in (*spoken, *_own(kind, own), _base(kind, policy)) if found is not None]
    findings += facts.missing
    ordered = tuple(sorted(findings, key=lambda f: (-f.severity, f.code)))
    return Judgement(ordered, policy.version, facts.fingerprint)


def _base(kind: Kind, policy: Policy) -> Finding | None:
    severity = policy.base(kind.tool)
    if severity is Severity.ALLOW:
        return None
    words = {
        Severity.ASK: "every call of this tool asks a person",
        Severity.APPROVE: "every call of this tool needs a named approver",
        Severity.REFUSE: "the policy does not allow this tool",
    }
    return finding(f"policy.{severity.word}", severity, words[severity])


def _own(kind: Kind, own: OwnFacts) -> list[Finding]:
    found = []
    if own.frozen_by is not None:
        found.append(refuse("freeze.active", f"all writes are stopped, by {own.frozen_by}"))
    if own.in_flight:
        found.append(
            refuse("bill.in_flight", f"a write on this bill is on its way as proposal {own.in_flight[0]}; wait for it")
        )
    if own.repeats:
        code = "payment.repeat" if kind.moves_money else "write.repeat"
        severe = approve if kind.moves_money else ask
        found.append(severe(code, f"the same was posted before, as proposal {own.repeats[0]}"))
    return found
