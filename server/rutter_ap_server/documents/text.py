"""Extracts a document's text within limits, because a file from outside may be broken, enormous or hostile.

When text cannot be read the reason is reported, so that silence is never mistaken for a match.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar
from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError

from rutter_ap_server.documents.files import Documents, content_type_of
from rutter_ap_tools.errors import BadInput

PAGES_MAX = 10
PAGE_CHARACTERS_MAX = 20_000
PDF_BYTES_MAX = 10 * 1024 * 1024
SECONDS_MAX = 5
# A reader stuck in a hostile file cannot be stopped, only abandoned: it must not use up every thread.
_READERS_MAX = 2

Trouble = Literal["encrypted", "broken", "scan", "empty", "picture", "other_kind", "too_large", "too_slow"]
WORDS: dict[Trouble, str] = {
    "encrypted": "the PDF is encrypted, so its text cannot be read",
    "broken": "the PDF is damaged, so its text cannot be read",
    "scan": "the PDF contains no text; it is probably a scan",
    "empty": "the file contains no text",
    "picture": "the file is an image, and text in images cannot be read here",
    "other_kind": "the file is neither a PDF nor text, so it cannot be read here",
    "too_large": f"the PDF is larger than {PDF_BYTES_MAX // 1024 // 1024} MB, so its text was not read",
    "too_slow": f"reading the PDF took longer than {SECONDS_MAX} seconds, so its text was not read",
}
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("readers of documents")


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A document's text: the pages that were read, or the `trouble` that prevented reading.

    `page_count` is set for a PDF; of a long one only the first pages and the last are read.
    """

    content_type: str
    pages: tuple[str, ...] = ()
    page_count: int | None = None
    trouble: Trouble | None = None

    @property
    def words(self) -> str:
        """The reason there is no text, or "" when there is text."""
        return WORDS[self.trouble] if self.trouble else ""


async def document_text(content: bytes) -> DocumentText:
    """Reads a document by its content, not its name. Never raises because of what it contains."""
    kind = content_type_of(content)
    if kind.startswith("text/"):
        text = content[: PAGES_MAX * PAGE_CHARACTERS_MAX].decode("utf-8", "ignore")
        return DocumentText(kind, (text,)) if text.strip() else DocumentText(kind, trouble="empty")
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
    kind, count = "application/pdf", None
    # pypdf's warnings quote the file, and text from outside does not belong in a log.
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
    """The text of a file's pages, or the reason it could not be read; neither if it is no longer the same file."""

    pages: tuple[str, ...] = ()
    trouble: str = ""


async def file_text(documents: Documents, path: str, sha256: str) -> FileText:
    """Reads the proposed file within limits; empty if it is no longer the same file."""
    try:
        document = documents.read_again(path)
    except BadInput:
        # The file is read again before it is sent, and the error is reported then.
        return FileText()
    if document.sha256 != sha256:
        return FileText()
    read = await document_text(document.content)
    # A text file is one page: where a policy asks for a bill's document, a note about anything else must not pass.
    is_table = read.content_type.startswith("text/") and document.name.lower().endswith(".csv")
    return FileText(tuple(map(_cells, read.pages)) if is_table else read.pages, read.words)


def text_hash(pages: Iterable[str]) -> str:
    """The SHA-256 of the text without its case and layout, so that a document saved anew is known; empty for none."""
    words = unicodedata.normalize("NFKC", " ".join(pages)).casefold().split()
    return hashlib.sha256(" ".join(words).encode()).hexdigest() if words else ""


def _cells(table: str) -> str:
    """The cells of a CSV file apart from each other: a comma between two of them would look like part of an amount."""
    first = table.partition("\n")[0]
    try:
        rows = list(csv.reader(io.StringIO(table), delimiter=";" if ";" in first else ","))
    except csv.Error:
        return table
    return "\n".join("  ".join(row) for row in rows)
