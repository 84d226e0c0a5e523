"""Every write, by its request type and by the tool name in stored proposals."""

from __future__ import annotations

from typing import Any

from rutter_ap_server.guard.writes.apply_credit import ApplyCreditWrite
from rutter_ap_server.guard.writes.attach_file import AttachFileWrite
from rutter_ap_server.guard.writes.base import Batch, Write
from rutter_ap_server.guard.writes.create_bill import CreateBillWrite
from rutter_ap_server.guard.writes.create_credit import CreateCreditWrite
from rutter_ap_server.guard.writes.create_record import CreateRecordWrite
from rutter_ap_server.guard.writes.delete_bill import DeleteBillWrite
from rutter_ap_server.guard.writes.link_account import LinkAccountWrite
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.guard.writes.propose_payment_run import PaymentRun
from rutter_ap_server.guard.writes.remove_credit import RemoveCreditWrite
from rutter_ap_server.guard.writes.save_vendor import SaveVendorWrite
from rutter_ap_server.guard.writes.update_bill import UpdateBillWrite
from rutter_ap_server.guard.writes.void_payment import VoidPaymentWrite
from rutter_ap_tools.accounts import LinkAccount
from rutter_ap_tools.attachments import AttachFile
from rutter_ap_tools.bills import CreateBill, DeleteBill, UpdateBill
from rutter_ap_tools.credits import ApplyCredit, CreateCredit, RemoveCredit
from rutter_ap_tools.payments import PayBill, ProposePaymentRun, VoidPayment
from rutter_ap_tools.records import CreateRecord
from rutter_ap_tools.vendors import SaveVendor
from rutter_ap_tools.wire import WriteArguments

_BY_REQUEST: dict[type[WriteArguments], Write[Any] | Batch] = {
    CreateBill: CreateBillWrite(),
    UpdateBill: UpdateBillWrite(),
    DeleteBill: DeleteBillWrite(),
    PayBill: PayBillWrite(),
    ProposePaymentRun: PaymentRun(),
    VoidPayment: VoidPaymentWrite(),
    CreateCredit: CreateCreditWrite(),
    ApplyCredit: ApplyCreditWrite(),
    RemoveCredit: RemoveCreditWrite(),
    AttachFile: AttachFileWrite(),
    CreateRecord: CreateRecordWrite(),
    SaveVendor: SaveVendorWrite(),
    LinkAccount: LinkAccountWrite(),
}
_BY_TOOL = {one.tool: one for one in _BY_REQUEST.values()}
WRITES: tuple[Write[Any], ...] = tuple(one for one in _BY_TOOL.values() if isinstance(one, Write))


def write_for(request: WriteArguments) -> Write[Any] | Batch:
    """The write or batch that prepares a request."""
    return _BY_REQUEST[type(request)]


def proposed_by(tool: str) -> Write[Any] | Batch:
    """The write or batch that prepared a stored proposal of that tool."""
    return _BY_TOOL[tool]


def write_named(tool: str) -> Write[Any]:
    """The write of a stored proposal that is not a batch."""
    found = _BY_TOOL[tool]
    assert isinstance(found, Write), f"{tool} proposes a batch of writes"
    return found


def shown_abilities() -> dict[str, tuple[str, str]]:
    """What `list_connections` shows about a platform: a name, with the collection and verb it stands for."""
    needs = (need for write in WRITES for need in write.needs)
    return {need.shown_as: (need.collection, need.verb) for need in needs}


def default_severities() -> dict[str, str]:
    """What every call of a tool requires unless the policy says otherwise, by tool."""
    return {tool: one.default_severity.word for tool, one in _BY_TOOL.items()}
