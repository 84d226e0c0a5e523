"""What an odd address, a strange mail server or a hand-edited row may not do."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.notices import channels
from rutter_ap_server.notices.addresses import AddressUnreadable, Desktop, read_addresses
from rutter_ap_server.notices.channels import NotDelivered, deliver
from rutter_ap_server.notices.notifier import SETTLING, Notifier
from rutter_ap_server.store.engine import Store
from support.mailbox import HOST, Mailbox, mail_server
from support.seeded import practice_home
from support.serving import done, over_stdio
from support.store_rows import behind_its_back, put
from support.terminal import in_a_process

TO = "from=ap@shop.example&to=dana@shop.example,sam@shop.example"


async def where() -> str:
    return "Decide."


def sent(address: str) -> None:
    (one,) = read_addresses(address)
    anyio.run(deliver, one, "rutter-ap: a test", "Decide.")


@contextmanager
def trickling(said: bytes, pause: float) -> Iterator[str]:
    """A server that says the same again and again, and never ends its answer."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen()
        stop = threading.Event()

        def serve() -> None:
            connected, _ = listening.accept()
            with connected:
                while not stop.wait(pause):
                    try:
                        connected.sendall(said)
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{HOST}:{listening.getsockname()[1]}"
        stop.set()
        thread.join(5)


def test_a_password_with_an_umlaut_signs_in() -> None:
    box = Mailbox()
    with mail_server(box) as host:
        sent(f"smtp://ap:p%C3%A4ss@{host}?{TO}")
    assert len(box.messages) == 1


@pytest.mark.parametrize(
    "address",
    [f"https://{'a' * 64}.example/hook", "https://a..b/hook", f"smtp://{'a' * 64}.example?{TO}", f"smtp://a..b?{TO}"],
)
def test_a_host_that_is_no_name_is_not_delivered(address: str) -> None:
    with pytest.raises(NotDelivered):
        sent(address)


@pytest.mark.parametrize("sender", ["a@[", '"@b.example', "@@b"])
def test_an_odd_sender_is_no_address_or_not_delivered(sender: str) -> None:
    box = Mailbox()
    with mail_server(box) as host, pytest.raises((NotDelivered, AddressUnreadable)):
        sent(f"smtp://{host}?from={sender}&to=dana@shop.example")
    assert box.messages == []


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense://127.0.0.1:1", "127.0.0.1:x"])
def test_a_strange_proxy_is_not_delivered(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(NotDelivered):
        sent("https://hooks.chat.example/T-SECRET")


def test_a_missing_file_of_authorities_is_not_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(NotDelivered):
        sent("https://localhost:1/T-SECRET")


@pytest.mark.parametrize("said", [b"220-wait\r\n", b"2"])
def test_a_mail_server_that_never_ends_is_given_up(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "SECONDS_MAX", 1)
    with trickling(said, 0.2) as host:
        (one,) = read_addresses(f"smtp://{host}?{TO}")

        async def tried() -> None:
            with anyio.fail_after(4), pytest.raises(NotDelivered):
                await deliver(one, "rutter-ap", "Decide.")

        anyio.run(tried)


def test_a_webhook_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "SECONDS_MAX", 1)
    with trickling(b"H", 0.2) as host:
        (one,) = read_addresses(f"http://{host}/T-SECRET")

        async def tried() -> None:
            with anyio.fail_after(4), pytest.raises(NotDelivered):
                await deliver(one, "rutter-ap", "Decide.")

        anyio.run(tried)


@pytest.mark.parametrize("refused", [{"sam@shop.example": "550 nobody"}, {"quit": "250 bye"}])
def test_who_got_a_mail_gets_it_once(store: Store, clock: FixedClock, refused: dict[str, str]) -> None:
    box = Mailbox()
    box.refused = refused
    with mail_server(box) as host:
        put(store, created_at=clock.now(), expires_at=clock.now() + timedelta(hours=72))
        clock.instant += SETTLING
        notifier = Notifier(store, read_addresses(f"smtp://{host}?{TO}"), where)
        for _ in range(3):
            anyio.run(notifier.tell)
            clock.instant += timedelta(hours=1)
    assert len(box.messages) == 1


