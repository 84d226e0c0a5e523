"""Judging: every rule is applied, all findings are kept, and the most severe one is the verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import anyio

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.shared_rules import SHARED_RULES, SharedRule
from rutter_ap_server.guard.store_facts import StoreFacts, store_facts, windows_broken
from rutter_ap_server.guard.untrusted import worth_remembering
from rutter_ap_server.guard.writes.base import Batch, Facts, Preparable, Write, ability_of, approve, finding, refuse
from rutter_ap_server.guard.writes.parties import bill_words
from rutter_ap_server.guard.writes.pay_bill_rules import amount_over_tier
from rutter_ap_server.rutter.platforms import shows_closing_date
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.findings import Finding, Severity, verdict
from rutter_ap_tools.money import Money


@dataclass(frozen=True, slots=True)
class Observations:
    """Facts worth remembering from one judgement: the vendor's details, and what text from outside mentioned."""

    vendor_id: str | None = None
    details: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    mentioned_before: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The guard's judgement of a write, under one policy and for one set of facts.

    `parts` are the judgements of a batch's members.
    """

    findings: tuple[Finding, ...]
    policy_version: str
    fingerprint: str
    remembered: Observations = Observations()
    parts: tuple[tuple[PreparedWrite, Judgement], ...] = ()

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


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """The facts of each member of a batch, in order."""

    members: tuple[Facts[Any], ...]

    @property
    def fingerprint(self) -> str:
        """The hash that an approval of the whole batch is bound to."""
        return digest({"lines": [digest(one.binding) for one in self.members]})


async def gather_facts(
    write: Write[Any] | Batch, prepared: PreparedWrite, company: Company, policy: Policy | None
) -> Facts[Any] | BatchFacts:
    """Reads the facts: those of the write, and those that are the same for every write."""
    if isinstance(write, Batch):
        return BatchFacts(await _gather_members(write.member, write.members(prepared), company, policy))
    return await _gather_one(write, prepared, company, policy)


async def _gather_one(
    write: Write[Any], prepared: PreparedWrite, company: Company, policy: Policy | None
) -> Facts[Any]:
    gathered = await write.gather(prepared, company, policy)
    # Some ledgers report their own closing date.
    closed_up_to = await company.directory.closed_up_to() if shows_closing_date(company.platform) else None
    return Facts(
        seen=gathered.seen,
        binding=gathered.binding,
        before=gathered.before,
        vendor=gathered.vendor,
        texts=gathered.texts,
        arguments=gathered.arguments,
        now=company.clock.now(),
        today=company.clock.today(),
        ability=ability_of(company.platform, write.needed(prepared)),
        closed_up_to=closed_up_to,
    )


async def _gather_members(
    write: Write[Any], members: tuple[PreparedWrite, ...], company: Company, policy: Policy | None
) -> tuple[Facts[Any], ...]:
    """The facts of every member, a few at a time; the first error ends it."""
    gathered: dict[int, Facts[Any]] = {}
    failures: list[ApError] = []
    free = anyio.CapacityLimiter(_GATHERED_AT_ONCE)

    async def one(number: int) -> None:
        async with free:
            try:
                gathered[number] = await _gather_one(write, members[number], company, policy)
            except ApError as error:
                failures.append(error)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for number in range(len(members)):
            tasks.start_soon(one, number)
    if failures:
        raise failures[0]
    return tuple(gathered[number] for number in range(len(members)))


def judge(
    write: Write[Any],
    prepared: PreparedWrite,
    facts: Facts[Any],
    stored: StoreFacts,
    policy: Policy,
    *,
    without: Collection[SharedRule] = (),
) -> Judgement:
    """Applies every rule. Pure: the same request, facts and policy always get the same judgement.

    `without` names shared rules that a report about the past cannot apply; a write that is sent is judged by all.
    """
    company = policy.of(prepared.company_id).closed(facts.closed_up_to)
    spoken = [rule(prepared, facts.seen, company) for rule in write.rules]
    found = [one for one in spoken if one is not None]
    for shared in SHARED_RULES:
        if shared not in without:
            found += shared(write, prepared, facts, stored, company)
    adjusted = [*apply_policy(found, company), *base_findings(write, company)]
    ordered = tuple(sorted(adjusted, key=lambda f: (-f.severity, f.code)))
    return Judgement(ordered, policy.version, facts.fingerprint, _remembered(facts))


def apply_policy(found: Iterable[Finding], policy: Policy) -> Iterable[Finding]:
    """The findings with the severity the operator set, without those that are switched off."""
    adjusted = (policy.adjusted(one) for one in found)
    return (one for one in adjusted if one is not None)


def base_findings(write: Preparable, policy: Policy) -> list[Finding]:
    """What every call of this tool requires: the policy's setting, or else the write's own default."""
    severity = policy.asks_of(write.tool)
    if severity is None:
        severity = write.default_severity
    if severity is Severity.ALLOW:
        return []
    words = {
        Severity.ASK: "every call of this tool must be confirmed by a person",
        Severity.APPROVE: "every call of this tool needs a named approver",
        Severity.REFUSE: "the policy does not allow this tool",
    }
    return [finding(f"policy.{severity.word}", severity, words[severity])]


def _remembered(facts: Facts[Any]) -> Observations:
    mentioned_before = worth_remembering(facts.texts)
    if facts.vendor is None:
        return Observations(mentioned_before=mentioned_before)
    return Observations(facts.vendor.id, facts.vendor.details, facts.vendor.parts, mentioned_before)


_GATHERED_AT_ONCE = 4
# The most payments a question can list; nobody reads more than that in a chat.
CHAT_LINES_MAX = 6
_BILLS_NAMED_MAX = 3
# Reported once for a run, because they are the same for each of its lines.
_OF_THE_WHOLE = (
    "freeze.active",
    "payment.future_dated",
    "payment.other_year",
    "payment.quiet_hours",
    "platform.unsupported",
    "platform.undocumented",
)


def assess(
    tx: Tx,
    write: Write[Any] | Batch,
    prepared: PreparedWrite,
    facts: Facts[Any] | BatchFacts,
    policy: Policy,
    *,
    except_id: str | None = None,
    in_flight_states: Collection[State] = IN_FLIGHT_STATES,
    with_limits: bool = False,
) -> Judgement:
    """The judgement of a write given the ledger and the store now; `with_limits` includes the rolling limits."""
    if isinstance(write, Batch):
        assert isinstance(facts, BatchFacts)
        return _assess_batch(tx, write, prepared, facts, policy, in_flight_states)
    assert isinstance(facts, Facts)
    stored = store_facts(
        tx,
        write,
        prepared,
        facts,
        policy,
        except_id=except_id,
        in_flight_states=in_flight_states,
        with_limits=with_limits,
    )
    return judge(write, prepared, facts, stored, policy)


def _assess_batch(
    tx: Tx,
    batch: Batch,
    prepared: PreparedWrite,
    facts: BatchFacts,
    policy: Policy,
    in_flight_states: Collection[State],
) -> Judgement:
    """Judges each member as if it were alone, and the batch by its total.

    One release covers all of it, so the batch is at least as severe as its most severe member, its total is treated
    like the amount of one payment, and no rolling limit may be exceeded partway through.
    """
    parts, members = [], batch.members(prepared)
    for member, member_facts in zip(members, facts.members, strict=True):
        alone = assess(tx, batch.member, member, member_facts, policy, in_flight_states=in_flight_states)
        parts.append((member, alone))
    names = [bill_words(one.seen.bill) for one in facts.members]
    company = policy.of(prepared.company_id)
    found = [
        *_merged(names, [judgement for _, judgement in parts]),
        *apply_policy(_of_the_total(prepared, members, facts, company), company),
        *apply_policy(_over_limits(tx, prepared, members, company), company),
        *base_findings(batch, company),
    ]
    unique = {(one.code, one.message): one for one in found}
    ordered = tuple(sorted(unique.values(), key=lambda one: (-one.severity, one.code)))
    return Judgement(ordered, policy.version, facts.fingerprint, parts=tuple(parts))


def _merged(names: list[str], judgements: list[Judgement]) -> Iterator[Finding]:
    """The members' findings, merged by code and severity, with the bills they are about."""
    said: dict[tuple[str, Severity], list[str]] = {}
    for name, judgement in zip(names, judgements, strict=True):
        for one in judgement.findings:
            whole = one.code.startswith("policy.") or one.code in _OF_THE_WHOLE
            words = one.message if whole or one.message.startswith(f"{name} ") else f"{name}: {one.message}"
            said.setdefault((one.code, one.severity), []).append(words)
    for (code, severity), messages in said.items():
        distinct = list(dict.fromkeys(messages))
        more = len(distinct) - _BILLS_NAMED_MAX
        tail = f"; and {more} more" if more > 0 else ""
        yield finding(code, severity, "; ".join(distinct[:_BILLS_NAMED_MAX]) + tail)


