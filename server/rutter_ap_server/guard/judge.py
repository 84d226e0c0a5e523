"""Judging: every rule is applied, all findings are kept, and the most severe one is the verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from rutter_ap_server.guard.gathering import BatchFacts
from rutter_ap_server.guard.judgement import Judgement, Observations
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.released_sums import paid_together, payee_of
from rutter_ap_server.guard.shared_rules import SHARED_RULES, SharedRule
from rutter_ap_server.guard.statement import judged_sections
from rutter_ap_server.guard.store_facts import StoreFacts, store_facts, windows_broken
from rutter_ap_server.guard.untrusted import worth_remembering
from rutter_ap_server.guard.vendor_history import may_have_come_back
from rutter_ap_server.guard.writes.base import (
    Batch,
    Facts,
    MemberWords,
    Preparable,
    Unchecked,
    Write,
    approve,
    finding,
    refuse,
)
from rutter_ap_server.guard.writes.parties import bill_words
from rutter_ap_server.guard.writes.pay_bill_rules import tier_of
from rutter_ap_server.guard.writes.wording import Description
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.states import IN_FLIGHT_STATES, State
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money

Checked = Finding | Unchecked | list[Finding] | None
"""What a rule returns: one of a write a finding at most, a shared one any number of them."""


def fingerprint_of(prepared: PreparedWrite, facts: Facts[Any], words: Description) -> str:
    """The hash of all that would be written, as it is sent and as people read it, and of the facts behind it."""
    return digest(
        {
            "tool": prepared.tool,
            "fields": prepared.fields,
            "words": [section.model_dump() for section in words.fields],
            "facts": facts.binding,
            "texts": [list(text) for text in facts.texts],
        }
    )


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
    company = policy.of(prepared.company_id, prepared.connection_id).closed(facts.closed_up_to)
    checks: list[tuple[str, Checked]] = [(rule.__name__, rule(prepared, facts.seen, company)) for rule in write.rules]
    checks += [
        (shared.__name__, shared(write, prepared, facts, stored, company))
        for shared in SHARED_RULES
        if shared not in without
    ]
    found, passed, unchecked = _sorted_out(checks)
    adjusted = [*apply_policy(found, company), *base_findings(write, company)]
    ordered = tuple(sorted(adjusted, key=lambda f: (-f.severity, f.code)))
    words = write.describe(prepared, facts)
    return Judgement(
        ordered,
        policy.version,
        fingerprint_of(prepared, facts, words),
        _remembered(facts, stored, company),
        passed=passed,
        unchecked=unchecked,
        sections=judged_sections(_with_period(words, write, prepared, facts, company), ordered, passed, unchecked),
    )


def _with_period(
    words: Description, write: Write[Any], prepared: PreparedWrite, facts: Facts[Any], company: Policy
) -> Description:
    """The words with the days on which entries appear or change, and where the closed period ends."""
    days = [one.day for one in write.dates(prepared, facts.seen).posted]
    if not days:
        return words
    closed = f"the books are closed through {company.closing_date}" if company.closing_date else "no closing date known"
    period = ("Period", f"entries on {', '.join(str(day) for day in sorted(set(days)))}; {closed}")
    return replace(words, follows=(*words.follows, period))


def _sorted_out(
    checks: Iterable[tuple[str, Checked]],
) -> tuple[list[Finding], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """What the checks found, those that found nothing, and those that could not be made."""
    found: list[Finding] = []
    passed, unchecked = [], []
    for rule, result in checks:
        name = rule.replace("_", " ")
        if isinstance(result, Unchecked):
            unchecked.append((name, result.why))
        elif not result:
            passed.append(name)
        else:
            found += result if isinstance(result, list) else [result]
    return found, tuple(passed), tuple(unchecked)


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


def _remembered(facts: Facts[Any], stored: StoreFacts, policy: Policy) -> Observations:
    mentioned_before, vendor = worth_remembering(facts.texts), facts.vendor
    documents = (*facts.remembers, *(facts.compared.to_remember if facts.compared is not None else ()))
    if vendor is None:
        return Observations(mentioned_before=mentioned_before, documents=documents)
    again = may_have_come_back(vendor, stored.sightings, facts.now, timedelta(days=policy.rules.cooling_days))
    return Observations(
        vendor.id,
        vendor.details,
        vendor.parts,
        mentioned_before,
        again,
        vendor.keys,
        vendor.updated_at,
        documents,
    )


# The most payments a question can list; nobody reads more than that in a chat.
CHAT_LINES_MAX = 6
# Reported once for a run, because they are the same for each of its lines.
_OF_THE_WHOLE = (
    "clock.skewed",
    "freeze.active",
    "payment.future_dated",
    "payment.other_year",
    "payment.quiet_hours",
    "platform.unsupported",
    "platform.undocumented",
    "platform.condition",
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
    beside: Money | None = None,
) -> Judgement:
    """The judgement of a write given the ledger and the store now; `with_limits` includes the rolling limits.

    `beside` is what the other payments of the same run pay to its vendor.
    """
    if isinstance(write, Batch):
        assert isinstance(facts, BatchFacts)
        return _assess_batch(tx, write, prepared, facts, policy, except_id, in_flight_states)
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
        beside=beside,
    )
    return judge(write, prepared, facts, stored, policy)


def _assess_batch(
    tx: Tx,
    batch: Batch,
    prepared: PreparedWrite,
    facts: BatchFacts,
    policy: Policy,
    except_id: str | None,
    in_flight_states: Collection[State],
) -> Judgement:
    """Judges each member as if it were alone, and the batch by its total.

    One release covers all of it, so the batch is at least as severe as its most severe member, its total is treated
    like the amount of one payment, and no rolling limit may be exceeded partway through.
    """
    judged = []
    known_members = tuple(zip(batch.members(prepared), facts.members, strict=True))
    paid = [member for member, known in known_members if batch.settled(known) is None]
    payees = {member.vendor_id: payee_of(tx, member, known.vendor) for member, known in known_members}
    together = {of: paid_together(paid, of, paid[0]) for of in set(payees.values())} if paid else {}
    for member, known in known_members:
        alone = assess(
            tx,
            batch.member,
            member,
            known,
            policy,
            except_id=except_id,
            in_flight_states=in_flight_states,
            beside=_beside(member, together.get(payees[member.vendor_id]), is_paid=batch.settled(known) is None),
        )
        judged.append((member, known, alone, batch.settled(known)))
    # If all of them are settled there is nothing to skip to: each says why it cannot be paid.
    left = [one for one in judged if one[3] is None] or judged
    words = batch.describe(
        prepared,
        [MemberWords(member, known, alone.findings, skipped) for member, known, alone, skipped in judged],
    )
    parts = tuple((member, alone) for member, _, alone, _ in left)
    company = policy.of(prepared.company_id, prepared.connection_id)
    total = Money.total((member.money for member, _ in parts if member.money is not None), prepared.fields["currency"])
    whole, members = replace(prepared, money=total), tuple(member for member, _ in parts)
    of_the_whole = (
        *apply_policy(_of_the_total(total, len(parts), company), company),
        *apply_policy(_over_limits(tx, whole, members, payees, company), company),
        *base_findings(batch, company),
    )
    named = [(bill_words(known.seen.bill), alone) for _, known, alone, _ in left]
    found = [*_merged(named), *of_the_whole]
    unique = {(one.code, one.message): one for one in found}
    ordered = tuple(sorted(unique.values(), key=lambda one: (-one.severity, one.code)))
    passed = tuple(name for name in parts[0][1].passed if all(name in alone.passed for _, alone in parts))
    unchecked = dict.fromkeys(one for _, alone in parts for one in alone.unchecked)
    return Judgement(
        ordered,
        policy.version,
        digest(
            {
                "fields": prepared.fields,
                "lines": sorted(f"{member.digest}:{alone.fingerprint}" for member, alone in parts),
            }
        ),
        parts=parts,
        passed=passed,
        unchecked=tuple(unchecked),
        sections=judged_sections(words, ordered, passed, tuple(unchecked)),
        of_the_whole=of_the_whole,
    )


def _beside(member: PreparedWrite, together: Money | None, *, is_paid: bool) -> Money | None:
    """What the other payments of a run pay to a member's vendor, of what all of them pay to it together."""
    if together is None or not is_paid or member.vendor_id is None or member.money is None:
        return together
    return together - member.money


