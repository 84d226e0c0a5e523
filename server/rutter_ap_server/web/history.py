"""The history page: the audit chain, with filters, and whether it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rutter_ap_server.store.audit import Entry, Verification
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.web.frame import Frame, id_or_nothing
from rutter_ap_server.web.shown import history_row
from rutter_ap_server.web.signing_in import Session

_ENTRIES = 100


@dataclass(frozen=True)
class HistoryPages:
    """What was done, the newest first."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Its address."""
        return [self.frame.get("/history", self._history)]

    async def _history(self, request: Request, session: Session) -> Response:
        asked = {name: request.query_params.get(name, "") for name in ("kind", "proposal", "before")}
        before = int(asked["before"]) if re.fullmatch(r"[0-9]{1,12}", asked["before"]) else None
        proposal_id = id_or_nothing(asked["proposal"])

        def look(tx: Tx) -> tuple[list[Entry], list[str], Verification]:
            entries = tx.audit.told(_ENTRIES + 1, kind=asked["kind"], proposal_id=proposal_id, before=before)
            return entries, tx.audit.kinds(), tx.audit.verify()

        entries, kinds, chain = await self.frame.store.read(look)
        return self.frame.page(
            "history.html",
            session=session,
            rows=[history_row(one) for one in entries[:_ENTRIES]],
            older=entries[_ENTRIES - 1].seq if len(entries) > _ENTRIES else None,
            kinds=kinds,
            kind=asked["kind"],
            proposal=proposal_id,
            chain=chain,
        )
