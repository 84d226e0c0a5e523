"""The statements of every payment's way, built once: building one costs several times as much as running it.

Their parameters end in an underscore, so that in an update they are not taken for columns to set.
"""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select, update

from rutter_ap_server.store.schema import approvals, approvers, attempts, audit, meta, proposals, spend

OPEN_STATES = ("held", "released", "dispatching", "unknown")

_p, _s = proposals.c, spend.c
_states = _p.state.in_(bindparam("states_", expanding=True))
_of_company = _p.company_id == bindparam("company_")

ADD_PROPOSAL = insert(proposals)
PROPOSAL = select(proposals).where(_p.id == bindparam("id_"))
OPEN_WITH_DIGEST = select(proposals).where(_of_company, _p.digest == bindparam("digest_"), _p.state.in_(OPEN_STATES))
LATEST_WITH_DIGEST = (
    select(proposals).where(_of_company, _p.digest == bindparam("digest_")).order_by(_p.created_at.desc()).limit(1)
)
POSTED_WITH_DIGEST = select(proposals).where(
    _of_company, _p.digest == bindparam("digest_"), _p.state == "posted", _p.updated_at >= bindparam("since_")
)
OF_BILL = select(proposals).where(_of_company, _p.bill_id == bindparam("bill_"), _states)
OF_VENDOR = select(proposals).where(_of_company, _p.vendor_id == bindparam("vendor_"), _states)
OF_RUN = select(proposals).where(_p.run_id == bindparam("run_"))
# What is set comes with the parameters.
MOVE = update(proposals).where(_p.id == bindparam("id_"), _states)
RENEW = update(proposals).where(
    _p.id == bindparam("id_"), _p.state.in_(["dispatching", "unknown"]), _p.lease_owner.is_not(None)
)
REJUDGE = update(proposals).where(_p.id == bindparam("id_"))

ADD_APPROVAL = insert(approvals)
APPROVALS = (
    select(approvals)
    .where(approvals.c.proposal_id == bindparam("id_"), approvals.c.voided_at.is_(None))
    .order_by(approvals.c.id)
)
VOID_APPROVALS = update(approvals).where(approvals.c.proposal_id == bindparam("id_"), approvals.c.voided_at.is_(None))
VOID_OTHER_APPROVALS = VOID_APPROVALS.where(approvals.c.fingerprint != bindparam("fingerprint_"))

ADD_SPEND = insert(spend)
SPEND_OF = select(spend).where(_s.proposal_id == bindparam("id_"))
RESERVED = select(_s.id).where(_s.proposal_id == bindparam("id_"), _s.kind == "reserve")
# A void is never older than what it voids, since the store's time does not go back: it is in every window that is.
COUNTED = (
    select(_s.at, _s.vendor_id, _s.amount, _s.kind, _s.proposal_id)
    .where(
        _s.company_id == bindparam("company_"),
        _s.currency == bindparam("currency_"),
        _s.at >= bindparam("since_"),
        _s.kind.in_(["reserve", "void"]),
    )
    .order_by(_s.at)
)

ADD_ATTEMPT = insert(attempts)
LAST_ATTEMPT = (
    select(attempts).where(attempts.c.proposal_id == bindparam("id_")).order_by(attempts.c.id.desc()).limit(1)
)

ADD_ENTRY = insert(audit)
HEAD = select(audit.c.seq, audit.c.hash, audit.c.at).order_by(audit.c.seq.desc()).limit(1)

FREEZE = select(meta.c.value).where(meta.c.key == "freeze")
POLICY = select(meta.c.value).where(meta.c.key == "policy")
APPROVERS = select(approvers).where(approvers.c.removed_at.is_(None)).order_by(approvers.c.name)
