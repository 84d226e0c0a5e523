"""Asks a person in the chat, in each protocol generation. Anything but a clear yes releases nothing.

MCP 2026-07-28 (multi-round-trip requests): the call ends with the question, and the client repeats it with the answer.
Earlier revisions: the question is our request inside the open call, with our own timeout, because some hosts never
respond. In both, the answer is only a convenience below a tier, because some hosts accept on the person's behalf.

A link is shown in the same two ways (URL elicitation). Accepting it proves only that someone opened it.
"""

from __future__ import annotations

import uuid
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from rutter_ap_server.interaction import Interaction, LinkToOpen, Opened, PendingAnswer, Question, Reply

RELEASE = "release"
OPEN = "open"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approve": {
            "type": "boolean",
            "title": "Approve and record in the ledger",
            "description": "Tick this only if you, a person, have checked the details in the question.",
            "default": False,
        }
    },
    "required": ["approve"],
}
_TYPED = {
    "type": "string",
    "title": "Amount",
    "description": "Type the amount shown in the question, without the currency.",
}


class InputRequired(Exception):
    """Ends a call with a question; the client repeats the call with the answer (MCP 2026-07-28)."""

    def __init__(self, question: Question) -> None:
        super().__init__("a person must be asked first")
        self.question = question

    def result(self) -> types.InputRequiredResult:
        """The question as a result. The state is only the question's single-use id, which has no other meaning."""
        form = types.ElicitRequestFormParams(message=self.question.text, requested_schema=form_for(self.question))
        return types.InputRequiredResult(
            input_requests={RELEASE: types.ElicitRequest(params=form)}, request_state=self.question.id
        )


class LinkRequired(InputRequired):
    """Ends a call with a link to open; the client repeats the call with whether it was opened (MCP 2026-07-28)."""

    def __init__(self, link: LinkToOpen) -> None:
        Exception.__init__(self, "a person must open a link first")
        self.link = link

    def result(self) -> types.InputRequiredResult:
        """The link as a result. The state names what the link is for, so that an answer counts for nothing else."""
        form = types.ElicitRequestURLParams(message=self.link.text, url=self.link.url)
        return types.InputRequiredResult(
            input_requests={OPEN: types.ElicitRequest(params=form)}, request_state=self.link.id
        )


def form_for(question: Question) -> dict[str, Any]:
    """The form of a question: a tick box and, above a set amount, the amount itself."""
    if question.amount is None:
        return _SCHEMA
    return _SCHEMA | {"properties": _SCHEMA["properties"] | {"amount": _TYPED}, "required": ["approve", "amount"]}


def interaction_for(ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams) -> Interaction:
    """The interaction with the person behind this call."""
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    # An empty elicitation capability means forms (MCP specification, client/elicitation).
    can_ask = elicitation is not None and (elicitation.form is not None or elicitation.url is None)
    can_open = elicitation is not None and elicitation.url is not None
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return _MultiRound(ctx, params, can_ask, can_open)
    can_send = ctx.session.can_send_request
    return _InCall(ctx, can_ask and can_send, can_open and can_send)


def read_reply(result: object) -> Reply:
    """The reply in an elicitation result: only a boolean true is a yes, and only "decline" is a no.

    A form that was dismissed, or sent without its tick, is no answer.
    """
    if not isinstance(result, types.ElicitResult):
        return Reply.NONE
    if result.action == "accept" and result.content is not None and result.content.get("approve") is True:
        return Reply.ACCEPTED
    return Reply.DECLINED if result.action == "decline" else Reply.NONE


def typed_in(result: object) -> str:
    """The amount the person typed, or ""."""
    content = result.content if isinstance(result, types.ElicitResult) else None
    typed = (content or {}).get("amount")
    return typed[:60] if isinstance(typed, str) else ""


def read_opened(result: object) -> Opened:
    """Whether a link was opened, according to its elicitation result."""
    accepted = isinstance(result, types.ElicitResult) and result.action == "accept"
    return Opened.OPENED if accepted else Opened.NOT_OPENED


class _CallInteraction:
    """What both generations share: progress is reported to a client that asked for it."""

    def __init__(self, ctx: ServerRequestContext[Any, Any], can_ask: bool, can_open: bool) -> None:
        self.can_ask = can_ask
        self._ctx = ctx
        self._can_open = can_open

    async def report_progress(self, done: float, total: float, message: str) -> None:
        await self._ctx.session.report_progress(done, total, message)


class _MultiRound(_CallInteraction):
    def __init__(
        self, ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams, can_ask: bool, can_open: bool
    ) -> None:
        super().__init__(ctx, can_ask, can_open)
        self._params = params

    def pending_answer(self) -> PendingAnswer | None:
        responses = self._params.input_responses or {}
        if self._params.request_state is None or RELEASE not in responses:
            return None
        response = responses[RELEASE]
        return PendingAnswer(self._params.request_state, read_reply(response), typed_in(response))

    async def ask(self, question: Question) -> Reply:
        raise InputRequired(question)

    async def open_link(self, link: LinkToOpen) -> Opened:
        if not self._can_open:
            return Opened.CANNOT_ASK
        response = (self._params.input_responses or {}).get(OPEN)
        if response is None or self._params.request_state != link.id:
            raise LinkRequired(link)
        return read_opened(response)

    async def link_done(self, link: LinkToOpen) -> None:
        """Nothing to do: no request stays open between two rounds."""


class _InCall(_CallInteraction):
    _elicitation_id = ""

    def pending_answer(self) -> PendingAnswer | None:
        return None

    async def ask(self, question: Question) -> Reply:
        with anyio.move_on_after(question.timeout_seconds):
            try:
                result = await self._ctx.session.elicit_form(
                    question.text, form_for(question), related_request_id=self._ctx.request_id
                )
            except (MCPError, ValueError):
                # A client that fails, or answers with something the protocol does not know, has said nothing.
                return Reply.NONE
            reply = read_reply(result)
            return reply if reply is not Reply.ACCEPTED or question.accepts(typed_in(result)) else Reply.NONE
        return Reply.NONE

    async def open_link(self, link: LinkToOpen) -> Opened:
        if not self._can_open:
            return Opened.CANNOT_ASK
        # A new id each time: a client treats two equal ids as the same request.
        self._elicitation_id = str(uuid.uuid4())
        with anyio.move_on_after(link.timeout_seconds):
            try:
                result = await self._ctx.session.elicit_url(
                    link.text, link.url, self._elicitation_id, related_request_id=self._ctx.request_id
                )
            except (MCPError, ValueError):
                return Opened.CANNOT_ASK
            return read_opened(result)
        return Opened.NOT_OPENED

    async def link_done(self, link: LinkToOpen) -> None:
        if self._elicitation_id:
            await self._ctx.session.send_elicit_complete(self._elicitation_id, related_request_id=self._ctx.request_id)
