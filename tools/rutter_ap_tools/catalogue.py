"""The catalogue: everything an assistant can say, as one explicit tuple."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rutter_ap_tools.bills import CREATE_BILL, GET_BILL, LIST_BILLS
from rutter_ap_tools.credits import APPLY_CREDIT
from rutter_ap_tools.files import ATTACH_FILE
from rutter_ap_tools.ledger import LINK_ACCOUNT
from rutter_ap_tools.payments import PAY_BILL
from rutter_ap_tools.proposals import GET_PROPOSAL
from rutter_ap_tools.records import FIND_RECORDS
from rutter_ap_tools.tool import Risk, Tool

CATALOGUE: tuple[Tool[Any, Any], ...] = (
    LIST_BILLS,
    GET_BILL,
    CREATE_BILL,
    PAY_BILL,
    APPLY_CREDIT,
    ATTACH_FILE,
    LINK_ACCOUNT,
    FIND_RECORDS,
    GET_PROPOSAL,
)


def narrowed(*, toolsets: Collection[str] = (), read_only: bool = False) -> tuple[Tool[Any, Any], ...]:
    """The catalogue as the operator offers it: only those toolsets (all when none is named), only reads if so asked.

    `get_proposal` stays with any toolset that writes: without it an assistant could not learn what became of a write.
    """
    offered = [tool for tool in CATALOGUE if not toolsets or tool.toolset in toolsets]
    if read_only:
        return tuple(tool for tool in offered if tool.risk is Risk.READS)
    if any(tool.risk is not Risk.READS for tool in offered) and GET_PROPOSAL not in offered:
        offered.append(GET_PROPOSAL)
    return tuple(offered)
