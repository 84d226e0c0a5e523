"""What the doctor's tests examine: homes with something in them, and a server that is not Rutter."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from rutter_ap_server.app import App
from rutter_ap_server.clock import Clock
from rutter_ap_server.secret import Secret
from rutter_ap_server.settings import read_settings
from rutter_ap_server.store.connections import ACCESS_TOKEN
from rutter_ap_server.store.engine import Tx


def in_store(home: Path, work: Callable[[Tx], None], clock: Clock | None = None) -> None:
    """Writes into the store of that home, as the program does."""
    app = App(read_settings({"RUTTER_AP_HOME": str(home)}), clock)
    app.store.write_now(work)
    app.store.close()


def with_approvers(home: Path, *names: str) -> None:
    for name in names:
        in_store(home, partial(_add_approver, name))


def _add_approver(name: str, tx: Tx) -> None:
    tx.approvers.add(name, "hash-of-a-passcode")


def in_sandbox(home: Path, statement: str) -> None:
    with sqlite3.connect(home / "sandbox.db") as connection:
        connection.execute(statement)
    connection.close()


@contextmanager
def upstream(status: int, body: str) -> Iterator[str]:
    """Something that is not Rutter, and answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/versioned"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def credentials(base_url: str) -> dict[str, str]:
    return {
        "RUTTER_ENVIRONMENT": "sandbox",
        "RUTTER_BASE_URL": base_url,
        "RUTTER_CLIENT_ID": "id-4711",
        "RUTTER_CLIENT_SECRET": "hush-4711",
        "RUTTER_ACCESS_TOKEN": "token-4711",
    }


def keep_company(home: Path, connection_id: str, name: str, token: str) -> None:
    """A connected company in the store of that home, whatever Rutter thinks of its token."""
    app = App(read_settings({"RUTTER_AP_HOME": str(home)}))
    sealed = app.secret_keys.box().seal(Secret(token), company_id=connection_id, name=ACCESS_TOKEN)

    def keep(tx: Tx) -> None:
        tx.connections.begin(connection_id, environment="embedded", name=name)
        tx.connections.activate(connection_id, name=name, platform="XERO")
        tx.secrets.put(connection_id, ACCESS_TOKEN, sealed)

    app.store.write_now(keep)
    app.store.close()
