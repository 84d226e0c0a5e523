"""`rutter-ap proposals watch`: what waits for a person, and what becomes of it, a line each as it happens."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import AS_JSON
from rutter_ap_server.cli.output import line
from rutter_ap_server.cli.proposal_table import ID_CHARACTERS
from rutter_ap_server.cli.running import app_command
from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.audit import Entry
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.people import for_people
from rutter_ap_tools.text import clean

_LOOK_SECONDS = 1.0
# What people are told of the entries of the audit chain; the others are steps between.
_TOLD = (
    "proposed",
    "approved",
    "declined",
    "withdrawn",
    "expired",
    "superseded",
    "posted",
    "failed",
    "unknown",
    "frozen",
    "unfrozen",
)
_EVENT_CHARACTERS = max(map(len, _TOLD))


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, or that waits as the watch begins (`held`); a freeze is of no proposal."""

    at: str
    name: str
    by: str
    proposal: Proposal | None = None
    released: int = 0

    @property
    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        shown: dict[str, Any] = {"at": self.at, "event": self.name, "by": self.by}
        one = self.proposal
        if one is None:
            return shown
        return shown | {
            "proposal_id": one.id,
            "run_id": one.run_id,
            "state": one.state,
            "summary": one.summary,
            "company": one.company_name,
            "environment": one.environment,
            "approvals": self.released,
            "approvals_needed": one.approvals_needed,
        }

    @property
    def words(self) -> str:
        """For people, on one line."""
        when = _time_of(self.at)
        one = self.proposal
        if one is None:
            return f"{when}  {self.name:{_EVENT_CHARACTERS}}  all writes, by {clean(self.by, 60)}"
        people = f" {self.released} of {one.approvals_needed} released it;" if one.approvals_needed else ""
        where = f"{clean(one.company_name, 60)} ({one.environment})"
        what = for_people(clean(one.summary, 1000))
        return f"{when}  {self.name:{_EVENT_CHARACTERS}}  {one.id[:ID_CHARACTERS]}  {what};{people} {where}"


def _time_of(at: str) -> str:
    """The time of day; as it stands, if it was edited by hand."""
    try:
        return f"{unstamp(at):%H:%M:%S}"
    except (ValueError, TypeError):
        return clean(str(at), 20)


@app_command(AS_JSON)
async def watch(app: App, given: argparse.Namespace) -> int:
    """Says what waits, then each change in this store, by whichever process, until it is interrupted."""

    def begin(tx: Tx) -> tuple[list[Event], int]:
        held = reversed(tx.proposals.in_states([State.HELD]))
        waiting = [_waiting(tx, one) for one in held if one.expires_at > tx.now]
        return waiting, tx.audit.anchor().seq

    events, seen = await app.store.read(begin)
    while True:
        for one in events:
            line(json.dumps(one.as_json, ensure_ascii=False) if given.json else one.words)
        # Whoever reads this in a pipe reads it as it happens.
        sys.stdout.flush()
        await anyio.sleep(_LOOK_SECONDS)
        events, seen = await app.store.read(partial(_since, seq=seen))


def _waiting(tx: Tx, one: Proposal) -> Event:
    return Event(stamp(one.created_at), State.HELD, one.preparer, one, len(tx.proposals.approvals(one.id)))


def _since(tx: Tx, seq: int) -> tuple[list[Event], int]:
    return [_event(tx, entry) for entry in tx.audit.after(seq) if entry.kind in _TOLD], tx.audit.anchor().seq


def _event(tx: Tx, entry: Entry) -> Event:
    one = tx.proposals.get(entry.proposal_id) if entry.proposal_id else None
    if one is None:
        return Event(str(entry.at), entry.kind, str(entry.actor))
    waits = entry.kind == "proposed" and one.state == State.HELD
    name = State.HELD if waits else entry.kind
    return Event(str(entry.at), name, str(entry.actor), one, len(tx.proposals.approvals(one.id)))
