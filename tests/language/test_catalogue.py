"""What an assistant sees: invariants of the whole catalogue, its price, and a snapshot of every tool.

A change of a snapshot is accepted by `pytest tests/language --accept-snapshots`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are not in the lock
from pydantic import BaseModel

from rutter_ap_server.backend import READS
from rutter_ap_server.guard.writes.registry import proposed_by, write_for
from rutter_ap_server.mcp.server import error_result, listed
from rutter_ap_tools.backend import Query
from rutter_ap_tools.bills import LIST_BILLS, BillList, BillRow, BillTotal
from rutter_ap_tools.catalogue import CATALOGUE, narrowed
from rutter_ap_tools.errors import Ambiguous, BadInput, Refused
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.schema import plain_schema
from rutter_ap_tools.tool import TOOLSETS, Risk, Tool
from rutter_ap_tools.wire import CompanyNamed, CompanyResult, MoneyShape, Named, WriteArguments, WriteResult

SNAPSHOTS = Path(__file__).parent / "snapshots"
BYTES_A_TOKEN = 4
every_tool = pytest.mark.parametrize("tool", CATALOGUE, ids=lambda tool: tool.name)


def shown(tool: Tool[Any, Any]) -> dict[str, Any]:
    """A tool as it stands on the wire."""
    return listed(tool).model_dump(mode="json", by_alias=True, exclude_none=True)


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a schema, itself included."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from nodes(value)


@every_tool
def test_an_assistant_sees_of_a_tool_exactly_what_was_accepted(tool: Tool[Any, Any], accept_snapshots: bool) -> None:
    file = SNAPSHOTS / f"{tool.name}.json"
    now = json.dumps(shown(tool), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if accept_snapshots:
        file.write_text(now, encoding="utf-8")

    assert file.exists(), f"{file.name} is missing: accept it with `pytest tests/language --accept-snapshots`"
    assert file.read_text(encoding="utf-8") == now


def test_no_snapshot_is_left_of_a_tool_that_is_gone() -> None:
    assert {file.name for file in SNAPSHOTS.iterdir()} == {f"{tool.name}.json" for tool in CATALOGUE}


def test_the_six_named_tools_exist_and_all_names_differ() -> None:
    names = [tool.name for tool in CATALOGUE]

    assert len(set(names)) == len(names)
    assert {"list_bills", "create_bill", "pay_bill", "apply_credit", "attach_file", "link_account"} <= set(names)


@every_tool
def test_names_titles_and_descriptions_are_plain_and_bounded(tool: Tool[Any, Any]) -> None:
    assert tool.name.isascii()
    assert tool.name.replace("_", "").islower()
    assert 0 < len(tool.title) <= 60
    assert 0 < len(tool.description) <= 500
    assert tool.description.endswith(".")
    assert tool.description.isprintable()
    assert tool.toolset in TOOLSETS


@every_tool
def test_every_argument_is_described_in_a_line(tool: Tool[Any, Any]) -> None:
    for name, argument in tool.input_schema()["properties"].items():
        assert argument.get("description"), name
    for node in nodes(tool.input_schema()):
        for name, argument in node.get("properties", {}).items():
            assert len(argument.get("description", "")) <= 160, name
            assert argument.get("description", "").isprintable(), name


@every_tool
def test_a_schema_is_a_closed_object_without_refs_or_root_unions(tool: Tool[Any, Any]) -> None:
    for schema in (tool.input_schema(), tool.output_schema()):
        assert schema["type"] == "object"
        assert not {"anyOf", "oneOf", "allOf", "not", "$defs", "definitions"} & set(schema)
        assert all("$ref" not in node for node in nodes(schema))
    assert tool.input_schema()["additionalProperties"] is False
    for node in nodes(plain_schema(tool.arguments, mode="validation")):
        if "properties" in node and node.get("type") == "object":
            assert node["additionalProperties"] is False


@every_tool
def test_every_argument_has_one_type_that_any_client_can_show(tool: Tool[Any, Any]) -> None:
    for node in nodes(tool.input_schema()):
        for name, argument in node.get("properties", {}).items():
            assert argument["type"] in ("string", "integer", "boolean", "array", "object"), name
            assert "anyOf" not in argument, name


@every_tool
def test_every_write_has_a_dry_run_and_one_shape_of_result(tool: Tool[Any, Any]) -> None:
    if tool.risk is Risk.READS or tool.name == "withdraw_proposal":
        assert "dry_run" not in tool.input_schema()["properties"]
        assert issubclass(tool.result, CompanyResult)
    else:
        assert tool.arguments.model_fields["dry_run"].default is False
        # Linking a company writes to no books, so that there is nothing to propose and nobody's release to wait for.
        if tool.name != "connect_ledger":
            assert issubclass(tool.arguments, WriteArguments)
            assert issubclass(tool.result, WriteResult)


@every_tool
def test_a_tool_is_a_write_or_a_query_with_one_answer(tool: Tool[Any, Any]) -> None:
    if issubclass(tool.arguments, WriteArguments):
        assert proposed_by(tool.name) is write_for(tool.arguments.model_construct())
    else:
        queries = [base for base in tool.arguments.__mro__ if issubclass(base, Query)]
        assert (tool.result,) in [base.__pydantic_generic_metadata__["args"] for base in queries]
        assert tool.arguments in READS


def test_no_answer_is_left_of_a_tool_that_is_gone() -> None:
    assert set(READS) <= {tool.arguments for tool in CATALOGUE}


@every_tool
def test_every_answer_names_the_company_and_the_environment(tool: Tool[Any, Any]) -> None:
    assert {"company", "environment"} <= {name for name, one in tool.result.model_fields.items() if one.is_required()}
    assert {"company", "environment"} <= set(tool.output_schema()["properties"])


def typed(field: dict[str, Any]) -> dict[str, Any]:
    """A field's type, and its values where only some are possible."""
    return {key: field[key] for key in ("type", "enum") if key in field}


