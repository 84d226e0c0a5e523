"""Which kind of write an intent is, and which kind a stored proposal was."""

from __future__ import annotations

from rutter_ap_server.guard.kinds.account_link import AccountLinkKind
from rutter_ap_server.guard.kinds.attachment import AttachmentKind
from rutter_ap_server.guard.kinds.base import Kind
from rutter_ap_server.guard.kinds.bill_change import BillChangeKind
from rutter_ap_server.guard.kinds.bill_delete import BillDeleteKind
from rutter_ap_server.guard.kinds.bill_entry import BillEntryKind
from rutter_ap_server.guard.kinds.credit import CreditKind
from rutter_ap_server.guard.kinds.credit_entry import CreditEntryKind
from rutter_ap_server.guard.kinds.credit_removal import CreditRemovalKind
from rutter_ap_server.guard.kinds.payment import PaymentKind
from rutter_ap_server.guard.kinds.payment_run import PaymentRunKind
from rutter_ap_server.guard.kinds.vendor_entry import VendorEntryKind
from rutter_ap_server.guard.kinds.void import VoidKind
from rutter_ap_tools.bill_changes import DeleteBill, UpdateBill
from rutter_ap_tools.bills import CreateBill
from rutter_ap_tools.credit_writes import CreateCredit, RemoveCredit
from rutter_ap_tools.credits import ApplyCredit
from rutter_ap_tools.files import AttachFile
from rutter_ap_tools.ledger import LinkAccount
from rutter_ap_tools.payment_runs import ProposePaymentRun
from rutter_ap_tools.payment_voids import VoidPayment
from rutter_ap_tools.payments import PayBill
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
