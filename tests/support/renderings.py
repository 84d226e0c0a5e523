"""A statement in every form in which a person or a model reads it, and what can be read in each."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from markupsafe import escape

from rutter_ap_server.cli.screen import show_statement
from rutter_ap_server.guard.guard import _question
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.web.evidence import page
from rutter_ap_tools.people import for_people
from rutter_ap_tools.statement import Section, Statement, render_statement
from rutter_ap_tools.text import clean


class Screen(io.StringIO):
    """A terminal of 80 columns, if TERM is dumb."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def on_screen(statement: Statement) -> str:
    """As a person at a terminal sees it."""
    return "".join(_on_screen(section.model_dump_json()) for section in statement.sections)


@lru_cache(maxsize=512)
def _on_screen(section: str) -> str:
    """A section alone; most of them are the same in the next example."""
    screen, statement = Screen(), Statement(digest="", sections=[Section.model_validate_json(section)])
    show_statement(statement, screen)
    return screen.getvalue()


def in_pipe(statement: Statement) -> str:
    """As a program that reads the terminal's output sees it."""
    pipe = io.StringIO()
    show_statement(statement, pipe)
    return pipe.getvalue()


def on_page(statement: Statement) -> str:
    """The page of the evidence, of which nothing but the statement says what would be written."""
    gathered: dict[str, Any] = {
        "proposal": {"id": "p1", "summary": "Pay", "findings": [], "intent": {}},
        "statement": [section.model_dump() for section in statement.sections],
        "shown_to_approvers": [],
        "chain": {},
    } | dict.fromkeys(("sending", "record", "bill_now"))
    return page(gathered | {"approvals": [], "documents": [], "audit": []})


def renderings(proposal: Proposal, statement: Statement) -> dict[str, str]:
    """Every form."""
    return {
        "text": render_statement(statement),
        "question": _question(proposal, statement),
        "screen": on_screen(statement),
        "pipe": in_pipe(statement),
        "page": on_page(statement),
    }


@lru_cache(maxsize=64)
def visible(text: str) -> list[str]:
    """What an eye sees of it: no invisible characters, and never more than one space."""
    return [clean(line, 1_000_000) for line in text.split("\n")]


def assert_whole(proposal: Proposal, statement: Statement) -> None:
    """Each cell of each section is in each form, from its first character to its last."""
    said = renderings(proposal, statement)
    for section in statement.sections:
        for cell in (section.title, *section.columns, *(cell for row in section.rows for cell in row)):
            assert cell in said["text"]
            assert cell in said["question"]
            assert escape(cell) in said["page"]
        _assert_whole_on_screen(section)


def _assert_whole_on_screen(section: Section) -> None:
    """Every character of every cell is there, however the cells are laid out, in a terminal and in a pipe."""
    # What it is, and in whose books, stands in the first lines of a screen under no labels.
    named = [] if section.title == "Proposal" else [section.title, *(row[0] for row in section.rows)]
    cells = [*named, *(cell for row in section.rows for cell in row[1:])]
    wanted = Counter(_solid("".join(map(for_people, cells))).casefold())
    alone = Statement(digest="", sections=[section])
    for shown in (on_screen(alone), in_pipe(alone)):
        missing = wanted - Counter(_solid(shown).casefold())
        assert not missing, f"{section.title} lacks {dict(missing)}:\n{shown}"


def _solid(text: str) -> str:
    return "".join(text.split())


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every single value in fields, with its place."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path, value
        return
    for key, one in inner:
        yield from leaves(one, (*path, key))


def lists(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all lists in fields."""
    if isinstance(value, list):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from lists(one, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """What is at a place in fields."""
    for key in path:
        value = value[key]
    return value
