"""Speaking to a server as a client does that knows nothing of us: a command, an environment, and lines of JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
_MESSAGES: tuple[dict[str, Any], ...] = (
    {"id": 1, "method": "initialize", "params": _HELLO},
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/list"},
)


def hello_and_tools(command: Sequence[str], environ: Mapping[str, str], folder: Path) -> tuple[Any, list[Any]]:
    """Starts the command in that folder with that environment alone; answers its greeting and its tools."""
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write("".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in _MESSAGES))
        server.stdin.flush()
        hello, listed = (json.loads(server.stdout.readline())["result"] for _ in range(2))
        server.stdin.close()
        assert server.wait(timeout=30) == 0
    return hello, listed["tools"]
