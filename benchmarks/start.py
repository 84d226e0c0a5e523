"""How starting compares with a bare MCP server, and what the first tool call costs more than the second, over stdio.

    python benchmarks/start.py [--rounds 21]

A client waits for the answer to tools/list every time it opens. Ours lists the whole catalogue; its peers have one tool
and do nothing: one over the SDK's `MCPServer`, one over its low-level `Server`. All start in turn, in fresh processes,
and each round gives one ratio, so that whatever else the machine does falls on both sides.

Ours loads most of itself after that answer, in a thread. So each round also starts it once more as a person's client
does: it lists the tools, waits a human moment of 1.5 seconds, and calls list_bills twice. The books of the practice
company are there already; opening them, the store and the first connection is part of the first call.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

RATIO_MAX = 1.10
FIRST_CALL_EXTRA_MS_MAX = 30
HUMAN_MOMENT_SECONDS = 1.5
OURS = [sys.executable, "-m", "rutter_ap_server", "stdio"]
MCP_SERVER = '''
from mcp.server import MCPServer

server = MCPServer("bare")


@server.tool()
def repeat(word: str) -> str:
    """Says a word again."""
    return word


server.run()
'''
LOW_LEVEL = """
import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

TOOL = types.Tool(name="repeat", input_schema={"type": "object", "properties": {"word": {"type": "string"}}})


async def on_list_tools(ctx, params):
    return types.ListToolsResult(tools=[TOOL])


async def main():
    server = Server("bare", version="1", on_list_tools=on_list_tools)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


anyio.run(main)
"""
_HELLO: dict[str, object] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


def lines(*messages: dict[str, object]) -> bytes:
    """Messages as they go over stdin."""
    return "".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages).encode()


OPENING = lines(
    {"id": 1, "method": "initialize", "params": _HELLO},
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/list"},
)
_CALL = lines({"id": 3, "method": "tools/call", "params": {"name": "list_bills", "arguments": {}}})


@dataclass(frozen=True, slots=True)
class Start:
    """One start: wall time to the answer, the processor time it took, the peak memory, and the answer's size."""

    wall_ms: float
    cpu_ms: float
    peak_mib: float
    answer_bytes: int


@contextmanager
def running(
    command: list[str], home: str, **settings: str
) -> Iterator[tuple[IO[bytes], IO[bytes], subprocess.Popen[bytes]]]:
    """A server that was just started: its stdin, its stdout and its process."""
    environ = {"PATH": os.environ["PATH"], "HOME": home, "RUTTER_AP_HOME": f"{home}/rutter-ap", **settings}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        yield process.stdin, process.stdout, process


def start(command: list[str], home: str) -> Start:
    """Starts a server, asks for its tools and ends it."""
    began = time.perf_counter()
    with running(command, home) as (stdin, stdout, process):
        stdin.write(OPENING)
        stdin.flush()
        answers = [stdout.readline(), stdout.readline()]
        wall = time.perf_counter() - began
        process.kill()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert json.loads(answers[1])["result"]["tools"], f"no tools from {command}"
    return Start(wall * 1000, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024, len(answers[1]))


def two_calls(home: str) -> tuple[float, float]:
    """The milliseconds of the first and of the second call, a human moment after the tools were listed."""
    with running(OURS, home) as (stdin, stdout, process):
        stdin.write(OPENING)
        stdin.flush()
        assert stdout.readline()
        assert stdout.readline()
        time.sleep(HUMAN_MOMENT_SECONDS)
        times = []
        for _ in range(2):
            began = time.perf_counter()
            stdin.write(_CALL)
            stdin.flush()
            answer = stdout.readline()
            times.append((time.perf_counter() - began) * 1000)
            assert not json.loads(answer)["result"].get("isError"), answer
        process.kill()
        process.wait()
    return times[0], times[1]


def compare(rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("mcp_server", MCP_SERVER), ("low_level", LOW_LEVEL)):
            Path(folder, f"{name}.py").write_text(text, encoding="utf-8")
        servers = {
            "rutter-ap stdio": OURS,
            "bare MCPServer": [sys.executable, f"{folder}/mcp_server.py"],
            "bare low-level": [sys.executable, f"{folder}/low_level.py"],
        }
        starts: dict[str, list[Start]] = {name: [] for name in servers}
        calls: list[tuple[float, float]] = []
        # The first round compiles, fills the disk cache and makes the practice company, which is not what is compared.
        for round_number in range(rounds + 1):
            for name in sorted(servers, reverse=bool(round_number % 2)):
                one = start(servers[name], folder)
                if round_number:
                    starts[name].append(one)
            pair = two_calls(folder)
            if round_number:
                calls.append(pair)
    return report(starts, calls, rounds)


def report(starts: dict[str, list[Start]], calls: list[tuple[float, float]], rounds: int) -> int:
    print(f"{rounds} rounds, medians")
    for name, each in starts.items():
        wall = [one.wall_ms for one in each]
        print(
            f"  {name:16} {statistics.median(wall):6.0f} ms   (least {min(wall):4.0f})"
            f"   processor {statistics.median(one.cpu_ms for one in each):5.0f} ms"
            f"   peak {max(one.peak_mib for one in each):5.1f} MiB   list {each[0].answer_bytes / 1024:5.1f} KiB"
        )
    ours, bare, low = starts.values()
    ratio = statistics.median(a.wall_ms / b.wall_ms for a, b in zip(ours, bare, strict=True))
    cpu = statistics.median(a.cpu_ms / b.cpu_ms for a, b in zip(ours, bare, strict=True))
    to_low = statistics.median(a.wall_ms / b.wall_ms for a, b in zip(ours, low, strict=True))
    print(f"  ratio to MCPServer, wall time          {ratio:.2f} (at most {RATIO_MAX})")
    print(f"  ratio to MCPServer, processor time     {cpu:.2f} (for information)")
    print(f"  ratio to low-level Server, wall time   {to_low:.2f} (for information)")
    first, second = (statistics.median(each) for each in zip(*calls, strict=True))
    extra = statistics.median(one - two for one, two in calls)
    print(f"  {HUMAN_MOMENT_SECONDS} s after the list: first call {first:.1f} ms, second call {second:.1f} ms")
    print(f"  budget: the first call over the second {extra:.2f} ms (at most {FIRST_CALL_EXTRA_MS_MAX} ms)")
    return 0 if ratio <= RATIO_MAX and extra <= FIRST_CALL_EXTRA_MS_MAX else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    return compare(max(parser.parse_args().rounds, 1))


if __name__ == "__main__":
    sys.exit(main())
