"""The guide's code runs as it stands there, from top to bottom."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "client.md"


async def test_the_guides_code_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 9
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks):
        code = compile(block, f"{GUIDE.name}, block {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(code, names)
        if inspect.iscoroutine(running):
            await running
    assert names["content"] == b"%PDF-1.7 ..."
    assert names["event"].object_id == "b-1"
    assert str(names["created"].id) in capsys.readouterr().out
