"""Files: keep the document with its bill. Bytes never pass through the model."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import RecordId, ShortText, WriteArguments, WriteResult


class AttachFile(WriteArguments):
    """A file to attach to a bill: exactly one of `path` and `upload`."""

    bill_id: RecordId = Field(description="Bill id.")
    path: str = Field(default="", max_length=1000, description="File in an allowed folder.")
    upload: ShortText = Field(default="", description="Or an upload's handle.")
    file_name: ShortText = Field(default="", description="Name to show.")


async def _attach(desk: Desk, intent: AttachFile) -> WriteResult:
    return await desk.submit(intent)


ATTACH_FILE = Tool(
    name="attach_file",
    title="Attach a file",
    description=(
        "Attaches a document (PDF, PNG, JPEG, CSV, text) to a bill, by an allowed path or a `rutter-ap "
        "upload` handle. Never send file contents."
    ),
    risk=Risk.WRITES,
    toolset="files",
    arguments=AttachFile,
    result=WriteResult,
    handle=_attach,
    say=say_write,
)
