"""Bill credit memos and their application to bills (Rutter docs: Bill Credit Memos, Bill Credit Applications)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Allocation, Draft, Instant, Linked, Part, When
from rutter_ap_server.rutter.models.bills import BillLine, LineItemDraft
from rutter_ap_server.rutter.models.payments import AllocationDraft

CREDIT_STATUSES_ON_CREATE: Final = ("draft", "open", "submitted")
CREDIT_STATUSES_ON_UPDATE: Final = ("draft", "open", "submitted", "void")


class BillCreditMemo(Linked, frozen=True, kw_only=True):
    """A vendor's credit. `remaining_amount` is what is not applied yet; `linked_bills` is where the rest went."""

    account_id: str | None = None
    vendor_id: str | None = None
    issue_date: Instant | None = None
    document_number: str | None = None
    remaining_amount: Decimal | None = None
    status: str
    total_amount: Decimal | None = None
    currency_code: str | None = None
    memo: str | None = None
    linked_bills: tuple[Allocation, ...] = ()
    line_items: tuple[BillLine, ...] = ()


class CreditLineUpdate(Draft, frozen=True, kw_only=True):
    """A line of a credit memo to change."""

    account_id: str | UnsetType = UNSET
    class_id: str | UnsetType = UNSET
    customer_id: str | UnsetType = UNSET
    department_id: str | UnsetType = UNSET
    tax_rate_id: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    total_amount: Decimal
    item: LineItemDraft | UnsetType = UNSET


class CreditLineDraft(CreditLineUpdate, frozen=True, kw_only=True):
    """A line of a new credit memo. `location_id`: NetSuite, Sage Intacct."""

    location_id: str | UnsetType = UNSET


class BillCreditMemoExtras(Draft, frozen=True, kw_only=True):
    """Rare fields of a new credit memo. `class_id`: NetSuite; `reference`: Sage Intacct; `tax_inclusive`: Xero."""

    class_id: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    tax_inclusive: bool | UnsetType = UNSET


class BillCreditMemoCreate(Draft, frozen=True, kw_only=True):
    """A new credit memo. `status` takes one of CREDIT_STATUSES_ON_CREATE, on Xero."""

    vendor_id: str
    issue_date: When
    line_items: tuple[CreditLineDraft, ...]
    account_id: str | UnsetType = UNSET
    currency_code: str | UnsetType = UNSET
    document_number: str | UnsetType = UNSET
    memo: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    subsidiary_id: str | UnsetType = UNSET
    additional_fields: BillCreditMemoExtras | UnsetType = UNSET


class BillCreditMemoUpdate(Draft, frozen=True, kw_only=True):
    """A change to a credit memo. Lines are replaced as a whole; `status` takes one of CREDIT_STATUSES_ON_UPDATE."""

    account_id: str | UnsetType = UNSET
    vendor_id: str | UnsetType = UNSET
    issue_date: When | UnsetType = UNSET
    document_number: str | UnsetType = UNSET
    memo: str | UnsetType = UNSET
    currency_code: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    line_items: tuple[CreditLineUpdate, ...] | UnsetType = UNSET


class CreditApplicationExtras(Draft, frozen=True, kw_only=True):
    """`account_id`: the bank or credit-card account that FreeAgent, QuickBooks and Sage Intacct want."""

    account_id: str | UnsetType = UNSET


class BillCreditApplicationCreate(Draft, frozen=True, kw_only=True):
    """Credit of one memo applied to bills of the same vendor, whole or in part."""

    bill_credit_memo_id: str
    vendor_id: str
    transaction_date: When
    currency_code: str
    linked_bills: tuple[AllocationDraft, ...]
    memo: str | UnsetType = UNSET
    additional_fields: CreditApplicationExtras | UnsetType = UNSET


class BillCreditUnapplicationCreate(Draft, frozen=True, kw_only=True):
    """Takes back everything one memo settled of one bill."""

    bill_credit_memo_id: str
    bill_id: str


class BillCreditApplication(Part, frozen=True, kw_only=True):
    """The result of an application. It cannot be read later: see the links of the bill and the memo."""

    success: bool


class BillCreditUnapplication(Part, frozen=True, kw_only=True):
    """The result of taking an application back."""

    success: bool
    id: str | None = None
