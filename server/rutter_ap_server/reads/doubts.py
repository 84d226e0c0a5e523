"""Whether what a list does not show may be in the ledger all the same: unknown is not none."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.rutter.abilities import Doubt, abilities_of
from rutter_ap_server.rutter.errors import NotSupportedHere
from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.store.errors import StoreError

# The oldest ones: those that this program wrote come last.
_ASKED_MAX = 100


async def doubt_about(company: Company, many: str, listed: Iterable[Record] = ()) -> Doubt | None:
    """Why a list, by Rutter's name for its collection, may lack what is in the ledger; None if it does not.

    One record that only the ledger can have brought there shows that the list can be read, and ends a doubt that may
    end. `listed` are records of it that were read just now; without such a one the list is asked for its oldest.
    """
    doubt = abilities_of(company.platform).doubt(many)
    if doubt is None or not doubt.may_end:
        return doubt
    if await _any_of_the_ledger(company, listed):
        return None
    collection: Any = getattr(company.rutter, many)
    try:
        page = await collection.list(sort="created_at ASC", limit=_ASKED_MAX)
    except NotSupportedHere:
        return doubt
    return None if await _any_of_the_ledger(company, page.items) else doubt


async def _any_of_the_ledger(company: Company, records: Iterable[Record]) -> bool:
    """Whether one of the records did not come from here.

    What is written through Rutter is listed at once, whether or not the platform's own can be read (Rutter docs:
    Connections), so that what this program wrote is no evidence. Nor is anything while our own store cannot be asked.
    """
    ids = {one.id for one in islice(records, _ASKED_MAX) if one.id}
    if not ids:
        return False
    try:
        return bool(ids - set(await company.written_here(ids)))
    except StoreError:
        return False
