"""Installing into a client: one entry is added, everything else stays, and no secret is written anywhere."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.cli.install import CLIENTS, ClientFileError, config_path, install_into
from rutter_ap_server.cli.main import main
from rutter_ap_server.settings import SettingsError
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.errors import BadInput
from support.real_terminal import RealTerminal
from support.stdio_server import greeting_and_tools

SECRETS = {
    "RUTTER_ENVIRONMENT": "sandbox",
    "RUTTER_CLIENT_ID": "id-4711",
    "RUTTER_CLIENT_SECRET": "hush-4711",
    "RUTTER_ACCESS_TOKEN": "token-4711",
}
PATHS = {
    ("claude-desktop", "darwin"): "Library/Application Support/Claude/claude_desktop_config.json",
    ("claude-desktop", "win32"): "AppData/Roaming/Claude/claude_desktop_config.json",
    ("claude-desktop", "linux"): ".config/Claude/claude_desktop_config.json",
    ("claude-code", "darwin"): ".claude.json",
    ("claude-code", "win32"): ".claude.json",
    ("claude-code", "linux"): ".claude.json",
    ("cursor", "darwin"): ".cursor/mcp.json",
    ("cursor", "win32"): ".cursor/mcp.json",
    ("cursor", "linux"): ".cursor/mcp.json",
    ("vscode", "darwin"): "Library/Application Support/Code/User/mcp.json",
    ("vscode", "win32"): "AppData/Roaming/Code/User/mcp.json",
    ("vscode", "linux"): ".config/Code/User/mcp.json",
}


def run(client: str, house: Path, environ: dict[str, str] | None = None, *, print_only: bool = False) -> str:
    """Installs for a person whose home is `house`, and answers what was said."""
    with redirect_stdout(io.StringIO()) as said:
        status = install_into(
            client, settings_environ=environ or {}, print_only=print_only, home=house, platform="linux"
        )
    assert status == 0
    return said.getvalue()


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("client", "platform"), PATHS)
def test_each_client_is_configured_where_it_looks(client: str, platform: str, tmp_path: Path) -> None:
    install_into(client, settings_environ={}, print_only=False, home=tmp_path, platform=platform)

    content = read(tmp_path / PATHS[client, platform])
    assert list(content) == ["servers" if client == "vscode" else "mcpServers"]
    assert list(content[CLIENTS[client].key]) == ["rutter-ap"]


def test_a_configuration_folder_moved_by_the_environment_is_used(tmp_path: Path) -> None:
    assert config_path("claude-desktop", {"XDG_CONFIG_HOME": str(tmp_path)}, None, "linux") == (
        tmp_path / "Claude" / "claude_desktop_config.json"
    )
    assert config_path("vscode", {"APPDATA": str(tmp_path)}, None, "win32") == tmp_path / "Code" / "User" / "mcp.json"
    assert config_path("claude-code", {"CLAUDE_CONFIG_DIR": str(tmp_path)}, None, "linux") == tmp_path / ".claude.json"


def test_the_rest_of_the_file_stays_and_the_old_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / ".claude.json"
    before = '{"theme": "dark", "größe": 1.50, "mcpServers": {"other": {"command": "x", "env": {"KEY": "v"}}}}'
    path.write_text(before, encoding="utf-8")
    path.chmod(0o640)

    said = run("claude-code", tmp_path)

    content = read(path)
    ours = content["mcpServers"].pop("rutter-ap")
    assert content == json.loads(before)
    assert ours["command"] == sys.executable
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (backup,) = tmp_path.glob(".claude.json.backup-*")
    assert backup.read_text(encoding="utf-8") == before
    assert stat.S_IMODE(backup.stat().st_mode) == 0o640
    assert backup.name in said
    assert {p.name for p in tmp_path.iterdir()} == {path.name, backup.name}


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    run("cursor", tmp_path)

    assert stat.S_IMODE((tmp_path / ".cursor" / "mcp.json").stat().st_mode) == 0o600
    assert [p.name for p in (tmp_path / ".cursor").iterdir()] == ["mcp.json"]


def test_installing_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    run("cursor", tmp_path)
    first = (tmp_path / ".cursor" / "mcp.json").stat()

    said = run("cursor", tmp_path)

    assert "already" in said
    assert (tmp_path / ".cursor" / "mcp.json").stat() == first
    assert len(list((tmp_path / ".cursor").iterdir())) == 1


def test_installing_again_replaces_our_entry_alone(tmp_path: Path) -> None:
    run("cursor", tmp_path, {"RUTTER_AP_READ_ONLY": "true"})

    run("cursor", tmp_path, {"RUTTER_AP_TOOLSETS": "bills"})

    servers = read(tmp_path / ".cursor" / "mcp.json")["mcpServers"]
    assert servers["rutter-ap"]["env"] == {"RUTTER_AP_TOOLSETS": "bills"}


@pytest.mark.parametrize(
    "content", ['{"mcpServers": {}, // mine\n}', "[]", '{"mcpServers": []}', '{"mcpServers"', "\ufeff}", "[" * 100_000]
)
def test_a_file_that_is_not_ours_to_understand_is_left_untouched(content: str, tmp_path: Path) -> None:
    path = tmp_path / ".claude.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ClientFileError, match="left as it is") as raised:
        run("claude-code", tmp_path)

    assert raised.value.next_step
    assert path.read_text(encoding="utf-8") == content
    assert [p.name for p in tmp_path.iterdir()] == [".claude.json"]


def test_an_empty_file_or_one_with_a_byte_order_mark_is_extended(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_text("\n", encoding="utf-8")
    run("claude-code", tmp_path)
    assert "rutter-ap" in read(tmp_path / ".claude.json")["mcpServers"]

    (tmp_path / ".claude.json").write_text('\ufeff{"theme": "dark"}', encoding="utf-8")
    run("claude-code", tmp_path)
    assert read(tmp_path / ".claude.json")["theme"] == "dark"


def test_half_a_character_in_a_clients_history_survives(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_text('{"history": ["\\ud83d"]}', encoding="utf-8")

    run("claude-code", tmp_path)

    assert read(tmp_path / ".claude.json")["history"] == ["\ud83d"]


def test_a_linked_configuration_stays_a_link(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles.json"
    kept.write_text("{}", encoding="utf-8")
    (tmp_path / ".claude.json").symlink_to(kept)

    run("claude-code", tmp_path)

    assert (tmp_path / ".claude.json").is_symlink()
    assert "rutter-ap" in read(kept)["mcpServers"]


def test_links_that_lead_in_a_circle_are_said_so(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").symlink_to(tmp_path / ".claude.json")

    with pytest.raises(ClientFileError, match="cannot be read or written"):
        run("claude-code", tmp_path)


def test_a_file_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / ".cursor").write_text("a file where a folder should be", encoding="utf-8")

    with pytest.raises(ClientFileError, match="cannot be read or written"):
        run("cursor", tmp_path)


@pytest.mark.parametrize("name", ["RUTTER_CLIENT_ID", "RUTTER_CLIENT_SECRET", "RUTTER_ACCESS_TOKEN"])
def test_a_secret_set_outside_the_env_file_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "rutter.env"
    file.write_text("".join(f"{key}={value}\n" for key, value in SECRETS.items() if key != name), encoding="utf-8")
    environ = {"RUTTER_AP_ENV_FILE": str(file), name: SECRETS[name]}

    with pytest.raises(SettingsError, match=name) as raised:
        run("cursor", tmp_path, environ, print_only=True)

    assert "RUTTER_AP_ENV_FILE" in raised.value.next_step
    assert "4711" not in raised.value.message + raised.value.next_step


def test_a_password_in_an_address_counts_as_a_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RUTTER_AP_DATABASE_URL"):
        run("cursor", tmp_path, {"RUTTER_AP_DATABASE_URL": "postgresql://me:hush@db/ap"})


@pytest.mark.parametrize(
    "address", ["https://chat.example/hook/4711", "desktop smtp://me:4711@mail.example?from=a@b&to=c@d"]
)
def test_who_is_told_by_a_secret_address_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RUTTER_AP_NOTIFY") as raised:
        run("cursor", tmp_path, {"RUTTER_AP_NOTIFY": address})
    assert "4711" not in raised.value.message + raised.value.next_step
    assert not (tmp_path / ".cursor").exists()


@pytest.mark.parametrize(("typed", "told"), [("y", {"RUTTER_AP_NOTIFY": "desktop"}), ("", {}), ("no", {})])
def test_at_a_terminal_one_is_asked_who_is_told(typed: str, told: dict[str, str], home: Path, tmp_path: Path) -> None:
    with RealTerminal(home, "install", "cursor", columns=200, HOME=str(tmp_path)) as terminal:
        terminal.until("Show a notice on this machine's desktop then? [y/N] ")
        terminal.type(f"{typed}\n")
        assert terminal.ended() == 0, terminal.raw
    entry = read(tmp_path / ".cursor" / "mcp.json")["mcpServers"]["rutter-ap"]
    assert entry["env"] == {"RUTTER_AP_HOME": str(home), **told}
    assert ("RUTTER_AP_NOTIFY names who is" in terminal.shown) is (not told)


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    assert "RUTTER_AP_NOTIFY names who is" in run("cursor", tmp_path)
    assert "RUTTER_AP_NOTIFY" not in run("cursor", tmp_path, {"RUTTER_AP_NOTIFY": "desktop"})


def test_secrets_in_the_env_file_reach_the_server_by_name_only(tmp_path: Path) -> None:
    file = tmp_path / "rutter.env"
    file.write_text("".join(f"{key}={value}\n" for key, value in SECRETS.items()), encoding="utf-8")

    printed = run("claude-code", tmp_path, {"RUTTER_AP_ENV_FILE": str(file)}, print_only=True)

    assert json.loads(printed)["mcpServers"]["rutter-ap"]["env"] == {"RUTTER_AP_ENV_FILE": str(file)}
    assert "4711" not in printed


def test_settings_that_cannot_be_used_are_not_installed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RUTTER_AP_READ_ONLY"):
        run("cursor", tmp_path, {"RUTTER_AP_READ_ONLY": "perhaps"})

    assert list(tmp_path.iterdir()) == []


def test_paths_are_written_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for folder in ("inbox", "scans"):
        (tmp_path / folder).mkdir()
    environ = {
        "PATH": "/bin",
        "RUTTER_AP_HOME": "~/ap",
        "RUTTER_AP_POLICY": "policy.toml",
        "RUTTER_AP_FILES": os.pathsep.join(["inbox", "scans"]),
        "RUTTER_AP_DATABASE_URL": "sqlite:///ap.db",
        "RUTTER_AP_TOOLSETS": "",
    }

    printed = run("cursor", tmp_path, environ, print_only=True)

    assert json.loads(printed)["mcpServers"]["rutter-ap"]["env"] == {
        "RUTTER_AP_HOME": str(tmp_path / "me" / "ap"),
        "RUTTER_AP_POLICY": str(tmp_path / "policy.toml"),
        "RUTTER_AP_FILES": os.pathsep.join([str(tmp_path / "inbox"), str(tmp_path / "scans")]),
        "RUTTER_AP_DATABASE_URL": f"sqlite:///{tmp_path / 'ap.db'}",
    }


def test_printing_writes_only_json_and_no_file(tmp_path: Path) -> None:
    printed = run("vscode", tmp_path, {"RUTTER_AP_HOME": "/srv/ap"}, print_only=True)

    assert json.loads(printed) == {
        "servers": {
            "rutter-ap": {
                "type": "stdio",
                "command": sys.executable,
                "args": ["-P", "-m", "rutter_ap_server", "stdio"],
                "env": {"RUTTER_AP_HOME": "/srv/ap"},
            }
        }
    }
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_client_is_refused_by_naming_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="claude-desktop, claude-code, cursor, vscode"):
        run("emacs", tmp_path)


def test_the_command_exits_2_for_secrets_and_1_for_a_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".claude.json").write_text("{", encoding="utf-8")
    assert main(["install", "claude-code"]) == 1

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    assert main(["install", "claude-code", "--print"]) == 2
    assert "4711" not in "".join(capsys.readouterr())


def test_the_printed_command_answers_tools_list_as_it_stands(tmp_path: Path) -> None:
    """Run as a client would: the entry's own environment, nothing of ours, from a folder full of traps."""
    entry = json.loads(
        run("claude-desktop", tmp_path, {"RUTTER_AP_HOME": str(tmp_path / "home")}, print_only=True),
    )["mcpServers"]["rutter-ap"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "rutter_ap_server.py").write_text("raise SystemExit('the wrong module')", encoding="utf-8")
    environ = entry["env"] | {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    hello, tools = greeting_and_tools([entry["command"], *entry["args"]], environ, elsewhere)

    assert hello["serverInfo"]["name"] == "rutter-ap"
    assert [tool["name"] for tool in tools] == [tool.name for tool in CATALOGUE]
