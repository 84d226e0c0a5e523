"""Evidence as a page with names, at the desk and as a file of its own, and as JSON to keep: one template for both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rutter_ap_server.guard.reports.evidence import gather_evidence
from rutter_ap_server.guard.reports.proposal import find_proposal
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.web.frame import Frame, id_in, templates
from rutter_ap_server.web.signing_in import Session
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.people import BOOKS
from rutter_ap_tools.text import clean

_SECONDS_MAX = 10
_SUMMARY_CHARACTERS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """One table of the page. Without `columns` each row is a label and a value; `none` stands for no rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    none: str = "None."


@dataclass(frozen=True)
class EvidencePages:
    """Everything about one proposal that an auditor would ask for."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses; last of all but the proposals, because any id is one."""
        return [
            self.frame.get("/{id}/evidence", self._page),
            self.frame.get("/{id}/evidence.json", self._file),
        ]

    async def _page(self, request: Request, session: Session) -> Response:
        proposal, gathered = await self._gathered(request)
        return self.frame.page(
            "evidence.html",
            session=session,
            id=proposal.id,
            environment=clean(str(proposal.environment), 20),
            books=BOOKS.get(proposal.environment, "books of an unknown kind: the store was edited by hand"),
            company=clean(str(proposal.company_name), 120),
            **values_of(gathered),
        )

    async def _file(self, request: Request, session: Session) -> Response:
        proposal, gathered = await self._gathered(request)
        name = f"evidence-{proposal.id}.json"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(as_json(gathered), media_type="application/json", headers=headers)

    async def _gathered(self, request: Request) -> tuple[Proposal, dict[str, Any]]:
        store, companies = self.frame.store, self.frame.companies
        proposal = await find_proposal(store, id_in(request))
        try:
            with anyio.fail_after(_SECONDS_MAX):
                company = await companies.of_ledger(proposal.company_id)
                return proposal, await gather_evidence(store, proposal, company)
        except (TimeoutError, ApError):
            # What the store knows is evidence, whether its company can be reached or not.
            return proposal, await gather_evidence(store, proposal, None)


def as_json(gathered: Mapping[str, Any]) -> str:
    """The evidence as a file."""
    return json.dumps(gathered, indent=2, ensure_ascii=False, default=str) + "\n"


def page(gathered: Mapping[str, Any]) -> str:
    """A file that is one page, without scripts or links; all outside text is escaped."""
    return templates().get_template("evidence_file.html").render(**values_of(gathered))


def values_of(gathered: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of it: a title, and tables of texts."""
    proposal = gathered["proposal"]
    findings, approvals = proposal["findings"], gathered["approvals"]
    head = {name: value for name, value in proposal.items() if name not in ("summary", "findings", "intent")}
    return {
        "title": clean(str(proposal["summary"]), _SUMMARY_CHARACTERS_MAX),
        "named": str(proposal["id"]),
        "before": (_pairs("Proposal", head), _pairs("What was proposed", proposal["intent"])),
        "statements": _statements(gathered),
        "after": (
            _rows("Findings of the guard", findings, ("severity", "message", "code")),
            _rows("Released by", approvals, ("approver", "channel", "at", "statement"), "Nobody released it."),
            _pairs("Sent to Rutter", gathered["sending"] or {"sent": "nothing"}),
            _pairs("Recorded in the ledger", gathered["record"] or {"record": "none"}),
            _rows("Documents attached to the bill", gathered["documents"], ("file_name", "bytes", "sha256")),
            _pairs("The bill in the ledger now", gathered["bill_now"] or {"bill": "none"}),
            _rows("Audit entries", gathered["audit"], ("seq", "at", "kind", "actor", "hash", "hash_is_right")),
            _pairs("Audit chain", gathered["chain"]),
        ),
    }


def _statements(gathered: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """What approvers were shown, whole; before anyone has released it, what they would be shown."""
    shown = gathered["shown_to_approvers"] or [{"digest": "", "sections": gathered["statement"]}]
    titles = (f"Statement shown to approvers ({one['digest']})" if one["digest"] else "Statement" for one in shown)
    return [(title, one["sections"]) for title, one in zip(titles, shown, strict=True)]


def _pairs(title: str, values: Mapping[str, Any]) -> Part:
    return Part(title, (), tuple((name.replace("_", " "), _text(value)) for name, value in values.items()))


def _rows(title: str, rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...], none: str = "None.") -> Part:
    heads = tuple(name.replace("_", " ") for name in columns)
    return Part(title, heads, tuple(tuple(_text(row.get(name)) for name in columns) for row in rows), none)


def _text(value: Any) -> str:
    if isinstance(value, dict) and not any(isinstance(one, dict | list) for one in value.values()):
        return "\n".join(f"{name.replace('_', ' ')}: {_text(one)}" for name, one in value.items())
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return "" if value is None else str(value)
