"""No access token is ever seen: not in an answer, an error, a log, a repr, nor in the store's file in the clear."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.companies.health import Waiting
from rutter_ap_server.interaction import LinkToOpen
from support.connect_flow import consent, in_books, in_store, link_company
from support.serving import serving, text_of

pytestmark = pytest.mark.anyio


def _tokens(home: Path) -> set[str]:
    """Every access token Rutter ever had."""
    return {token for (token,) in in_books(home, "SELECT access_token FROM companies")}


async def test_no_token_is_in_any_answer_error_log_or_repr(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        async with serving(home) as (client, app):

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                result = await client.call_tool(tool, arguments)
                said.extend([text_of(result), json.dumps(result.structured_content)])
                return result.structured_content or {}

            begun = await call("connect_ledger", name="Second")
            await call("connect_ledger", name="Second")
            await consent(begun["link_url"])
            await call("connect_ledger", connection_id="Second")
            await call("list_connections")
            await call("sync_ledger", company="Second", wait_seconds=1)
            await call("list_bills", company="Second")
            tokens = _tokens(home)
            in_books(home, "UPDATE companies SET access_token = 'rotated-' || number WHERE number > 1")
            for tool in ("list_bills", "sync_ledger", "list_connections"):
                await call(tool, company="Second")
            await call("connect_ledger", connection_id="Second")
            in_books(home, "UPDATE companies SET status = 'needs_reauth' WHERE number > 1")
            await call("connect_ledger", connection_id="Second")
            company = await app.companies.get("Second")
            said += [repr(app), repr(app.connect_flow), repr(app.companies), repr(company), repr(app.secret_keys)]
            said += [repr(app.settings), repr(await app.connect_flow.connections.all())]
        tokens |= _tokens(home)
    assert len(tokens) >= 3
    everything = "\n".join([*said, caplog.text])
    assert [token for token in tokens if token in everything] == []


async def test_the_store_holds_neither_token_nor_link_in_the_clear(home: Path) -> None:
    async with serving(home) as (client, _):
        await link_company(client)
        begun = (await client.call_tool("connect_ledger", {"name": "Third"})).structured_content
        assert begun is not None
        files = [path for path in home.iterdir() if path.name.startswith("rutter-ap.db")]
        content = b"".join(path.read_bytes() for path in files)
    content += b"".join(path.read_bytes() for path in home.iterdir() if path.name.startswith("rutter-ap.db"))
    assert b"connection_linked" in content, "the files that were looked through are the store's"
    for token in _tokens(home):
        assert token.encode() not in content
    assert f"/link/connection/{begun['company']['id']}".encode() not in content
    names = in_store(home, "SELECT name FROM secrets ORDER BY name")
    assert names == [("access_token",), ("access_token",), ("link_url",)], "a link is kept while it waits, no longer"


def test_a_link_is_in_no_repr() -> None:
    link = "https://link.example/connection/1"
    assert link not in repr(LinkToOpen("c1", "Open it", link, 10))
    assert link not in repr(Waiting("c1", "Second", "embedded", link))
