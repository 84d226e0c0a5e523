"""Asking a person in the chat, in each protocol generation. Whatever is not a clear yes releases nothing.

MCP 2026-07-28 (multi-round-trip requests): the call ends with the question, and the client repeats it with the answer.
Earlier revisions: the question is a request of ours inside the open call, bounded by our own time, since some hosts
never answer. In both, the answer is a convenience below a tier and never more: hosts exist that accept for the person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from rutter_ap_server.guard.asker import Answer, Answered, Asker, Question

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

RELEASE = "release"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approve": {
            "type": "boolean",
            "title": "Record it in the ledger",
            "description": "Tick only if you, the person, have checked payee and amount.",
            "default": False,
        }
    },
    "required": ["approve"],
}
_TYPED = {
    "type": "string",
    "title": "Amount",
    "description": "Type the amount, as the question shows it, without the currency.",
}


class AskFirst(Exception):
    """Ends a call with a question; the client repeats the call with the answer (MCP 2026-07-28)."""

    def __init__(self, question: Question) -> None:
        super().__init__("a person is asked first")
        self.question = question

    def result(self) -> types.InputRequiredResult:
        """The question on the wire. The state is only the question's single-use id, which means nothing elsewhere."""
        form = types.ElicitRequestFormParams(message=self.question.text, requested_schema=form_for(self.question))
        return types.InputRequiredResult(
            input_requests={RELEASE: types.ElicitRequest(params=form)}, request_state=self.question.id
        )


def form_for(question: Question) -> dict[str, Any]:
    """The form of a question: a tick, and above a set amount the amount itself."""
    if question.amount is None:
        return _SCHEMA
    return _SCHEMA | {"properties": _SCHEMA["properties"] | {"amount": _TYPED}, "required": ["approve", "amount"]}


def asker_for(ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams) -> Asker:
    """The way to this call's person."""
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    # An empty elicitation capability means forms (MCP specification, client/elicitation).
    can_ask = elicitation is not None and (elicitation.form is not None or elicitation.url is None)
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return _InRounds(params, can_ask)
    return _InTheCall(ctx, can_ask and ctx.session.can_send_request)


def read_answer(result: object) -> Answer:
    """What an elicitation result says; only an explicit, boolean yes is an acceptance."""
    if not isinstance(result, types.ElicitResult):
        return Answer.NONE
    if result.action == "accept" and result.content is not None and result.content.get("approve") is True:
        return Answer.ACCEPTED
    return Answer.DECLINED


def typed_in(result: object) -> str:
    """What the person typed as the amount, or nothing."""
    content = result.content if isinstance(result, types.ElicitResult) else None
    typed = (content or {}).get("amount")
    return typed[:60] if isinstance(typed, str) else ""


class _InRounds:
    def __init__(self, params: types.CallToolRequestParams, can_ask: bool) -> None:
        self.can_ask = can_ask
        self._params = params

    def answered(self) -> Answered | None:
        responses = self._params.input_responses or {}
        if self._params.request_state is None or RELEASE not in responses:
            return None
        response = responses[RELEASE]
        return Answered(self._params.request_state, read_answer(response), typed_in(response))

    async def ask(self, question: Question) -> Answer:
        raise AskFirst(question)


class _InTheCall:
    def __init__(self, ctx: ServerRequestContext[Any, Any], can_ask: bool) -> None:
        self.can_ask = can_ask
        self._ctx = ctx

    def answered(self) -> Answered | None:
        return None

    async def ask(self, question: Question) -> Answer:
        with anyio.move_on_after(question.timeout_seconds):
            try:
                result = await self._ctx.session.elicit_form(
                    question.text, form_for(question), related_request_id=self._ctx.request_id
                )
            except MCPError:
                return Answer.NONE
            answer = read_answer(result)
            return answer if answer is not Answer.ACCEPTED or question.accepts(typed_in(result)) else Answer.DECLINED
        return Answer.NONE
