"""What a file that is about to be attached says, or why that cannot be told: silence must never pass for a match."""

from __future__ import annotations

from dataclasses import dataclass

from rutter_ap_server.lookup.document_text import document_text
from rutter_ap_server.lookup.documents import Documents
from rutter_ap_tools.errors import BadInput


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
