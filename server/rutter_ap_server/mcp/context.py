"""What a request of the SDK is called here, and what one caller may see of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcp.server.context import ServerRequestContext

from rutter_ap_tools.tool import Tool

Context = ServerRequestContext[Any, Any]
OfferedTo = Callable[[Context], Mapping[str, Tool[Any, Any]]]
# What of the catalogue one caller may see: a transport whose callers carry tokens narrows it further by their scopes.
Allowed = Callable[[Context], Callable[[Tool[Any, Any]], bool]]
