"""HTML pages: no script, no external resources, and all untrusted text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from rutter_sandbox.wire import Response

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8886;padding:.3rem .6rem;text-align:left}
td{overflow-wrap:anywhere}.notice{border:2px solid #b00;padding:.6rem 1rem}button{font:inherit;padding:.4rem 1.2rem}"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NOTICE = """<p class="notice"><strong>This is not Rutter.</strong> It is a sandbox for practice: its companies are
made up, and nothing here moves money.</p>"""


def page(title: str, content: str, status: int = 200) -> Response:
    """A whole page. `content` is markup and must be escaped already; the title is escaped here."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = f"<h1>{escape(title)}</h1>{_NOTICE}{content}"
    whole = f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
    return Response(status, whole.encode("utf-8", "replace"), dict(_HEADERS), "text/html; charset=utf-8")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    return "" if value is None else escape(str(value))
