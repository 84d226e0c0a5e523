"""Documents on the bills of a desk's ledger, and those that were made to bring their reader down."""

from __future__ import annotations

import io
import uuid
import zlib
from collections.abc import Callable

from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import NameObject, StreamObject

from rutter_ap_server.app import App
from support import pdfs
from support.desk import BILL, Desk
from support.serving import bill_numbered


async def attached(desk: Desk, content: bytes, name: str = "invoice.pdf", number: str = BILL) -> str:
    """Puts a file on a bill, as somebody in the accounting platform would."""
    bill = await bill_numbered(desk.client, number)
    await put_on(desk.app, bill["id"], content, name)
    return str(bill["id"])


async def put_on(app: App, bill_id: str, content: bytes, name: str) -> None:
    company = await app.companies.get("")
    await company.rutter.attachments.upload(bill_id, name, content, idempotency_key=str(uuid.uuid4()))


def picture(kind: str = "PNG", width: int = 300, height: int = 200) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(made, kind)
    return made.getvalue()


def long_pdf(pages: int) -> bytes:
    made = PdfWriter()
    for _ in range(pages):
        made.add_blank_page(595, 842)
    return pdfs.content_of(made)


def bomb() -> bytes:
    """A page whose content is a gigabyte once it is unpacked."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"0 0 m 9 9 l S " * 80_000) for _ in range(1000)) + packer.flush()
    made = pdfs.writer([["INVOICE"]])
    stream = StreamObject()
    stream._data = packed
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")
    made.pages[0][NameObject("/Contents")] = made._add_object(stream)
    return pdfs.content_of(made)


def huge_page() -> bytes:
    made = PdfWriter()
    made.add_blank_page(10_000_000, 10_000_000)
    return pdfs.content_of(made)


def huge_picture() -> bytes:
    """A few bytes that claim to be a picture of 200,000 by 200,000 pixels."""
    small = picture()
    header = b"IHDR" + (200_000).to_bytes(4, "big") * 2 + small[24:29]
    return small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]


HOSTILE: dict[str, Callable[[], bytes]] = {
    "bomb.pdf": bomb,
    "long.pdf": lambda: long_pdf(10_000),
    "huge.pdf": huge_page,
    "garbage.pdf": lambda: b"%PDF-1.7\n" + bytes(range(256)) * 4000,
    "locked.pdf": pdfs.encrypted,
    "cut.pdf": pdfs.broken,
    "huge.png": huge_picture,
    "broken.png": lambda: pdfs.PNG,
}
