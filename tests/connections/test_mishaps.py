"""When an answer is lost on the way: nothing is linked twice or lost, and what is left behind does no harm."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rutter_ap_tools.errors import OperatorError
from support.connect_flow import NEVER_ENDS, consent, link_company, listed
from support.sandbox_server import Announced, first_token, sandbox_server, set_faults, settings_of
from support.serving import done, failed, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def rutter(tmp_path: Path) -> Iterator[Announced]:
    """A sandbox of this test's own, whose books are in a file."""
    with sandbox_server(file=tmp_path / "rutter.db") as announced:
        yield announced


CREATE = {"method": "POST", "path": "/versioned/connections/create", "times": 1}


@pytest.mark.parametrize("fault", ["cut_after_commit", "status_500_after_commit", "cut_before_commit"])
async def test_a_lost_beginning_is_repeated_and_its_orphan_harmless(rutter: Announced, home: Path, fault: str) -> None:
    """Its reply was lost, so Rutter may hold a connection that nobody here knows."""
    async with serving(home, environ=settings_of(rutter)) as (client, _):
        set_faults(rutter, CREATE | {"fault": fault})
        error = await failed(client, "connect_ledger", name="Second")
        assert (error["code"], error["who"]) == ("connection.no_answer", "retry")
        assert (await done(client, "list_connections"))["connections"] == []
        await link_company(client)
        assert list(await listed(client)) == ["Second"]


async def test_a_failed_rename_at_rutter_keeps_the_name_chosen_here(rutter: Announced, home: Path) -> None:
    async with serving(home, environ=settings_of(rutter)) as (client, app):
        other = rutter["connections"][0]
        every = await (await app.companies.client()).connections.list(status="any")
        there = next(one.id for one in every if one.access_token.reveal() == other["access_token"])
        await (await app.companies.client()).connections.rename(there, "Taken There")
        company_id = await link_company(client, "Taken There")
        assert (await done(client, "list_bills", company="Taken There"))["company"]["id"] == company_id


async def test_a_failed_look_says_why_and_the_next_finds_the_company(rutter: Announced, home: Path) -> None:
    async with serving(home, environ=settings_of(rutter)) as (client, _):
        begun = await done(client, "connect_ledger", name="Second")
        await consent(begun["link_url"])
        set_faults(rutter, {"method": "GET", "path": "/versioned/connections", "fault": "status_500_before_commit"})
        assert (await failed(client, "connect_ledger", name="Second"))["code"] == "rutter_unavailable"
        assert (await listed(client))["Second"]["health"] == "waiting"
        set_faults(rutter)
        assert (await done(client, "connect_ledger", name="Second"))["status"] == "connected"


@pytest.mark.parametrize(
    "fault", ["status_500_after_commit", "cut_after_commit", "status_503_before_commit", "cut_before_commit"]
)
async def test_an_unconfirmed_sync_may_be_requested_again(rutter: Announced, home: Path, fault: str) -> None:
    async with serving(home, environ=settings_of(rutter, first_token(rutter))) as (client, _):
        sync = {"method": "POST", "path": "/versioned/connections/incremental_sync", "times": 1}
        set_faults(rutter, sync | {"fault": fault})
        error = await failed(client, "sync_ledger")
        assert (error["code"], error["who"]) == ("sync.no_answer", "retry")
        assert (await done(client, "sync_ledger", wait_seconds=20))["status"] == "synced"


async def test_a_failed_poll_is_not_the_end_of_a_sync(rutter: Announced, home: Path, tmp_path: Path) -> None:
    def books(statement: str) -> None:
        with closing(sqlite3.connect(tmp_path / "rutter.db")) as connection, connection:
            connection.execute(statement)

    told: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)
        if len(told) == 1:
            # From the first look on Rutter is out of order for a while, and then the synchronisation has ended.
            detail = {"method": "GET", "path": "/versioned/connections/access_token", "times": 6}
            set_faults(rutter, detail | {"fault": "status_503_before_commit"})
            books("DROP TRIGGER never_ends")
            books("UPDATE companies SET last_sync_completed_at = '2999-01-01T00:00:00.000Z' WHERE number = 1")

    async with serving(home, environ=settings_of(rutter, first_token(rutter))) as (client, _):
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
