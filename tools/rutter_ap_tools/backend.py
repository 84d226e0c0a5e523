"""The port: all an assistant's words can reach. Whoever implements it decides; a tool only states its intent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rutter_ap_tools.attachments import AttachmentText, ReadAttachment
    from rutter_ap_tools.bills import BillDetail, BillList, GetBill, ListBills
    from rutter_ap_tools.connections import (
        ConnectionList,
        ConnectLedger,
        ConnectResult,
        ListConnections,
        SyncLedger,
        SyncResult,
    )
    from rutter_ap_tools.credits import CreditList, ListCredits
    from rutter_ap_tools.payables import PayablesSummary, SummarizePayables
    from rutter_ap_tools.payments import ListPayments, PaymentList, ProposePaymentRun, RunResult
    from rutter_ap_tools.proposals import GetProposal, ListProposals, ProposalAnswer, ProposalList
    from rutter_ap_tools.records import FindRecords, RecordList
    from rutter_ap_tools.wire import WriteArguments, WriteResult


class Backend(Protocol):
    """Reads answer from the ledger; writes are intents that the guard judges.

    Every method raises only `ApError`s.
    """

    async def list_bills(self, query: ListBills) -> BillList: ...

    async def get_bill(self, query: GetBill) -> BillDetail: ...

    async def summarize_payables(self, query: SummarizePayables) -> PayablesSummary: ...

    async def list_payments(self, query: ListPayments) -> PaymentList: ...

    async def list_credits(self, query: ListCredits) -> CreditList: ...

    async def read_attachment(self, query: ReadAttachment) -> AttachmentText: ...

    async def find_records(self, query: FindRecords) -> RecordList: ...

    async def get_proposal(self, query: GetProposal) -> ProposalAnswer: ...

    async def list_proposals(self, query: ListProposals) -> ProposalList: ...

    async def list_connections(self, query: ListConnections) -> ConnectionList: ...

    async def connect_ledger(self, query: ConnectLedger) -> ConnectResult: ...

    async def sync_ledger(self, query: SyncLedger) -> SyncResult: ...

    async def propose_payment_run(self, intent: ProposePaymentRun) -> RunResult: ...

    async def submit(self, intent: WriteArguments) -> WriteResult: ...
