"""The history page: the audit chain in words, with filters, and whether it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rutter_ap_server.store.audit import Asked, Entry, Verification
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.overview import KnownCompany
from rutter_ap_server.web.entries import HistoryRow, history_row
from rutter_ap_server.web.frame import Frame, id_or_nothing
from rutter_ap_server.web.signing_in import Session
from rutter_ap_tools.people import BOOKS
from rutter_ap_tools.text import clean

_ENTRIES = 100
_PEOPLE_MAX = 300
_FILTERS = ("kind", "person", "company", "since", "until", "proposal")


@dataclass(frozen=True, slots=True)
class Found:
    """What the page shows, and what can be chosen on it."""

    entries: list[Entry]
    kinds: list[str]
    people: list[str]
    companies: list[KnownCompany]
    chain: Verification


@dataclass(frozen=True)
class HistoryPages:
    """What was done, the newest first."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Its address."""
        return [self.frame.get("/history", self._history)]

    async def _history(self, request: Request, session: Session) -> Response:
        # No text of the store holds a NUL; PostgreSQL takes none, nor a number larger than any entry has.
        given = {name: request.query_params.get(name, "").replace("\0", "") for name in _FILTERS}
        given["proposal"] = id_or_nothing(given["proposal"])
        before = _number(request.query_params)

        def look(tx: Tx) -> Found:
            companies = tx.overview.companies()
            entries = tx.audit.told(_ENTRIES + 1, _asked(given, companies), before=before)
            return Found(entries, tx.audit.kinds(), tx.audit.actors(_PEOPLE_MAX), companies, tx.audit.verify())

        found = await self.frame.store.read(look)
        rows = [history_row(one) for one in found.entries[:_ENTRIES]]
        return self.frame.page(
            "history.html",
            session=session,
            rows=rows,
            older=_older(given, rows) if len(found.entries) > _ENTRIES else "",
            given=given,
            choices=_choices(found),
            chain=found.chain,
        )


def _asked(given: dict[str, str], companies: list[KnownCompany]) -> Asked:
    """What was asked for. A day is one of UTC, as every time on the page is; a date that is none is not asked for."""
    return Asked(
        kind=given["kind"],
        proposal_id=given["proposal"],
        actor=given["person"],
        company_ids=(given["company"], *{one.connection_id for one in companies if one.id == given["company"]})
        if given["company"]
        else (),
        since=_midnight(given["since"]),
        until=_midnight(given["until"], days=1),
    )


def _midnight(text: str, days: int = 0) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def _number(params: QueryParams) -> int | None:
    text = params.get("before", "")
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _older(given: dict[str, str], rows: list[HistoryRow]) -> str:
    """The query of the page that continues this one."""
    return urlencode({name: value for name, value in given.items() if value} | {"before": rows[-1].seq})


def _choices(found: Found) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Each filter's name and label, and its values with their words."""
    books = [
        (one.id, f"{clean(one.name, 60)} ({BOOKS.get(one.environment, '?').partition(':')[0]})")
        for one in found.companies
    ]
    return [
        ("kind", "What", [(one, clean(str(one), 60).replace("_", " ")) for one in found.kinds]),
        ("person", "By whom", [(one, clean(str(one), 60)) for one in found.people]),
        ("company", "Company", books),
    ]
