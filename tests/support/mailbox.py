"""A mail server on this machine: it keeps every message, and refuses what it is told to refuse."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

HOST = "127.0.0.1"
# What a sender may sign in with.
USERS = {b"ap": (b"T-SECRET", "p\u00e4ss".encode())}


class Mailbox:
    """What came in. `refused` maps a recipient, `data` or `quit` to the answer."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.recipients: list[str] = []
        self.refused: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's name for it
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name for it
        self.messages.append(message_from_bytes(envelope.content))
        self.recipients = envelope.rcpt_tos
        return self.refused.get("data", "250 OK")

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name for it
        return self.refused.get("quit", "221 Bye")


@contextmanager
def mail_server(box: Mailbox) -> Iterator[str]:
    """Its host and port, until the block ends."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        port = one.getsockname()[1]

    def sign_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password in USERS.get(data.login, ()), handled=False)

    controller = Controller(box, hostname=HOST, port=port, authenticator=sign_in, auth_require_tls=False)
    controller.start()
    try:
        yield f"{HOST}:{port}"
    finally:
        controller.stop()
