"""PDFs for tests: of a few lines, of many pages, encrypted, broken, and scanned."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

INVOICE = (
    "INVOICE",
    "From: Northwind Utilities",
    "Bill to: Harbor & Pine Ltd",
    "Invoice number: NW-2291",
    "Invoice date: {issued}",
    "Due date: 2031-01-01",
    "Power and water 684.20",
    "Total due: USD 684.20",
)


def pdf(*pages: Sequence[str]) -> bytes:
    """A PDF with these lines on each page; a page without lines shows nothing, as a scan without its picture would."""
    return content_of(writer(pages))


def invoice(issued: str, **changed: str) -> bytes:
    """An invoice of the story's bill NW-2291; a line that starts with a key of `changed` becomes its value."""
    lines = [line.format(issued=issued) for line in INVOICE]
    for start, line in changed.items():
        lines = [line if one.replace(" ", "_").startswith(start) else one for one in lines]
    return pdf(lines)


def encrypted(password: str = "only the vendor knows") -> bytes:
    """A PDF that opens with a password only; with an empty one anybody may read it."""
    made = writer([INVOICE])
    made.encrypt(user_password=password, owner_password="another", algorithm="AES-256")
    return content_of(made)


def broken() -> bytes:
    """What is left of a PDF after an upload that was cut off."""
    return pdf(INVOICE)[:300]


PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64


def writer(pages: Sequence[Sequence[str]]) -> PdfWriter:
    """A PDF in the making, one list of lines a page."""
    made = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
            NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
        }
    )
    for lines in pages:
        page = made.add_blank_page(595, 842)
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = StreamObject()
        stream.set_data(_content(lines))
        page[NameObject("/Contents")] = made._add_object(stream)
    return made


def _content(lines: Sequence[str]) -> bytes:
    shown = [b"BT /F1 10 Tf 14 TL 40 800 Td"]
    for line in lines:
        escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        shown.append(b"(" + escaped.encode("cp1252") + b") Tj T*")
    return b"\n".join([*shown, b"ET"])


def content_of(made: PdfWriter) -> bytes:
    """The bytes of a PDF in the making."""
    buffer = io.BytesIO()
    made.write(buffer)
    return buffer.getvalue()
