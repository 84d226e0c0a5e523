"""The desk of one call: the port of the language, answered by lookups and guard, each imported on first use."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rutter_ap_server.clock import Clock
    from rutter_ap_server.companies import ConnectFlow
    from rutter_ap_server.companies.company import Company
    from rutter_ap_server.companies.registry import CompanyRegistry
    from rutter_ap_server.guard.guard import Guard
    from rutter_ap_server.guard.policy import PolicyFile
    from rutter_ap_server.guard.recovery import Recovery
    from rutter_ap_server.guard.views import Views
    from rutter_ap_server.interaction import Asker
    from rutter_ap_server.reads.sync import Reporter
    from rutter_ap_server.settings import Settings
    from rutter_ap_server.store.engine import Store
    from rutter_ap_server.store.proposals import Proposal
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


class House(Protocol):
    """What a desk works with: the parts of the app it needs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def store(self) -> Store: ...
    @property
    def policy(self) -> PolicyFile: ...
    @property
    def companies(self) -> CompanyRegistry: ...
    @property
    def connect_flow(self) -> ConnectFlow: ...
    @property
    def guard(self) -> Guard: ...
    @property
    def recovery(self) -> Recovery: ...
    @property
    def views(self) -> Views: ...
    async def proposal(self, reference: str) -> Proposal: ...
    async def company_of(self, proposal: Proposal) -> Company: ...