def by_pydantic(model: type[BaseModel]) -> dict[str, Any]:
    """A result's types by pydantic's own schema of it, as brief as a tool's."""
    schema = plain_schema(model, mode="serialization")["properties"]
    brief: dict[str, Any] = {}
    for name, field in schema.items():
        brief[name] = typed(field)
        rows = field.get("items", {}).get("properties")
        if rows is not None:
            types = {key: typed(value) for key, value in rows.items()}
            brief[name]["items"] = {"type": "object", "properties": types}
    return brief


def briefly(argument: dict[str, Any]) -> dict[str, Any]:
    """An argument's schema by pydantic, without its patterns, its lengths and a default that means "omitted"."""
    hidden = ("maxLength", "minLength", "pattern", "additionalProperties")
    kept = {key: value for key, value in argument.items() if key not in hidden}
    if kept.get("default") in ("", []) or kept.get("default") is False:
        del kept["default"]
    if "items" in kept:
        kept["items"] = briefly(kept["items"])
    if "properties" in kept:
        kept["properties"] = {name: briefly(value) for name, value in kept["properties"].items()}
    return kept


@every_tool
def test_an_input_schema_says_what_is_validated(tool: Tool[Any, Any]) -> None:
    whole = plain_schema(tool.arguments, mode="validation")

    assert whole["additionalProperties"] is False
    assert tool.input_schema() == briefly(whole) | {"additionalProperties": False}


@every_tool
def test_an_output_schema_says_what_is_serialized(tool: Tool[Any, Any]) -> None:
    assert tool.output_schema() == {"type": "object", "properties": by_pydantic(tool.result)}


@every_tool
def test_an_error_fits_the_schema_of_the_results_too(tool: Tool[Any, Any]) -> None:
    finding = Finding(code="amount.over_balance", severity=Severity.REFUSE, message="More than is due.")
    errors = (BadInput("wrong"), Refused("no", findings=[finding]), Ambiguous("which", candidates=[("v1", "Acme")]))
    for error in errors:
        Draft202012Validator(tool.output_schema()).validate(error_result(error).structured_content)


