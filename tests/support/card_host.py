"""The official host of MCP Apps in a browser: our server over Streamable HTTP, the host's page, and its sandbox."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from rutter_ap_prompts import instructions
from rutter_ap_server.mcp.server import build_server
from rutter_ap_tools.catalogue import CATALOGUE
from support.serving import app_in

PAGES = Path(__file__).parents[1] / "card"
BUNDLER = PAGES / "node_modules" / "esbuild" / "bin" / "esbuild"
# What MCP Apps demands of a host for a card that asks for nothing (2026-01-26, security). The proxy's own script stands
# in the page, so that a card inherits exactly this.
CARD_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self' data:; connect-src 'none'"
)


def missing() -> str:
    """What the host lacks on this machine; "" if nothing."""
    if shutil.which("node") is None:
        return "there is no Node here, which bundles the host of MCP Apps"
    if not BUNDLER.exists():
        return "the host of MCP Apps is not installed: npm ci --ignore-scripts --prefix tests/card"
    return ""


def bundled(folder: Path) -> Path:
    """The host's script with all that it imports."""
    script = folder / "host.js"
    command = ["node", BUNDLER, PAGES / "host.mjs", "--bundle", "--format=esm", f"--outfile={script}"]
    subprocess.run([*map(str, command), "--log-level=warning"], check=True, cwd=PAGES, timeout=120)
    return script


@contextmanager
def a_host(home: Path, script: Path, **environ: str) -> Iterator[str]:
    """The address of the host's page; the app behind it works in that home."""
    with socket.socket() as own, socket.socket() as sandbox:
        ports = []
        for one in (own, sandbox):
            one.bind(("127.0.0.1", 0))
            one.listen(64)
            ports.append(one.getsockname()[1])
        app = app_in(home, environ)
        server = build_server(app, CATALOGUE, instructions=instructions())
        served = server.streamable_http_app(
            custom_starlette_routes=_routes(script, f"http://localhost:{ports[1]}/sandbox")
        )
        running = uvicorn.Server(uvicorn.Config(served, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [own, sandbox]})
        thread.start()
        try:
            yield f"http://localhost:{ports[0]}/"
        finally:
            running.should_exit = True
            thread.join(60)


def _routes(script: Path, sandbox: str) -> list[Route]:
    proxy = (PAGES / "sandbox.mjs").read_text(encoding="utf-8")
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'

    async def page(_: Request) -> Response:
        body = f'<body data-sandbox="{sandbox}"><script type="module" src="/host.js"></script>'
        return HTMLResponse(f"{head}<title>A host</title>{body}")

    async def proxied(_: Request) -> Response:
        text = f"{head}<title>A sandbox</title><body><script type=module>{proxy}</script>"
        return HTMLResponse(text, headers={"content-security-policy": CARD_POLICY})

    async def bundle(_: Request) -> Response:
        return FileResponse(script, media_type="text/javascript")

    return [Route("/", page), Route("/sandbox", proxied), Route("/host.js", bundle)]
