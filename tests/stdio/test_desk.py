"""The desk that a server opens by itself: where it is, whose it is, and who serves it when a server ends."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.assistant import Assistant, free_port
from support.seeded import practice_home
from support.stdio_server import in_our_environment, stdio_server

DESK = (sys.executable, "-m", "rutter_ap_server", "desk", "--no-open")
SIGN_IN = "Sign in to approve"


@pytest.fixture
def start(home: Path) -> Iterator[Any]:
    """Starts servers of the home, each with settings of its own."""
    practice_home(home)
    with ExitStack() as running:

        def started(**settings: str) -> Assistant:
            environ = in_our_environment({"RUTTER_AP_HOME": str(home), "RUTTER_AP_DESK": port, **settings})
            return Assistant(running.enter_context(stdio_server(environ)))

        port = str(free_port())
        yield started


def page(address: str) -> str:
    return httpx.get(address, follow_redirects=True).text


def served_again(address: str) -> str:
    """The page at an address, once somebody serves it."""
    until = time.monotonic() + 20
    while True:
        try:
            return page(address)
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.1)


@contextmanager
def another_program(said: bytes) -> Iterator[int]:
    """A program of somebody else on a port of this machine, which says the same to everybody."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    connected, _ = listening.accept()
                except OSError:
                    return
                with connected:
                    connected.recv(4096)
                    connected.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def test_a_held_answer_names_a_page_and_a_command_that_work(start: Any, home: Path) -> None:
    held = start().holds()
    assert held["release_url"] in held["next_step"]
    signing_in = httpx.get(held["release_url"], follow_redirects=True)
    assert SIGN_IN in signing_in.text
    assert str(signing_in.url).endswith(f"/approvals/sign-in?then={held['proposal_id']}")
    assert httpx.get(held["release_url"], headers={"host": "evil.example"}).status_code == 421

    command = shlex.split(re.findall(r"`(.*?)`", held["next_step"])[0])
    assert command[-3:] == ["proposals", "approve", held["proposal_id"]]
    assert Path(command[0]).is_absolute()
    shown = subprocess.run(
        [*command[:-2], "show", command[-1]],
        env=in_our_environment({"RUTTER_AP_HOME": str(home)}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert held["proposal_id"] in shown.stdout


def test_a_server_where_nothing_waits_opens_no_desk(start: Any, home: Path) -> None:
    start().calls("list_bills")
    assert not list(home.glob("desk*"))


def test_servers_of_one_home_name_one_desk(start: Any, home: Path) -> None:
    addresses = {start().names() for _ in range(3)}
    assert len(addresses) == 1
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in home.glob("desk*"))


@pytest.mark.parametrize("told", [signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)
def test_when_the_one_that_serves_ends_the_other_does(start: Any, told: signal.Signals) -> None:
    first, second = start(), start()
    address = first.names()
    assert second.names() == address
    assert first.server.stop(told) == (0 if told is signal.SIGTERM else -told)
    assert "Traceback" not in first.server.log()
    assert SIGN_IN in served_again(address)
    assert second.names() == address
    assert second.server.end_input() == 0
    with pytest.raises(httpx.TransportError):
        page(address)


def test_a_server_that_starts_again_serves_the_open_page(start: Any) -> None:
    first = start()
    address = first.names()
    assert first.server.end_input() == 0
    start()
    assert SIGN_IN in served_again(address)


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\n\r\n" + b"0" * 64, b"HTTP/1.1 404 Not Found\r\n\r\n"],
    ids=["mute", "guess", "404"],
)
def test_another_program_on_the_port_is_never_named(start: Any, home: Path, said: bytes) -> None:
    with another_program(said) as port:
        first = start(RUTTER_AP_DESK=str(port))
        address = first.names()
        assert f":{port}/" not in address
        assert SIGN_IN in page(address)
        assert start(RUTTER_AP_DESK=str(port)).names() == address
        first.server.end_input()
    # It stays where it was, although its port is free now.
    assert start(RUTTER_AP_DESK=str(port)).names() == address


def test_homes_on_one_machine_have_a_desk_each(start: Any, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    practice_home(other)
    first, second = start().names(), start(RUTTER_AP_HOME=str(other)).names()
    assert first != second
    assert SIGN_IN in page(first)
    assert SIGN_IN in page(second)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"RUTTER_AP_DESK": "off"}, None),
        ({"RUTTER_AP_APPROVALS_URL": "https://ap.example/approvals/"}, "https://ap.example/approvals/{}"),
    ],
    ids=["off", "elsewhere"],
)
def test_switched_off_or_elsewhere_none_is_opened(start: Any, home: Path, settings: Any, url: str | None) -> None:
    held = start(**settings).holds()
    assert held.get("release_url") == (url.format(held["proposal_id"]) if url else None)
    assert f"proposals approve {held['proposal_id']}" in held["next_step"]
    assert not list(home.glob("desk*"))


def test_a_read_only_server_opens_none(start: Any, home: Path) -> None:
    writing = start(RUTTER_AP_DESK="off")
    proposal_id = writing.holds()["proposal_id"]
    reading = start(RUTTER_AP_READ_ONLY="true")
    answer = reading.calls("get_proposal", proposal_id=proposal_id)
    assert answer["proposal"]["state"] == "held"
    assert "release_url" not in answer
    assert not list(home.glob("desk*"))


def test_the_command_finds_the_desk_of_a_server(start: Any, home: Path) -> None:
    address = start().names()
    environ = in_our_environment({"RUTTER_AP_HOME": str(home), "RUTTER_AP_DESK": address.split(":")[2].split("/")[0]})
    found = subprocess.run(DESK, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout == f"The approvals desk is at {address}; a server of this home serves it.\n"


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_the_command_serves_until_it_is_told_to_stop(home: Path, told: signal.Signals) -> None:
    practice_home(home)
    environ = in_our_environment({"RUTTER_AP_HOME": str(home)})
    with subprocess.Popen([*DESK, "--port", "0"], env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("The approvals desk is at ").partition(";")[0]
        assert SIGN_IN in page(address)
        process.send_signal(told)
        assert process.wait(30) == 0


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_number_that_is_no_port_is_said_to_be_none(home: Path, port: str) -> None:
    practice_home(home)
    environ = in_our_environment({"RUTTER_AP_HOME": str(home)})
    said = subprocess.run(
        [*DESK, f"--port={port}"], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert said.returncode == 1
    assert "no port is free" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_desk_that_cannot_be_served_fails_no_write(start: Any, home: Path) -> None:
    (home / "desk.key").mkdir()
    held = start().holds()
    assert "release_url" not in held
    assert f"proposals approve {held['proposal_id']}" in held["next_step"]
