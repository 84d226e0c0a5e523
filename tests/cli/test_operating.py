"""Running the server: settings, the policy, stopping writes, the audit chain, uploads, and what help shows."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rutter_ap_server.cli.main import COMMANDS, GROUPS, resolve
from rutter_ap_server.cli.tools import token_figures
from rutter_ap_tools.catalogue import CATALOGUE
from support.chat_tool import running_chat_tool
from support.terminal import Terminal


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"RUTTER_CLIENT_ID": "id-9f3"}, "RUTTER_CLIENT_SECRET is missing"),
        ({"RUTTER_AP_SECRET_KEYS": "k3y-9f3"}, "RUTTER_AP_SECRET_KEYS: key 1 of 1"),
        ({"RUTTER_ENVIRONMENT": "moon"}, "embedded, sandbox or production"),
        ({"RUTTER_AP_FILES": "/nowhere/at/all"}, "RUTTER_AP_FILES names a folder that does not exist"),
        ({"RUTTER_AP_READ_ONLY": "perhaps"}, "RUTTER_AP_READ_ONLY must be true or false"),
        ({"RUTTER_AP_DESK": "no"}, "RUTTER_AP_DESK must be off, or a port"),
        ({"RUTTER_AP_DESK": "80"}, "RUTTER_AP_DESK must be off, or a port"),
        ({"RUTTER_AP_DESK": "70000"}, "RUTTER_AP_DESK must be off, or a port"),
        ({"RUTTER_AP_READONLY": "true"}, "RUTTER_AP_READONLY is not a setting"),
        ({"RUTTER_AP_ENV_FILE": "/nowhere/at/all"}, "RUTTER_AP_ENV_FILE"),
        (
            {
                "RUTTER_CLIENT_ID": "a",
                "RUTTER_CLIENT_SECRET": "s3cr3t-9f3",
                "RUTTER_ACCESS_TOKEN": "t0k3n-9f3",
                "RUTTER_ENVIRONMENT": "sandbox",
                "RUTTER_BASE_URL": "http://example.com/versioned",
            },
            "RUTTER_BASE_URL must be https://",
        ),
        (
            {
                "RUTTER_CLIENT_ID": "a",
                "RUTTER_CLIENT_SECRET": "s3cr3t-9f3",
                "RUTTER_ENVIRONMENT": "production",
                "RUTTER_BASE_URL": "https://production.rutterapi.com",
            },
            "RUTTER_BASE_URL must end with /versioned",
        ),
    ],
    ids=[
        "no secret",
        "no key",
        "no such place",
        "no folder",
        "half a switch",
        "no desk",
        "a port of others",
        "no port",
        "a slip",
        "no file",
        "not https",
        "no version",
    ],
)
def test_wrong_settings_end_it_with_one_clear_error(
    settings: dict[str, str], words: str, home: Path, rutter_ap: Terminal
) -> None:
    ended = rutter_ap("stdio", **settings)

    assert (ended.status, ended.out) == (2, "")
    assert words in ended.err
    assert "9f3" not in ended.err
    assert not home.exists(), "nothing is made for settings that are wrong"


def test_a_broken_policy_is_named_with_its_place(home: Path, rutter_ap: Terminal) -> None:
    assert "the built-in default" in rutter_ap("policy", "show").out
    assert rutter_ap("policy", "check").status == 0
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "policy.toml").write_text('[currencies.USD]\napprove_above = 1000.5\nday_limt = "5"\n')
    broken = rutter_ap("policy", "check")
    assert broken.status == 1
    assert "policy.broken" in broken.err
    assert "currencies.USD.day_limt is not a known field" in broken.err
    assert "currencies.USD.approve_above must be a decimal in quotes" in broken.err


def test_a_policy_that_was_named_and_is_gone_is_broken(home: Path, rutter_ap: Terminal) -> None:
    missing = rutter_ap("policy", "show", RUTTER_AP_POLICY=str(home / "moved-away.toml"))
    assert (missing.status, "policy.broken" in missing.err) == (1, True)


def test_the_chain_is_exported_one_entry_a_line(rutter_ap: Terminal) -> None:
    rutter_ap("freeze")
    rutter_ap("unfreeze")
    lines = rutter_ap("audit", "export").out.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["frozen", "unfrozen"]
    verified = rutter_ap("audit", "verify", "--json").json
    assert (verified["holds"], verified["entries"]) == (True, 2)


def test_an_anchor_kept_elsewhere_finds_a_cut_tail(home: Path, tmp_path: Path, rutter_ap: Terminal) -> None:
    rutter_ap("freeze")
    rutter_ap("unfreeze")
    anchor = tmp_path / "anchor.json"
    anchor.write_text(rutter_ap("audit", "export", "--anchor").out)
    assert rutter_ap("audit", "verify", "--anchor", str(anchor)).status == 0
    with sqlite3.connect(home / "rutter-ap.db") as database:
        database.execute("delete from audit")
    database.close()
    assert rutter_ap("audit", "verify").status == 0, "without the anchor a shorter chain still holds"
    cut = rutter_ap("audit", "verify", "--anchor", str(anchor))
    assert (cut.status, "the newest entries are missing" in cut.out) == (1, True)
    unreadable = rutter_ap("audit", "verify", "--anchor", str(tmp_path / "none.json"))
    assert (unreadable.status, "bad_input" in unreadable.err) == (1, True)


def test_an_uploaded_file_has_a_handle_for_its_content(tmp_path: Path, rutter_ap: Terminal) -> None:
    paper = tmp_path / "invoice.txt"
    paper.write_text("Invoice 7\n")
    first = rutter_ap("upload", str(paper))
    assert first.status == 0, first.err
    assert first.out == rutter_ap("upload", str(paper)).out
    assert first.out.startswith("upload_")
    nothing = rutter_ap("upload", str(tmp_path / "missing.pdf"))
    assert (nothing.status, "files.unreadable" in nothing.err) == (1, True)


def test_tools_are_listed_with_their_size(rutter_ap: Terminal) -> None:
    told = rutter_ap("tools", "--json").json
    assert [tool["name"] for tool in told["tools"]] == [tool.name for tool in CATALOGUE]
    assert told["bytes"] == sum(len(json.dumps(tool, separators=(",", ":")).encode()) for tool in told["tools"])

    lines = rutter_ap("tools").out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [tool.name for tool in CATALOGUE]
    assert lines[-1] == f"{len(CATALOGUE)} tools, {told['bytes']:,} bytes: {token_figures(told['tools'])}."
    narrowed = rutter_ap("tools", "--json", RUTTER_AP_READ_ONLY="true").json
    assert {tool["annotations"]["readOnlyHint"] for tool in narrowed["tools"]} == {True}


def test_token_figures_are_rounded_to_hundreds() -> None:
    wire = [{"name": "n" * 988, "outputSchema": "o" * 1983}]
    assert token_figures(wire) == "about 200 tokens without output schemas, 800 with them"


def test_every_command_can_be_found_and_explains_itself(rutter_ap: Terminal) -> None:
    assert {entry.words.split()[0] for entry in COMMANDS if " " in entry.words} == set(GROUPS)
    for entry in COMMANDS:
        arguments = resolve(entry.target).arguments
        assert all(one.options.get("help") for one in arguments), f"{entry.words}: every argument has a help text"
        helped = rutter_ap(*entry.words.split(), "--help")
        assert helped.status == 0
        options = [name for one in arguments for name in one.names if name.startswith("-")]
        assert all(name in helped.out for name in options), helped.out


@pytest.mark.parametrize("words", [(), ("pay",), ("proposals",), ("proposals", "show"), ("tools", "--jsn")])
def test_wrong_usage_ends_with_2(words: tuple[str, ...], rutter_ap: Terminal) -> None:
    ended = rutter_ap(*words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("usage: rutter-ap")


def test_help_imports_no_command() -> None:
    """Help, and the way to any one command, must not wait for the modules of all the others."""
    code = (
        "import sys\n"
        "from rutter_ap_server.cli.main import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = ('anyio', 'httpx', 'mcp', 'sqlalchemy', 'rutter_ap_server.app')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_loads_nothing_of_mcp() -> None:
    """Which takes nearly as long to load as all that a command needs."""
    code = "import sys, rutter_ap_server.cli.proposals\nprint([name for name in sys.modules if name.startswith('mcp')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]"]


def test_the_command_tries_each_channel(home: Path, rutter_ap: Terminal) -> None:
    assert rutter_ap("notices", "test").status == 1
    with running_chat_tool() as tool:
        ended = rutter_ap("notices", "test", RUTTER_AP_NOTIFY=f"{tool.address} http://localhost:9/T-SECRET")
        assert [one["text"].splitlines()[0] for one in tool.posted] == ["rutter-ap: a test"]
    assert ended.status == 1
    assert ended.out.splitlines() == [
        "sent    the webhook at localhost",
        "failed  the webhook at localhost: no connection",
    ]
