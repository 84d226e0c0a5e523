"""A host that shows cards, and the person who answers in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.types import CallToolResult

from rutter_ap_server.mcp.card import META_KEY
from support.seeded import STORE, practice_home
from support.serving import bill_numbered, done, link_funding

IN_CARD = "[asking]\nin_card = true\n"
BILL = "NW-2291"


def with_policy(home: Path, text: str) -> None:
    """The policy file of a practice company."""
    if not (home / STORE).exists():
        practice_home(home)
    (home / "policy.toml").write_text(text)


async def held(client: Client, number: str = BILL, **arguments: Any) -> str:
    """A payment that waits for a person; its proposal's id."""
    await link_funding(client)
    bill = await bill_numbered(client, number)
    answer = await done(client, "pay_bill", bill_id=bill["id"], **arguments)
    assert answer["status"] == "held"
    return str(answer["proposal_id"])


async def asked(client: Client, proposal_id: str) -> dict[str, Any]:
    """What the card is told of its question as it opens."""
    result = await client.call_tool("get_proposal", {"proposal_id": proposal_id})
    found: dict[str, Any] = (result.meta or {})[META_KEY]
    return found


async def question(client: Client, proposal_id: str) -> str:
    """The id of the question that the card puts."""
    return str((await asked(client, proposal_id))["question"])


async def answered(client: Client, question_id: str, release: bool = True, **more: Any) -> str:
    """What comes of an answer: the proposal's state, or the code of the refusal."""
    result: CallToolResult = await client.call_tool(
        "answer_card", {"question": question_id, "release": release, **more}
    )
    structured = result.structured_content or {}
    return str(structured["code"] if result.is_error else structured["proposal"]["state"])


async def paid(client: Client, number: str = BILL) -> list[str]:
    """The amounts that the ledger shows as paid on the bill."""
    bill = await bill_numbered(client, number)
    shown = await done(client, "get_bill", bill_id=bill["id"])
    return [one["amount"]["amount"] for one in shown["payments"]]
