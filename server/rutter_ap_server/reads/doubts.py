"""Whether what a list does not show may be in the ledger all the same: unknown is not none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.rutter.abilities import Doubt, abilities_of, not_offered
from rutter_ap_server.rutter.errors import NotFoundUpstream, NotSupportedHere
from rutter_ap_server.rutter.models.base import Record
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.errors import ApError, PersonError
from rutter_ap_tools.render import NOT_KNOWN

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

    async def oldest() -> Sequence[Record]:
        page = await collection.list(sort="created_at ASC", limit=_ASKED_MAX)
        found: Sequence[Record] = page.items
        return found

    try:
        asked = await company.once(("oldest", many), oldest)
    except NotSupportedHere:
        return doubt
    return None if await _any_of_the_ledger(company, asked) else doubt


async def _any_of_the_ledger(company: Company, records: Iterable[Record]) -> bool:
    """Whether one of the records did not come from here: there are more of them than this program can have written.

    What is written through Rutter is listed at once, whether or not the platform's own can be read (Rutter docs:
    Connections), so that what this program wrote is no evidence, nor what may be a write whose answer was lost or said
    that it failed. Nor is anything while our own store cannot be asked.
    """
    ids = {one.id for one in islice(records, _ASKED_MAX) if one.id}
    if not ids:
        return False
    try:
        return len(ids) > await company.written_here(company.ledger_id, ids)
    except StoreError:
        return False


async def payment_if_readable(company: Company, payment_id: str) -> BillPayment | None:
    """A payment that a bill names; None where payments may not be readable at all, and this one is not.

    Raises `NotFoundUpstream` where all of them are.
    """
    payment: BillPayment
    try:
        payment = await company.record("bill_payments", payment_id)
    except (NotFoundUpstream, NotSupportedHere):
        if abilities_of(company.platform).doubt("bill_payments") is None:
            raise
        return None
    return payment


def not_known(what: str, doubt: Doubt) -> str:
    """A note on what a list does not show: why that does not mean that there is nothing, and who can find out."""
    return f"{NOT_KNOWN}{what}. {doubt.words[0].upper()}{doubt.words[1:]}. {doubt.next_step}"


def refused(company: Company, many: str) -> ApError:
    """The error where Rutter does not offer a list at all: who can act on it, and never that there is nothing."""
    known = abilities_of(company.platform)
    doubt, kind = known.doubt(many) or not_offered(many), many.replace("_", " ")
    message = f"{doubt.words}, so that whether there are any {kind} is not known"
    if known.condition(many) is not None:
        return PersonError(message, code="platform.condition", next_step=doubt.next_step)
    return NotSupportedHere(f"{message[0].upper()}{message[1:]}.", next_step=f"Do not retry. {doubt.next_step}")