def _of_the_total(
    prepared: PreparedWrite, lines: tuple[PreparedWrite, ...], facts: BatchFacts, policy: Policy
) -> Iterator[Finding]:
    if len(lines) > CHAT_LINES_MAX:
        yield approve("run.many_lines", f"{len(lines)} payments are too many to confirm in the chat")
    if len(lines) > 1:
        whole = amount_over_tier(replace(lines[0], money=prepared.money), facts.members[0].seen, policy)
        if whole is not None:
            yield finding(whole.code, whole.severity, f"in total, {whole.message}")


def _over_limits(
    tx: Tx, prepared: PreparedWrite, lines: tuple[PreparedWrite, ...], policy: Policy
) -> Iterator[Finding]:
    assert prepared.money is not None
    currency = prepared.money.currency
    by_vendor: dict[str, list[Money]] = {}
    for line in lines:
        assert line.money is not None
        by_vendor.setdefault(line.vendor_id or "", []).append(line.money)
    for code, words in windows_broken(tx, prepared.company_id, prepared.money, None, policy):
        yield refuse(code, words)
    for vendor_id, amounts in by_vendor.items():
        total = Money.total(amounts, currency)
        for code, words in windows_broken(tx, prepared.company_id, total, vendor_id, policy):
            if code == "amount.over_vendor_limit":
                yield refuse(code, words)
