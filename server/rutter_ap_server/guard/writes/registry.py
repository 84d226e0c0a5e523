"""Which kind of write an intent is, and which kind a stored proposal was."""

from __future__ import annotations

from rutter_ap_server.guard.writes.apply_credit import CreditKind
from rutter_ap_server.guard.writes.attach_file import AttachmentKind
from rutter_ap_server.guard.writes.base import Kind
from rutter_ap_server.guard.writes.create_bill import BillEntryKind
from rutter_ap_server.guard.writes.create_credit import CreditEntryKind
from rutter_ap_server.guard.writes.delete_bill import BillDeleteKind
from rutter_ap_server.guard.writes.link_account import AccountLinkKind
from rutter_ap_server.guard.writes.pay_bill import PaymentKind
from rutter_ap_server.guard.writes.payment_run import PaymentRunKind
from rutter_ap_server.guard.writes.remove_credit import CreditRemovalKind
from rutter_ap_server.guard.writes.save_vendor import VendorEntryKind
from rutter_ap_server.guard.writes.update_bill import BillChangeKind
from rutter_ap_server.guard.writes.void_payment import VoidKind
from rutter_ap_tools.accounts import LinkAccount
from rutter_ap_tools.attachments import AttachFile
from rutter_ap_tools.bills import CreateBill, DeleteBill, UpdateBill
from rutter_ap_tools.credits import ApplyCredit, CreateCredit, RemoveCredit
from rutter_ap_tools.payments import PayBill, ProposePaymentRun, VoidPayment
from rutter_ap_tools.vendors import SaveVendor
from rutter_ap_tools.wire import WriteArguments

_BY_INTENT: dict[type[WriteArguments], Kind] = {
    CreateBill: BillEntryKind(),
    UpdateBill: BillChangeKind(),
    DeleteBill: BillDeleteKind(),
    PayBill: PaymentKind(),
    ProposePaymentRun: PaymentRunKind(),
    VoidPayment: VoidKind(),
    CreateCredit: CreditEntryKind(),
    ApplyCredit: CreditKind(),
    RemoveCredit: CreditRemovalKind(),
    AttachFile: AttachmentKind(),
    SaveVendor: VendorEntryKind(),
    LinkAccount: AccountLinkKind(),
}
_BY_TOOL: dict[str, Kind] = {kind.tool: kind for kind in _BY_INTENT.values()}


def kind_of(intent: WriteArguments) -> Kind:
    """The kind of an intent."""
    return _BY_INTENT[type(intent)]


def kind_named(tool: str) -> Kind:
    """The kind of a stored proposal."""
    return _BY_TOOL[tool]
