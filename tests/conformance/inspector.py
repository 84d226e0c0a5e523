"""Walks the official MCP Inspector's command line through our server, over stdio and over HTTP (needs Node).

    python tests/conformance/inspector.py

Every tool is called, with its smallest right arguments, and every answer must fit the tool's own schema: a result, or
an error in our words. `--strict` makes the Inspector complain about schemas as well.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from conformance.run import served
from support.valid_calls import VALID

INSPECTOR = ["-y", "-p", "node@22", "-p", "@modelcontextprotocol/inspector@2.12.0", "--", "mcp-inspector", "--cli"]
_SECONDS_MAX = 120
_IS_ERROR_RESULT = 5


def main() -> int:
    """Lists and calls everything over both transports; answers 0 when the Inspector has nothing to complain about."""
    npx = shutil.which("npx")
    if npx is None:
        sys.stdout.write("The Inspector needs Node and npm: there is no npx on the PATH.\n")
        return 1
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url:
        over_stdio = [sys.executable, "-m", "rutter_ap_server", "stdio", "-e", f"RUTTER_AP_HOME={folder}/stdio"]
        targets = {"stdio": over_stdio, "http": [url, "--transport", "http"]}
        problems = [
            f"{name}: {problem}" for name, target in targets.items() for problem in _walk([npx, *INSPECTOR, *target])
        ]
    sys.stdout.write("\n".join(problems or ["The Inspector has no complaint."]) + "\n")
    return 1 if problems else 0


def _walk(inspector: list[str]) -> Iterator[str]:
    listed = yield from _ask(inspector, "tools/list", "--strict")
    if {tool["name"] for tool in listed.get("tools", [])} != set(VALID):
        yield "tools/list does not list every tool"
    for tool, arguments in VALID.items():
        given = [f"--tool-arg={name}={_text(value)}" for name, value in arguments.items()]
        yield from _ask(inspector, "tools/call", "--tool-name", tool, *given)
    for method in ("prompts/list", "resources/list", "resources/templates/list"):
        yield from _ask(inspector, method)
    yield from _ask(inspector, "resources/read", "--uri", "ap://policy")


def _ask(inspector: list[str], *words: str) -> Generator[str, None, dict[str, Any]]:
    """One question; the generator's value is the answer, and what it yields are problems."""
    method, *more = words
    done = subprocess.run(
        [*inspector, "--method", method, *more], check=False, capture_output=True, text=True, timeout=_SECONDS_MAX
    )
    said = " ".join(words[:3])
    if done.returncode not in (0, _IS_ERROR_RESULT):
        yield f"{said}: ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}"
        return {}
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        yield f"{said}: not JSON: {done.stdout[-200:]}"
        return {}
    if done.returncode == _IS_ERROR_RESULT and "who" not in answer.get("structuredContent", {}):
        yield f"{said}: an error that is not ours"
    if "error" in answer:
        yield f"{said}: {answer['error']}"
    sys.stdout.write(f"{said}: {'an error of ours' if done.returncode else 'well'}\n")
    return answer


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
