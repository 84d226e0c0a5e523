"""The `get_bill` and `read_attachment` tools. What they show is remembered: a later write may repeat it.

If the store cannot be used, writes stop, but the ledger can still be read.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.store_facts import remember_read
from rutter_ap_server.guard.writes.create_bill import earlier_bill
from rutter_ap_server.reads import attachments
from rutter_ap_server.reads.bill_detail import detail_of
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import OPEN_STATES, State
from rutter_ap_tools.attachments import AttachmentText, ReadAttachment
from rutter_ap_tools.bills import BillDetail, GetBill, OpenProposal
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.text import quote


async def get_bill(store: Store, company: Company, query: GetBill) -> BillDetail:
    """The bill in full, with the unfinished writes that were proposed on it."""
    bill = await company.rutter.bills.get(query.bill_id)
    found, seen = await detail_of(company, bill), earlier_bill(bill)
    name = f"bill {found.bill.document_number or found.bill.id}"
    texts = [
        (f"the memo of {name}", found.memo),
        (f"the reference of {name}", found.reference),
        *((f"a line of {name}", line.description) for line in found.lines),
        *((f"a purchase order of {name}", order.name) for order in found.purchase_orders or ()),
    ]
    try:
        known = () if seen.trouble else (seen,)
        await remember_read(store, company, [(where, text) for where, text in texts if text], known)
        return await _with_proposals(store, company, found)
    except ApError:
        return found


async def _with_proposals(store: Store, company: Company, found: BillDetail) -> BillDetail:
    def read(tx: Tx) -> tuple[tuple[Proposal, ...], datetime]:
        return tuple(tx.proposals.of_bill(company.ledger_id, found.bill.id, OPEN_STATES)), tx.now

    proposals, now = await store.read(read)
    waiting = [
        OpenProposal(id=p.id, tool=p.tool, state=p.state)
        for p in proposals
        if p.state != State.HELD or p.expires_at > now
    ]
    if not waiting:
        return found
    step = (
        f"A write on this bill is not finished; check it with get_proposal before proposing another. {found.next_step}"
    )
    return found.model_copy(update={"proposals": waiting, "next_step": step})


async def read_attachment(store: Store, company: Company, query: ReadAttachment) -> AttachmentText:
    """The text of a bill's document, compared with the bill."""
    found = await attachments.read_attachment(company, query)
    with suppress(ApError):
        await remember_read(store, company, [(f"the file {quote(found.file_name, 60)}", found.text or "")])
    return found
