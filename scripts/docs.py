"""Writes docs/reference.md from the catalogue, the settings and the command line, so that it cannot lie.

`--check` writes nothing and fails when the file is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rutter_ap_server.cli.main import COMMANDS
from rutter_ap_server.guard.policy.codes import CODES
from rutter_ap_server.settings import KNOWN
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.tool import plain_schema

TARGET = Path(__file__).parents[1] / "docs" / "reference.md"


def main(arguments: list[str]) -> int:
    """Writes or checks."""
    text = reference()
    if "--check" in arguments:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write("docs/reference.md is not current; run: make docs\n")
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


def reference() -> str:
    """The whole page."""
    parts = ["# Reference", "", "Written by `make docs` from the program itself.", "", "## Tools", ""]
    for tool in CATALOGUE:
        parts += [f"### `{tool.name}`", "", f"{tool.title}. Risk: {tool.risk.value}. Toolset: {tool.toolset}.", ""]
        parts += [tool.description, "", "| argument | type | |", "| --- | --- | --- |"]
        # Whole, with the bounds that an assistant is spared.
        schema = plain_schema(tool.arguments, mode="validation")
        for name, field in schema["properties"].items():
            needed = " **needed**" if name in schema.get("required", []) else ""
            parts.append(f"| `{name}` | {_type(field)}{needed} | {_cell(field.get('description', ''))} |")
        parts.append("")
    parts += ["## Settings", "", "| variable | |", "| --- | --- |"]
    parts += [f"| `{name}` | {_cell(words)} |" for name, words in KNOWN.items()]
    parts += ["", "## Rules", "", "| code | at least | may be switched off |", "| --- | --- | --- |"]
    parts += [
        f"| `{c}` | {code.least.word} | {'yes' if code.may_be_off else 'no'} |" for c, code in sorted(CODES.items())
    ]
    parts += ["", "## Commands", "", "| command | does |", "| --- | --- |"]
    parts += [f"| `rutter-ap {words}` | {_cell(does)} |" for words, does, _ in sorted(COMMANDS)]
    return "\n".join(parts) + "\n"


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if field.get("type") == "object":
        return (
            "object"
            + (": " if "properties" in field else "")
            + ", ".join(f"`{n}`" for n in field.get("properties", {}))
        )
    if "maximum" in field:
        return f"{field['type']}, {field.get('minimum', 0)} to {field['maximum']}"
    return str(field.get("type", "any"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
