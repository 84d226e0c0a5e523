"""A client that answers a question with anything at all: nothing is released, and no stack is logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.stdio_server import GREETING, Message, StdioServer, in_our_environment, stdio_server, tool_call

# The odd results of elicitation/create; above the set amount the person must type it.
ODD: tuple[Any, ...] = (
    {"action": "accept", "content": {"approve": ["yes"], "amount": "684.20"}},
    {"action": "accept", "content": {"approve": {"really": True}, "amount": "684.20"}},
    {"action": "accept", "content": {"approve": [True], "amount": "684.20"}},
    {"action": "accept", "content": {"approve": "true", "amount": "684.20"}},
    {"action": "accept", "content": {"approve": 1, "amount": "684.20"}},
    {"action": "accept", "content": {"approve": True, "amount": ["684.20"]}},
    {"action": "accept", "content": {"approve": True, "amount": {"value": "684.20"}}},
    {"action": "accept", "content": {"approve": True, "amount": 684.2}},
    {"action": "accept", "content": {"approve": True, "amount": None}},
    {"action": "accept", "content": {"approve": True, "amount": "6,84.20"}},
    {"action": "accept", "content": {"approve": True, "amount": "684,20"}},
    {"action": "accept", "content": {"approve": True, "amount": "684.20 EUR"}},
    {"action": "accept", "content": {"approve": True}},
    {"action": "accept", "content": ["approve"]},
    {"action": "accept", "content": "approve"},
    {"action": "accept", "content": None},
    {"action": "accept"},
    {"action": "maybe", "content": {"approve": True, "amount": "684.20"}},
    {"action": ["accept"], "content": {"approve": True, "amount": "684.20"}},
    {"action": None},
    {"approve": True},
    {},
    [],
    True,
    None,
)
_HELLO = GREETING[0]["params"] | {"capabilities": {"elicitation": {}}}


def called(server: StdioServer, number: int, tool: str, odd: Any = None, **arguments: Any) -> Message:
    """The structured answer of a call; whoever is asked on the way gives the odd answer."""
    server.send(tool_call(number, tool, **arguments))
    while True:
        message = json.loads(server.next_line())
        if message.get("method") == "elicitation/create":
            server.send({"id": message["id"], "result": odd})
        elif message.get("id") == number:
            answer: Message = message["result"]["structuredContent"]
            return answer


def test_no_odd_answer_releases_anything(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "policy.toml").write_text('[asking]\ntype_amount_above = { USD = "500.00" }\ntimeout_seconds = 1\n')
    with stdio_server(in_our_environment({"RUTTER_AP_HOME": str(home)})) as server:
        server.send(GREETING[0] | {"params": _HELLO}, GREETING[1])
        server.result()
        called(server, 1, "link_account", role="funding", account="Operating Checking")
        (bill,) = called(server, 2, "list_bills", document_number="NW-2291")["bills"]

        for number, odd in enumerate(ODD, start=3):
            held = called(server, number, "pay_bill", odd, bill_id=bill["id"], memo=f"number {number}")
            assert held["status"] == "held", odd

        shown = called(server, 1000, "get_bill", bill_id=bill["id"])
        assert shown["payments"] == []
        # A clear yes with the amount, separators between thousands or not, is the only thing that releases.
        yes = {"action": "accept", "content": {"approve": True, "amount": "684.20"}}
        assert called(server, 1001, "pay_bill", yes, bill_id=bill["id"])["status"] == "posted"
        assert server.end_input() == 0
        log = server.log()
    assert "Traceback" not in log
    assert "unexpected" not in log
