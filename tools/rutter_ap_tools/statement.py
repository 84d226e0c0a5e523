"""The statement of a proposal: all a person releases and all that is known about it, as one value for every reader."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.wire import Result


class Section(Result):
    """One part of a statement. Without `columns` each row is a label and its value."""

    title: str
    columns: list[str] = Field(default_factory=list)
    rows: list[list[str]]


class Statement(Result):
    """What was shown to a person, whole. `digest` is the SHA-256 of the sections as canonical JSON (RFC 8785)."""

    digest: str
    sections: list[Section]


def render_statement(statement: Statement) -> str:
    """The whole statement as plain lines, for a chat and for a model. Nothing is left out or shortened."""
    return "\n".join(line for section in statement.sections for line in _lines(section))


def _lines(section: Section) -> list[str]:
    lines = [f"{section.title}:"]
    if section.columns:
        lines.append(" | ".join(section.columns))
        return lines + [" | ".join(cell or "-" for cell in row) for row in section.rows]
    return lines + [f"- {label}: {value}" for label, value in section.rows]
