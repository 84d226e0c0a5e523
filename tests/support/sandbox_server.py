"""A sandbox in a process of its own, reached over a real socket, with switches for what goes wrong there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx

Announced = dict[str, Any]
"""What a sandbox says in its first line: its address, its credentials and its companies."""


_ON_A_DAY = """
import sys
from datetime import date
from rutter_sandbox.serve import serve
serve(today=date.fromisoformat(sys.argv[1]))
"""


@contextmanager
def sandbox_server(*, bills: int = 0, file: Path | None = None, today: date | None = None) -> Iterator[Announced]:
    """`rutter-ap sandbox` with its switches open; or, since that command only knows today, a sandbox of another day."""
    command = [sys.executable, "-m", "rutter_ap_server", "sandbox", "--admin", "--bills", str(bills)]
    command += ["--file", str(file)] if file else []
    if today is not None:
        command = [sys.executable, "-c", _ON_A_DAY, today.isoformat()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def settings_of(announced: Announced, token: str = "", **more: str) -> dict[str, str]:
    """The settings of a server in front of that sandbox; with a token it is connected to that company."""
    return {
        "RUTTER_ENVIRONMENT": "sandbox",
        "RUTTER_BASE_URL": announced["base_url"],
        "RUTTER_CLIENT_ID": announced["client_id"],
        "RUTTER_CLIENT_SECRET": announced["client_secret"],
        **({"RUTTER_ACCESS_TOKEN": token} if token else {}),
        **more,
    }


def first_token(announced: Announced) -> str:
    """The access token of its first company."""
    token: str = announced["connections"][0]["access_token"]
    return token


def set_faults(announced: Announced, *rules: dict[str, Any], seed: int = 0) -> None:
    """Says what goes wrong from now on; with no rules nothing does."""
    url = announced["base_url"].removesuffix("/versioned") + "/sandbox/faults"
    httpx.put(url, json={"seed": seed, "rules": rules}, timeout=10, trust_env=False).raise_for_status()
