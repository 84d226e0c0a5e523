"""Runs the official MCP conformance suite against our served server, for both revisions of the protocol (needs Node).

    python tests/conformance/run.py

Only scenarios that mean something for any server are run: the others need the tools, prompts and resources of the
suite's own example server by name. A failure that is exempt says why, and an exemption that is no longer needed fails.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# The suite needs a newer Node than many systems have, and npm brings it along.
SUITE = ["-y", "-p", "node@22", "-p", "@modelcontextprotocol/conformance@0.2.0-alpha.12", "--", "conformance"]
SCENARIOS: dict[str, tuple[str, ...]] = {
    "2025-11-25": (
        "server-initialize",
        "server-session-lifecycle",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
        "server-sse-multiple-streams",
    ),
    "2026-07-28": (
        "server-stateless",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
        "server-sse-multiple-streams",
        "caching",
        "http-header-validation",
        "sep-2164-resource-not-found",
        "input-required-result-unsupported-methods",
    ),
}
# Checks of the scenario server-stateless that call a tool of the suite's own example server.
FIXTURES = {
    "sep-2575-server-rejects-undeclared-capability": "test_missing_capability",
    "sep-2575-missing-capability-http-400": "test_missing_capability",
    "sep-2575-http-server-no-independent-requests-on-stream": "test_streaming_elicitation",
    "sep-2575-server-no-log-without-loglevel": "test_logging_tool",
}
_SECONDS_MAX = 180


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario at one revision: its checks as `(name, status)`; a name may stand for several."""

    revision: str
    scenario: str
    checks: tuple[tuple[str, str], ...]
    trouble: str = ""

    def count(self, status: str) -> int:
        """How many checks ended so."""
        return sum(found == status for _, found in self.checks)


def main() -> int:
    """Runs everything and answers 0 only when nothing failed that is not exempt."""
    npx = shutil.which("npx")
    if npx is None:
        _say("The conformance suite needs Node and npm: there is no npx on the PATH.")
        return 1
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url:
        results = [
            run(npx, url, revision, scenario, Path(folder) / f"{revision}-{scenario}")
            for revision, scenarios in SCENARIOS.items()
            for scenario in scenarios
        ]
    problems = [problem for result in results for problem in problems_of(result)]
    _say("\n".join(problems) if problems else "Conformant, but for what is exempt above.")
    return 1 if problems else 0


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Our server in a process of its own, at the address it says."""
    command = [sys.executable, str(Path(__file__).with_name("server.py")), str(folder / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                sys.exit("Our own server did not start; what it said stands above.")
            yield url
        finally:
            process.terminate()


def run(npx: str, url: str, revision: str, scenario: str, folder: Path) -> Result:
    """One scenario; its result is read from the file the suite writes, not from its words."""
    arguments = ["server", "--url", url, "--scenario", scenario, "--spec-version", revision, "-o", str(folder)]
    try:
        # A failed scenario is a result like any other; what counts is the file it leaves.
        done = subprocess.run(
            [npx, *SUITE, *arguments], check=False, capture_output=True, text=True, timeout=_SECONDS_MAX
        )
        words = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        words = f"no end within {_SECONDS_MAX} seconds"
    files = list(folder.glob("*/checks.json"))
    if len(files) != 1:
        result = Result(revision, scenario, (), words.strip()[-400:])
    else:
        found = json.loads(files[0].read_text(encoding="utf-8"))
        result = Result(revision, scenario, tuple((check["id"], check["status"]) for check in found))
    _say(
        f"{revision}  {scenario:42} {result.count('SUCCESS'):3} passed {result.count('FAILURE'):3} failed"
        f" {result.count('WARNING'):3} warnings {result.count('SKIPPED'):3} skipped"
    )
    return result


def problems_of(result: Result) -> Iterator[str]:
    """What is wrong with a result, in a line each; what is exempt is said and passed over."""
    named = f"{result.revision} {result.scenario}"
    if not result.checks:
        yield f"{named} did not run: {result.trouble}"
    for check, status in result.checks:
        reason = exemption(check)
        if status == "FAILURE" and not reason:
            yield f"{named} failed: {check}"
        elif status == "FAILURE":
            _say(f"exempt  {named}  {check}: {reason}")
        elif status == "SUCCESS" and check in FIXTURES:
            yield f"{named}: {check} passes now, so it is no longer exempt: take it out of FIXTURES"


def exemption(check: str) -> str:
    """Why a check may fail, or nothing."""
    return f"it needs the suite's own tool {FIXTURES[check]}" if check in FIXTURES else ""


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
