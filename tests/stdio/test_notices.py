"""A real server tells people by itself, and a channel that hangs holds nothing up."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import anyio
import anyio.to_thread

from support.chat_tool import ChatTool, running_chat_tool
from support.seeded import practice_home
from support.serving import done, over_stdio
from support.terminal import in_a_process


async def posted(tool: ChatTool) -> str:
    with anyio.fail_after(60):
        while not tool.posted:  # noqa: ASYNC110 - another thread answers
            await anyio.sleep(0.2)
    return str(tool.posted[0]["text"])


async def test_a_freeze_by_another_process_is_told(home: Path) -> None:
    practice_home(home)
    environ = {"RUTTER_AP_APPROVALS_URL": "https://ap.example/approvals"}
    with running_chat_tool() as tool:
        async with over_stdio(home, environ={**environ, "RUTTER_AP_NOTIFY": tool.address}) as client:
            await done(client, "list_bills")
            frozen = await anyio.to_thread.run_sync(in_a_process, home, "freeze")
            assert frozen.status == 0
            text = await posted(tool)
    assert text.splitlines() == [
        "rutter-ap: All writes are stopped",
        "All writes are stopped.",
        "Decide at https://ap.example/approvals",
    ]


async def test_a_chat_tool_that_never_answers_holds_nothing_up(home: Path) -> None:
    practice_home(home)
    in_a_process(home, "freeze")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://localhost:{silent.getsockname()[1]}/hook"
        async with over_stdio(home, environ={"RUTTER_AP_NOTIFY": address}) as client:
            await done(client, "list_bills")
            connected, _ = await anyio.to_thread.run_sync(silent.accept)
            with connected:
                began = time.monotonic()
                assert (await done(client, "list_bills"))["bills"]
                assert time.monotonic() - began < 10
