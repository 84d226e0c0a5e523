"""How starting compares with a bare MCP server: from the start of the process to the answer to tools/list, over stdio.

    python benchmarks/start.py [--rounds 21]

A client waits for this every time it opens. Ours lists the whole catalogue; its peers have one tool and do nothing:
one over the SDK's `MCPServer`, one over its low-level `Server`. All start in turn, in fresh processes, and each round
gives one ratio, so that whatever else the machine does falls on both sides.
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
from dataclasses import dataclass
from pathlib import Path

RATIO_MAX = 1.25
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
_INFO = {"name": "benchmark", "version": "1"}
_MESSAGES: list[dict[str, object]] = [
    {
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _INFO},
    },
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/list"},
]
_WORDS = "".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in _MESSAGES).encode()


@dataclass(frozen=True, slots=True)
class Start:
    """One start: wall time to the answer, the processor time it took, the peak memory, and the answer's size."""

    wall_ms: float
    cpu_ms: float
    peak_mib: float
    answer_bytes: int


def start(command: list[str], home: str) -> Start:
    """Starts a server, asks for its tools and ends it."""
    environ = {"PATH": os.environ["PATH"], "HOME": home, "RUTTER_AP_HOME": f"{home}/rutter-ap"}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(_WORDS)
    process.stdin.flush()
    answers = [process.stdout.readline(), process.stdout.readline()]
    wall = time.perf_counter() - began
    process.kill()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdin.close()
    process.stdout.close()
    assert json.loads(answers[1])["result"]["tools"], f"no tools from {command}"
    return Start(wall * 1000, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024, len(answers[1]))


def compare(rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("mcp_server", MCP_SERVER), ("low_level", LOW_LEVEL)):
            Path(folder, f"{name}.py").write_text(text, encoding="utf-8")
        servers = {
            "rutter-ap stdio": [sys.executable, "-m", "rutter_ap_server", "stdio"],
            "bare MCPServer": [sys.executable, f"{folder}/mcp_server.py"],
            "bare low-level": [sys.executable, f"{folder}/low_level.py"],
        }
        starts: dict[str, list[Start]] = {name: [] for name in servers}
        # The first round of each compiles and fills the disk cache, which is not what is compared.
        for round_number in range(rounds + 1):
            for name in sorted(servers, reverse=bool(round_number % 2)):
                one = start(servers[name], folder)
                if round_number:
                    starts[name].append(one)
    return report(starts, rounds)


def report(starts: dict[str, list[Start]], rounds: int) -> int:
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
    return 0 if ratio <= RATIO_MAX else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    return compare(max(parser.parse_args().rounds, 1))


if __name__ == "__main__":
    sys.exit(main())