def _merged(named: list[tuple[str, Judgement]]) -> Iterator[Finding]:
    """The members' findings, merged by code and severity; bills with the same finding are named together."""
    said: dict[tuple[str, Severity], dict[str, list[str]]] = {}
    for name, judgement in named:
        for one in judgement.findings:
            of_code = said.setdefault((one.code, one.severity), {})
            whole = one.code.startswith("policy.") or one.code in _OF_THE_WHOLE
            if whole or one.message.startswith(f"{name} "):
                of_code.setdefault(one.message, [])
            else:
                of_code.setdefault(one.message, []).append(name)
    for (code, severity), messages in said.items():
        parts = (f"{', '.join(bills)}: {message}" if bills else message for message, bills in messages.items())
        yield finding(code, severity, "; ".join(parts))


def _of_the_total(total: Money, lines: int, policy: Policy) -> Iterator[Finding]:
    if lines > CHAT_LINES_MAX:
        yield approve("run.many_lines", f"{lines} payments are too many to confirm in the chat")
    if lines > 1:
        whole = tier_of(total, policy)
        if whole is not None:
            yield finding(whole.code, whole.severity, f"in total, {whole.message}")


def _over_limits(
    tx: Tx,
    prepared: PreparedWrite,
    lines: tuple[PreparedWrite, ...],
    payees: Mapping[str | None, frozenset[str]],
    policy: Policy,
) -> Iterator[Finding]:
    assert prepared.money is not None
    for code, words in windows_broken(tx, prepared.company_id, prepared.money, None, policy):
        yield refuse(code, words)
    for vendor_ids in {payees[line.vendor_id] for line in lines}:
        total = paid_together(lines, vendor_ids, prepared)
        for code, words in windows_broken(tx, prepared.company_id, total, vendor_ids, policy):
            if code == "amount.over_vendor_limit":
                yield refuse(code, words)