@dataclass(frozen=True, slots=True)
class AppBackend:
    """The port's implementation for one call: who is asking, and how its person can be asked."""

    app: House
    preparer: str
    asker: Asker

    async def list_bills(self, query: ListBills) -> BillList:
        """A page of bills."""
        from rutter_ap_server.reads.bills import BillLists

        return await BillLists(await self.app.companies.get(query.company)).page(query)

    async def get_bill(self, query: GetBill) -> BillDetail:
        """One bill in full. What outsiders wrote on it is remembered: a write may repeat it."""
        from rutter_ap_server.guard.store_facts import remember_texts
        from rutter_ap_server.reads.bill_detail import bill_detail
        from rutter_ap_tools.errors import ApError

        company = await self.app.companies.get(query.company)
        found = await bill_detail(company, query.bill_id)
        name = f"bill {found.bill.document_number or found.bill.id}"
        texts = [
            (f"the memo of {name}", found.memo),
            *((f"a line of {name}", line.description) for line in found.lines),
        ]
        try:
            await remember_texts(self.app.store, company.id, [(where, text) for where, text in texts if text])
            return await self._with_proposals(found, company.id)
        except ApError:
            # A store that is out of order stops writes; what is in the ledger can still be read.
            return found

    async def _with_proposals(self, found: BillDetail, company_id: str) -> BillDetail:
        """Adds the writes that were proposed on the bill and are not finished."""
        from rutter_ap_server.store.proposals import OPEN_STATES
        from rutter_ap_tools.bills import OpenProposal

        now = self.app.clock.now()
        read = await self.app.store.read(lambda tx: tx.proposals.of_bill(company_id, found.bill.id, OPEN_STATES))
        waiting = [
            OpenProposal(id=p.id, tool=p.tool, state=p.state) for p in read if p.state != "held" or p.expires_at > now
        ]
        if not waiting:
            return found
        step = f"A write on it is not finished: ask get_proposal before proposing another. {found.next_step}"
        return found.model_copy(update={"proposals": waiting, "next_step": step})

    async def summarize_payables(self, query: SummarizePayables) -> PayablesSummary:
        """What is owed as a whole."""
        from rutter_ap_server.reads.payables import summarize_payables

        return await summarize_payables(await self.app.companies.get(query.company), query)

    async def list_payments(self, query: ListPayments) -> PaymentList:
        """A page of recorded payments."""
        from rutter_ap_server.reads.payments import list_payments

        return await list_payments(await self.app.companies.get(query.company), query)

    async def list_credits(self, query: ListCredits) -> CreditList:
        """A page of bill credit memos."""
        from rutter_ap_server.reads.credits import list_credits

        return await list_credits(await self.app.companies.get(query.company), query)

    async def read_attachment(self, query: ReadAttachment) -> AttachmentText:
        """The document of a bill. What it says is remembered: a write may repeat it."""
        from rutter_ap_server.guard.store_facts import remember_texts
        from rutter_ap_server.reads.attachments import read_attachment
        from rutter_ap_tools.errors import ApError
        from rutter_ap_tools.text import quote

        company = await self.app.companies.get(query.company)
        found = await read_attachment(company, query)
        texts = [(f"the file {quote(found.file_name, 60)}", found.text or "")]
        # A store that is out of order stops writes; what is in the ledger can still be read.
        with suppress(ApError):
            await remember_texts(self.app.store, company.id, texts)
        return found

    async def find_records(self, query: FindRecords) -> RecordList:
        """Records by part of their name."""
        from rutter_ap_server.reads.records import find_records

        return await find_records(await self.app.companies.get(query.company), query)

    async def get_proposal(self, query: GetProposal) -> ProposalAnswer:
        """A proposal; one whose outcome is open is looked into first."""
        from rutter_ap_server.guard.reports.listing import limits_for
        from rutter_ap_server.guard.views import lines_of
        from rutter_ap_tools.errors import ApError

        proposal = await self.app.proposal(query.proposal_id)
        if proposal.state in ("released", "dispatching", "unknown"):
            try:
                proposal = await self.app.recovery.resolve(proposal, await self.app.company_of(proposal))
            except ApError:
                # What is known is still worth saying when Rutter is out of reach.
                proposal = await self.app.proposal(proposal.id)
        approvals = await self.app.store.read(lambda tx: tx.proposals.approvals(proposal.id))
        limits = await limits_for(self.app.store, self.app.policy, proposal)
        return self.app.views.answer(proposal, approvals, limits, await lines_of(self.app.store, proposal))

    async def list_proposals(self, query: ListProposals) -> ProposalList:
        """A page of a company's proposals."""
        from rutter_ap_server.guard.reports.listing import list_proposals

        company = await self.app.companies.get(query.company)
        return await list_proposals(self.app.store, self.app.policy, company, query)

    async def list_connections(self, query: ListConnections) -> ConnectionList:
        """Every connected company, with its health."""
        read_only = self.app.settings.read_only
        return await self.app.connect_flow.listed(query.company, actor=self.preparer, read_only=read_only)

    async def connect_ledger(self, query: ConnectLedger) -> ConnectResult:
        """Links a company, or helps a person to sign in again."""
        from rutter_ap_server.interaction import NoOpener, Opener

        opener = self.asker if isinstance(self.asker, Opener) else NoOpener()
        return await self.app.connect_flow.connect(query, actor=self.preparer, opener=opener)

    async def sync_ledger(self, query: SyncLedger) -> SyncResult:
        """Asks Rutter to fetch what changed."""
        from rutter_ap_server.reads.sync import sync_ledger

        return await sync_ledger(await self.app.companies.get(query.company), query, self._reporter())

    async def submit(self, intent: WriteArguments) -> WriteResult:
        """Hands a write to the guard."""
        company = await self.app.companies.get(intent.company)
        return await self.app.guard.submit(
            intent, company, preparer=self.preparer, asker=self.asker, reporter=self._reporter()
        )

    async def propose_payment_run(self, intent: ProposePaymentRun) -> RunResult:
        """Hands a run to the guard."""
        from rutter_ap_tools.payments import RunResult

        result = await self.submit(intent)
        assert isinstance(result, RunResult)
        return result

    def _reporter(self) -> Reporter:
        from rutter_ap_server.reads.sync import NoReporter, Reporter

        return self.asker if isinstance(self.asker, Reporter) else NoReporter()
