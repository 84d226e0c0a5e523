"""Files attached to bills: uploaded as base64, listed without a cursor, downloaded byte for byte."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from pathlib import PurePosixPath
from urllib.parse import quote

from rutter_sandbox.errors import JsonObject, PlatformRefusal, bad_request, gone
from rutter_sandbox.jsons import decode, encode
from rutter_sandbox.kinds import XERO
from rutter_sandbox.records import Books
from rutter_sandbox.wire import Call, Response, ok, truth_of

FILE_BYTES_MAX = 20 * 1024 * 1024
_NAMES = "pdf jpg jpeg png gif tif tiff csv txt doc docx xls xlsx xml html eml"
_SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())


def content_of(given: JsonObject) -> bytes:
    """The bytes of base64 text. Anything else is a malformed request."""
    try:
        content = base64.b64decode(given["file"], validate=True)
    except (binascii.Error, ValueError):
        raise bad_request("file must be the content in base64.") from None
    if not 0 < len(content) <= FILE_BYTES_MAX:
        raise bad_request(f"file must hold 1 to {FILE_BYTES_MAX} bytes.")
    return content


def attach(books: Books, bill: JsonObject, file_name: str, content: bytes) -> JsonObject:
    if PurePosixPath(file_name).suffix.lower() not in _SUFFIXES:
        raise PlatformRefusal("UNSUPPORTED_FILE_TYPE", "The platform does not take files of this type.")
    attachment_id = books.tx.new_id()
    attachment: JsonObject = {
        "id": attachment_id,
        "platform_id": books.next_platform_id("attachment", attachment_id),
        "attached_to_id": bill["id"],
        "attached_to_type": "BILL",
        "file_name": file_name,
        "created_at": "" if books.company.platform == XERO else books.now,
    }
    row = (books.company.number, bill["id"], attachment_id, file_name, encode(attachment), content)
    books.sql.execute("INSERT INTO attachments VALUES (?, ?, ?, ?, ?, ?)", row)
    return attachment


def shown(call: Call, attachment: JsonObject) -> JsonObject:
    """An attachment as it is read; its download address depends on the address the sandbox was called at."""
    place = f"{call.base_url}/accounting/bills/{attachment['attached_to_id']}/attachments"
    return attachment | {"file_url": f"{place}/{attachment['id']}/file"}


def list_attachments(books: Books, call: Call, bill_id: str) -> Response:
    truth_of(call, "force_fetch")
    books.get("bill", bill_id)
    query = "SELECT body FROM attachments WHERE company = ? AND bill_id = ? ORDER BY rowid"
    rows = books.sql.execute(query, (books.company.number, bill_id)).fetchall()
    return ok({"attachments": [shown(call, decode(body)) for (body,) in rows]})


def download(books: Books, call: Call, bill_id: str, attachment_id: str) -> Response:
    truth_of(call, "force_fetch")
    query = "SELECT file_name, content FROM attachments WHERE company = ? AND bill_id = ? AND id = ?"
    row = books.sql.execute(query, (books.company.number, bill_id, attachment_id)).fetchone()
    if row is None:
        raise gone("attachment")
    guessed = mimetypes.guess_type(row[0])[0] or "application/octet-stream"
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(row[0], safe='')}"}
    return Response(200, row[1], headers, guessed)
