"""A server process over HTTP, with real tokens: what a caller may see and do, and how the process ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, ErrorData

from rutter_ap_server.guard.approvers import Proof
from support.approvers import add_approver
from support.http_server import HttpServer, free_port, http_server, over_http
from support.issuer import Issuer, running_issuer
from support.seeded import practice_home
from support.serving import app_in, bill_numbered, done

ERAS = ["auto", "legacy"]
PASSCODE = "a passcode only Ana knows"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as found:
        yield found


@pytest.fixture(scope="module")
def served_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("served") / "home"
    practice_home(home)
    return home


@pytest.fixture(scope="module")
def server(served_home: Path, issuer: Issuer) -> Iterator[HttpServer]:
    with http_server(served_home, issuer) as found:
        yield found


async def accepts(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
    return ElicitResult(action="accept", content={"approve": True})


async def approve(home: Path, proposal_id: str) -> str:
    """An approver releases it, as at a terminal; its state afterwards."""
    app = app_in(home)
    try:
        await add_approver(app.store, "Ana", PASSCODE)
        found = await app.proposal(proposal_id)
        company = await app.company_of(found)
        seen = await app.approvals.preview(found.id, company)
        released = await app.approvals.approve(seen, company, by=Proof("Ana", PASSCODE), channel="terminal")
        return released.state
    finally:
        await app.aclose()


@pytest.mark.parametrize("mode", ERAS)
async def test_a_payment_is_proposed_released_and_posted(
    mode: str, server: HttpServer, issuer: Issuer, served_home: Path
) -> None:
    number = {"auto": "GR-88", "legacy": "NW-2291"}[mode]
    async with over_http(server, issuer.token(server.resource), mode=mode) as client:
        await client.call_tool("link_account", {"role": "funding", "account": "Operating Checking"})
        bill = await bill_numbered(client, number)
        held = await done(client, "pay_bill", bill_id=bill["id"], amount="10.00")
        assert held["status"] == "held"
        assert await approve(served_home, held["proposal_id"]) == "posted"
        seen = await done(client, "get_proposal", proposal_id=held["proposal_id"])
        assert seen["proposal"]["state"] == "posted"
        assert seen["proposal"]["preparer"] == "assistant (dana)"
        again = await done(client, "pay_bill", bill_id=bill["id"], amount="10.00")
        assert (again["status"], again["proposal_id"] == held["proposal_id"]) == ("held", False)


@pytest.mark.parametrize("mode", ERAS)
async def test_a_person_is_asked_in_the_chat(mode: str, server: HttpServer, issuer: Issuer) -> None:
    number = {"auto": "AP-310", "legacy": "BH-5520"}[mode]
    async with over_http(server, issuer.token(server.resource), mode=mode, answering=accepts) as client:
        await client.call_tool("link_account", {"role": "funding", "account": "Operating Checking"})
        bill = await bill_numbered(client, number)
        assert (await done(client, "pay_bill", bill_id=bill["id"], amount="11.00"))["status"] == "posted"


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize(
    ("scope", "sees", "does_not"),
    [
        ("ap:read", {"list_bills", "get_proposal"}, {"pay_bill", "create_bill", "void_payment"}),
        ("ap:write", {"create_bill", "get_proposal"}, {"pay_bill", "list_bills", "void_payment"}),
        ("ap:pay other", {"pay_bill", "void_payment", "get_proposal"}, {"list_bills", "create_bill"}),
    ],
)
async def test_a_caller_sees_what_its_token_grants(
    mode: str, scope: str, sees: set[str], does_not: set[str], server: HttpServer, issuer: Issuer
) -> None:
    async with over_http(server, issuer.token(server.resource, scope=scope), mode=mode) as client:
        offered = {tool.name for tool in (await client.list_tools()).tools}
        assert sees <= offered
        assert not does_not & offered
        for hidden in does_not:
            with pytest.raises(Exception, match="unknown tool"):
                await client.call_tool(hidden, {})


async def test_two_callers_of_one_server_are_told_apart(server: HttpServer, issuer: Issuer) -> None:
    reading, paying = (
        issuer.token(server.resource, sub=who, scope=scope) for who, scope in (("bo", "ap:read"), ("cy", "ap:pay"))
    )
    async with over_http(server, reading, mode="legacy") as bo, over_http(server, paying, mode="legacy") as cy:
        for _ in range(3):
            assert "pay_bill" not in {tool.name for tool in (await bo.list_tools()).tools}
            assert "pay_bill" in {tool.name for tool in (await cy.list_tools()).tools}


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


def post(server: HttpServer, token: str = "", body: Any = INITIALIZE, **headers: str) -> httpx.Response:
    if token:
        headers["authorization"] = f"Bearer {token}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{server.address}/mcp", content=content, headers=ACCEPT | headers)


def test_without_a_good_token_only_the_way_to_one_is_said(server: HttpServer, issuer: Issuer) -> None:
    metadata = f"{server.address}/.well-known/oauth-protected-resource/mcp"
    for token, error in (
        ("", None),
        ("nonsense", "invalid_token"),
        (issuer.token("https://other/mcp"), "invalid_token"),
    ):
        answer = post(server, token)
        assert answer.status_code == 401
        assert f'resource_metadata="{metadata}"' in answer.headers["www-authenticate"]
        assert (f'error="{error}"' in answer.headers["www-authenticate"]) is (error is not None)
    refused = post(server, issuer.token(server.resource, scope="openid email"))
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert 'scope="ap:read ap:write ap:pay"' in refused.headers["www-authenticate"]

    said = httpx.get(metadata).json()
    assert said["authorization_servers"] == [issuer.address]
    assert said["resource"] == server.resource
    assert said["scopes_supported"] == ["ap:read", "ap:write", "ap:pay"]
    assert httpx.get(f"{server.address}/.well-known/oauth-protected-resource").json() == said


def test_a_session_belongs_to_whoever_began_it(server: HttpServer, issuer: Issuer) -> None:
    begun = post(server, issuer.token(server.resource))
    session = {"mcp-session-id": begun.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
    asked = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    assert post(server, issuer.token(server.resource), asked, **session).status_code == 200
    assert post(server, issuer.token(server.resource, sub="eve"), asked, **session).status_code == 404
    assert post(server, "", asked, **session).status_code == 401


async def test_subjects_that_begin_alike_are_two_callers(server: HttpServer, issuer: Issuer) -> None:
    """Each may take back what it proposed itself, and nothing else."""
    subject = "spiffe://example.com/" + "assistant/" * 10
    async with over_http(server, issuer.token(server.resource, sub=f"{subject}one")) as client:
        bill = await bill_numbered(client, "FT-778")
        held = await done(client, "pay_bill", bill_id=bill["id"], amount="1.00", account="Operating Checking")
    async with over_http(server, issuer.token(server.resource, sub=f"{subject}other")) as client:
        asked = await client.call_tool("withdraw_proposal", {"proposal_id": held["proposal_id"], "reason": "not mine"})
        assert asked.is_error
    async with over_http(server, issuer.token(server.resource, sub=f"{subject}one")) as client:
        assert await done(client, "withdraw_proposal", proposal_id=held["proposal_id"], reason="mine")


def test_a_narrower_token_sees_less_of_a_session(server: HttpServer, issuer: Issuer) -> None:
    begun = post(server, issuer.token(server.resource))
    session = {"mcp-session-id": begun.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
    asked = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    assert '"pay_bill"' in post(server, issuer.token(server.resource), asked, **session).text
    narrow = post(server, issuer.token(server.resource, scope="ap:read"), asked | {"id": 3}, **session).text
    assert '"list_bills"' in narrow
    assert '"pay_bill"' not in narrow


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "rebound.example.com"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 400),
    ],
)
def test_requests_from_elsewhere_are_turned_away(
    headers: dict[str, str], status: int, server: HttpServer, issuer: Issuer
) -> None:
    assert post(server, issuer.token(server.resource), **headers).status_code == status


def test_no_body_makes_it_fail(server: HttpServer, issuer: Issuer) -> None:
    token = issuer.token(server.resource)
    assert post(server, token, b"x" * 2_000_001).status_code == 413
    for body in (b"", b"[", b"\xff", b"null", b"[" * 100_000, json.dumps([INITIALIZE] * 3).encode()):
        assert 400 <= post(server, token, body).status_code < 500
    assert httpx.post(f"{server.address}/healthz", content=b"x" * 10_000).status_code == 405
    assert httpx.get(f"{server.address}/nothing?token=secret").status_code == 404


def test_a_request_that_never_ends_holds_nobody_up(server: HttpServer, issuer: Issuer) -> None:
    slow = socket.create_connection(("127.0.0.1", server.port))
    head = f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\ncontent-length: 1000\r\n"
    token = issuer.token(server.resource)
    slow.sendall(f"{head}content-type: application/json\r\nauthorization: Bearer {token}\r\n\r\n{{".encode())
    assert post(server, token).status_code == 200
    slow.close()


def test_its_log_says_no_token_query_or_unknown_path(server: HttpServer, issuer: Issuer) -> None:
    token = issuer.token(server.resource)
    post(server, token)
    httpx.get(f"{server.address}/healthz?access_token={token}")
    httpx.get(f"{server.address}/s3cret/path")
    post(server, token, host="s3cret.example.com")
    post(server, "s3cret")
    log = server.log()
    assert "GET /healthz 200" in log
    assert "POST /mcp 200" in log
    for secret in (token, token.split(".")[2], "s3cret", "access_token"):
        assert secret not in log


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_answers_what_is_on_its_way(told: signal.Signals, home: Path) -> None:
    """It says first that it is leaving; then it ends with status 0, though a client keeps its stream open."""
    practice_home(home)
    with http_server(home) as server:
        async with over_http(server, mode="legacy") as client:
            assert (await done(client, "list_bills", limit=1))["bills"]
            server.process.send_signal(told)
            with anyio.fail_after(30):
                while (await anyio.to_thread.run_sync(ready, server)) == 200:
                    await anyio.lowlevel.checkpoint()
            assert (await done(client, "list_bills", limit=1))["bills"]
            assert await anyio.to_thread.run_sync(server.process.wait, 60) == 0


def ready(server: HttpServer) -> int:
    return httpx.get(f"{server.address}/readyz").status_code


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"RUTTER_AP_HOST": "0.0.0.0"}, "RUTTER_AP_ISSUER must say whose tokens"),
        ({"RUTTER_AP_HOST": "ap.example.com"}, "RUTTER_AP_ISSUER must say whose tokens"),
        ({"RUTTER_AP_HOST": "::"}, "RUTTER_AP_ALLOWED_HOSTS must name"),
        ({"RUTTER_AP_ALLOWED_HOSTS": "localhost:8080,ap.example.com"}, "names more than this machine"),
        ({"RUTTER_AP_ISSUER": "https://id.example.com"}, "need each other"),
        ({"RUTTER_AP_RESOURCE": "https://ap.example.com/mcp"}, "need each other"),
        ({"RUTTER_AP_ISSUER": "http://id.example.com"}, "RUTTER_AP_ISSUER must be an https://"),
        ({"RUTTER_AP_RESOURCE": "https://ap.example.com/"}, "end with /mcp"),
        ({"RUTTER_AP_PORT": "0"}, "RUTTER_AP_PORT must be a port"),
        ({"RUTTER_AP_ALLOWED_HOSTS": "*"}, "RUTTER_AP_ALLOWED_HOSTS takes hosts"),
    ],
)
def test_it_does_not_start_where_anybody_could_ask(settings: dict[str, str], said: str, home: Path) -> None:
    ended = start(home, **{"RUTTER_AP_PORT": str(free_port()), **settings})
    assert ended.returncode == 2
    assert said in ended.stderr


def test_a_port_that_is_taken_is_said(server: HttpServer, home: Path) -> None:
    ended = start(home, RUTTER_AP_PORT=str(server.port))
    assert ended.returncode == 1
    assert "another program holds its port" in ended.stderr


def start(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rutter_ap_server", "serve"],
        env={"RUTTER_AP_HOME": str(home), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
