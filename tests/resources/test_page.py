"""The page about prompts, resources and scopes names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from rutter_ap_prompts.loader import load_prompts
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.scopes import SCOPES, scope_of
from rutter_ap_tools.tool import Risk
from support.serving import serving

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The table under a heading, without its heads."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_prompt_has_its_row() -> None:
    assert {row[0].strip("`") for row in rows("Prompts")} == {prompt.name for prompt in load_prompts()}


async def test_every_resource_has_its_row_and_says_what_it_needs(home: Path) -> None:
    async with serving(home) as (client, _):
        offered = {one.uri_template for one in (await client.list_resource_templates()).resource_templates}
        offered |= {one.uri for one in (await client.list_resources()).resources if one.name != "Harbor & Pine Ltd"}
    table = {row[0].strip("`"): re.findall(r"`(\w+)`", row[2]) for row in rows("Resources")}
    assert set(table) == offered
    names = {tool.name for tool in CATALOGUE}
    assert all(set(needed) <= names for needed in table.values())


def test_every_scope_has_its_row_with_its_risks() -> None:
    said = {row[0].strip("`"): set(row[2].split(", ")) for row in rows("Scopes")}
    assert said == {scope: {risk.value for risk in Risk if scope_of(risk) == scope} for scope in SCOPES}
