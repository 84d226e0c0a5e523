"""What the ledger shows of a write that was sent: records that may be it, and that are no other write's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Write
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_tools.wire import Record


async def shown(
    store: Store, write: Write[Any], prepared: PreparedWrite, company: Company, before: dict[str, Any], proposal_id: str
) -> tuple[Record, ...]:
    """The records that may be the outcome of a lost attempt; more than one is for a person to judge.

    Raises any `ApError` for which the ledger could not be read: then nothing is known.
    """
    found = await write.find(prepared, company, before)
    return await store.read(lambda tx: unclaimed(tx, prepared, proposal_id, found))


async def why_unseen(write: Write[Any], prepared: PreparedWrite, company: Company) -> Doubt | None:
    """Why the ledger may hold what a write left there and not show it; None if what it does not show is not there.

    Where there is a doubt, only what is found says anything: what is not found was perhaps booked all the same.
    """
    for many in sorted({need.collection for need in write.needed(prepared)}):
        doubt = await doubt_about(company, many)
        if doubt is not None:
            return doubt
    return None


def unclaimed(tx: Tx, prepared: PreparedWrite, proposal_id: str, records: Sequence[Record]) -> tuple[Record, ...]:
    """Those of the records that are not known to be another proposal's outcome.

    A record that the write itself names, such as the bill it changes, existed before it and is nobody's alone.
    """
    new = [one.id for one in records if one.id not in prepared.fields.values()]
    taken = tx.attempts.claimed(new, except_id=proposal_id)
    return tuple(one for one in records if one.id not in taken)
