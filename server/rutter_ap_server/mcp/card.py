"""The card in the chat (MCP Apps): offered to hosts that can show one, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import mcp_types as types

from rutter_ap_server.interaction import Caller, CardQuestion
from rutter_ap_server.mcp.context import Context
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.proposals import AnswerCard, ProposalAnswer
from rutter_ap_tools.tool import Tool
from rutter_ap_tools.wire import WriteArguments

# As in mcp.server.apps, which brings along another server that would slow the start of this one.
EXTENSION_ID, APP_MIME_TYPE = "io.modelcontextprotocol/ui", "text/html;profile=mcp-app"
CARD_URI = "ui://rutter-ap/review.html"
# Where a result carries the question of a card: not for the model, though some hosts show it.
META_KEY = "rutter-ap/card"
_HTML = Path(__file__).with_name("card.html")


class CardAnswers(Protocol):
    """What of the guard stands behind the card."""

    async def may_answer(self) -> bool:
        """Whether the policy lets the card answer."""
        ...

    async def question(self, proposal_id: str, shown: str, caller: Caller) -> CardQuestion:
        """A new question about a held proposal, as it is shown."""
        ...

    async def answer(self, given: AnswerCard, caller: Caller) -> ProposalAnswer:
        """Takes an answer."""
        ...


def shows_card(ctx: Context, offered: Mapping[str, Tool[Any, Any]]) -> bool:
    """Whether the client can show a card, and is offered anything that it is for."""
    capabilities = ctx.session.client_capabilities
    declared = (capabilities.extensions or {}).get(EXTENSION_ID) if capabilities else None
    kinds = (declared or {}).get("mimeTypes")
    return isinstance(kinds, list) and APP_MIME_TYPE in kinds and any(_writes(tool) for tool in offered.values())


def with_card(tools: Iterable[Tool[Any, Any]], seen: Iterable[types.Tool]) -> list[types.Tool]:
    """The tools as a client with cards sees them: every write is shown in one."""
    # Hosts of an earlier draft of the extension look for the flat name.
    meta = {"ui": {"resourceUri": CARD_URI}, "ui/resourceUri": CARD_URI}
    return [
        one.model_copy(update={"meta": meta}) if _writes(tool) else one for tool, one in zip(tools, seen, strict=True)
    ]


def for_the_card_alone(seen: types.Tool) -> types.Tool:
    """A tool that a host keeps from its model."""
    return seen.model_copy(update={"meta": {"ui": {"resourceUri": CARD_URI, "visibility": ["app"]}}})


@cache
def page() -> types.ReadResourceResult:
    """The card itself. It asks for nothing from anywhere, so the host may allow it nothing."""
    meta = {"ui": {"csp": {}, "prefersBorder": True}}
    text = _HTML.read_text(encoding="utf-8")
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=CARD_URI, mime_type=APP_MIME_TYPE, text=text, _meta=meta)]
    )


async def question_for(cards: CardAnswers, shown: ProposalAnswer, caller: Caller) -> dict[str, Any]:
    """What the card needs to know besides the proposal itself, for the result's `_meta`."""
    try:
        asked = await cards.question(shown.proposal.id, shown.statement.digest, caller)
    except ApError as error:
        asked = CardQuestion(reason=f"It cannot be answered here: {error.message}.")
    if not asked.id:
        return {META_KEY: {"reason": asked.reason}}
    return {META_KEY: {"question": asked.id, "mustType": asked.must_type}}


def _writes(tool: Tool[Any, Any]) -> bool:
    return issubclass(tool.arguments, WriteArguments)
