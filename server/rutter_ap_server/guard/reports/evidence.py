"""Evidence: everything about one payment that an auditor would ask for, as one JSON value."""

from __future__ import annotations

import json
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.prepared import told
from rutter_ap_server.guard.reports.proofs import seal
from rutter_ap_server.reads.bill_detail import bill_detail
from rutter_ap_server.store.attempts import Attempt
from rutter_ap_server.store.audit import Entry, Verification
from rutter_ap_server.store.check import said_by
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Approval, Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import ApError


async def gather_evidence(store: Store, proposal: Proposal, company: Company | None) -> dict[str, Any]:
    """The request, the guard's findings, who released it, what was sent, and what the ledger shows now.

    The audit entries include their hashes, each over its own content, and `chain` says whether the whole chain was
    intact when this was generated; `head` can be compared with an anchor kept elsewhere. Facts that cannot be read are
    marked, and so is the bill where there is no company to ask. What was released with a passkey proves itself:
    `proofs.py` checks it without a store.
    """

    def read(tx: Tx) -> tuple[tuple[Approval, ...], Attempt | None, list[Entry], Verification, list[Proposal]]:
        documents = []
        if proposal.bill_id is not None:
            on_bill = tx.proposals.of_bill(proposal.company_id, proposal.bill_id, [State.POSTED])
            documents = [p for p in on_bill if p.tool == "attach_file"]
        return (
            tx.proposals.approvals(proposal.id),
            tx.attempts.last(proposal.id),
            list(tx.audit.entries(proposal.id)),
            tx.audit.verify(),
            documents,
        )

    approvals, attempt, entries, chain, documents = await store.read(read)
    shown = await store.read(lambda tx: _shown(tx, proposal, approvals))
    run = await store.read(lambda tx: _run(tx, proposal))
    released, enrolled = await store.read(lambda tx: (_releases(tx, proposal), _enrolments(tx, approvals)))
    gathered = {
        "proposal": _proposal(proposal),
        "run": run,
        "approvals": _approvals(approvals),
        "releases": [_entry(entry) for entry in released],
        "enrolments": [_entry(entry) for entry in enrolled],
        "statement": list(proposal.sections),
        "shown_to_approvers": shown,
        "sending": _sending(attempt),
        "record": proposal.record,
        "documents": [{k: p.fields[k] for k in ("file_name", "sha256", "bytes")} for p in documents],
        "bill_now": await _bill_now(proposal, company),
        "audit": [_entry(entry) for entry in entries],
        "chain": {"holds": chain.holds, "entries": chain.entries, "head": chain.head},
    }
    return gathered | {"sha256": seal(gathered)}


def _approvals(approvals: tuple[Approval, ...]) -> list[dict[str, Any]]:
    return [
        {
            "approver": a.approver,
            "approver_id": a.approver_id,
            "channel": a.channel,
            "at": a.at.isoformat(),
            "statement": a.statement,
            "covers": sorted(a.covers),
        }
        for a in approvals
    ]


def _run(tx: Tx, line: Proposal) -> dict[str, Any] | None:
    """The run of a line, with what each release of it covers: it is what people signed."""
    run = tx.proposals.get(line.run_id) if line.run_id is not None else None
    return told(run) | {"approvals": _approvals(tx.proposals.approvals(run.id))} if run is not None else None


def _proposal(p: Proposal) -> dict[str, Any]:
    return told(p) | {
        "run_id": p.run_id,
        "approvals_needed": p.approvals_needed,
        "state": p.state,
        "digest": p.digest,
        "verdict": p.verdict.word,
        "findings": [finding.model_dump(mode="json") for finding in p.findings],
        "facts_fingerprint": p.fingerprint,
        "policy_version": p.policy_version,
        "preparer": p.preparer,
        "reason": p.reason,
        "closed_by": p.closed_by,
        "closed_reason": p.closed_reason,
        "created_at": p.created_at.isoformat(),
        "updated_at": p.updated_at.isoformat(),
    }


def _shown(tx: Tx, proposal: Proposal, approvals: tuple[Approval, ...]) -> list[dict[str, Any]]:
    """The whole statements people were shown when they released it; for a line of a run, those of the run."""
    kept = tx.proposals.statements(proposal.id) | (tx.proposals.statements(proposal.run_id) if proposal.run_id else {})
    digests = dict.fromkeys(one.statement for one in approvals if one.statement in kept)
    return [{"digest": one, "sections": json.loads(kept[one])} for one in digests]


def _releases(tx: Tx, proposal: Proposal) -> list[Entry]:
    """How people released it; for a line of a run also how they released the run."""
    ids = [one for one in (proposal.run_id, proposal.id) if one is not None]
    return [entry for one in ids for entry in tx.audit.entries(one) if entry.kind == "approved"]


def _enrolments(tx: Tx, approvals: tuple[Approval, ...]) -> list[Entry]:
    """How the people who released it, and their passkeys, were taken in, and by whose word."""
    people = {one.approver_id for one in approvals if one.approver_id is not None}
    found = [entry for kind in ("approver_added", "passkey_added") for entry in tx.audit.of_kind(kind)]
    return sorted((one for one in found if said_by(one.body).get("approver_id") in people), key=lambda one: one.seq)


def _sending(attempt: Attempt | None) -> dict[str, Any] | None:
    if attempt is None:
        return None
    return {
        "idempotency_key": attempt.idempotency_key,
        "at": attempt.at.isoformat(),
        "outcome": attempt.outcome,
        "upstream_id": attempt.upstream_id,
        "job_id": attempt.job_id,
        "ledger_before": attempt.before,
    }


async def _bill_now(proposal: Proposal, company: Company | None) -> dict[str, Any] | None:
    bill_id = proposal.bill_id or (proposal.record or {}).get("bill_id")
    if not bill_id:
        return None
    if company is None:
        return {"not_known": "company.unavailable"}
    try:
        shown = await bill_detail(company, bill_id)
    except ApError as error:
        return {"not_known": error.error_code}
    return shown.model_dump(mode="json", exclude_none=True, exclude={"next_step", "company", "environment"})


def _entry(entry: Entry) -> dict[str, Any]:
    whole = {name: getattr(entry, name) for name in entry.__slots__}
    try:
        body = json.loads(entry.body)
    except (ValueError, TypeError):
        # It was edited by hand, which its hash says as well.
        body = str(entry.body)
    return whole | {"body": body, "hash_is_right": entry.computed() == entry.hash}
