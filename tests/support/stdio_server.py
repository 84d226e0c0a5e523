"""A server process at the end of a pipe, spoken to in lines of JSON as by a client that knows nothing of us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

OUR_SERVER = (sys.executable, "-m", "rutter_ap_server", "stdio")
# The same, with leases of seconds instead of minutes, and a look at what is open every second instead of every minute.
# And a run of so many payments is sent unasked, as the policy allows, so that nobody has to release it.
LINES_UNASKED_MAX = 1000
_HURRIED = """
import sys
from rutter_ap_server import looking_after
from rutter_ap_server.cli.main import main
from rutter_ap_server.guard import judge, lease
judge.CHAT_LINES_MAX = int(sys.argv.pop())
lease.LEASE_SECONDS = float(sys.argv.pop())
looking_after.FIRST_RECOVERY_SECONDS = looking_after.RECOVERY_SECONDS = 1
sys.exit(main())
"""

Message = dict[str, Any]
_HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
GREETING: tuple[Message, ...] = (
    {"id": 0, "method": "initialize", "params": _HELLO},
    {"method": "notifications/initialized"},
)


def tool_call(number: int, tool: str, **arguments: Any) -> Message:
    """The request that calls a tool."""
    return {"id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


class StdioServer:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.process = process
        self._log = log

    def send(self, *messages: Message) -> None:
        """Writes messages, and waits for nothing."""
        assert self.process.stdin is not None
        lines = (json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n" for message in messages)
        self.process.stdin.write(b"".join(lines))
        self.process.stdin.flush()

    def next_line(self) -> bytes:
        """The next line it writes; empty once it has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def result(self) -> Any:
        """The result in its next line."""
        return json.loads(self.next_line())["result"]

    def greet(self) -> Any:
        """The handshake; its answer."""
        self.send(*GREETING)
        return self.result()

    def end_input(self) -> int:
        """Closes the pipe, as a client does that has finished; the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(timeout=30)

    def stop(self, told: signal.Signals) -> int:
        """Sends a signal; the exit status."""
        self.process.send_signal(told)
        return self.process.wait(timeout=30)

    def log(self) -> str:
        """What it has written on stderr."""
        self._log.seek(0)
        return self._log.read().decode()


@contextmanager
def stdio_server(
    environ: Mapping[str, str], command: Sequence[str] = OUR_SERVER, folder: Path | None = None
) -> Iterator[StdioServer]:
    """Starts a server with that environment and no other, and kills it if it still runs at the end."""
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, cwd=folder, env=environ, stdin=pipe, stdout=pipe, stderr=log) as process,
    ):
        try:
            yield StdioServer(process, log)
        finally:
            process.kill()


def hurried_server(lease_seconds: float) -> tuple[str, ...]:
    """The command of our server with leases so short that they are lost while somebody waits for it.

    It sends long runs that the policy allows unasked.
    """
    return sys.executable, "-c", _HURRIED, "stdio", str(lease_seconds), str(LINES_UNASKED_MAX)


def in_our_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process, with these settings, and a desk only where a test is about it."""
    return os.environ | {"RUTTER_AP_DESK": "off"} | dict(settings)


def greeting_and_tools(
    command: Sequence[str], environ: Mapping[str, str], folder: Path
) -> tuple[Message, list[Message]]:
    """Starts the command in that folder with that environment alone; its greeting, and its tools."""
    with stdio_server(environ, command, folder) as server:
        hello: Message = server.greet()
        server.send({"id": 1, "method": "tools/list"})
        tools: list[Message] = server.result()["tools"]
        assert server.end_input() == 0, server.log()
    return hello, tools
