"""Whole requests, walked as an assistant would: few calls, no fact from nowhere, and books that say what was asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from rutter_ap_prompts import instructions
from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.serving import ServingApp
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_sandbox import open_sandbox
from support.approvers import add_approver
from support.connect_flow import consent
from support.journeys.ledger import lines_of
from support.journeys.narration import Call, Decline, Given, Journey, Release, SignIn, Taken
from support.journeys.scenarios import JOURNEYS
from support.journeys.setup import NOON, TODAY
from support.serving import PASSCODE, text_of

pytestmark = pytest.mark.anyio
APPROVER = "Dana"
# An assistant knows the calendar, the words of a tool's own schema, and how to write an amount.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SCHEMAS = {tool.name: json.dumps(tool.input_schema()) for tool in CATALOGUE}


@asynccontextmanager
async def company(home: Path, mode: str) -> AsyncIterator[tuple[Client, ServingApp]]:
    """The practice company on the day the journeys are told, behind a server that offers everything."""
    home.mkdir(mode=0o700)
    open_sandbox(home / "sandbox.db", today=TODAY).close()
    app = ServingApp(read_settings({"RUTTER_AP_HOME": str(home)}), FixedClock(NOON))
    server = build_server(app, CATALOGUE, instructions=instructions())
    try:
        async with Client(server, mode=mode) as client:
            yield client, app
    finally:
        await app.aclose()


@dataclass(slots=True)
class Assistant:
    """Walks a journey: it knows what the person said and what it was answered, and nothing else."""

    client: Client
    app: ServingApp
    given: dict[str, str]
    known: str
    answers: dict[str, Any] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    calls: int = 0

    async def call(self, step: Call) -> None:
        """One call, with arguments it can know."""
        arguments = {name: self._value(value) for name, value in step.arguments.items()}
        for leaf in _leaves(arguments):
            self._must_be_known(step.tool, leaf)
        self.calls += 1
        result = await self.client.call_tool(step.tool, arguments)
        structured: dict[str, Any] = result.structured_content
        assert not result.is_error, text_of(result)
        self.answers[step.tool] = structured
        self.read.append(text_of(result))
        self.known += _plain(f"{text_of(result)} {json.dumps(structured, ensure_ascii=False)}")

    async def release(self, step: Release) -> None:
        """The approver looks at it and releases it, with a passcode no assistant is given."""
        company = await self.app.companies.get("")
        await add_approver(self.app.store, APPROVER, PASSCODE)
        seen = await self.app.approvals.preview(self.answers[step.tool]["proposal_id"], company)
        released = await self.app.approvals.approve(seen, company, by=Proof(APPROVER, PASSCODE), channel="terminal")
        assert released.state == "posted", released.findings

    async def decline(self, step: Decline) -> None:
        """The approver declines it."""
        await add_approver(self.app.store, APPROVER, PASSCODE)
        proposal_id = self.answers[step.tool]["proposal_id"]
        await self.app.approvals.decline(proposal_id, by=Proof(APPROVER, PASSCODE), channel="terminal")

    def _value(self, value: Any) -> Any:
        match value:
            case Taken():
                return value.out_of(self.answers)
            case Given():
                return self.given[value.name]
            case dict():
                return {name: self._value(one) for name, one in value.items()}
            case list():
                return [self._value(one) for one in value]
            case _:
                return value

    def _must_be_known(self, tool: str, leaf: str) -> None:
        if _DATE.fullmatch(leaf) or f'"{leaf}"' in _SCHEMAS[tool]:
            return
        assert _plain(leaf) in self.known, f"{tool} is given {leaf!r}, which nobody said"


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in _leaves(one)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in _leaves(one)]
    return [value] if isinstance(value, str) else []


def _plain(text: str) -> str:
    return text.casefold().replace(",", "")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.name)
async def test_a_request_takes_its_calls_and_the_books_agree(journey: Journey, mode: str, home: Path) -> None:
    async with company(home, mode) as (client, app):
        given = await journey.setting(app) if journey.setting else {}
        before = await lines_of(app)
        assistant = Assistant(client, app, given, known=_plain(journey.request.format(**given)))

        for step in journey.steps:
            match step:
                case Call():
                    await assistant.call(step)
                case Release():
                    await assistant.release(step)
                case Decline():
                    await assistant.decline(step)
                case SignIn():
                    await consent(assistant.answers[step.tool]["link_url"], step.platform)

        assert assistant.calls <= journey.calls_max
        said = "\n".join(assistant.read)
        assert [fact for fact in journey.tells if fact not in said] == []
        after = await lines_of(app)
        assert before - after == Counter(journey.gone)
        assert after - before == Counter(journey.new)


def test_journeys_differ_and_cover_every_tool_that_moves_money() -> None:
    assert len({journey.name for journey in JOURNEYS}) == len({journey.request for journey in JOURNEYS}) >= 10
    called = {step.tool for journey in JOURNEYS for step in journey.steps if isinstance(step, Call)}
    assert {"pay_bill", "void_payment", "propose_payment_run", "apply_credit"} <= called
