"""What an evidence file proves by itself, without the store it came from: who signed the release of exactly what.

A file holds the statements that people were shown, the entries of the audit chain about it, and for each release with a
passkey the signature over the statement's digest. Whoever changes a part of it must forge that signature. That a
passkey is its approver's is said by the entry of its enrolment, and is as good as the witness named there: the
fingerprint is for comparing with one that is kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from rutter_ap_server.guard.passkeys import Site, WrongAssertion, challenge_of, check_assertion, fingerprint_of
from rutter_ap_server.store.audit import Entry
from rutter_ap_server.store.canonical import canonical, digest
from rutter_ap_server.store.check import said_by


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A release that its file proves. `key` is the fingerprint of the passkey, and `witness` who vouched for it."""

    approver: str
    at: str
    key: str
    origin: str
    statement: str
    witness: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a file proves; `problems` is empty if it is whole. `unsigned` are releases that it only tells of."""

    problems: tuple[str, ...]
    signed: tuple[SignedRelease, ...]
    unsigned: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the file is whole and every release in it is signed, and there is one."""
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
        if not evidence["approvals"]:
            problems.append("nobody released it")
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
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
    posted = [said_by(one.body).get("record") for one in audit if one.kind == "posted"]
    if posted and posted[-1] != evidence["record"]:
        yield "the record is another one than was posted"


def _of_statements(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Statements that are not what their digest says, or are about something else than the proposal."""
    proposal = evidence["proposal"]
    for one in evidence["shown_to_approvers"]:
        if digest(one["sections"]) != one["digest"]:
            yield "a statement that was shown is another one than its digest says"
        said = dict(tuple(row[:2]) for row in one["sections"][0]["rows"])
        if said["Id"] not in (proposal["id"], proposal["run_id"]):
            yield "a statement that was shown is of another proposal"
        elif said["Id"] == proposal["id"] and said["Action"] != proposal["summary"]:
            yield "the summary is another one than was shown"


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
    shown = [one for one in evidence["shown_to_approvers"] if one["digest"] == approval["statement"]]
    if not shown or dict(tuple(row[:2]) for row in shown[0]["sections"][0]["rows"])["Id"] != entry.proposal_id:
        raise _Broken("the statement that it is over is not in the file")
    is_its_own = entry.proposal_id == evidence["proposal"]["id"]
    if is_its_own and decision["form"]["facts"] != digest(sorted(approval["covers"])):
        raise _Broken("it is over other facts")
    if (decision["approver_id"], decision["approver"]) != (approval["approver_id"], approval["approver"]):
        raise _Broken("it is somebody else's")
    enrolled = [said_by(one.body) for one in map(_entry, evidence["enrolments"]) if one.kind == "passkey_added"]
    whose = [one for one in enrolled if one.get("public_key") == signature["public_key"]]
    if [one["approver_id"] for one in whose] != [decision["approver_id"]]:
        raise _Broken("its passkey was not enrolled by that approver")
    return SignedRelease(
        decision["approver"], approval["at"], key, site.origin, approval["statement"], str(whose[0]["witness"])
    )


def _entry(one: Mapping[str, Any]) -> Entry:
    kept = {name: one[name] for name in Entry.__slots__ if name != "body"}
    return Entry(body=canonical(one["body"]), **kept)
