"""The catalogue: every tool an assistant can call, as one explicit tuple."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rutter_ap_tools.accounts import LINK_ACCOUNT
from rutter_ap_tools.attachments import ATTACH_FILE, READ_ATTACHMENT
from rutter_ap_tools.bills import CREATE_BILL, DELETE_BILL, GET_BILL, LIST_BILLS, UPDATE_BILL
from rutter_ap_tools.connections import CONNECT_LEDGER, LIST_CONNECTIONS, SYNC_LEDGER
from rutter_ap_tools.credits import APPLY_CREDIT, CREATE_CREDIT, LIST_CREDITS, REMOVE_CREDIT
from rutter_ap_tools.payables import SUMMARIZE_PAYABLES
from rutter_ap_tools.payments import LIST_PAYMENTS, PAY_BILL, PROPOSE_PAYMENT_RUN, VOID_PAYMENT
from rutter_ap_tools.proposals import GET_PROPOSAL, LIST_PROPOSALS, WITHDRAW_PROPOSAL
from rutter_ap_tools.records import CREATE_RECORD, FIND_RECORDS
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.vendors import SAVE_VENDOR

CATALOGUE: tuple[Tool[Any, Any], ...] = (
    LIST_BILLS,
    GET_BILL,
    SUMMARIZE_PAYABLES,
    CREATE_BILL,
    UPDATE_BILL,
    DELETE_BILL,
    PAY_BILL,
    VOID_PAYMENT,
    LIST_PAYMENTS,
    PROPOSE_PAYMENT_RUN,
    LIST_CREDITS,
    CREATE_CREDIT,
    APPLY_CREDIT,
    REMOVE_CREDIT,
    ATTACH_FILE,
    READ_ATTACHMENT,
    FIND_RECORDS,
    CREATE_RECORD,
    SAVE_VENDOR,
    LINK_ACCOUNT,
    CONNECT_LEDGER,
    LIST_CONNECTIONS,
    SYNC_LEDGER,
    GET_PROPOSAL,
    LIST_PROPOSALS,
    WITHDRAW_PROPOSAL,
)
# Whoever can propose a write must be able to check its outcome and to take it back; nobody else needs the latter.
_WITH_WRITES = (GET_PROPOSAL, WITHDRAW_PROPOSAL)


def narrowed(*, toolsets: Collection[str] = (), read_only: bool = False) -> tuple[Tool[Any, Any], ...]:
    """The catalogue as the operator offers it: only these toolsets (all if none is named), and only reads if asked.

    `get_proposal` and `withdraw_proposal` come with any toolset that writes, and the latter with no other.
    """
    offered = [tool for tool in CATALOGUE if not toolsets or tool.toolset in toolsets]
    reads = tuple(tool for tool in offered if tool.risk is Risk.READS)
    if read_only or all(tool in reads or tool in _WITH_WRITES for tool in offered):
        return reads
    return (*offered, *(tool for tool in _WITH_WRITES if tool not in offered))
