"""Which kind of write an intent is, and which kind a stored proposal was."""

from __future__ import annotations

from rutter_ap_server.guard.writes.apply_credit import ApplyCreditWrite
from rutter_ap_server.guard.writes.attach_file import AttachFileWrite
from rutter_ap_server.guard.writes.base import Write
from rutter_ap_server.guard.writes.create_bill import CreateBillWrite
from rutter_ap_server.guard.writes.create_credit import CreateCreditWrite
from rutter_ap_server.guard.writes.delete_bill import DeleteBillWrite
from rutter_ap_server.guard.writes.link_account import LinkAccountWrite
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.guard.writes.payment_run import PaymentRunWrite
from rutter_ap_server.guard.writes.remove_credit import RemoveCreditWrite
from rutter_ap_server.guard.writes.save_vendor import SaveVendorWrite
from rutter_ap_server.guard.writes.update_bill import UpdateBillWrite
from rutter_ap_server.guard.writes.void_payment import VoidPaymentWrite
from rutter_ap_tools.accounts import LinkAccount
from rutter_ap_tools.attachments import AttachFile
from rutter_ap_tools.bills import CreateBill, DeleteBill, UpdateBill
from rutter_ap_tools.credits import ApplyCredit, CreateCredit, RemoveCredit
from rutter_ap_tools.payments import PayBill, ProposePaymentRun, VoidPayment
from rutter_ap_tools.vendors import SaveVendor
from rutter_ap_tools.wire import WriteArguments

_BY_INTENT: dict[type[WriteArguments], Write] = {
    CreateBill: CreateBillWrite(),
    UpdateBill: UpdateBillWrite(),
    DeleteBill: DeleteBillWrite(),
    PayBill: PayBillWrite(),
    ProposePaymentRun: PaymentRunWrite(),
    VoidPayment: VoidPaymentWrite(),
    CreateCredit: CreateCreditWrite(),
    ApplyCredit: ApplyCreditWrite(),
    RemoveCredit: RemoveCreditWrite(),
    AttachFile: AttachFileWrite(),
    SaveVendor: SaveVendorWrite(),
    LinkAccount: LinkAccountWrite(),
}
_BY_TOOL: dict[str, Write] = {write.tool: write for write in _BY_INTENT.values()}


def write_for(intent: WriteArguments) -> Write:
    """The kind of an intent."""
    return _BY_INTENT[type(intent)]


def write_named(tool: str) -> Write:
    """The kind of a stored proposal."""
    return _BY_TOOL[tool]
