"""Every request is answered, whatever stands in it, and the server goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.stdio_server import GREETING, Message, StdioServer, in_our_environment, stdio_server, tool_call

HALF = "\ud800"
OTHER_HALF = "\udfff"
PING: Message = {"id": 99, "method": "ping"}


@pytest.fixture
def server(home: Path) -> Iterator[StdioServer]:
    with stdio_server(in_our_environment({"RUTTER_AP_HOME": str(home)})) as running:
        running.greet()
        yield running
        assert running.end_input() == 0
        assert running.log() == ""


def answered(server: StdioServer, message: Message) -> dict[str, Any]:
    """The answer to a message; afterwards the server still answers."""
    server.send(message)
    answer: dict[str, Any] = json.loads(server.next_line())
    server.send(PING)
    assert json.loads(server.next_line()) == {"jsonrpc": "2.0", "id": 99, "result": {}}
    return answer


CALLS: dict[str, Message] = {
    "an id": tool_call(7, "get_bill", bill_id=f"b{HALF}"),
    "a name": tool_call(7, "find_records", kind="vendor", name=f"{HALF} Ltd"),
    "the other half": tool_call(7, "find_records", kind="vendor", name=f"{OTHER_HALF}"),
    "an argument's name": tool_call(7, "list_bills", **{HALF: 1}),
    "a line": tool_call(7, "create_bill", vendor="v", lines=[{"amount": "1.00", "description": HALF}]),
    "a line's name": tool_call(7, "create_bill", vendor="v", lines=[{"amount": "1.00", HALF: "x"}]),
    "the tool's name": tool_call(7, f"pay{HALF}"),
    "the progress token": {
        "id": 7,
        "method": "tools/call",
        "params": {"name": "list_bills", "arguments": {}, "_meta": {"progressToken": HALF}},
    },
}


@pytest.mark.parametrize("where", CALLS)
def test_half_a_character_in_a_call_is_refused(where: str, server: StdioServer) -> None:
    answer = answered(server, CALLS[where])
    assert answer["id"] == 7
    assert answer["result"]["isError"]
    assert answer["result"]["structuredContent"]["code"] == "bad_input"
    assert "half a character" in answer["result"]["structuredContent"]["message"]


@pytest.mark.parametrize(
    "message",
    [
        {"id": "x", "method": f"tools/{HALF}"},
        {"id": "x", "method": "prompts/get", "params": {"name": HALF}},
        {"id": "x", "method": "resources/read", "params": {"uri": f"ap://{HALF}"}},
        {"id": "x", "method": "ping", "params": {"_meta": {HALF: [HALF]}}},
    ],
    ids=lambda message: message["method"].encode("ascii", "replace").decode(),
)
def test_half_a_character_in_any_other_request_is_an_error(message: Message, server: StdioServer) -> None:
    answer = answered(server, message)
    assert (answer["id"], answer["error"]["code"]) == ("x", -32602)
    assert "half a character" in answer["error"]["message"]


def test_a_request_with_a_broken_id_is_answered_without_it(server: StdioServer) -> None:
    answer = answered(server, {"id": HALF, "method": "ping"})
    assert (answer["id"], answer["error"]["code"]) == (None, -32602)


@pytest.mark.parametrize("line", [b"not json", b"[1]", b'"x"', b"\xed\xa0\x80", b"[" * 100_000], ids=range(5))
def test_a_line_that_is_no_message_is_answered(line: bytes, server: StdioServer) -> None:
    assert server.process.stdin is not None
    server.process.stdin.write(line + b"\n")
    answer = answered(server, PING)
    assert answer["id"] is None
    assert answer["error"]["code"] in (-32700, -32600)
    # The answer to the ping that was sent along.
    assert json.loads(server.next_line())["id"] == 99


def test_a_request_nested_without_end_is_an_error(server: StdioServer) -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]
    answer = answered(server, {"id": 5, "method": "ping", "params": {"x": deep}})
    assert (answer["id"], answer["error"]["code"]) == (5, -32602)


def test_a_broken_notification_is_nobodys_to_answer(server: StdioServer) -> None:
    server.send({"method": f"notifications/{HALF}"}, PING)
    assert json.loads(server.next_line())["id"] == 99


def test_half_a_character_in_an_answer_releases_nothing(home: Path) -> None:
    params = GREETING[0]["params"] | {"capabilities": {"elicitation": {}}}
    with stdio_server(in_our_environment({"RUTTER_AP_HOME": str(home)})) as server:
        server.send(GREETING[0] | {"params": params}, GREETING[1])
        server.result()
        server.send(tool_call(1, "link_account", role="funding", account="Operating Checking"))
        server.result()
        server.send(tool_call(2, "list_bills", document_number="NW-2291"))
        [bill] = server.result()["structuredContent"]["bills"]
        server.send(tool_call(3, "pay_bill", bill_id=bill["id"]))
        question = json.loads(server.next_line())
        assert question["method"] == "elicitation/create"
        server.send({"id": question["id"], "result": {"action": "accept", "content": {"approve": True, HALF: 1}}})
        assert server.result()["structuredContent"]["status"] == "held"


@pytest.mark.parametrize("number", [b"1.5", b"7.0", b"1e999", b"true", b"null"])
def test_a_request_with_an_odd_id_is_answered(server: StdioServer, number: bytes) -> None:
    """The schema of the protocol lets an id be any number; what is not one is answered without it."""
    assert server.process.stdin is not None
    server.process.stdin.write(b'{"jsonrpc":"2.0","id":' + number + b',"method":"ping"}\n')
    server.send({"id": 99, "method": "ping"})

    answers = [json.loads(server.next_line())]
    if answers[0]["id"] != 99:
        answers.append(json.loads(server.next_line()))
    assert len(answers) == 2, "only the ping that was sent along was answered"


@pytest.mark.parametrize("value", [b"9" * 5000, b"[" * 5000 + b"]" * 5000], ids=["digits", "nesting"])
def test_the_answer_to_a_huge_value_reaches_its_asker(server: StdioServer, value: bytes) -> None:
    """An answer without the id of its request is nobody's: whoever asked waits for ever."""
    assert server.process.stdin is not None
    params = b'{"name":"list_bills","arguments":{"limit":' + value + b"}}"
    server.process.stdin.write(b'{"jsonrpc":"2.0","id":3,"method":"tools/call","params":' + params + b"}\n")
    server.process.stdin.flush()

    assert json.loads(server.next_line())["id"] == 3
