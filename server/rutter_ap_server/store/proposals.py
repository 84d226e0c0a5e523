"""Proposals and their approvals: the prepared write of a proposal never changes, only its state does."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, bindparam, select, update

from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.store.canonical import canonical
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.proposal_rows import (
    IN_CHAT,
    STATE_NAMES,
    Approval,
    LeaseTaken,
    Proposal,
    approval_in,
    findings_text,
    proposal_in,
    row_of,
)
from rutter_ap_server.store.ready import WORDINGS_MAX, Ready, changing, one_of
from rutter_ap_server.store.schema import approvals, proposals, statements
from rutter_ap_server.store.states import OPEN_STATES, SENDING_STATES, State
from rutter_ap_server.store.witness import PROPOSALS
from rutter_ap_tools.findings import Finding, Severity

__all__ = ["IN_CHAT", "Approval", "LeaseTaken", "Proposal", "Proposals"]

_ONE = proposals.c.id == bindparam("own")
_BY_ID = Ready(PROPOSALS.where(_ONE))
_SAME = (proposals.c.company_id == bindparam("company")) & (proposals.c.digest == bindparam("same"))
_OPEN = Ready(PROPOSALS.where(_SAME, one_of(proposals.c.state, OPEN_STATES)))
_LATEST = Ready(PROPOSALS.where(_SAME).order_by(proposals.c.created_at.desc()).limit(1))
_POSTED_SINCE = Ready(
    PROPOSALS.where(_SAME, proposals.c.state == State.POSTED.value, proposals.c.updated_at >= bindparam("since"))
)
_OF_RUN = Ready(PROPOSALS.where(proposals.c.run_id == bindparam("run")))
_ITS_APPROVALS = approvals.c.proposal_id == bindparam("own")
_VALID = Ready(select(approvals).where(_ITS_APPROVALS, approvals.c.voided_at.is_(None)).order_by(approvals.c.id))
_LAST_VOIDED = Ready(
    select(approvals).where(_ITS_APPROVALS, approvals.c.voided_at.is_not(None)).order_by(approvals.c.id.desc()).limit(1)
)
_VOID = changing(approvals, _ITS_APPROVALS & approvals.c.voided_at.is_(None), ("voided_at",))
_JUDGED = changing(
    proposals,
    _ONE,
    (
        "findings",
        "verdict",
        "approvals_needed",
        "fingerprint",
        "policy_version",
        "statement",
        "requires",
        "updated_at",
    ),
)
_SENDING = _ONE & one_of(proposals.c.state, SENDING_STATES)
_LEASE = Ready(select(proposals.c.lease_owner, proposals.c.lease_until).where(_SENDING))
_RENEW = changing(proposals, _SENDING & (proposals.c.lease_owner == bindparam("held_by")), ("lease_until",))
_DROP_LEASE = changing(proposals, _ONE, ("lease_owner", "lease_until"))


class Proposals:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now
        # What was asked since the last write: the judgement of a run asks the same for each of its lines.
        self._asked: dict[tuple[Ready, str], list[Proposal]] = {}

    def add(self, proposal: Proposal) -> None:
        """Writes a new proposal. The database refuses a second open one with the same digest."""
        self._asked.clear()
        self._connection.add(proposals, row_of(proposal))

    def get(self, proposal_id: str) -> Proposal | None:
        """The proposal with that id."""
        return self._one(_BY_ID, {"own": proposal_id})

    def lease(self, proposal_id: str) -> LeaseTaken | None:
        """Which process is sending it, and until when; None if its outcome is not open."""
        row = self._connection.first(_LEASE, {"own": proposal_id})
        if row is None or row.lease_until is None:
            return None
        try:
            return LeaseTaken(row.lease_owner, unstamp(row.lease_until))
        except (ValueError, TypeError):
            # It was changed by hand, so that it is nobody's.
            return None

    def starting_with(self, prefix: str) -> list[Proposal]:
        """The proposals whose id starts with `prefix`: a person types only the first characters."""
        query = PROPOSALS.where(proposals.c.id.startswith(prefix, autoescape=True)).limit(5)
        return self._many(query)

    def open_with_digest(self, company_id: str, digest: str) -> Proposal | None:
        """The open proposal with that digest, if there is one."""
        return self._one(_OPEN, {"company": company_id, "same": digest})

    def latest_with_digest(self, company_id: str, digest: str) -> Proposal | None:
        """The newest proposal with that digest, open or closed."""
        return self._one(_LATEST, {"company": company_id, "same": digest})

    def posted_with_digest(self, company_id: str, digest: str, since: datetime) -> list[Proposal]:
        """The proposals with that digest that were posted since then."""
        return self._found(_POSTED_SINCE, {"company": company_id, "same": digest, "since": stamp(since)})

    def of_bill(self, company_id: str, bill_id: str, states: Collection[State]) -> list[Proposal]:
        """The proposals on one bill that are in one of the states."""
        return self._found(_of("bill_id", tuple(states)), {"company": company_id, "own": bill_id})

    def of_vendor(self, company_id: str, vendor_id: str, states: Collection[State]) -> list[Proposal]:
        """The proposals for one vendor that are in one of the states."""
        return self._found(_of("vendor_id", tuple(states)), {"company": company_id, "own": vendor_id})

    def of_company(self, company_id: str, states: Collection[State]) -> list[Proposal]:
        """A company's proposals that are in one of the states."""
        return self._once(_of("", tuple(states)), {"company": company_id, "own": ""})

    def of_tool(self, company_id: str, tool: str, states: Collection[State]) -> list[Proposal]:
        """A company's proposals by one tool that are in one of the states."""
        return self._once(_of("tool", tuple(states)), {"company": company_id, "own": tool})

    def of_connection(self, connection_id: str, states: Collection[State]) -> list[Proposal]:
        """The proposals made through one connection that are in one of the states, newest first."""
        c = proposals.c
        query = PROPOSALS.where(c.connection_id == connection_id, c.state.in_(list(states)))
        return self._many(query.order_by(c.created_at.desc()))

    def changed_since(
        self, company_id: str, states: Collection[State], since: datetime, tools: Collection[str] = ()
    ) -> list[Proposal]:
        """A company's proposals that came into one of the states since then, newest first; of these tools or all."""
        return self._found(_since(tuple(states), tuple(tools)), {"company": company_id, "since": stamp(since)})

    def of_run(self, run_id: str) -> list[Proposal]:
        """The payments of a payment run, in no particular order."""
        return self._found(_OF_RUN, {"run": run_id})

    def unasked_since(self, since: datetime | None) -> list[Proposal]:
        """All that was written without a release by a person, refused or failed since then: written first, then newest.

        Also lines of runs, but not those that were written with a run that nobody was asked about: the run says so.
        """
        c, run = proposals.c, proposals.alias("run")
        released = select(approvals.c.id).where(approvals.c.proposal_id == c.id, approvals.c.voided_at.is_(None))
        of_unasked_run = select(run.c.id).where(run.c.id == c.run_id, run.c.approvals_needed == 0)
        unasked = (c.state == State.POSTED) & ~released.exists() & ~of_unasked_run.exists()
        query = PROPOSALS.where(unasked | c.state.in_([State.REFUSED, State.FAILED]))
        if since is not None:
            query = query.where(c.updated_at > stamp(since))
        return self._many(query.order_by((c.state == State.POSTED).desc(), c.updated_at.desc()))

    def in_states(self, states: Collection[State], limit: int = 200) -> list[Proposal]:
        """Proposals in those states, newest first."""
        query = PROPOSALS.where(proposals.c.state.in_(states)).order_by(proposals.c.created_at.desc())
        return self._many(query.limit(limit))

    def listed(
        self,
        company_id: str,
        states: Collection[State],
        *,
        bill_id: str = "",
        after: tuple[str, str] | None = None,
        limit: int,
    ) -> list[Proposal]:
        """A company's proposals in those states, newest first; `after` is the time and id of the last one shown.

        A held proposal whose time is up counts as expired, even before it is marked so.
        """
        c, now = proposals.c, stamp(self._now)
        chosen = c.state.in_(list(states)) & ((c.state != State.HELD) | (c.expires_at > now))
        if State.EXPIRED in states:
            chosen = chosen | ((c.state == State.HELD) & (c.expires_at <= now))
        # What has no state that exists is damaged: it is shown, whatever is asked for.
        query = PROPOSALS.where(c.company_id == company_id, chosen | c.state.not_in(STATE_NAMES))
        if bill_id:
            query = query.where(c.bill_id == bill_id)
        if after is not None:
            query = query.where((c.created_at < after[0]) | ((c.created_at == after[0]) & (c.id < after[1])))
        return self._many(query.order_by(c.created_at.desc(), c.id.desc()).limit(limit))

    def move(
        self, proposal_id: str, from_states: Collection[State], to: str, *, held_by: str | None = None, **values: Any
    ) -> bool:
        """Changes the state if it is one of `from_states`; False when another process was quicker.

        `held_by` is the owner of the lease that must still be on it.
        """
        written = {"state": to, "updated_at": stamp(self._now), **values}
        moving = _move(tuple(from_states), tuple(written), is_held=held_by is not None)
        return bool(self._change(moving, {"own": proposal_id, "held_by": held_by, **written}))

    def update_judgement(
        self,
        proposal_id: str,
        *,
        findings: Collection[Finding],
        verdict: Severity,
        needed: int,
        fingerprint: str,
        policy: str,
        sections: Collection[dict[str, Any]],
        requires: Collection[str],
    ) -> None:
        """Writes a newer judgement; approvals that do not cover all it requires no longer count."""
        judged = {
            "findings": findings_text(findings),
            "verdict": verdict.word,
            "approvals_needed": needed,
            "fingerprint": fingerprint,
            "policy_version": policy,
            "statement": canonical(list(sections)),
            "requires": canonical(sorted(requires)),
            "updated_at": stamp(self._now),
        }
        self._change(_JUDGED, {"own": proposal_id, **judged})
        if any(not set(requires) <= one.covers for one in self.approvals(proposal_id)):
            self.void_approvals(proposal_id)

    def claim(self, proposal_id: str, owner: str, lease_seconds: int) -> bool:
        """Takes a released proposal for sending; only one process ever gets True."""
        until = stamp(self._now + timedelta(seconds=lease_seconds))
        return self.move(proposal_id, [State.RELEASED], State.DISPATCHING, lease_owner=owner, lease_until=until)

    def renew(self, proposal_id: str, owner: str, lease_seconds: int) -> bool:
        """Extends the lease of the process that is sending it; False when it has another owner or none."""
        until = stamp(self._now + timedelta(seconds=lease_seconds))
        return bool(self._change(_RENEW, {"own": proposal_id, "held_by": owner, "lease_until": until}))

    def take_over(self, proposal_id: str, owner: str, lease_seconds: int, gone: str | None = None) -> bool:
        """Takes over a proposal to find out its outcome: an unknown one, or one being sent whose lease has expired.

        `gone` is an owner whose lease need not expire first, because its process is known to have ended.
        """
        until = stamp(self._now + timedelta(seconds=lease_seconds))
        free = proposals.c.lease_until.is_(None) | (proposals.c.lease_until < stamp(self._now))
        if gone is not None:
            free = free | (proposals.c.lease_owner == gone)
        self._asked.clear()
        done = self._connection.execute(
            _update(proposal_id)
            .where(proposals.c.state.in_(SENDING_STATES), free)
            .values(lease_owner=owner, lease_until=until)
        )
        return bool(done.rowcount)

    def drop_lease(self, proposal_id: str) -> None:
        """Ends the lease of a proposal whose state stays as it is."""
        self._change(_DROP_LEASE, {"own": proposal_id, "lease_owner": None, "lease_until": None})

    def approve(
        self,
        proposal_id: str,
        approver: str,
        channel: str,
        fingerprint: str,
        *,
        covers: Collection[str],
        statement: str,
        approver_id: str | None = None,
    ) -> None:
        """Records one person's approval of all that `covers` names, after reading the statement with that digest.

        Only the chat's has no `approver_id`.
        """
        values = {
            "proposal_id": proposal_id,
            "approver": approver,
            "channel": channel,
            "fingerprint": fingerprint,
            "at": stamp(self._now),
            "covers": canonical(sorted(covers)),
            "statement": statement,
            "approver_id": approver_id,
        }
        self._connection.add(approvals, values)

    def approvals(self, proposal_id: str) -> tuple[Approval, ...]:
        """The approvals that still count."""
        return tuple(approval_in(row) for row in self._connection.run(_VALID, {"own": proposal_id}))

    def keep_statement(self, proposal_id: str, digest: str, body: str) -> None:
        """Keeps what a person was shown, once."""
        values = {"proposal_id": proposal_id, "digest": digest, "body": body, "at": stamp(self._now)}
        self._connection.add_once(statements, values)

    def statements(self, proposal_id: str) -> dict[str, str]:
        """Everything people were shown when they released it, by digest, the oldest first."""
        c = statements.c
        rows = self._connection.execute(select(statements).where(c.proposal_id == proposal_id).order_by(c.at, c.digest))
        return {row.digest: row.body for row in rows}

    def last_voided(self, proposal_id: str) -> Approval | None:
        """The newest approval that no longer counts."""
        row = self._connection.first(_LAST_VOIDED, {"own": proposal_id})
        return approval_in(row) if row is not None else None

    def void_approvals(self, proposal_id: str) -> None:
        """Voids every approval, because the facts changed."""
        self._connection.change(_VOID, {"own": proposal_id, "voided_at": stamp(self._now)})

    def void_approvals_by(self, approver_id: str) -> None:
        """Voids what a removed approver approved, where it is not sent yet; what was sent keeps its record."""
        c = approvals.c
        waiting = select(proposals.c.id).where(proposals.c.state.in_([State.HELD, State.RELEASED]))
        given = update(approvals).where(c.approver_id == approver_id, c.voided_at.is_(None))
        self._connection.execute(given.where(c.proposal_id.in_(waiting)).values(voided_at=stamp(self._now)))

    def _one(self, query: Ready, named: dict[str, Any]) -> Proposal | None:
        row = self._connection.first(query, named)
        return proposal_in(row) if row is not None else None

    def _once(self, query: Ready, named: dict[str, Any]) -> list[Proposal]:
        asked = (query, named["company"] + "\n" + named["own"])
        if asked not in self._asked:
            self._asked[asked] = self._found(query, named)
        return list(self._asked[asked])

    def _change(self, statement: Ready, values: dict[str, Any]) -> int:
        self._asked.clear()
        return self._connection.change(statement, values)

    def _found(self, query: Ready, named: dict[str, Any]) -> list[Proposal]:
        return [proposal_in(row) for row in self._connection.run(query, named)]

    def _many(self, query: Select[Any]) -> list[Proposal]:
        return [proposal_in(row) for row in self._connection.execute(query)]


