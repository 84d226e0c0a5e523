"""Our real MCP server over Streamable HTTP on loopback, with the embedded sandbox: what the official suite speaks to.

    python tests/conformance/server.py HOME

Its first line on stdout is the address. It ends with SIGTERM.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from rutter_ap_prompts import instructions
from rutter_ap_server.mcp.server import build_server
from rutter_ap_server.serving import ServingApp
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.catalogue import CATALOGUE

if TYPE_CHECKING:
    from starlette.applications import Starlette


def app_at(port: int, home: str) -> Starlette:
    """The whole server, guarded as a served one is: only this address's own Host and Origin are let in."""
    app = ServingApp(read_settings({"RUTTER_AP_HOME": home}))
    hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"http://{host}" for host in hosts],
    )
    server = build_server(app, CATALOGUE, instructions=instructions())
    return server.streamable_http_app(transport_security=security)


def main() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        port = listener.getsockname()[1]
        config = uvicorn.Config(app_at(port, sys.argv[1]), log_level="warning", timeout_graceful_shutdown=2)
        sys.stdout.write(f"http://127.0.0.1:{port}/mcp\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
