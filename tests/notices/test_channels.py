"""Each channel delivers to a real other side, and says in our own words why it could not."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from rutter_ap_server.notices import channels
from rutter_ap_server.notices.addresses import read_addresses
from rutter_ap_server.notices.channels import NotDelivered, deliver
from support.chat_tool import ChatTool
from support.mailbox import Mailbox, mail_server

TITLE, TEXT = "rutter-ap: 1 proposal waits", "1 proposal waits for a person at Bäckerei – 株 (production).\nDecide."
# It imports a module that Python 3.13 has not.
APPRISE_WARNS = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
TO = "from=ap@shop.example&to=dana@shop.example,sam@shop.example"


def sent(address: str) -> None:
    (one,) = read_addresses(address)
    anyio.run(deliver, one, TITLE, TEXT)


def problem_of(address: str) -> str:
    with pytest.raises(NotDelivered) as raised:
        sent(address)
    assert raised.value.__cause__ is None
    assert "SECRET" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    with mail_server(box) as host:
        yield box, host


def test_a_chat_tool_is_posted_the_text(chat_tool: ChatTool) -> None:
    sent(chat_tool.address)
    assert chat_tool.posted == [{"text": f"{TITLE}\n{TEXT}"}]


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_a_chat_tool_that_refuses_is_not_followed_or_quoted(chat_tool: ChatTool, status: int) -> None:
    chat_tool.status = status
    assert problem_of(chat_tool.address) == f"refused with status {status}"
    assert len(chat_tool.posted) == 1


def test_nobody_at_the_address_is_no_connection(free_port: int) -> None:
    assert problem_of(f"http://localhost:{free_port}/T-SECRET") == "no connection"
    assert problem_of(f"smtp://127.0.0.1:{free_port}?{TO}") == "no connection to the mail server"


def test_a_mail_says_who_where_and_that_no_answer_is_wanted(mailbox: tuple[Mailbox, str]) -> None:
    box, host = mailbox
    sent(f"smtp://ap:T-SECRET@{host}?{TO}")
    (message,) = box.messages
    assert box.recipients == ["dana@shop.example", "sam@shop.example"]
    assert (message["From"], message["Subject"]) == ("ap@shop.example", TITLE)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    body = message.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().replace("\r\n", "\n").strip() == TEXT


def test_a_mail_server_that_refuses_is_not_quoted(mailbox: tuple[Mailbox, str]) -> None:
    box, host = mailbox
    assert problem_of(f"smtp://ap:SECRET-2@{host}?{TO}") == "the mail server refused the user or password"
    box.refused = {"data": "552 T-SECRET is too long"}
    assert problem_of(f"smtp://{host}?{TO}") == "the mail server refused it with code 552"
    box.refused = {"sam@shop.example": "550 no T-SECRET here"}
    sent(f"smtp://{host}?{TO}")
    assert box.recipients == ["dana@shop.example"]
    box.refused |= {"dana@shop.example": "550 no T-SECRET here"}
    assert problem_of(f"smtp://{host}?{TO}") == "the mail server refused every recipient"


def test_a_password_never_leaves_this_machine_without_tls(mailbox: tuple[Mailbox, str]) -> None:
    # The same server by a name that is not this machine's own.
    box, host = mailbox
    free_port = int(host.rpartition(":")[2])
    name = socket.gethostname()
    try:
        socket.create_connection((name, free_port), timeout=2).close()
    except OSError:
        name = "127.1"
    problem = problem_of(f"smtp://ap:T-SECRET@{name}:{free_port}?{TO}")
    assert problem in ("the mail server offers no TLS, or no way to sign in", "no connection to the mail server")
    assert box.messages == []


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the desktop of this system is not notify-send's")
def test_the_desktop_is_given_words_and_no_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, said = tmp_path / "notify-send", tmp_path / "said"
    program.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {said}\nexit $(cat {tmp_path}/status)\n')
    program.chmod(0o700)
    (tmp_path / "status").write_text("0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (one,) = read_addresses("desktop")
    anyio.run(deliver, one, TITLE, "--urgency=critical $(touch /tmp/pwned) `id`")
    assert said.read_text() == f"--app-name=rutter-ap|--|{TITLE}|--urgency=critical $(touch /tmp/pwned) `id`|"
    (tmp_path / "status").write_text("3")
    assert problem_of("desktop") == "notify-send ended with status 3"
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert problem_of("desktop") == "there is no notify-send on this machine"


@APPRISE_WARNS
def test_apprise_delivers_by_its_own_address(chat_tool: ChatTool) -> None:
    sent("apprise+" + chat_tool.address.replace("http://", "json://"))
    assert [(one["title"], one["message"]) for one in chat_tool.posted] == [(TITLE, TEXT)]
    chat_tool.status = 500
    assert problem_of("apprise+" + chat_tool.address.replace("http://", "json://")) == "apprise could not deliver it"
    assert problem_of("apprise+nothing://T-SECRET") == "apprise does not know this address"


def test_without_apprise_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert "rutter-ap[apprise]" in problem_of("apprise+json://localhost/T-SECRET")


@APPRISE_WARNS
def test_no_library_logs_an_address(chat_tool: ChatTool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sent(chat_tool.address)
    sent("apprise+" + chat_tool.address.replace("http://", "json://"))
    assert chat_tool.posted
    assert "T-SECRET" not in caplog.text


def test_whatever_a_library_raises_is_a_notice_not_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", ModuleType("apprise"))
    assert problem_of("apprise+json://localhost/T-SECRET") == "it failed (AttributeError)"


def test_an_answer_a_byte_at_a_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "SECONDS_MAX", 1)
    is_over = threading.Event()

    def drip(listening: socket.socket) -> None:
        connected, _ = listening.accept()
        with connected, suppress(OSError):
            while not is_over.wait(0.05):
                connected.sendall(b"H")

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        dripping = threading.Thread(target=drip, args=(listening,))
        dripping.start()
        began = time.monotonic()
        assert problem_of(f"http://localhost:{listening.getsockname()[1]}/T-SECRET") == "it took too long"
        assert time.monotonic() - began < 10
        is_over.set()
        dripping.join()
