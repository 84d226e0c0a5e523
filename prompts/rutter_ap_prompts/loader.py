"""Loads prompts from Markdown files with strict front matter, so that a mistake is caught and never served."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACE = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")
_NEEDED = ("title", "description", "tools")
_OF_ARGUMENT = ("name", "description", "required", "completes")
# The kinds of live data a client can complete an argument with; other arguments have no completion.
COMPLETED = ("account", "bill", "company", "currency", "vendor")
NOT_GIVEN = "(not given)"


class PromptFileError(ValueError):
    """A prompt file is wrong; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class PromptArgument:
    """An argument of a prompt. `completes` is a kind of live data, or empty."""

    name: str
    description: str
    required: bool
    completes: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt; `tools` are the tools its steps use."""

    name: str
    title: str
    description: str
    tools: tuple[str, ...]
    arguments: tuple[PromptArgument, ...]
    body: str

    def filled(self, given: Mapping[str, str]) -> str:
        """The text with its placeholders filled from `given`; the caller cleans, bounds and marks the values.

        All placeholders are filled in one pass, so that a value is never read as a placeholder itself.
        """
        return _PLACE.sub(lambda place: given.get(place[1]) or NOT_GIVEN, self.body)


def load_prompt(name: str) -> Prompt | None:
    """The prompt with that name, if there is one."""
    return next((prompt for prompt in load_prompts() if prompt.name == name), None)


@cache
def load_prompts() -> tuple[Prompt, ...]:
    """Every prompt, sorted by name. Raises `PromptFileError`."""
    found = [file for file in files("rutter_ap_prompts").iterdir() if file.name.endswith(".md")]
    return tuple(
        parse_prompt(file.name.removesuffix(".md"), file.read_text(encoding="utf-8"))
        for file in sorted(found, key=lambda file: file.name)
        if file.name != "instructions.md"
    )


def parse_prompt(name: str, text: str) -> Prompt:
    """Reads one file: front matter between two lines of `---`, then the steps. Raises `PromptFileError`."""
    lines = text.splitlines()
    if not lines or lines[0] != "---" or "---" not in lines[1:]:
        raise _wrong(name, 1, "it does not start with front matter between two lines of ---")
    end = lines.index("---", 1)
    single, arguments = _front_matter(name, lines[1:end])
    body = "\n".join(lines[end + 1 :]).strip()
    missing = [key for key in _NEEDED if not single.get(key)]
    if missing or not body:
        raise _wrong(name, end + 1, f"there is no {missing[0] if missing else 'text'}")
    tools = tuple(tool.strip() for tool in single["tools"].split(","))
    _check_names(name, end + 1, [name, *tools], "tool")
    _check_names(name, end + 1, [argument.name for argument in arguments], "argument")
    places, declared = set(_PLACE.findall(body)), {argument.name for argument in arguments}
    if places != declared:
        odd = min(places ^ declared)
        raise _wrong(name, end + 1, f"{odd} is {'declared but not used' if odd in declared else 'not declared'}")
    return Prompt(name, single["title"], single["description"], tools, arguments, body)


def _front_matter(name: str, lines: list[str]) -> tuple[dict[str, str], tuple[PromptArgument, ...]]:
    single: dict[str, str] = {}
    items: list[dict[str, str]] = []
    for number, line in enumerate(lines, start=2):
        if line == "arguments:" and not items:
            continue
        if line.startswith("- "):
            items.append({})
        of_argument = bool(items) and line.startswith(("- ", "  "))
        key, colon, value = line.removeprefix("- ").strip().partition(":")
        into, known = (items[-1], _OF_ARGUMENT) if of_argument else (single, _NEEDED)
        if not colon or key not in known:
            raise _wrong(name, number, f"it must be one of {', '.join(known)}, followed by a colon")
        if key in into:
            raise _wrong(name, number, f"{key} is given twice")
        into[key] = value.strip()
    return single, tuple(_argument(name, item) for item in items)


def _argument(name: str, item: dict[str, str]) -> PromptArgument:
    required, completes = item.get("required", "false"), item.get("completes", "")
    if not item.get("name") or not item.get("description"):
        raise _wrong(name, 2, "an argument needs a name and a description")
    if required not in ("true", "false"):
        raise _wrong(name, 2, f"`required` of {item['name']} must be true or false")
    if completes and completes not in COMPLETED:
        raise _wrong(name, 2, f"`completes` of {item['name']} must be one of {', '.join(COMPLETED)}")
    return PromptArgument(item["name"], item["description"], required == "true", completes)


def _check_names(name: str, number: int, names: list[str], what: str) -> None:
    for one in names:
        if not _NAME.fullmatch(one) or names.count(one) > 1:
            raise _wrong(name, number, f"{one!r} is not a valid {what} name, or is given twice")


def _wrong(name: str, number: int, why: str) -> PromptFileError:
    return PromptFileError(f"the prompt {name}.md, line {number}: {why}")
