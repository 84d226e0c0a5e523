"""A judgement as a value: what was found, what could not be checked, and what a release of it must cover."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rutter_ap_server.guard.prepared import PreparedWrite, told
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.findings import Finding, Severity, verdict
from rutter_ap_tools.statement import Section


@dataclass(frozen=True, slots=True)
class Observations:
    """Facts worth remembering from one judgement: documents, the vendor, and what text from outside mentioned.

    `came_back` says that the vendor may have had other details since it was last seen with these. `keys` are what the
    vendor is known by, and `changed_at` is when the ledger says that it changed.
    """

    vendor_id: str | None = None
    details: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    mentioned_before: tuple[tuple[str, frozenset[str]], ...] = ()
    came_back: bool = False
    keys: frozenset[str] = frozenset()
    changed_at: datetime | None = None
    documents: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The guard's judgement of a write, under one policy and for one set of facts.

    `fingerprint` is the hash of everything that would be written and of the facts behind it. `passed` are the checks
    that found nothing, `unchecked` those that could not be made, each with the reason. `sections` are the judged part
    of the statement, `parts` the judgements of a batch's members that are still to be written, and `of_the_whole` the
    findings about the batch itself.
    """

    findings: tuple[Finding, ...]
    policy_version: str
    fingerprint: str
    remembered: Observations = Observations()
    parts: tuple[tuple[PreparedWrite, Judgement], ...] = ()
    passed: tuple[str, ...] = ()
    unchecked: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = ()
    of_the_whole: tuple[Finding, ...] = ()

    @property
    def requires(self) -> frozenset[str]:
        """What a release must cover: the write with its facts, and every finding that needs a person.

        A release given for more still counts, so a finding that has gone, or a bill of a run that was paid meanwhile,
        voids nothing; one that is new voids every release.
        """
        if not self.parts:
            return frozenset({f"facts:{self.fingerprint}", *_needing_a_person(self.findings)})
        of_members = {f"{part.digest}:{key}" for part, judged in self.parts for key in judged.requires}
        return frozenset(of_members | _needing_a_person(self.of_the_whole))

    @property
    def verdict(self) -> Severity:
        """The severity of the most severe finding."""
        return verdict(self.findings)

    @property
    def approvals_needed(self) -> int:
        """How many people must release it: none if it is allowed, two above the upper tier."""
        if self.verdict is Severity.ALLOW:
            return 0
        return 2 if any(f.code == "amount.two_approvers" for f in self.findings) else 1


def covers_of(requires: Iterable[str]) -> frozenset[str]:
    """What a release of exactly this covers. Whoever agreed that two must release agreed that one must."""
    keys = set(requires)
    less = {key.replace("amount.two_approvers", "amount.approver") for key in keys}
    return frozenset(keys | less)


def facts_digest(proposal: Proposal) -> str:
    """What a release of exactly this is known by: the SHA-256 of the write, and of all that the release covers."""
    return digest_of_facts(told(proposal), covers_of(proposal.requires))


def digest_of_facts(write: Mapping[str, Any], covers: Iterable[str]) -> str:
    """The same of a write as `told` tells it, for whoever has no store."""
    return digest({"write": write, "covers": sorted(covers)})


# Findings about other records or texts: the same finding about another one is new. What others say may change with
# every payment of a run, such as the sum of its tier or the hour, and is the same finding as before.
_ABOUT_OTHERS = frozenset(
    [
        "argument.from_text",
        "bill.duplicate",
        "bill.overlap",
        "bill.similar",
        "credit.available",
        "credit.duplicate",
        "credit.similar",
        "document.reused",
        "proposal.declined",
        "text.suspicious",
        "vendor.in_flight",
        "vendor.similar",
    ]
)


def _needing_a_person(findings: Iterable[Finding]) -> set[str]:
    return {_key(one) for one in findings if one.severity >= Severity.ASK}


def _key(one: Finding) -> str:
    return f"{one.code}:{digest(one.message)}" if one.code in _ABOUT_OTHERS else one.code
