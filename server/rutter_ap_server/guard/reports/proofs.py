"""What an evidence file proves by itself, without the store it came from: who signed the release of exactly what.

A file holds the statements that people were shown, the entries of the audit chain about it, and for each release with a
passkey the signature over the digests of the statement and of the write: whose books, and all that is written there.
Whoever changes one of them must forge that signature. The rest is what the store said, sealed by its own hash alone.
That a passkey is its approver's is said by the entry of its enrolment, and is as good as the witness named there: the
fingerprint is for comparing with one that is kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from rutter_ap_server.clock import unstamp
from rutter_ap_server.guard.judgement import digest_of_facts
from rutter_ap_server.guard.passkeys import Site, WrongAssertion, challenge_of, check_assertion, fingerprint_of
from rutter_ap_server.guard.prepared import PreparedWrite, amount_told
from rutter_ap_server.guard.statement import NEEDED, needed_words
from rutter_ap_server.guard.writes.base import Batch
from rutter_ap_server.guard.writes.payment_run_words import PAYMENTS_TITLE, WILL_NOT_BE_PAID
from rutter_ap_server.guard.writes.registry import proposed_by
from rutter_ap_server.guard.writes.wording import plain
from rutter_ap_server.store.audit import Entry
from rutter_ap_server.store.canonical import canonical, digest
from rutter_ap_server.store.check import said_by

# What a proposal's part of the file holds of its write, as `told` tells it.
_TOLD = ("id", "tool", "summary", "company", "environment", "intent", "amount")
# What a signed statement says of what was released.
_SHOWN = ("Action", "Company", "Environment")
_PEOPLE_MAX = 2


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A release that its file proves. `key` is the fingerprint of the passkey, and `witness` who vouched for it.

    `at` is when its approver was asked to sign, `released` what their statement said of what they release, and `needed`
    how many people it said must.
    """

    approver: str
    approver_id: str
    at: str
    key: str
    origin: str
    statement: str
    witness: str
    needed: int
    released: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a file proves; `problems` is empty if it is whole. `unsigned` are releases that it only tells of."""

    problems: tuple[str, ...]
    signed: tuple[SignedRelease, ...]
    unsigned: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the file is whole, every release in it is signed, and there are as many as it needed."""
        return not self.problems and bool(self.signed) and not self.unsigned


class _Broken(Exception):
    """A part of the file does not fit; the message is ours."""


def seal(gathered: Mapping[str, Any]) -> str:
    """The SHA-256 of a whole file without its seal, by which a part that nobody signed is seen to be changed."""
    rest = {name: value for name, value in gathered.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def check_evidence(evidence: Any, *, origins: Collection[str] = (), keys: Collection[str] = ()) -> Proof:
    """Checks a file. With `origins` or `keys`, signatures of other desks or passkeys are problems."""
    problems, signed, unsigned = list[str](), list[SignedRelease](), list[str]()
    try:
        if seal(evidence) != evidence["sha256"]:
            problems.append("the file was changed since it was written")
        for problem in (*_of_entries(evidence), *_of_statements(evidence)):
            problems.append(problem)
        for approval in evidence["approvals"]:
            _check_approval(evidence, approval, origins, keys, problems, signed, unsigned)
        if not problems:
            problems += _of_people(evidence, signed, unsigned)
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RuntimeError):
        problems.append("it is no evidence file of this version, or a part of it is missing")
    return Proof(tuple(problems), tuple(signed), tuple(unsigned))


