"""The prompts as files: read strictly, short, and naming only tools and arguments that exist."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_prompts import instructions
from rutter_ap_prompts.loader import NOT_GIVEN, Prompt, PromptFileError, load_prompt, load_prompts, parse_prompt
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.tool import Risk

ROOT = Path(__file__).parents[2]
NAMES = (
    "apply_open_credits",
    "chase_duplicates",
    "connect_a_ledger",
    "enter_bill_from_document",
    "month_end_close",
    "onboard_vendor",
    "reconcile_vendor_statement",
    "weekly_payment_run",
)
TOOLS = {tool.name: tool for tool in CATALOGUE}
every_prompt = pytest.mark.parametrize("prompt", load_prompts(), ids=lambda prompt: prompt.name)

GOOD = """---
title: A title
description: What it is for.
tools: list_bills, get_bill
arguments:
- name: vendor
  description: Who: by name.
  required: true
  completes: vendor
- name: memo
  description: A note.
---
Look at {{vendor}} with `list_bills`, then {{memo}}.
"""


def arguments_of(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every argument of a schema with its own schema, those of nested objects too."""
    for name, argument in schema.get("properties", {}).items():
        yield name, argument
        yield from arguments_of(argument)
        yield from arguments_of(argument.get("items", {}))


def marked(prompt: Prompt) -> list[str]:
    """Everything between backticks."""
    assert prompt.body.count("`") % 2 == 0
    return re.findall(r"`([^`]+)`", prompt.body)


def test_there_are_these_prompts_and_no_others() -> None:
    assert tuple(prompt.name for prompt in load_prompts()) == NAMES
    assert load_prompt("weekly_payment_run") in load_prompts()
    assert load_prompt("instructions") is None


@every_prompt
def test_a_prompt_is_short_plain_and_numbered(prompt: Prompt) -> None:
    assert len(prompt.body.split()) <= 350
    assert len(prompt.title) <= 60
    assert len(prompt.description) <= 160
    assert prompt.description.endswith(".")
    assert all(line.isprintable() and len(line) <= 400 for line in prompt.body.splitlines())
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", prompt.body, flags=re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 5


@every_prompt
def test_a_prompt_names_only_tools_and_arguments_that_exist(prompt: Prompt) -> None:
    named = set()
    for words in marked(prompt):
        call = re.fullmatch(r"(\w+)\((.*)\)", words)
        if call is None:
            taken = {name for tool in prompt.tools for name, _ in arguments_of(TOOLS[tool].input_schema())}
            assert words in taken | set(prompt.tools), f"`{words}` is no tool of this prompt and no argument of one"
            named |= {words} & set(TOOLS)
            continue
        assert call[1] in TOOLS, f"there is no tool {call[1]}"
        named.add(call[1])
        takes = TOOLS[call[1]].input_schema()["properties"]
        for part in filter(None, (part.strip() for part in call[2].split(","))):
            name, _, value = part.partition("=")
            assert name in takes, f"{call[1]} takes no {name}"
            if value:
                assert value.strip('"') in takes[name].get("enum", [value.strip('"')]), f"{name} is never {value}"
    assert named == set(prompt.tools), "the front matter names the tools of the steps"


@every_prompt
def test_a_writing_prompt_explains_held_and_all_say_text_is_data(prompt: Prompt) -> None:
    text = " ".join(prompt.body.split())
    assert re.search(r"\bdata\b", text)
    assert re.search(r"\b[Aa]sk\b", text)
    if any(TOOLS[tool].risk is not Risk.READS for tool in prompt.tools):
        assert re.search(r"[Hh]eld", text)
        assert "tell the person how to release it (the result says how)" in text
        assert "get_proposal" in prompt.tools
        assert re.search(r"[Nn]ever sen[dt] (it again|a held)|never sent again", text)
        assert "dry_run" in text or prompt.name == "connect_a_ledger"


@every_prompt
def test_a_prompt_that_changes_nothing_names_no_writing_tool(prompt: Prompt) -> None:
    if "Changes nothing" in prompt.description:
        assert {TOOLS[tool].risk for tool in prompt.tools} == {Risk.READS}


def test_a_file_is_read_as_it_stands() -> None:
    prompt = parse_prompt("a_prompt", GOOD)

    assert (prompt.title, prompt.description) == ("A title", "What it is for.")
    assert prompt.tools == ("list_bills", "get_bill")
    assert [(a.name, a.description, a.required, a.completes) for a in prompt.arguments] == [
        ("vendor", "Who: by name.", True, "vendor"),
        ("memo", "A note.", False, ""),
    ]
    assert prompt.filled({"vendor": "Acme"}) == f"Look at Acme with `list_bills`, then {NOT_GIVEN}."


def test_what_is_filled_in_is_never_read_as_a_place() -> None:
    prompt = parse_prompt("a_prompt", GOOD)

    assert prompt.filled({"vendor": "{{memo}}", "memo": "m"}) == "Look at {{memo}} with `list_bills`, then m."


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("---\ntitle", "title", "line 1: it does not start with front matter"),
        ("title: A title\n", "", "there is no title"),
        ("title: A title", "title:", "there is no title"),
        ("title: A title", "title: A title\ntitle: B", "line 3: title is given twice"),
        ("title: A title", "titel: A title", "line 2: it must be one of title, description, tools"),
        ("title: A title", "# a remark", "line 2: it must be one of"),
        ("list_bills, get_bill", "list_bills, list_bills", "'list_bills' is not a valid tool name"),
        ("list_bills, get_bill", "list_bills,", "'' is not a valid tool name"),
        ("required: true", "required: yes", "`required` of vendor must be true or false"),
        ("completes: vendor", "completes: colour", "`completes` of vendor must be one of account"),
        ("  completes: vendor", "  colour: vendor", "line 9: it must be one of name, description, required, completes"),
        ("- name: memo", "- name: vendor", "'vendor' is not a valid argument name, or is given twice"),
        ("  description: A note.\n", "", "an argument needs a name and a description"),
        ("{{memo}}", "nothing", "memo is declared but not used"),
        ("{{memo}}", "{{memo}} {{amount}}", "amount is not declared"),
    ],
)
def test_a_slip_in_a_file_is_named_with_its_file_and_place(was: str, becomes: str, said: str) -> None:
    assert was in GOOD
    with pytest.raises(PromptFileError) as caught:
        parse_prompt("a_prompt", GOOD.replace(was, becomes, 1))
    assert str(caught.value).startswith("the prompt a_prompt.md, line ")
    assert said in str(caught.value)


def test_a_prompt_needs_a_name_a_client_can_type() -> None:
    with pytest.raises(PromptFileError, match="'A Prompt' is not a valid tool name"):
        parse_prompt("A Prompt", GOOD)


def test_the_instructions_stay_in_budget_and_name_each_prompt() -> None:
    text = instructions()

    assert len(text) < 1200
    assert len(text.encode()) // 4 < 300
    assert all(name in text for name in NAMES)
    assert "moves no money at a bank" in text
    assert "never instructions" in text


def test_the_wheel_ships_every_prompt(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as shipped:
        files = set(shipped.namelist())
    assert {f"rutter_ap_prompts/{name}.md" for name in (*NAMES, "instructions")} <= files
