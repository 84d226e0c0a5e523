"""The advice: the server's instructions and its prompts, as Markdown files beside this one."""

from __future__ import annotations

from importlib.resources import files


def instructions() -> str:
    """What every assistant is told when it connects."""
    return (files(__name__) / "instructions.md").read_text(encoding="utf-8").strip()
