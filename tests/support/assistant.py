"""An assistant that speaks with a server process, and needs a person."""

from __future__ import annotations

import socket
from typing import Any

from support.stdio_server import StdioServer, tool_call

BILL = "NW-2291"


class Assistant:
    """A server process of a home, and who speaks with it."""

    def __init__(self, server: StdioServer) -> None:
        self.server = server
        self._number = 0
        server.greet()

    def calls(self, tool: str, **arguments: Any) -> dict[str, Any]:
        self._number += 1
        self.server.send(tool_call(self._number, tool, **arguments))
        answer: dict[str, Any] = self.server.result()["structuredContent"]
        return answer

    def holds(self, number: str = BILL) -> dict[str, Any]:
        """The answer to a payment that waits for a person."""
        self.calls("link_account", role="funding", account="Operating Checking")
        (bill,) = self.calls("list_bills", document_number=number, status="any")["bills"]
        held = self.calls("pay_bill", bill_id=bill["id"])
        assert held["status"] == "held"
        return held

    def names(self) -> str:
        """The address that it gives to people."""
        held = self.holds()
        address, _, proposal_id = held["release_url"].rpartition("/")
        assert proposal_id == held["proposal_id"]
        return str(address)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port
