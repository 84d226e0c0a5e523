"""The server's instructions and prompts, kept as Markdown files in this package."""

from __future__ import annotations

from importlib.resources import files


def instructions() -> str:
    """The instructions every assistant receives when it connects."""
    return (files(__name__) / "instructions.md").read_text(encoding="utf-8").strip()
