"""The other side of a webhook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.chat_tool import ChatTool, running_chat_tool


@pytest.fixture
def chat_tool() -> Iterator[ChatTool]:
    """A real HTTP server of its own."""
    with running_chat_tool() as tool:
        yield tool
