"""The sandbox as one object: a database, the seeded companies in it, and the ASGI app that serves them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rutter_sandbox import load, story, story_further, story_others, story_weeks
from rutter_sandbox.app import App
from rutter_sandbox.database import Database
from rutter_sandbox.webhooks import Courier
from rutter_sandbox.wire import CLIENT_ID, CLIENT_SECRET


@dataclass(frozen=True, slots=True)
class SandboxConnection:
    """A company of the sandbox and its access token."""

    id: str
    name: str
    platform: str
    access_token: str


class Sandbox:
    """An open sandbox. `asgi` answers under `/versioned`, over a socket or in process."""

    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET

    def __init__(self, database: Database, *, admin: bool) -> None:
        self._database = database
        self.asgi = App(database, admin=admin)
        self.courier = Courier(database)

    @property
    def connections(self) -> tuple[SandboxConnection, ...]:
        """The linked companies, the main one first, as they are now."""
        query = """SELECT id, COALESCE(name, store_name, platform), platform, access_token FROM companies
            WHERE platform IS NOT NULL ORDER BY number"""
        with self._database.reading() as tx:
            return tuple(SandboxConnection(*row) for row in tx.sql.execute(query))

    def close(self) -> None:
        self._database.close()


def open_sandbox(
    file: Path | None = None, *, today: date | None = None, bills: int = 0, admin: bool = False
) -> Sandbox:
    """Opens the company in `file` (in memory when left out), seeding it once if it is empty.

    `today` fixes the day that the seeded dates are relative to, and makes every id and timestamp repeatable. `bills`
    generates that many more bills for load tests. `admin` opens the endpoints that switch faults on.
    """
    database = Database(file, today)
    try:
        _seed_once(database, bills)
    except BaseException:
        database.close()
        raise
    return Sandbox(database, admin=admin)


def _seed_once(database: Database, bills: int) -> None:
    """Seeds an empty database. Other processes that open the same file wait, and then find it seeded."""
    with database.writing() as tx:
        if tx.sql.execute("SELECT value FROM meta WHERE key = 'seeded'").fetchone()[0]:
            return
        now = tx.now
        story.seed(tx, database.today)
        for told in (story_others, story_further, story_weeks):
            told.seed(tx, database.today)
        load.generate(tx, database.today, bills)
        tx.now = now
        tx.sql.execute("UPDATE meta SET value = 'yes' WHERE key = 'seeded'")
