"""A person with a browser, who links companies on the page they are shown; and what store and books then hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from mcp.client import Client

from support.serving import done

# The embedded sandbox is done the moment it is asked; with this its synchronisations never end.
NEVER_ENDS = """
    CREATE TRIGGER never_ends AFTER UPDATE OF last_sync_completed_at ON companies
    WHEN NEW.last_sync_completed_at IS NOT OLD.last_sync_completed_at
    BEGIN UPDATE companies SET last_sync_completed_at = OLD.last_sync_completed_at WHERE number = OLD.number; END
"""


async def consent(link_url: str, platform: str = "XERO", ledger: str = "") -> None:
    """Opens the page, picks a platform where there is a choice, ticks the box and submits the form.

    With `ledger` the person signs in to the company that this connection leads to already.
    """
    async with httpx.AsyncClient(trust_env=False) as browser:
        page = await browser.get(link_url)
        assert page.status_code == 200, page.text
        assert '<form method="post">' in page.text
        fields = {"consent": "yes", "ledger": ledger} | ({"platform": platform} if "<select" in page.text else {})
        linked = await browser.post(link_url, data=fields)
        assert "Linked." in linked.text, linked.text


async def link_company(client: Client, name: str = "Second", platform: str = "XERO") -> str:
    """A company linked from the first call to the last; its id."""
    begun = await done(client, "connect_ledger", name=name)
    assert begun["status"] == "waiting"
    await consent(begun["link_url"], platform)
    linked = await done(client, "connect_ledger", connection_id=begun["company"]["id"])
    assert (linked["status"], linked["platform"], linked["company"]["name"]) == ("connected", platform, name)
    company_id: str = linked["company"]["id"]
    return company_id


async def listed(client: Client, **arguments: str) -> dict[str, dict[str, Any]]:
    """The rows of list_connections by name."""
    found = await done(client, "list_connections", **arguments)
    return {row.get("name", row["id"]): row for row in found["connections"]}


def in_books(home: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """SQL on the embedded sandbox's own file: what Rutter knows."""
    with closing(sqlite3.connect(home / "sandbox.db")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def in_store(home: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """SQL on the store, behind its back."""
    with closing(sqlite3.connect(home / "rutter-ap.db")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def audited(home: Path) -> list[str]:
    """The kinds of the audit chain's entries about connections."""
    rows = in_store(home, "SELECT kind FROM audit WHERE kind LIKE 'connection%' ORDER BY seq")
    return [kind for (kind,) in rows]
