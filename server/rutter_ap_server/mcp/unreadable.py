"""What a client sends and the protocol's own parser cannot read is answered here, because nobody behind it would.

Half a character (`\\ud800` alone), nesting without end and lines that are no JSON never become a message: without this
the one who asked would wait for ever.
"""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any, Self

import mcp_types as types
from anyio import AsyncFile
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from rutter_ap_server.mcp.server import error_result
from rutter_ap_tools.errors import BadInput

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]')
_ID = re.compile(r'\s*:\s*(-?(?:0|[1-9]\d{0,17})|"[^"\\\x00-\x1f]{0,200}")\s*[,}]', re.ASCII)
_ODD_ID = re.compile(r'"id"\s*:\s*(?!-?\d+\s*[,}]|")')
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Lines(AsyncFile[str]):
    """The lines of a client. The protocol's parser takes a request with an odd id for a notification, and drops it."""

    async def readline(self) -> str:
        """The next line; one with an odd id without what makes it a message, so that it comes to be answered."""
        line = await super().readline()
        if _ODD_ID.search(line) is None:
            return line
        try:
            message = json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return line
        if not isinstance(message, dict) or "method" not in message or "id" not in message:
            return line
        number = message["id"]
        if isinstance(number, str) or type(number) is int:
            return line
        kept = number if isinstance(number, float) and math.isfinite(number) else None
        return json.dumps({"id": kept, "method": "odd"}) + "\n"


def claimed_stdin() -> Lines:
    """The lines of standard input, which nobody else in this process or its children can read from now on."""
    private = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return Lines(os.fdopen(private, encoding="utf-8", errors="replace", closefd=False))


class AnsweredStream(ContextReceiveStream[SessionMessage | Exception]):
    """The messages of a client, without those that cannot be read: they are answered."""

    def __init__(
        self, read: ContextReceiveStream[SessionMessage | Exception], write: ContextSendStream[SessionMessage]
    ) -> None:
        # The same stream, of which fewer messages come out.
        super().__init__(read._inner)
        self._write = write

    async def __aenter__(self) -> Self:
        return self

    async def receive(self) -> SessionMessage | Exception:
        """The next message that can be read."""
        while isinstance(item := await super().receive(), ValidationError):
            message, is_answer = instead_of(item)
            if is_answer:
                await self._write.send(SessionMessage(message))
            elif message is not None:
                return SessionMessage(message)
        return item


def instead_of(error: ValidationError) -> tuple[Any, bool]:
    """What takes the place of a message that could not be read, and whether it is an answer to its sender.

    An answer to a question of ours becomes the error it is to us; a notification nobody waits for becomes nothing.
    """
    given = error.errors(include_url=False)[0]["input"]
    for one in error.errors(include_url=False):
        given = one["input"] if isinstance(one["input"], dict) and "method" in one["input"] else given
    try:
        message = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        number = _id_in(given) if isinstance(given, str) else None
        return _error(number, types.PARSE_ERROR, "this line is not JSON that can be read"), True
    if not isinstance(message, dict):
        return _error(None, types.INVALID_REQUEST, "a message must be one JSON object"), True
    number = message.get("id")
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int | str) or isinstance(number, bool) or _has_half(number):
        number = None
    has_half = _has_half(message)
    words = "it contains half a character (a lone surrogate)" if has_half else "it is no valid message"
    if "method" not in message:
        return (_error(number, types.INVALID_REQUEST, words), number is None) if "id" in message else (None, False)
    if "id" not in message:
        return None, False
    if has_half and message["method"] == "tools/call":
        refused = error_result(BadInput(f"the call cannot be read: {words}"))
        result = refused.model_dump(mode="json", by_alias=True, exclude_none=True)
        if number is not None:
            return types.JSONRPCResponse(jsonrpc="2.0", id=number, result=result), True
    return _error(number, types.INVALID_PARAMS, f"the request cannot be read: {words}"), True


def _id_in(line: str) -> int | str | None:
    """The id of a request that nothing else can read: so its asker learns what became of it."""
    depth = 0
    for token in _TOKEN.finditer(line):
        depth += (token[0] in "[{") - (token[0] in "]}")
        named = _ID.match(line, token.end()) if depth == 1 and token[0] == '"id"' else None
        if named is not None:
            found: int | str = json.loads(named[1])
            return None if _has_half(found) else found
    return None


def _has_half(value: object) -> bool:
    return _SURROGATE.search(json.dumps(value, ensure_ascii=False)) is not None


def _error(number: int | str | None, code: int, words: str) -> types.JSONRPCError:
    return types.JSONRPCError(jsonrpc="2.0", id=number, error=types.ErrorData(code=code, message=words))
