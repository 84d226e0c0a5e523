"""When an answer is lost on the way: nothing is linked twice or lost, and what is left behind does no harm."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from connections.test_over_http import settings
from connections.test_syncing import NEVER_ENDS
from rutter_ap_tools.errors import OperatorError
from support.connect_flow import consent, link_company, listed
from support.serving import done, failed, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def rutter(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A sandbox in a process of its own whose switches are open."""
    words = ["sandbox", "--admin", "--file", str(tmp_path / "rutter.db")]
    with subprocess.Popen([sys.executable, "-m", "rutter_ap_server", *words], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


def strike(rutter: dict[str, Any], *rules: dict[str, Any]) -> None:
    """From now on these calls fail so."""
    url = rutter["base_url"].replace("/versioned", "/sandbox/faults")
    httpx.put(url, json={"rules": list(rules)}, trust_env=False).raise_for_status()


CREATE = {"method": "POST", "path": "/versioned/connections/create", "times": 1}


@pytest.mark.parametrize("fault", ["cut_after_commit", "status_500_after_commit", "cut_before_commit"])
async def test_a_lost_beginning_is_repeated_and_its_orphan_harmless(
    rutter: dict[str, Any], home: Path, fault: str
) -> None:
    """Its reply was lost, so Rutter may hold a connection that nobody here knows."""
    async with serving(home, environ=settings(rutter)) as (client, _):
        strike(rutter, CREATE | {"fault": fault})
        error = await failed(client, "connect_ledger", name="Second")
        assert (error["code"], error["who"]) == ("connection.no_answer", "retry")
        assert (await done(client, "list_connections"))["connections"] == []
        await link_company(client)
        assert list(await listed(client)) == ["Second"]


async def test_a_failed_rename_at_rutter_keeps_the_name_chosen_here(rutter: dict[str, Any], home: Path) -> None:
    async with serving(home, environ=settings(rutter)) as (client, app):
        other = rutter["connections"][0]
        every = await (await app.companies.client()).connections.list(status="any")
        there = next(one.id for one in every if one.access_token.reveal() == other["access_token"])
        await (await app.companies.client()).connections.rename(there, "Taken There")
        company_id = await link_company(client, "Taken There")
        assert (await done(client, "list_bills", company="Taken There"))["company"]["id"] == company_id


async def test_a_failed_look_says_why_and_the_next_finds_the_company(rutter: dict[str, Any], home: Path) -> None:
    async with serving(home, environ=settings(rutter)) as (client, _):
        begun = await done(client, "connect_ledger", name="Second")
        await consent(begun["link_url"])
        strike(rutter, {"method": "GET", "path": "/versioned/connections", "fault": "status_500_before_commit"})
        assert (await failed(client, "connect_ledger", name="Second"))["code"] == "rutter_unavailable"
        assert (await listed(client))["Second"]["health"] == "waiting"
        strike(rutter)
        assert (await done(client, "connect_ledger", name="Second"))["status"] == "connected"


@pytest.mark.parametrize(
    "fault", ["status_500_after_commit", "cut_after_commit", "status_503_before_commit", "cut_before_commit"]
)
async def test_an_unconfirmed_sync_may_be_requested_again(rutter: dict[str, Any], home: Path, fault: str) -> None:
    async with serving(home, environ=settings(rutter, rutter["connections"][0]["access_token"])) as (client, _):
        sync = {"method": "POST", "path": "/versioned/connections/incremental_sync", "times": 1}
        strike(rutter, sync | {"fault": fault})
        error = await failed(client, "sync_ledger")
        assert (error["code"], error["who"]) == ("sync.no_answer", "retry")
        assert (await done(client, "sync_ledger", wait_seconds=20))["status"] == "synced"


async def test_a_failed_poll_is_not_the_end_of_a_sync(rutter: dict[str, Any], home: Path, tmp_path: Path) -> None:
    def books(statement: str) -> None:
        with closing(sqlite3.connect(tmp_path / "rutter.db")) as connection, connection:
            connection.execute(statement)

    told: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)
        if len(told) == 1:
            # From the first look on Rutter is out of order for a while, and then the synchronisation has ended.
            detail = {"method": "GET", "path": "/versioned/connections/access_token", "times": 6}
            strike(rutter, detail | {"fault": "status_503_before_commit"})
            books("DROP TRIGGER never_ends")
            books("UPDATE companies SET last_sync_completed_at = '2999-01-01T00:00:00.000Z' WHERE number = 1")

    async with serving(home, environ=settings(rutter, rutter["connections"][0]["access_token"])) as (client, _):
        books(NEVER_ENDS)
        result = await client.call_tool("sync_ledger", {"wait_seconds": 60}, progress_callback=on_progress)
        assert result.structured_content is not None
        assert (result.structured_content["status"], len(told) > 1) == ("synced", True)


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://link.example/\n",
        "https://l.example/\u202e",
        "",
        "x" * 3000,
    ],
)
async def test_only_an_address_is_ever_shown_as_a_link(home: Path, link: str) -> None:
    production = {
        "RUTTER_ENVIRONMENT": "production",
        "RUTTER_CLIENT_ID": "a",
        "RUTTER_CLIENT_SECRET": "b",
    }
    async with serving(home, environ=production) as (_, app):
        with pytest.raises(OperatorError, match="not a safe address") as error:
            await app.companies.shown(link)
        assert not link or link not in error.value.message + error.value.next_step
        with pytest.raises(OperatorError):
            await app.companies.shown("http://link.rutterapi.com/connection/1")
        good = "https://link.rutterapi.com/connection/0b0c"
        assert await app.companies.shown(good) == good
