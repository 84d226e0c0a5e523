"""Icons for clients that show them, embedded so that nothing has to be fetched (MCP specification, icons).

Tools have none: their list is read in every conversation, and an icon costs as many tokens as an argument.
"""

from __future__ import annotations

import base64

import mcp_types as types

_FRAME = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#246" stroke-width="2" '
    'stroke-linecap="round" stroke-linejoin="round">{}</svg>'
)
# A bill with a check mark, a list of steps, a page.
_SHAPES = {
    "server": '<path d="M5 3h14v18l-3-2-2 2-2-2-2 2-2-2-3 2z"/><path d="M8.5 10.5l2.5 2.5 4.5-5"/>',
    "prompt": '<path d="M9 6h11M9 12h11M9 18h11"/><path d="M4 6h1M4 12h1M4 18h1"/>',
    "resource": '<path d="M6 2h8l4 4v16H6z"/><path d="M14 2v4h4M9 12h6M9 16h6"/>',
}


def icons(name: str) -> list[types.Icon]:
    """The icon of the server, its prompts or its resources, as a data URI."""
    picture = base64.b64encode(_FRAME.format(_SHAPES[name]).encode()).decode("ascii")
    return [types.Icon(src=f"data:image/svg+xml;base64,{picture}", mime_type="image/svg+xml", sizes=["any"])]
