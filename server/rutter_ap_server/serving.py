"""The app of a process that serves MCP clients. A command starts in little more than half the time without it."""

from __future__ import annotations

from collections.abc import Callable

from rutter_ap_server.app import App
from rutter_ap_server.mcp.context import Context, OfferedTo
from rutter_ap_server.mcp.handlers import Handlers
from rutter_ap_server.mcp.live_data import LiveData
from rutter_ap_tools.backend import Backend


class ServingApp(App):
    """The app, with what an MCP server asks of it."""

    async def opened(self) -> ServingApp:
        """The app itself; an MCP server may also be given an app that is loaded later."""
        return self

    def handlers(self, offered_to: OfferedTo, backend_of: Callable[[Context], Backend]) -> Handlers:
        """The MCP handlers that need the whole app: resources, subscriptions, completion."""
        return Handlers(offered_to, backend_of, LiveData(self.companies, self.store, self.policy))
