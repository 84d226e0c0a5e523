"""The other side of a webhook: a chat tool's HTTP server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ChatTool:
    """A chat tool's webhook: what was posted there, and the status it answers with."""

    address: str = ""
    posted: list[Any] = field(default_factory=list)
    status: int = 200


@contextmanager
def running_chat_tool() -> Iterator[ChatTool]:
    """One that answers until the block ends."""
    tool = ChatTool()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            tool.posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(tool.status)
            self.send_header("location", "https://elsewhere.example/")
            self.end_headers()
            self.wfile.write(b"refused: token T-SECRET")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        tool.address = f"http://localhost:{server.server_port}/hooks/T-SECRET"
        yield tool
        server.shutdown()
        thread.join()
