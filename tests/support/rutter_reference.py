"""Where Rutter's own pages and machine-readable spec lie when they are at hand; they are not part of the project."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"
SPEC = SHARED / "rutter" / "openapi-2024-08-31.json"
SEEDS = SHARED / "seeds"


def spec() -> dict[str, Any]:
    """The machine-readable spec, or a skip that says what is missing."""
    if not SPEC.is_file():
        pytest.skip(f"Rutter's machine-readable spec is not at {SPEC}")
    whole: dict[str, Any] = json.loads(SPEC.read_text())
    return whole


def spec_schemas() -> dict[str, Any]:
    """The schemas of the spec, or a skip that says what is missing."""
    schemas: dict[str, Any] = spec()["components"]["schemas"]
    return schemas


def page_of(document: str) -> str:
    """The text of one of the pages, or a skip that says what is missing: the guide, bills or bill_payments."""
    number = {"guide": "000", "bills": "003", "bill_payments": "004"}[document]
    pages = list(SEEDS.glob(f"{number}_*.txt"))
    if not pages:
        pytest.skip(f"Rutter's pages are not at {SEEDS}")
    return pages[0].read_text(encoding="utf-8")


def printed_examples() -> list[bytes]:
    """Every JSON object printed in the pages, or a skip that says what is missing."""
    pages = (page_of(document) for document in ("guide", "bills", "bill_payments"))
    return [example.encode() for page in pages for example in without_examples(page)[1]]


def without_examples(text: str) -> tuple[str, list[str]]:
    """What a page says, and the JSON objects it prints."""
    # One page prints a line number before every line of its examples.
    text = re.sub(r"(?m)^\d+(?=[\s{}\]])", "", text)
    found: list[str] = []
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            _, end = decoder.raw_decode(text, at)
        except ValueError:
            at = text.find("{", at + 1)
        else:
            found.append(text[at:end])
            text = text[:at] + "\n" + text[end:]
            at = text.find("{", at)
    return text, found
