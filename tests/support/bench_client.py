"""An assistant at a bench: the official MCP client in front of a real guard whose wire can be cut, on any platform."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
from mcp.client import Client
from mcp.client.session import ElicitationFnT

from rutter_ap_server.companies.company import CompanyIdentity
from rutter_ap_server.companies.directory import Directory
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.catalogue import CATALOGUE
from support.bench import PASSCODE, Bench, OneCompany, a_bench

_WITH_BOOKS_OF_THEIR_OWN = frozenset({"XERO", "NETSUITE", "SAGE_INTACCT"})


@asynccontextmanager
async def client_at_bench(
    home: Path,
    policy: str = "",
    *,
    platform: str = "QUICKBOOKS",
    answering: ElicitationFnT | None = None,
    named: str = "",
) -> AsyncIterator[tuple[Client, Bench]]:
    """A client and its bench, in the story's company on that platform; "Ana" and "Bo" are approvers.

    `named` is the company by its name instead, for those that share a platform or have one of their own.
    """
    async with a_bench(home, policy) as bench:
        if named or platform != "QUICKBOOKS":
            _move(bench, platform, named)
        await bench.approver("Ana", "Bo")
        server = build_server(bench.app, CATALOGUE, instructions="")
        async with Client(server, elicitation_callback=answering) as client:
            yield client, bench


def _move(bench: Bench, platform: str, named: str) -> None:
    """To another company of the same practice Rutter.

    On a platform whose companies are only found by name, and on one that it does not play, it is the first company as
    if it were there: its books hold more.
    """
    companies = bench.app.companies
    connections = bench.sandbox.connections
    wanted = named or (platform if platform in _WITH_BOOKS_OF_THEIR_OWN else "")
    connection = next((c for c in connections if wanted in (c.name, c.platform)), connections[0])
    platform = connection.platform if named else platform
    assert isinstance(companies, OneCompany)
    client = companies._client_of_bench
    books = client.connection(connection.access_token)
    bench.company = replace(
        bench.company,
        identity=CompanyIdentity(connection.id, connection.name, platform, "embedded"),
        rutter=books,
        directory=Directory(books, bench.clock),
    )
    companies._company_of_bench = bench.company


def record_writes(bench: Bench) -> list[tuple[str, str, Any]]:
    """From now on, what every write says on the wire: method, path, and body with numbers as they were written."""
    sent: list[tuple[str, str, Any]] = []

    def record(request: httpx.Request) -> bool:
        if request.method != "GET":
            assert isinstance(request.stream, httpx.ByteStream)
            content = b"".join(request.stream)
            body = json.loads(content, parse_float=str, parse_int=str) if content else None
            sent.append((request.method, request.url.path.removeprefix("/versioned"), body))
        return False

    bench.wire.gate(record)
    return sent


async def approve_while(
    bench: Bench, proposal_id: str, first_read: str, change: Callable[[], Awaitable[object]], name: str = "Ana"
) -> Proposal:
    """An approver releases, and the books change after that and before it is sent.

    `first_read` is in the path of the first reading of its facts.
    """
    seen = await bench.app.approvals.preview(proposal_id, bench.company)
    reads = 0

    def just_before_sending(request: httpx.Request) -> bool:
        nonlocal reads
        reads += request.method == "GET" and first_read in request.url.path
        return reads == 2

    gate = bench.wire.gate(just_before_sending)

    async def approve() -> None:
        await bench.app.approvals.approve(seen, bench.company, by=Proof(name, PASSCODE), channel="terminal")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(approve)
        with anyio.fail_after(20):
            await gate.reached.wait()
        await change()
        gate.go.set()
    return await bench.proposal(proposal_id)


async def due(bench: Bench, number: str) -> tuple[str, Decimal]:
    """A bill's status and what is due on it, as the ledger shows it."""
    bill = await bench.bill(number)
    assert bill.amount_due is not None
    return bill.status, bill.amount_due


def findings_in(answer: dict[str, Any]) -> list[str]:
    """The findings of an answer or an error, each as severity and code."""
    return [f"{found['severity']} {found['code']}" for found in answer["findings"]]
