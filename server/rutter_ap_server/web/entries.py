"""The entries of the audit chain in words, for people who were not there."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rutter_ap_server.clock import unstamp
from rutter_ap_server.store.audit import Entry
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.text import clean

_NAME_CHARACTERS_MAX = 120
_VERSION_CHARACTERS = 12
_VERDICTS = {one.word: one.label for one in Severity}
# What each kind of entry says after the name of who did it; in braces, what it says of itself.
WORDS = {
    "proposed": "proposed a write ({tool})",
    "judged": "judged it: {verdict}",
    "approved": "released it ({channel})",
    "answered": "brought the answer to the question: {answer}",
    "released": "let it be sent ({channel})",
    "release_void": "voided its releases, because something changed",
    "attempt": "sent it to Rutter",
    "enrolment_link": "made a link by which somebody enrols {name}",
    "payment_taken_out": "took the payment of bill {bill} out of the run {run}",
    "passkey_added": "added a passkey for {name}, witnessed by {witness}",
    "passkey_removed": "took a passkey back",
    "passkey_refused": "refused a passkey: {reason}",
    "codes_on": "turned codes from an app on",
    "codes_off": "turned codes from an app off",
    "posted": "found it in the ledger",
    "failed": "found that it was not booked ({code})",
    "not_booked": "looked again and found that it was not booked",
    "unknown": "could not find out whether it was booked ({reason})",
    "postponed": "did not send it yet; its release stays valid",
    "refused": "refused it",
    "declined": "declined it ({channel}): {reason}",
    "withdrawn": "took it back ({channel}) {reason}",
    "expired": "let it expire: its time was up",
    "superseded": "replaced it by a payment run that pays its bill",
    "line_skipped": "left out a line of a run that another proposal pays",
    "run_opened": "opened a payment run of {lines} payments",
    "frozen": "stopped all writes",
    "unfrozen": "allowed writes again",
    "signed_in": "signed in at the desk",
    "signed_out_everywhere": "signed out everywhere",
    "passcode_wrong": "was given a wrong passcode for {name}",
    "passcode_in_use": "was refused a new passcode that somebody has already",
    "approver_added": "added {name} as an approver",
    "approver_removed": "removed the approver {name}",
    "approver_passcode_changed": "gave {name} a new passcode",
    "policy_changed": "put another policy in force ({version})",
    "policy_reset": "went back to the built-in policy",
    "connection_started": "began to connect a company, {name}",
    "connection_linked": "found that {name} was connected ({platform})",
    "connection_adopted": "took over the connection of {name}",
    "connection_renamed": "renamed a company to {name}",
    "connection_removed": "removed the connection of {name}",
    "connection_signed_in": "found that somebody signed in again",
    "connection_token_fetched": "fetched a new access token of a connection",
    "connection_link_shown": "opened the page for signing in to a company ({channel})",
    "ledger_linked_twice": "found a ledger that is connected twice",
    "ledger_reconnected": "moved a ledger to a new connection",
    "secrets_resealed": "encrypted the stored secrets anew",
}


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One entry of the audit chain: who did what when, and all that it says."""

    seq: int
    at: str
    actor: str
    words: str
    proposal_id: str
    details: tuple[tuple[str, str], ...]


def history_row(entry: Entry) -> HistoryRow:
    """An entry with what it says, each value on one line; what was edited by hand is shown as far as it can be read."""
    try:
        at, body = f"{unstamp(entry.at):%Y-%m-%d %H:%M:%S} UTC", dict(json.loads(entry.body))
    except (ValueError, TypeError):
        at, body = clean(str(entry.at), 40), {"it cannot be read": str(entry.body)}
    kind = str(entry.kind)
    details = [(name, _plain(value)) for name, value in body.items() if value not in (None, "", [])]
    return HistoryRow(
        entry.seq,
        at,
        clean(str(entry.actor), _NAME_CHARACTERS_MAX),
        _words(kind, body),
        str(entry.proposal_id or ""),
        (("kind", clean(kind, 60)), *((clean(str(name), 60), text) for name, text in details if text)),
    )


def _words(kind: str, body: Mapping[str, Any]) -> str:
    said = defaultdict(lambda: "?", {name: clean(_plain(value), 200) for name, value in body.items()})
    said["verdict"] = _VERDICTS.get(said["verdict"], said["verdict"])
    said["version"] = said["version"][:_VERSION_CHARACTERS]
    words = WORDS.get(kind)
    # A kind that a later version writes, or somebody's hand, says what it is called.
    return clean(words.format_map(said), 1000) if words is not None else clean(kind, 60).replace("_", " ")


def _plain(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(clean(one, 200) for one in value)
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 2000)