@pytest.mark.parametrize("change", ["kind = 'x'", "at = 'x'", "attempts = 'x'", "settled_at = 'x', outcome = 'sent'"])
def test_a_hand_edited_notice_holds_nothing_up(store: Store, clock: FixedClock, tmp_path: Path, change: str) -> None:
    told = list[str]()

    async def send(_: object, title: str, text: str) -> None:
        told.append(text)
        if len(told) == 1:
            raise NotDelivered("no connection")

    notifier = Notifier(store, (Desktop(),), where, send)
    for company in ("Harbor & Pine", "Brook & Field"):
        put(store, company_name=company, created_at=clock.now(), expires_at=clock.now() + timedelta(hours=72))
        clock.instant += SETTLING
        anyio.run(notifier.tell)
        behind_its_back(f"sqlite:///{tmp_path / 'ap.db'}", f"update notices set {change} where id = 1")
        clock.instant += timedelta(minutes=10)
    assert "Brook & Field" in told[-1]


@pytest.mark.parametrize(
    "address",
    [
        "slack://SECRETAAA/SECRETBBB/SECRETCCC",
        "tgram://SECRETAAA/123",
        "discord://SECRETAAA",
        "msteams://SECRETAAA/SECRETBBB",
        "mailto://ap:SECRETAAA@",
        "pushover://SECRETAAA",
        "slack://xoxb-SECRET!",
        "gchat://SECRETAAA",
        "twilio://SECRETAAA:SECRETBBB@1",
        "matrix://SECRETAAA",
        "json://ap:SECRETAAA@127.0.0.1:1/SECRETBBB",
        "jsons://ap:SECRETAAA@127.0.0.1:1/?+X=SECRETBBB",
        "mattermost://127.0.0.1:1/SECRETAAA",
        "ntfy://SECRETAAA:SECRETBBB@127.0.0.1:1/SECRETCCC",
        "gotify://127.0.0.1:1/SECRETAAA",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_apprise_logs_no_token(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(NotDelivered):
        sent(f"apprise+{address}")
    assert "SECRET" not in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("notify", [f"smtp://a..b?{TO}", "https://hooks.chat.example/x"])
async def test_a_strange_channel_does_not_end_the_server(home: Path, notify: str) -> None:
    practice_home(home)
    in_a_process(home, "freeze")
    environ = {"RUTTER_AP_NOTIFY": notify, "HTTPS_PROXY": "socks5://127.0.0.1:1"}
    async with over_stdio(home, environ=environ) as client:
        began = time.monotonic()
        while time.monotonic() - began < 16:
            with anyio.fail_after(8):
                await done(client, "list_bills")
            await anyio.sleep(1)


def test_a_hung_mail_server_does_not_outlive_the_client(home: Path) -> None:
    practice_home(home)
    in_a_process(home, "freeze")
    with trickling(b"220-wait\r\n", 1) as host:
        environ = os.environ | {"RUTTER_AP_HOME": str(home), "RUTTER_AP_NOTIFY": f"smtp://{host}?{TO}"}
        command = [sys.executable, "-m", "rutter_ap_server", "stdio"]
        with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            time.sleep(16)
            assert process.stdin is not None
            process.stdin.close()
            try:
                assert process.wait(20) == 0
            finally:
                process.kill()


def test_a_hand_edited_approval_holds_nothing_up(store: Store, clock: FixedClock, tmp_path: Path) -> None:
    expires = clock.now() + timedelta(hours=72)
    one = put(store, created_at=clock.now(), expires_at=expires, approvals_needed=2)
    store.write_now(lambda tx: tx.approvers.add("Dana", "a hash"))
    store.write_now(
        lambda tx: tx.proposals.approve(
            one.id, "Dana", "terminal", "f" * 64, covers=frozenset(), statement="s" * 64, approver_id="d"
        )
    )
    behind_its_back(f"sqlite:///{tmp_path / 'ap.db'}", "update approvals set at = 'x'")
    clock.instant += SETTLING
    reached = []

    async def send(*_: object) -> None:
        reached.append(1)

    anyio.run(Notifier(store, (Desktop(),), where, send).tell)
    assert reached


def test_an_apprise_token_without_a_scheme_is_not_shown() -> None:
    with pytest.raises(AddressUnreadable) as raised:
        read_addresses("apprise+tsecret:abc/def")
    assert "tsecret" not in str(raised.value)
