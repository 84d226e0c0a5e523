"""What the client's page promises to someone who has nothing else: its imports, and its examples as files."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rutter_ap_server.rutter import Credentials, RutterClient, errors
from rutter_ap_server.rutter.blocking import blocking
from support.sandbox_server import first_token, sandbox_server
from support.scripted_upstream import TOKEN, Scripted, client_for, refusal

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
PACKAGE = "rutter_ap_server.rutter"
EXAMPLES = {
    "list_bills": r"(.+: \d+\.\d\d [A-Z]{3}, due .+\n){5}(Due in all: \d+\.\d\d [A-Z]{3}\n)+",
    "create_bill": r"Entered EX-\w{8}: 130\.49 USD\nAttached invoice\.pdf: 12 bytes\n",
    "pay_bill": r"Paid 0\.99 USD; (\d+\.\d\d) was due, (\d+\.\d\d) is\n",
    "follow_job": r"Job [\w-]+: (prequeued|pending)\nEntered: Bill\(id='[\w-]+'\)\n",
}


def run(example: str, **environment: str) -> str:
    file = ROOT / "examples" / "client" / f"{example}.py"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RUTTER_")}
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(file)],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_runs_as_a_file(example: str) -> None:
    assert re.fullmatch(EXAMPLES[example], run(example))


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_runs_against_an_address(example: str) -> None:
    with sandbox_server() as sandbox:
        said = run(
            example,
            RUTTER_CLIENT_ID=sandbox["client_id"],
            RUTTER_CLIENT_SECRET=sandbox["client_secret"],
            RUTTER_ACCESS_TOKEN=first_token(sandbox),
            RUTTER_BASE_URL=sandbox["base_url"],
        )
    assert re.fullmatch(EXAMPLES[example], said)


def test_every_example_is_tried_here_and_named_in_the_guide() -> None:
    files = {file.stem for file in (ROOT / "examples" / "client").glob("*.py")} - {"connected"}
    assert files == set(EXAMPLES)
    assert all(f"../examples/client/{file}.py" in GUIDE for file in files)


def test_every_name_of_the_import_table_is_there() -> None:
    rows = re.findall(r"^\| (itself.*?|`\..*?) \| (.*) \|$", GUIDE, re.MULTILINE)
    found = set()
    for where, names in rows:
        modules = [importlib.import_module(PACKAGE + name) for name in re.findall(r"`(\.[\w.]+)`", where)]
        modules = modules or [importlib.import_module(PACKAGE)]
        for name in re.findall(r"`(\w+)`", names):
            if name != "RutterError" or modules[0].__name__ == PACKAGE:
                assert any(hasattr(module, name) for module in modules), name
                found.add(name)
    assert set(importlib.import_module(PACKAGE).__all__) <= found


def test_what_waits_raises_what_the_call_raises() -> None:
    client = client_for(Scripted(refusal(410)))
    with blocking(client) as wait, pytest.raises(errors.NotFoundUpstream):
        wait(client.connection(TOKEN).bills.get, "b-1")
    with pytest.raises(errors.Misconfigured):
        RutterClient(Credentials("", ""))
