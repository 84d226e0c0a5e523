"""The backend of one call: the tools' port, answered by the registry of reads and by the guard."""

from __future__ import annotations

from dataclasses import dataclass

from rutter_ap_server.reads.registry import READS
from rutter_ap_server.services import CallContext
from rutter_ap_tools.backend import Query, R
from rutter_ap_tools.wire import WriteArguments, WriteResult


@dataclass(frozen=True, slots=True)
class AppBackend(CallContext):
    """Implements `rutter_ap_tools.backend.Backend`."""

    async def read(self, query: Query[R]) -> R:
        """Answers a query by the one function that is registered for its type."""
        result: R = await READS[type(query)](self, query)
        return result

    async def submit(self, request: WriteArguments) -> WriteResult:
        """Hands a write to the guard."""
        company = await self.services.companies.get(request.company)
        return await self.services.guard.submit(request, company, preparer=self.preparer, interaction=self.interaction)
