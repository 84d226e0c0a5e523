"""The text of a document, taken with bounds: a file from outside may be broken, enormous or made to keep a reader busy.

What cannot be read is named, so that silence is never taken for a document that fits.
"""

from __future__ import annotations

import io
import logging
import time
from dataclasses import dataclass
from typing import Literal

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from rutter_ap_server.documents.files import Documents, content_type_of
from rutter_ap_tools.errors import BadInput

PAGES_MAX = 10
PAGE_CHARACTERS_MAX = 20_000
PDF_BYTES_MAX = 10 * 1024 * 1024
SECONDS_MAX = 5
# A reader that got lost in a hostile file cannot be stopped, only left behind: it must not take every thread along.
_READERS_MAX = 2

Trouble = Literal["encrypted", "broken", "scan", "picture", "other_kind", "too_large", "too_slow"]
WORDS: dict[Trouble, str] = {
    "encrypted": "the PDF is encrypted, so its text cannot be read",
    "broken": "the PDF is broken, so its text cannot be read",
    "scan": "the PDF holds no text, as a scan does",
    "picture": "it is a picture, whose text cannot be read here",
    "other_kind": "it is neither a PDF nor text, so it cannot be read here",
    "too_large": f"the PDF is larger than {PDF_BYTES_MAX // 1024 // 1024} MB, so its text was not read",
    "too_slow": f"the PDF took longer than {SECONDS_MAX} seconds, so its text was not read",
}
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("readers of documents")


@dataclass(frozen=True, slots=True)
class DocumentText:
    """What a document says: the text of the pages that were read, or the `trouble` that kept it from being read.

    `page_count` is that of a PDF; of a long one the first pages and the last are read.
    """

    content_type: str
    pages: tuple[str, ...] = ()
    page_count: int | None = None
    trouble: Trouble | None = None

    @property
    def words(self) -> str:
        """Why there is no text, in a sentence; empty where there is."""
        return WORDS[self.trouble] if self.trouble else ""


async def document_text(content: bytes) -> DocumentText:
    """Reads a document by what it is, not by its name. Never raises for what is in it."""
    kind = content_type_of(content)
    if kind.startswith("text/"):
        return DocumentText(kind, (content[: PAGES_MAX * PAGE_CHARACTERS_MAX].decode("utf-8", "ignore"),))
    if kind != "application/pdf":
        return DocumentText(kind, trouble="picture" if kind.startswith("image/") else "other_kind")
    if len(content) > PDF_BYTES_MAX:
        return DocumentText(kind, trouble="too_large")
    stop_at = time.monotonic() + SECONDS_MAX
    with anyio.move_on_after(SECONDS_MAX):
        return await anyio.to_thread.run_sync(_read, content, stop_at, abandon_on_cancel=True, limiter=_readers())
    return DocumentText(kind, trouble="too_slow")


def _readers() -> anyio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        _limiter.set(anyio.CapacityLimiter(_READERS_MAX))
        return _limiter.get()


def _read(content: bytes, stop_at: float) -> DocumentText:
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    kind, count = "application/pdf", None
    # Its warnings quote the file, and a log is no place for words from outside.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        pages = PdfReader(io.BytesIO(content), strict=False).pages
        count = len(pages)
        texts = []
        for number in sorted({*range(min(count, PAGES_MAX - 1)), count - 1} - {-1}):
            if time.monotonic() > stop_at:
                return DocumentText(kind, (), count, "too_slow")
            texts.append(pages[number].extract_text()[:PAGE_CHARACTERS_MAX])
    except FileNotDecryptedError:
        return DocumentText(kind, trouble="encrypted")
    except Exception:  # noqa: BLE001 - whatever a hostile file does to the parser, it has no text to compare
        return DocumentText(kind, (), count, "broken")
    if not texts:
        return DocumentText(kind, (), count, "broken")
    shown = tuple(text for text in texts if text.strip())
    return DocumentText(kind, shown, count, None if shown else "scan")


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a PDF's pages, or the words for what kept it from being read; neither for a plain text file."""

    pages: tuple[str, ...] = ()
    trouble: str = ""


async def file_text(documents: Documents, path: str, sha256: str) -> FileText:
    """Reads the file that was proposed, within bounds; nothing where it is not that file any more."""
    try:
        document = documents.read_again(path)
    except BadInput:
        # Sending it reads it again, and refuses with what is wrong.
        return FileText()
    if document.sha256 != sha256:
        return FileText()
    read = await document_text(document.content)
    # A list or a note is attached for what it is; only a picture of a document promises to be that document.
    return FileText() if read.content_type.startswith("text/") else FileText(read.pages, read.words)
