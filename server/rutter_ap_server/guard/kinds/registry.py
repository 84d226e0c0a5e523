"""Which kind of write an intent is, and which kind a stored proposal was."""

from __future__ import annotations

from rutter_ap_server.guard.kinds.account_link import AccountLinkKind
from rutter_ap_server.guard.kinds.attachment import AttachmentKind
from rutter_ap_server.guard.kinds.base import Kind
from rutter_ap_server.guard.kinds.bill_entry import BillEntryKind
from rutter_ap_server.guard.kinds.credit import CreditKind
from rutter_ap_server.guard.kinds.payment import PaymentKind
from rutter_ap_tools.bills import CreateBill
from rutter_ap_tools.credits import ApplyCredit
from rutter_ap_tools.files import AttachFile
from rutter_ap_tools.ledger import LinkAccount
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.wire import WriteArguments

_BY_INTENT: dict[type[WriteArguments], Kind] = {
    CreateBill: BillEntryKind(),
    PayBill: PaymentKind(),
    ApplyCredit: CreditKind(),
    AttachFile: AttachmentKind(),
    LinkAccount: AccountLinkKind(),
}
_BY_TOOL: dict[str, Kind] = {kind.tool: kind for kind in _BY_INTENT.values()}


def kind_of(intent: WriteArguments) -> Kind:
    """The kind of an intent."""
    return _BY_INTENT[type(intent)]


def kind_named(tool: str) -> Kind:
    """The kind of a stored proposal."""
    return _BY_TOOL[tool]
