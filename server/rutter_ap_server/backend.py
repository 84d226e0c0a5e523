"""The backend of one call: it implements the tools' port. `READS` maps each query to its function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from rutter_ap_server.companies.company import Company, said_of_first_sync
from rutter_ap_server.guard.long_calls import End
from rutter_ap_server.guard.reports.listing import list_proposals
from rutter_ap_server.guard.reports.proposal import find_proposal, get_proposal, known_proposal
from rutter_ap_server.guard.reports.reading import get_bill, read_attachment
from rutter_ap_server.guard.withdrawing import withdraw_proposal
from rutter_ap_server.reads.bills import list_bills
from rutter_ap_server.reads.credits import list_credits
from rutter_ap_server.reads.payables import summarize_from_store
from rutter_ap_server.reads.payments import list_payments
from rutter_ap_server.reads.records import find_records
from rutter_ap_server.reads.sync import sync_ledger
from rutter_ap_server.services import CallContext
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.attachments import ReadAttachment
from rutter_ap_tools.backend import Query, R
from rutter_ap_tools.bills import GetBill, ListBills
from rutter_ap_tools.connections import (
    ConnectionList,
    ConnectLedger,
    ConnectResult,
    ListConnections,
    SyncLedger,
    SyncResult,
)
from rutter_ap_tools.credits import ListCredits
from rutter_ap_tools.errors import RetryError
from rutter_ap_tools.payables import SummarizePayables
from rutter_ap_tools.payments import ListPayments
from rutter_ap_tools.proposals import GetProposal, ListProposals, ProposalAnswer, ProposalList, WithdrawProposal
from rutter_ap_tools.records import FindRecords
from rutter_ap_tools.wire import WriteArguments, WriteResult

Q = TypeVar("Q", bound=Query[Any])
Read = Callable[[CallContext, Any], Awaitable[Any]]


def _of_company(read: Callable[[Company, Q], Awaitable[R]]) -> Callable[[CallContext, Q], Awaitable[R]]:
    """A read that needs only the company named in the query."""

    async def answer(call: CallContext, query: Any) -> R:
        company = await call.services.companies.get(query.company)
        with said_of_first_sync(company):
            return await read(company, query)

    return answer


def _of_company_and_store(
    read: Callable[[Store, Company, Q], Awaitable[R]],
) -> Callable[[CallContext, Q], Awaitable[R]]:
    """A read that also remembers what it shows."""

    async def answer(call: CallContext, query: Any) -> R:
        return await _of_company(partial(read, call.services.store))(call, query)

    return answer


async def _list_proposals(call: CallContext, query: ListProposals) -> ProposalList:
    company = await call.services.companies.get(query.company)
    return await list_proposals(call.services.store, call.services.policy, company, query)


async def _get_proposal(call: CallContext, query: GetProposal) -> ProposalAnswer:
    parts = call.services
    return await get_proposal(
        query,
        store=parts.store,
        policy=parts.policy,
        companies=parts.companies,
        recovery=parts.recovery,
        views=parts.views,
    )


async def _withdraw_proposal(call: CallContext, query: WithdrawProposal) -> ProposalAnswer:
    parts = call.services
    return await withdraw_proposal(
        query, store=parts.store, policy=parts.policy, views=parts.views, preparer=call.preparer
    )


async def _sync_ledger(call: CallContext, query: SyncLedger) -> SyncResult:
    return await sync_ledger(await call.services.companies.get(query.company), query, call.interaction)


async def _list_connections(call: CallContext, query: ListConnections) -> ConnectionList:
    read_only = call.services.settings.read_only
    return await call.services.connect_flow.listed(query.company, actor=call.preparer, read_only=read_only)


async def _connect_ledger(call: CallContext, query: ConnectLedger) -> ConnectResult:
    return await call.services.connect_flow.connect(query, actor=call.preparer, interaction=call.interaction)


READS: Mapping[type[Query[Any]], Read] = {
    ListBills: _of_company(list_bills),
    GetBill: _of_company_and_store(get_bill),
    SummarizePayables: _of_company_and_store(summarize_from_store),
    ListPayments: _of_company(list_payments),
    ListCredits: _of_company(list_credits),
    ReadAttachment: _of_company_and_store(read_attachment),
    FindRecords: _of_company(find_records),
    GetProposal: _get_proposal,
    ListProposals: _list_proposals,
    WithdrawProposal: _withdraw_proposal,
    ListConnections: _list_connections,
    ConnectLedger: _connect_ledger,
    SyncLedger: _sync_ledger,
}


# These wait as long as they were asked to, or change something of our own.
_NOT_ENDED = (ConnectLedger, SyncLedger, WithdrawProposal)


def _took_too_long(what: str) -> RetryError:
    return RetryError(
        f"{what} took too long, because the ledger answers slowly",
        code="call.too_long",
        next_step="Nothing was written. Try again in a minute, with a narrower question if it was one.",
    )


@dataclass(frozen=True, slots=True)
class AppBackend(CallContext):
    """Implements `rutter_ap_tools.backend.Backend`."""

    async def read(self, query: Query[R]) -> R:
        """Runs the function registered for the query's type."""
        await self.services.policy.note()
        read = READS[type(query)]
        if isinstance(query, _NOT_ENDED):
            result: R = await read(self, query)
            return result

        async def late(end: End) -> R:
            if isinstance(query, GetProposal):
                # It goes on: what is found out, or sent after a release, is in the next answer.
                known: Any = await known_proposal(query, self.services.store, self.services.policy, self.services.views)
                return cast("R", known)
            await end()
            raise _took_too_long("the answer")

        return await self.services.long_calls.in_time(lambda: read(self, query), late)

    async def submit(self, request: WriteArguments) -> WriteResult:
        """Submits a write to the guard."""
        parts, proposals = self.services, list[Proposal]()

        async def work() -> WriteResult:
            company = await parts.companies.get_to_write(request.company)
            with said_of_first_sync(company):
                return await parts.guard.submit(
                    request, company, preparer=self.preparer, interaction=self.interaction, on_proposal=proposals.append
                )

        async def late(end: End) -> WriteResult:
            if not proposals:
                # Nothing can have been sent: it is still being judged.
                await end()
            if not proposals:
                raise _took_too_long("judging this write")
            return await parts.guard.answer(await find_proposal(parts.store, proposals[-1].id))

        return await parts.long_calls.in_time(work, late)
