"""The bundle for Claude Desktop: it says what is inside, starts as a host starts it, and knows no machine or secret."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_prompts.loader import load_prompts
from rutter_ap_server.settings import KNOWN
from rutter_ap_tools.catalogue import CATALOGUE
from support.stdio_server import greeting_and_tools, stdio_server, tool_call

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the bundle, built as `make bundle` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, ROOT / "scripts" / "bundle.py", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def bundle(built: Path) -> dict[str, bytes]:
    (path,) = built.glob("*.mcpb")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(bundle: dict[str, bytes]) -> Any:
    return json.loads(bundle["manifest.json"])


def test_the_manifest_names_the_catalogue_and_the_version(bundle: dict[str, bytes]) -> None:
    manifest = manifest_of(bundle)

    assert manifest["manifest_version"] == "0.4"
    assert manifest["version"] == version("rutter-ap")
    assert [tool["name"] for tool in manifest["tools"]] == [tool.name for tool in CATALOGUE]
    assert manifest["server"]["entry_point"] in bundle


def test_the_manifest_has_the_servers_prompts(bundle: dict[str, bytes]) -> None:
    prompts = {one["name"]: one for one in manifest_of(bundle)["prompts"]}
    assert list(prompts) == [one.name for one in load_prompts()]
    for one in load_prompts():
        text, arguments = prompts[one.name]["text"], prompts[one.name]["arguments"]
        assert arguments == [argument.name for argument in one.arguments]
        assert set(re.findall(r"\$\{arguments\.(\w+)\}", text)) == set(arguments)
        assert "{{" not in text


def test_it_has_an_icon_and_runs_on_every_system(bundle: dict[str, bytes]) -> None:
    manifest = manifest_of(bundle)
    icon = bundle[manifest["icon"]]
    # A PNG of 512 by 512 pixels (PNG specification, IHDR).
    assert icon[:24] == b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (512).to_bytes(4, "big") * 2
    assert manifest["compatibility"]["platforms"] == ["darwin", "linux", "win32"]


def test_the_form_asks_for_what_a_person_decides(bundle: dict[str, bytes]) -> None:
    fields = manifest_of(bundle)["user_config"]
    asked = {"rutter_environment", "rutter_ap_files", "rutter_ap_desk", "rutter_ap_notify"}
    assert asked <= set(fields)
    assert fields["rutter_ap_files"]["type"] == "directory"
    # Nobody is told, and nothing real is touched, before somebody says so.
    assert (fields["rutter_ap_notify"]["default"], fields["rutter_environment"]["default"]) == ("", "embedded")
    assert not [name for name, field in fields.items() if "RUTTER" in field["description"] + field["title"]]


def test_every_field_a_person_fills_in_reaches_its_setting(bundle: dict[str, bytes]) -> None:
    manifest = manifest_of(bundle)
    environ, fields = manifest["server"]["mcp_config"]["env"], manifest["user_config"]

    assert {name: f"${{user_config.{name.lower()}}}" for name in environ} == environ
    assert [name.lower() for name in environ] == list(fields)
    assert set(environ) <= set(KNOWN)
    # A host hands an empty field on as it stands unless it has a value to begin with.
    assert all("default" in field and field["required"] is False for field in fields.values())


def test_what_is_secret_is_kept_by_the_host_as_a_secret(bundle: dict[str, bytes]) -> None:
    fields = manifest_of(bundle)["user_config"]

    secret = {name for name, field in fields.items() if field.get("sensitive")}
    assert secret == {"rutter_client_id", "rutter_client_secret", "rutter_access_token", "rutter_ap_notify"}
    assert all(fields[name]["default"] == "" for name in secret)


def test_dependencies_are_the_locks_own_pins_and_only_what_runs(bundle: dict[str, bytes]) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = tomllib.loads(bundle["pyproject.toml"].decode())["project"]["dependencies"]

    assert all(re.search(rf"^{re.escape(pin)} \\$", lock, flags=re.MULTILINE) for pin in pins)
    names = {pin.partition("==")[0] for pin in pins}
    assert {"mcp", "httpx", "pydantic-core", "sqlalchemy"} <= names
    assert not names & {"pytest", "mypy", "ruff", "fpdf2", "hatchling"}
    requirements = bundle["requirements.txt"].decode()
    assert [line.rstrip(" \\") for line in requirements.splitlines() if not line.startswith(" ")] == pins
    assert requirements.count("--hash=sha256:") >= len(pins)


def test_wheel_and_bundle_hold_the_whole_program(built: Path, bundle: dict[str, bytes]) -> None:
    """The sandbox too: it is a source root of its own, and without it nothing works without an account."""
    roots = ("server/rutter_ap_server", "tools/rutter_ap_tools", "prompts/rutter_ap_prompts", "sandbox/rutter_sandbox")
    sources = {
        str(path.relative_to((ROOT / root).parent)): path.read_bytes()
        for root in roots
        for path in (ROOT / root).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name.partition("/")[0] for name in sources} == {root.partition("/")[2] for root in roots}

    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert sources.items() <= packed.items()
    assert {f"src/{name}": content for name, content in packed.items()}.items() <= bundle.items()


def test_nothing_of_the_machine_that_built_it_is_inside(bundle: dict[str, bytes]) -> None:
    here = [str(ROOT), str(Path.home()) + os.sep, sys.prefix, os.uname().nodename]
    texts = [name.encode() + b"\n" + content for name, content in bundle.items()]

    assert not [place for place in here if len(place) > 6 and any(place.encode() in text for text in texts)]
    assert not [name for name in bundle if name.endswith((".pyc", ".env", ".db", ".so")) or name.startswith("/")]


def test_two_builds_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "bundle.py", tmp_path], check=True, capture_output=True)

    names = sorted(path.name for path in built.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all((tmp_path / name).read_bytes() == (built / name).read_bytes() for name in names)


def test_it_starts_in_a_host_with_every_field_left_empty(bundle: dict[str, bytes], tmp_path: Path) -> None:
    """The bundled code answers, not the repository's: only the dependencies are this environment's."""
    for name, content in bundle.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "src" / "rutter_ap_prompts" / "instructions.md").write_text("From the bundle.", encoding="utf-8")
    manifest = manifest_of(bundle)
    environ = manifest["server"]["mcp_config"]["env"] | {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    hello, tools = greeting_and_tools([sys.executable, str(tmp_path / "src" / "server.py")], environ, tmp_path)

    assert hello["instructions"] == "From the bundle."
    assert hello["serverInfo"]["version"] == manifest["version"]
    assert [tool["name"] for tool in tools] == [tool["name"] for tool in manifest["tools"]]


def test_its_hints_name_its_own_runtime(bundle: dict[str, bytes], tmp_path: Path) -> None:
    """Whoever installed a bundle has no `rutter-ap` on their path, and perhaps a blank in it."""
    folder = tmp_path / "Claude Extensions"
    for name, content in bundle.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RUTTER_AP_DESK": "off"}
    with stdio_server(environ, [sys.executable, str(folder / "src" / "server.py")], tmp_path) as server:
        server.greet()
        server.send(tool_call(1, "link_account", role="funding", account="Operating Checking"))
        assert server.result()["structuredContent"]["status"] == "posted"
        server.send(tool_call(2, "list_bills", document_number="NW-2291", status="any"))
        (bill,) = server.result()["structuredContent"]["bills"]
        server.send(tool_call(3, "pay_bill", bill_id=bill["id"]))
        held = server.result()["structuredContent"]
        server.send(tool_call(4, "attach_file", bill_id=bill["id"], upload="unknown"))
        refused = server.result()["structuredContent"]
    commands = [shlex.split(re.findall(r"`(.*?)`", text)[0]) for text in (held["next_step"], refused["next_step"])]
    runtime = [str(Path(sys.executable).absolute()), str(folder / "src" / "server.py")]
    assert commands == [[*runtime, "proposals", "approve", held["proposal_id"]], [*runtime, "upload", "FILE"]]
    listed = subprocess.run([*runtime, "proposals", "list"], env=environ, capture_output=True, text=True, check=True)
    assert held["proposal_id"][:8] in listed.stdout
