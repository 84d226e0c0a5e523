"""The text of a PDF, taken with bounds: a file from outside may be broken, enormous or made to keep a reader busy."""

from __future__ import annotations

import io

import anyio
import anyio.to_thread

from rutter_ap_server.lookup.documents import Documents
from rutter_ap_tools.errors import BadInput

PAGES_MAX = 5
PAGE_CHARACTERS_MAX = 20_000
BYTES_MAX = 5 * 1024 * 1024
SECONDS_MAX = 5


async def pdf_pages(documents: Documents, path: str, sha256: str) -> tuple[str, ...]:
    """The first pages' text; nothing for another kind of file, a scan, or one that cannot be read within bounds."""
    try:
        document = documents.read_again(path)
    except BadInput:
        # Sending it reads it again, and refuses with what is wrong.
        return ()
    if document.sha256 != sha256 or len(document.content) > BYTES_MAX or not document.content.startswith(b"%PDF-"):
        return ()
    with anyio.move_on_after(SECONDS_MAX):
        return await anyio.to_thread.run_sync(_pages, document.content, abandon_on_cancel=True)
    return ()


def _pages(content: bytes) -> tuple[str, ...]:
    from pypdf import PdfReader

    try:
        pages = PdfReader(io.BytesIO(content), strict=False).pages
        texts = tuple(page.extract_text()[:PAGE_CHARACTERS_MAX] for page in pages[:PAGES_MAX])
    except Exception:  # noqa: BLE001 - whatever a hostile file does to the parser, it has no text to compare
        return ()
    return tuple(text for text in texts if text.strip())
