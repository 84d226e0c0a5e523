"""What Rutter's three pages name, read out of their text: properties, parameters, calls, answers, notes and steps.

The pages are not part of the project, and only names are taken from them: a note is known by what it is about, and by
which sentence about it it is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.rutter_reference import page_of, without_examples

_ONE = {"bills": "bill", "bill_payments": "bill_payment"}
_VERB = re.compile(r"(?m)^(List|Fetch|Create|Update|Delete) (?:a )?Bill(?: Payment)?s?$")
_PART = re.compile(r"(Properties|Request Parameters|Request Body|Response Body|Platform Differences)(?=\n|$)")
# What can be folded out is printed as a name and "attributes", before or behind its neighbours without a blank.
_FOLDED = re.compile(
    r"(?m)(?:(?<=object)|(?<=array)|(?<=optional)|^(?=linked_|line_items|additional_fields))\w+\s+attributes"
)
# A page prints a field on one line or on two, and runs its type, its tags and what it says together.
_FIELD = re.compile(
    r"(?m)^([a-z_]+?)\n?(string|number|integer|enum|array|object)"
    r"(?:filterable|nullable|[Oo]ptional|Required|query|path)*(?=[A-Z\n]|\Z)"
)
_ENDPOINT = re.compile(r"(?m)^(?:GET|POST|PATCH|DELETE) /versioned/[a-z_/]+(?::id)?")
_SENTENCE_END = re.compile(r"(?<=[.!:])\s+(?=[A-Z])")
_CALL = re.compile(r"\b(GET|POST) (/[\w/:-]+)")


@dataclass(frozen=True, order=True, slots=True)
class Item:
    """One thing a page names. `note` is the sentence about it, counted from 1; 0 is the thing itself."""

    document: str
    section: str
    name: str
    note: int = 0

    def __str__(self) -> str:
        return f"{self.document}/{self.section}/{self.name}" + (f"#{self.note}" if self.note else "")


def items() -> list[Item]:
    """Every item of the three pages; skips the test where they are not at hand."""
    found = [*_guide(page_of("guide"))]
    for document in _ONE:
        found += _reference(document, page_of(document))
    # What an answer holds is said once in words and once in its example.
    return list(dict.fromkeys(found))


def types(document: str) -> dict[str, tuple[str, bool]]:
    """The type printed for each property of a page's object, and whether it is a moment; or a skip."""
    said = _parts(_VERB.split(page_of(document))[0])["Properties"]
    found = list(_FIELD.finditer(said))
    ends = [*(match.start() for match in found[1:]), len(said)]
    return {m[1]: (m[2], "ISO 8601 timestamp" in said[m.end() : end]) for m, end in zip(found, ends, strict=True)}


def _guide(text: str) -> Iterator[Item]:
    """Steps, the calls that are named, and each sentence under its heading."""
    heading, calls = "", set()
    said: Counter[str] = Counter()
    for line in filter(None, map(str.strip, text.splitlines())):
        calls |= {f"{method} {path}" for method, path in _CALL.findall(line)}
        # A line that ends no sentence is a heading, or a link to another page.
        if line[-1] not in ".:" or line[0].isdigit():
            heading = _slug(line)
        elif heading.startswith("step"):
            yield Item("guide", "steps", heading)
        else:
            for _ in _sentences(line):
                said[heading] += 1
                yield Item("guide", heading, "says", said[heading])
    yield from (Item("guide", "calls", call) for call in sorted(calls))


def _slug(text: str) -> str:
    return "-".join(
        re.findall(r"[a-z]+|(?<=step )\d", text.lower().replace("’", "").replace("'", "").lstrip("1234567890. "))
    )


def _sentences(text: str) -> list[str]:
    return [one for one in _SENTENCE_END.split(" ".join(text.split())) if one]


def _reference(document: str, text: str) -> Iterator[Item]:
    """A page of the reference: its object, then its verbs."""
    intro, *verbs = _VERB.split(text.partition("Have questions?")[0])
    listed = json.loads(without_examples(verbs[1])[1][0])
    said = _parts(intro)["Properties"]
    yield from (Item(document, "object", "says", note + 1) for note in range(len(_sentences(_parts(intro)[""]))))
    yield from _fields(document, "properties", said)
    for name in _paths(listed[document][0]):
        if "." in name and not name.startswith("platform_data."):
            yield Item(document, "properties", name)
    for verb, chunk in zip(verbs[::2], verbs[1::2], strict=True):
        yield from _verb(document, verb.lower(), chunk)


def _verb(document: str, verb: str, text: str) -> Iterator[Item]:
    """One call: itself, its parameters, its body and its answer."""
    said, examples = without_examples(text)
    parts = _parts(said)
    yield Item(document, verb, "call")
    notes = _sentences(_ENDPOINT.sub("", parts[""]))
    yield from (Item(document, verb, "call", note + 1) for note in range(len(notes)))
    yield from _fields(document, verb, parts["Request Parameters"])
    yield from _fields(document, verb, parts.get("Request Body", ""))
    for part, name in (("Response Body", "answer"), ("Platform Differences", "platforms")):
        yield from _answered(document, verb, name, parts.get(part, ""))
    if len(examples) == 2:
        body = json.loads(examples[0])
        yield from (Item(document, verb, name) for name in _paths(body) if "." in name)
    answered = json.loads(examples[-1])
    whole = (_ONE[document], document)
    for name in _paths({key: None if key in whole else value for key, value in answered.items()}):
        yield Item(document, verb, f"answer.{name}")


def _answered(document: str, verb: str, name: str, text: str) -> Iterator[Item]:
    """The parts of an answer and each sentence about them: here a sentence stands before what it is about."""
    fields = [match[1] for match in _FIELD.finditer(text)]
    yield from (Item(document, verb, f"{name}.{field}") for field in fields)
    rest = "\n".join(line for line in _FIELD.sub("", text).splitlines() if line.endswith((".", ":", "[XERO]")))
    yield from (Item(document, verb, name, note + 1) for note in range(len(_sentences(rest))))


def _fields(document: str, section: str, text: str) -> Iterator[Item]:
    """Every field that is described, and each sentence about it after the first, which says what it is."""
    found = list(_FIELD.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=False):
        described = text[match.end() : end]
        yield Item(document, section, match[1])
        yield from (Item(document, section, match[1], note) for note in range(2, len(_sentences(described)) + 1))


def _parts(text: str) -> dict[str, str]:
    """What stands under each small heading; what stands before the first is under no name."""
    first, *rest = _PART.split(_FOLDED.sub("\n", text))
    return {"": first} | dict(zip(rest[::2], rest[1::2], strict=True))


def _paths(node: Any, above: str = "") -> Iterator[str]:
    """The names of an object's fields, those of inner objects behind a dot."""
    if isinstance(node, list):
        yield from _paths(node[0], above)
    elif isinstance(node, dict):
        for name, value in node.items():
            yield f"{above}{name}"
            yield from _paths(value, f"{above}{name}.")