def _of_entries(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Entries that are not what their hash says, or are of another proposal."""
    ours = (evidence["proposal"]["id"], evidence["proposal"]["run_id"])
    audit = [_entry(one) for one in evidence["audit"]]
    for one in (*audit, *(_entry(one) for part in ("releases", "enrolments") for one in evidence[part])):
        if one.computed() != one.hash:
            yield f"entry {int(one.seq)} of the audit chain was changed"
    for before, after in pairwise(audit):
        if before.seq >= after.seq or (before.seq + 1 == after.seq and before.hash != after.previous):
            yield f"entry {int(after.seq)} of the audit chain is out of place"
    if any(one.proposal_id != ours[0] for one in audit):
        yield "an entry of the audit chain is about another proposal"
    # What became of a run is counted up from its lines, and its entry holds no record.
    posted = [said_by(one.body) for one in audit if one.kind == "posted"]
    if posted and "record" in posted[-1] and posted[-1]["record"] != evidence["record"]:
        yield "the record is another one than was posted"


def _of_statements(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Statements that are not what their digest says, or are about something else than the proposal."""
    proposal = evidence["proposal"]
    for one in evidence["shown_to_approvers"]:
        if digest(one["sections"]) != one["digest"]:
            yield "a statement that was shown is another one than its digest says"
        if _labelled(one["sections"][0])["Id"] not in (proposal["id"], proposal["run_id"]):
            yield "a statement that was shown is of another proposal"


def _of_people(evidence: Mapping[str, Any], signed: Sequence[SignedRelease], unsigned: Sequence[str]) -> Iterator[str]:
    """Whether different people released it, and as many as what they signed says, or the file."""
    people = {one.approver_id for one in signed}
    if len(people) < len(signed):
        yield "one release is told twice"
    needed = max(evidence["proposal"]["approvals_needed"], 1, *(one.needed for one in signed))
    if len(people) + len(unsigned) < needed:
        yield f"the file holds {len(people) + len(unsigned)} of the {needed} releases that it needed"


def _check_approval(
    evidence: Mapping[str, Any],
    approval: Mapping[str, Any],
    origins: Collection[str],
    keys: Collection[str],
    problems: list[str],
    signed: list[SignedRelease],
    unsigned: list[str],
) -> None:
    name = str(approval["approver"])
    entry = next((one for one in map(_entry, evidence["releases"]) if _tells_of(one, approval)), None)
    if entry is None:
        if approval["channel"] != "chat":
            problems.append("the audit chain does not tell of a release")
        unsigned.append(name)
        return
    signature = said_by(entry.body).get("signature")
    if signature is None:
        unsigned.append(name)
        return
    try:
        signed.append(_release(evidence, approval, entry, signature, origins, keys))
    except (_Broken, WrongAssertion) as error:
        problems.append(f"a signature proves nothing: {error}")


def _tells_of(entry: Entry, approval: Mapping[str, Any]) -> bool:
    said = said_by(entry.body)
    return (entry.actor, said.get("approver_id"), said.get("statement"), said.get("channel")) == (
        approval["approver"],
        approval["approver_id"],
        approval["statement"],
        approval["channel"],
    )


def _release(
    evidence: Mapping[str, Any],
    approval: Mapping[str, Any],
    entry: Entry,
    signature: Mapping[str, Any],
    origins: Collection[str],
    keys: Collection[str],
) -> SignedRelease:
    decision, key = signature["decision"], fingerprint_of(signature["public_key"])
    site = Site(signature["origin"], signature["rp_id"])
    host = urlsplit(site.origin).hostname or ""
    if (origins and site.origin not in origins) or not (host == site.rp_id or host.endswith(f".{site.rp_id}")):
        raise _Broken("it was made at another desk")
    if keys and key not in keys:
        raise _Broken("it is by another passkey")
    answer = {
        "id": signature["credential_id"],
        "response": {
            "clientDataJSON": signature["client_data"],
            "authenticatorData": signature["authenticator_data"],
            "signature": signature["signature"],
        },
    }
    check_assertion(json.dumps(answer), challenge=challenge_of(decision), site=site, public_key=signature["public_key"])
    if decision["act"] != "release" or decision["about"] != entry.proposal_id:
        raise _Broken("it is no release of this proposal")
    if decision["form"]["digest"] != approval["statement"]:
        raise _Broken("it is over another statement")
    shown = [one["sections"] for one in evidence["shown_to_approvers"] if one["digest"] == approval["statement"]]
    if not shown or _labelled(shown[0][0])["Id"] != entry.proposal_id:
        raise _Broken("the statement that it is over is not in the file")
    write, covers = _signed_for(evidence, approval, entry.proposal_id)
    if decision["form"]["facts"] != digest_of_facts(write, covers):
        raise _Broken("it is over another write, or over other facts")
    is_line = entry.proposal_id != evidence["proposal"]["id"]
    row = _line(evidence["proposal"], write, shown[0]) if is_line else ()
    if datetime.fromisoformat(approval["at"]) < unstamp(decision["at"]):
        raise _Broken("it was made later than it is said to be")
    if (decision["approver_id"], decision["approver"]) != (approval["approver_id"], approval["approver"]):
        raise _Broken("it is somebody else's")
    enrolled = [said_by(one.body) for one in map(_entry, evidence["enrolments"]) if one.kind == "passkey_added"]
    whose = [one for one in enrolled if one.get("public_key") == signature["public_key"]]
    if [one["approver_id"] for one in whose] != [decision["approver_id"]]:
        raise _Broken("its passkey was not enrolled by that approver")
    heading = _labelled(shown[0][0])
    return SignedRelease(
        approver=decision["approver"],
        approver_id=decision["approver_id"],
        at=decision["at"],
        key=key,
        origin=site.origin,
        statement=approval["statement"],
        witness=str(whose[0]["witness"]),
        needed=_needed(shown[0]),
        released=(*((name, str(heading[name])) for name in _SHOWN), *row),
    )


def _signed_for(
    evidence: Mapping[str, Any], approval: Mapping[str, Any], about: str | None
) -> tuple[dict[str, Any], list[str]]:
    """The write that a release is of, and what it covers: those of the proposal, or of the run that it is a line of."""
    proposal, run = evidence["proposal"], evidence["run"]
    if about == proposal["id"]:
        return {name: proposal[name] for name in _TOLD}, approval["covers"]
    if about != proposal["run_id"] or about != run["id"]:
        raise _Broken("it is of another proposal")
    same = ("approver_id", "statement")
    given = [one for one in run["approvals"] if all(one[name] == approval[name] for name in same)]
    if not given:
        raise _Broken("the release of the run is not in the file")
    return {name: run[name] for name in _TOLD}, given[0]["covers"]


def _line(line: Mapping[str, Any], run: Mapping[str, Any], sections: Sequence[Any]) -> tuple[tuple[str, str]]:
    """What the signed statement of a run says of one line; its id was given when the run was opened."""
    batch = proposed_by(run["tool"])
    if not isinstance(batch, Batch):
        raise _Broken("it is of no run")
    whole = PreparedWrite(tool=run["tool"], company_id="", fields=run["intent"], digest="", summary=run["summary"])
    expected = [
        {
            **{name: run[name] for name in ("company", "environment")},
            "tool": batch.member.tool,
            "summary": one.summary,
            "intent": one.fields,
            "amount": amount_told(one.money),
        }
        for one in batch.members(whole)
    ]
    if {name: line[name] for name in _TOLD if name != "id"} not in expected:
        raise _Broken("the run that was released has no such line")
    bill, payee = (plain(line["intent"][name]) for name in ("bill_id", "vendor_id"))
    amount = f"{line['amount']['amount']} {line['amount']['currency']}"
    for row in (row for one in sections if one["title"] == PAYMENTS_TITLE for row in one["rows"]):
        if row[0] == amount and payee in row[1] and bill in row[2] and not row[-1].startswith(WILL_NOT_BE_PAID):
            return (("Payment", f"{row[0]} to {row[1]}, bill {row[2]}"),)
    raise _Broken("the run that was released does not pay this bill")


def _needed(sections: Sequence[Any]) -> int:
    """How many people must release it, as a statement says."""
    words = _labelled(sections[-1])[NEEDED]
    found = [people for people in range(_PEOPLE_MAX + 1) if needed_words(people) == words]
    if not found:
        raise _Broken("its statement does not say how many people must release it")
    return found[0]


def _labelled(section: Mapping[str, Any]) -> dict[str, str]:
    return dict(tuple(row[:2]) for row in section["rows"])


def _entry(one: Mapping[str, Any]) -> Entry:
    kept = {name: one[name] for name in Entry.__slots__ if name != "body"}
    return Entry(body=canonical(one["body"]), **kept)
