"""Files: keep the document with its bill. Bytes never pass through the model."""

from __future__ import annotations

from pydantic import Field

from rutter_ap_tools.port import Desk
from rutter_ap_tools.say import say_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import Identifier, ShortText, WriteArguments, WriteResult


class AttachFile(WriteArguments):
    """A file to attach to a bill: exactly one of `path` and `upload`."""

    bill_id: Identifier = Field(description="Id of the bill.")
    path: str = Field(default="", max_length=1000, description="A file below an allowed folder of the server.")
    upload: ShortText = Field(default="", description="Handle printed by `rutter-ap upload FILE`.")
    file_name: ShortText = Field(default="", description="Name to show; the file's own when left out.")


async def _attach(desk: Desk, intent: AttachFile) -> WriteResult:
    return await desk.submit(intent)


ATTACH_FILE = Tool(
    name="attach_file",
    title="Attach a file to a bill",
    description=(
        "Attaches a document (PDF, PNG, JPEG, CSV or text) to a bill, by a path the operator allows or by the handle "
        "of a file a person uploaded. Never send file contents. The type is checked by content, not by name."
    ),
    risk=Risk.WRITES,
    toolset="files",
    arguments=AttachFile,
    result=WriteResult,
    handle=_attach,
    say=say_write,
)
