"""The collections of one company's books: which verbs each kind of object has (Rutter docs: REST reference)."""

from __future__ import annotations

from rutter_ap_server.rutter.models.accounts import Account, AccountCreate, AccountUpdate
from rutter_ap_server.rutter.models.bills import Bill, BillCreate, BillUpdate
from rutter_ap_server.rutter.models.credits import (
    BillCreditApplication,
    BillCreditApplicationCreate,
    BillCreditMemo,
    BillCreditMemoCreate,
    BillCreditMemoUpdate,
    BillCreditUnapplication,
    BillCreditUnapplicationCreate,
)
from rutter_ap_server.rutter.models.payments import BillPayment, BillPaymentCreate, BillPaymentUpdate
from rutter_ap_server.rutter.models.vendors import Vendor, VendorCreate, VendorUpdate
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.rutter.resources import Kind, Reads, ResponseMode, Seat
from rutter_ap_server.rutter.writing import Creates, Deletes, Updates, found_under, send_write


class Bills(Reads[Bill], Creates[Bill, BillCreate], Updates[Bill, BillUpdate], Deletes[Bill]):
    """`/accounting/bills` (Rutter docs: Bills)"""

    _kind = Kind("bill", "bills", Bill, frozenset({"document_number", "vendor_id", "due_date", "status"}))


class BillPayments(
    Reads[BillPayment],
    Creates[BillPayment, BillPaymentCreate],
    Updates[BillPayment, BillPaymentUpdate],
    Deletes[BillPayment],
):
    """`/accounting/bill_payments` (Rutter docs: Bill Payments). A record in the ledger, not a bank transfer."""

    _kind = Kind("bill_payment", "bill_payments", BillPayment, frozenset({"account_id", "vendor_id", "reference"}))

    async def void(
        self,
        id: str,  # noqa: A002 - Rutter's own name
        *,
        idempotency_key: str,
        again: bool = False,
        response_mode: ResponseMode | None = None,
    ) -> WriteOutcome[BillPayment]:
        """Voids a payment: it stays on record and settles nothing. Documented for NetSuite and QuickBooks Online."""
        draft = BillPaymentUpdate(status="void")
        return await self.update(id, draft, idempotency_key=idempotency_key, again=again, response_mode=response_mode)


class BillCreditMemos(
    Reads[BillCreditMemo],
    Creates[BillCreditMemo, BillCreditMemoCreate],
    Updates[BillCreditMemo, BillCreditMemoUpdate],
    Deletes[BillCreditMemo],
):
    """`/accounting/bill_credit_memos` (Rutter docs: Bill Credit Memos)"""

    _kind = Kind("bill_credit_memo", "bill_credit_memos", BillCreditMemo, frozenset({"vendor_id", "document_number"}))


class BillCreditApplications:
    """`/accounting/bill_credit_applications` (Rutter docs: Bill Credit Applications).

    There is nothing to read: look at the links of bills and memos.
    """

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    async def apply(
        self,
        draft: BillCreditApplicationCreate,
        *,
        idempotency_key: str,
        again: bool = False,
        response_mode: ResponseMode | None = None,
    ) -> WriteOutcome[BillCreditApplication]:
        """Applies credit to bills. Never raises for what became of it; raises only before anything was sent."""
        body: dict[str, object] = {"bill_credit_application": draft}
        if response_mode is not None:
            body["response_mode"] = response_mode
        return await send_write(
            self._seat,
            "POST",
            ("accounting", "bill_credit_applications"),
            body,
            idempotency_key=idempotency_key,
            again=again,
            find=found_under(BillCreditApplication, "bill_credit_application"),
            on_object=False,
        )

    async def unapply(
        self, draft: BillCreditUnapplicationCreate, *, idempotency_key: str, again: bool = False
    ) -> WriteOutcome[BillCreditUnapplication]:
        """Takes back everything one memo settled of one bill. Rutter answers this one without a job."""
        return await send_write(
            self._seat,
            "POST",
            ("accounting", "bill_credit_applications", "unapply"),
            {"bill_credit_unapplication": draft},
            idempotency_key=idempotency_key,
            again=again,
            find=found_under(BillCreditUnapplication, "bill_credit_unapplication"),
            on_object=False,
        )


class Accounts(Reads[Account], Creates[Account, AccountCreate], Updates[Account, AccountUpdate]):
    """`/accounting/accounts` (Rutter docs: Accounts)"""

    _kind = Kind(
        "account", "accounts", Account, frozenset({"account_type", "status", "balance", "name", "nominal_code"})
    )


class Vendors(Reads[Vendor], Creates[Vendor, VendorCreate], Updates[Vendor, VendorUpdate], Deletes[Vendor]):
    """`/accounting/vendors` (Rutter docs: Vendors)"""

    _kind = Kind("vendor", "vendors", Vendor, frozenset({"vendor_name"}))