@every_tool
def test_annotations_follow_from_the_risk(tool: Tool[Any, Any]) -> None:
    # What is not said is the specification's default: not idempotent, and in an open world.
    assert (
        tool.annotations
        == {
            Risk.READS: {"read_only_hint": True},
            Risk.WRITES: {"read_only_hint": False, "destructive_hint": False},
            Risk.DESTROYS: {"read_only_hint": False, "destructive_hint": True},
            Risk.MOVES_MONEY: {"read_only_hint": False, "destructive_hint": True},
        }[tool.risk]
    )


def test_only_paying_and_taking_a_payment_back_moves_money() -> None:
    moving = {tool.name for tool in CATALOGUE if tool.risk is Risk.MOVES_MONEY}

    assert moving == {"pay_bill", "propose_payment_run", "void_payment"}


def test_only_deleting_destroys() -> None:
    assert {tool.name for tool in CATALOGUE if tool.risk is Risk.DESTROYS} == {"delete_bill"}


def test_a_tool_that_records_a_payment_says_it_is_no_transfer() -> None:
    for tool in CATALOGUE:
        if tool.risk is Risk.MOVES_MONEY:
            assert "does not move money at a bank" in tool.description


def test_a_reader_is_offered_reads_only() -> None:
    assert {tool.risk for tool in narrowed(read_only=True)} == {Risk.READS}
    assert [t.name for t in narrowed(read_only=True)] == [t.name for t in CATALOGUE if t.risk is Risk.READS]


@pytest.mark.parametrize("toolset", TOOLSETS)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_toolset_has_its_tools_and_the_way_to_a_writes_outcome(toolset: str, read_only: bool) -> None:
    offered = narrowed(toolsets=[toolset], read_only=read_only)
    others = [tool for tool in offered if tool.toolset != toolset]

    assert [t.name for t in others] in ([], ["get_proposal", "withdraw_proposal"])
    assert bool(others) == (not read_only and any(t.risk is not Risk.READS for t in offered))
    assert len(set(offered)) == len(offered)


def test_no_toolset_offers_all_and_an_unknown_one_nothing() -> None:
    assert narrowed() == CATALOGUE
    assert narrowed(toolsets=list(TOOLSETS)) == CATALOGUE
    assert narrowed(toolsets=["no such toolset"]) == ()


def test_the_list_of_tools_keeps_to_its_price() -> None:
    with_output = [shown(tool) for tool in CATALOGUE]
    without = [{k: v for k, v in one.items() if k != "outputSchema"} for one in with_output]

    def tokens(value: object) -> int:
        return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()) // BYTES_A_TOKEN

    assert len(CATALOGUE) <= 28
    assert tokens(without) <= 7000
    assert tokens(with_output) <= 11500


def test_a_page_of_fifty_bills_keeps_to_its_price() -> None:
    money = MoneyShape(amount="123456.78", currency="USD")
    bills = [
        BillRow(
            id=str(UUID(int=number)),
            document_number=f"INV-2026-{number:05}",
            vendor=Named(id=str(UUID(int=number)), name="Brightline Hosting and Services Ltd"),
            status="partially_paid",
            issue_date=date(2026, 2, 1),
            due_date=date(2026, 3, 1),
            total=money,
            due=money,
            days_overdue=120,
        )
        for number in range(50)
    ]
    page = BillList(
        company=CompanyNamed(id="c1", name="Harbor & Pine Ltd"),
        environment="production",
        bills=bills,
        today=date(2026, 7, 1),
        totals=[BillTotal(bills=1200, total=money, due=money)],
        next_cursor="x" * 160,
    )

    assert len(LIST_BILLS.render(page).encode()) // BYTES_A_TOKEN <= 3000