def _in(states: tuple[str, ...]) -> ColumnElement[bool]:
    """Of the company, and in one of the states."""
    return (proposals.c.company_id == bindparam("company")) & one_of(proposals.c.state, states)


@lru_cache(maxsize=WORDINGS_MAX)
def _of(column: str, states: tuple[str, ...]) -> Ready:
    return Ready(PROPOSALS.where(_in(states), *([proposals.c[column] == bindparam("own")] if column else [])))


@lru_cache(maxsize=WORDINGS_MAX)
def _since(states: tuple[str, ...], tools: tuple[str, ...]) -> Ready:
    c = proposals.c
    query = PROPOSALS.where(_in(states), c.updated_at >= bindparam("since")).order_by(c.updated_at.desc())
    return Ready(query.where(one_of(c.tool, tools)) if tools else query)


@lru_cache(maxsize=WORDINGS_MAX)
def _move(from_states: tuple[str, ...], written: tuple[str, ...], *, is_held: bool) -> Ready:
    chosen = _ONE & one_of(proposals.c.state, from_states)
    return changing(
        proposals, chosen & (proposals.c.lease_owner == bindparam("held_by")) if is_held else chosen, written
    )


def _update(proposal_id: str) -> Update:
    return update(proposals).where(proposals.c.id == proposal_id)
