"""The port: all an assistant's words can reach. Whoever implements it decides; a tool only states its intent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rutter_ap_tools.bills import BillDetail, BillList, GetBill, ListBills
    from rutter_ap_tools.proposals import GetProposal, ProposalAnswer
    from rutter_ap_tools.records import FindRecords, RecordList
    from rutter_ap_tools.wire import WriteArguments, WriteResult


class Desk(Protocol):
    """Reads answer from the ledger; writes are intents that the guard judges.

    Every method raises only `ApError`s.
    """

    async def list_bills(self, ask: ListBills) -> BillList: ...

    async def get_bill(self, ask: GetBill) -> BillDetail: ...

    async def find_records(self, ask: FindRecords) -> RecordList: ...

    async def get_proposal(self, ask: GetProposal) -> ProposalAnswer: ...

    async def submit(self, intent: WriteArguments) -> WriteResult: ...
