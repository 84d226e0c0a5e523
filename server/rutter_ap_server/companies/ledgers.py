"""One ledger is one company, however often it was connected: it is used through one connection at a time.

Rutter may give one record of a ledger another id in each connection, so a write through one cannot be recognized
through the other. That is why a second connection waits until the first is removed; why proposals made through the
first then expire, for they name its ids; and why nothing is written through the second while a write through the first
has no known outcome. What is counted and remembered goes on, because it is kept under the ledger's id.
"""

from __future__ import annotations

from dataclasses import dataclass

from rutter_ap_server.companies.company import Environment
from rutter_ap_server.rutter import CompanyClient
from rutter_ap_server.rutter.errors import NotReady
from rutter_ap_server.rutter.models.connections import ConnectionDetail
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.ledgers import LedgerIdentity
from rutter_ap_server.store.states import SENDING_STATES, State
from rutter_ap_tools.errors import PersonError
from rutter_ap_tools.text import clean


class LinkedTwice(PersonError):
    """Another connection to the same ledger is in use."""

    code = "company.linked_twice"


class OtherLedger(PersonError):
    """A connection that leads to another ledger than the one it was connected to."""

    code = "company.other_ledger"


@dataclass(frozen=True, slots=True)
class Claim:
    """The ledger of a connection, and why it is not used through that connection, if it is not."""

    ledger_id: str
    trouble: PersonError | None = None


async def identity_of(
    rutter: CompanyClient, connection_id: str, detail: ConnectionDetail, environment: Environment
) -> LedgerIdentity:
    """The ledger behind a connection. Where Rutter names neither it nor its store, the company's own name must do.

    Raises `NotReady` while that name has not come in: a ledger without one would not be known from another.
    """
    name = detail.store_name
    if not name and not detail.store_unique_id:
        bypassed = rutter.first_sync.reads
        name = (await rutter.company_info()).name
        if not name and rutter.first_sync.reads > bypassed:
            raise NotReady("The first sync has not brought in the company's name yet.")
    return LedgerIdentity.of(connection_id, environment, detail.platform, detail.store_unique_id, name or "")


def claimed_before(tx: Tx, connection_id: str, found: LedgerIdentity | None) -> Claim | None:
    """The ledger that is used through this connection already; `found` is what Rutter said of it, if it was asked."""
    known = tx.ledgers.of(connection_id)
    if known is None or not known.in_use or found not in (None, known.leads_to):
        return None
    return Claim(known.ledger_id)


def claim(tx: Tx, connection_id: str, found: LedgerIdentity, *, own_id: str | None) -> Claim:
    """Makes this the connection its ledger is used through, unless another one is.

    `own_id` is the connection of the settings' token, which is never replaced: None if there is none. While it is
    empty, no connection is replaced that may come from any settings.
    """
    before = tx.ledgers.of(connection_id)
    if before is not None and not before.leads_to.is_same(found):
        return Claim(before.ledger_id, _moved(connection_id))
    if before is None or before.leads_to != found:
        rival = tx.ledgers.used_as(found)
        if before is not None and rival not in (None, connection_id):
            return Claim(before.ledger_id, _twice(tx, connection_id, rival or ""))
        tx.ledgers.learn(found)
    known = tx.ledgers.of(connection_id)
    assert known is not None
    holder = tx.ledgers.in_use(known.ledger_id)
    if holder == connection_id:
        return Claim(known.ledger_id)
    if holder is not None and _is_used(tx, holder, own_id):
        if before is None:
            tx.audit.append("ledger_linked_twice", actor="guard", company=connection_id, other=holder)
        return Claim(known.ledger_id, _twice(tx, connection_id, holder))
    _take_over(tx, known.ledger_id, connection_id, holder)
    return Claim(known.ledger_id)


def require_in_use(tx: Tx, ledger_id: str, connection_id: str) -> None:
    """Raises unless the ledger is written to through this connection, and no write through another one is open.

    Another process may use the ledger through a newer connection by now. A write through an earlier one may have been
    booked under ids that this connection does not show.
    """
    holder = tx.ledgers.in_use(ledger_id)
    if holder is not None and holder != connection_id:
        raise _twice(tx, connection_id, holder)
    unsettled = [
        one.id for one in tx.proposals.of_company(ledger_id, SENDING_STATES) if one.connection_id != connection_id
    ]
    if unsettled:
        raise PersonError(
            "a write through an earlier connection to this ledger is not settled yet",
            code="connection.unsettled",
            next_step=f"Settle it first; see `rutter-ap proposals show {unsettled[0]}`.",
        )


def _is_used(tx: Tx, holder: str, own_id: str | None) -> bool:
    saved = tx.connections.get(holder)
    if saved is not None and saved.status == "active":
        return True
    # A token in the settings leaves no trace here when it is replaced.
    return holder == own_id or (own_id == "" and saved is None)


def _take_over(tx: Tx, ledger_id: str, connection_id: str, holder: str | None) -> None:
    tx.ledgers.use(ledger_id, connection_id)
    if holder is None:
        return
    for one in tx.proposals.of_company(ledger_id, [State.HELD, State.RELEASED]):
        if one.connection_id != connection_id:
            tx.proposals.move(one.id, [State.HELD, State.RELEASED], State.EXPIRED)
            tx.audit.append("expired", actor="guard", proposal_id=one.id)
    tx.audit.append("ledger_reconnected", actor="guard", company=ledger_id, connection=connection_id, before=holder)
    # Every other process that still uses the earlier connection hears of it.
    tx.connections.changed()


def _twice(tx: Tx, connection_id: str, holder: str) -> LinkedTwice:
    saved = tx.connections.get(holder)
    other = f"{clean(saved.name, 60)} ({holder})" if saved is not None and saved.name else holder
    return LinkedTwice(
        f"the ledger of this connection is already connected, as {other}, and is used through that connection",
        next_step=f"Use the company {holder}, and remove this one: `rutter-ap connections remove {connection_id}`. "
        f"To use this one instead, remove the other: `rutter-ap connections remove {holder}`. "
        "What comes from RUTTER_ACCESS_TOKEN is removed there.",
    )


def _moved(connection_id: str) -> OtherLedger:
    return OtherLedger(
        "this connection leads to another ledger than the one it was connected to",
        next_step="Have a person sign in to the right company again; for the other company, remove this connection "
        f"with `rutter-ap connections remove {connection_id}` and connect it anew.",
    )
