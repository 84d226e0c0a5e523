"""The collections of one company's books: which verbs each kind of object has (Rutter docs: REST reference)."""

from __future__ import annotations

from rutter_ap_server.rutter.models.accounts import Account, AccountCreate, AccountUpdate
from rutter_ap_server.rutter.models.bills import Bill, BillCreate, BillUpdate
from rutter_ap_server.rutter.models.company import Currency, Subsidiary
from rutter_ap_server.rutter.models.credits import (
    BillCreditApplication,
    BillCreditApplicationCreate,
    BillCreditMemo,
    BillCreditMemoCreate,
    BillCreditMemoUpdate,
    BillCreditUnapplication,
    BillCreditUnapplicationCreate,
)
from rutter_ap_server.rutter.models.customers import Customer, CustomerCreate, CustomerUpdate
from rutter_ap_server.rutter.models.dimensions import (
    Class,
    ClassCreate,
    Department,
    DepartmentCreate,
    Location,
    Project,
    Task,
)
from rutter_ap_server.rutter.models.items import Item, ItemCreate, ItemUpdate
from rutter_ap_server.rutter.models.payments import BillPayment, BillPaymentCreate, BillPaymentUpdate
from rutter_ap_server.rutter.models.purchase_orders import (
    PurchaseOrder,
    PurchaseOrderCreate,
    PurchaseOrderReceipt,
    PurchaseOrderUpdate,
)
from rutter_ap_server.rutter.models.terms import PaymentMethod, PaymentTerm, PaymentTermCreate, TaxRate, TaxRateCreate
from rutter_ap_server.rutter.models.vendors import Vendor, VendorCreate, VendorUpdate
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.rutter.resources import CompanySession, Kind, Reads, ResponseMode
from rutter_ap_server.rutter.write_calls import Creates, Deletes, Updates, found_under, send_write


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

    def __init__(self, seat: CompanySession) -> None:
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


class Customers(Reads[Customer], Creates[Customer, CustomerCreate], Updates[Customer, CustomerUpdate]):
    """`/accounting/customers` (Rutter docs: Customers)"""

    _kind = Kind("customer", "customers", Customer)


class Items(Reads[Item], Creates[Item, ItemCreate], Updates[Item, ItemUpdate], Deletes[Item]):
    """`/accounting/items` (Rutter docs: Items)"""

    _kind = Kind("item", "items", Item, frozenset({"name"}))


class Classes(Reads[Class], Creates[Class, ClassCreate]):
    """`/accounting/classes` (Rutter docs: Classes)"""

    _kind = Kind("class", "classes", Class, frozenset({"name", "status"}))


class Departments(Reads[Department], Creates[Department, DepartmentCreate]):
    """`/accounting/departments` (Rutter docs: Departments)"""

    _kind = Kind("department", "departments", Department)


class Locations(Reads[Location]):
    """`/accounting/locations` (Rutter docs: Locations)"""

    _kind = Kind("location", "locations", Location)


class Projects(Reads[Project]):
    """`/accounting/projects` (Rutter docs: Projects)"""

    _kind = Kind("project", "projects", Project, frozenset())


class Tasks(Reads[Task]):
    """`/accounting/tasks` (Rutter docs: Tasks)"""

    _kind = Kind("task", "tasks", Task)


class TaxRates(Reads[TaxRate], Creates[TaxRate, TaxRateCreate]):
    """`/accounting/tax_rates` (Rutter docs: Tax Rates)"""

    _kind = Kind("tax_rate", "tax_rates", TaxRate, frozenset())


class PaymentTerms(Reads[PaymentTerm], Creates[PaymentTerm, PaymentTermCreate], Deletes[PaymentTerm]):
    """`/accounting/payment_terms` (Rutter docs: Payment Terms)"""

    _kind = Kind("payment_term", "payment_terms", PaymentTerm)


class PaymentMethods(Reads[PaymentMethod]):
    """`/accounting/payment_methods` (Rutter docs: Payment Methods)"""

    _kind = Kind("payment_method", "payment_methods", PaymentMethod)


class Subsidiaries(Reads[Subsidiary]):
    """`/accounting/subsidiaries` (Rutter docs: Subsidiaries)"""

    _kind = Kind("subsidiary", "subsidiaries", Subsidiary)


class Currencies(Reads[Currency]):
    """`/accounting/currencies` (Rutter docs: Currencies)"""

    _kind = Kind("currency", "currencies", Currency)


class _WrittenOrders(
    Creates[PurchaseOrderReceipt, PurchaseOrderCreate],
    Updates[PurchaseOrderReceipt, PurchaseOrderUpdate],
    Deletes[PurchaseOrderReceipt],
):
    _kind = Kind("purchase_order", "purchase_orders", PurchaseOrderReceipt)


class PurchaseOrders(Reads[PurchaseOrder]):
    """`/accounting/purchase_orders` (Rutter docs: Purchase Orders).

    Writes answer in an older shape, a `PurchaseOrderReceipt`: read the order again by its id.
    """

    _kind = Kind("purchase_order", "purchase_orders", PurchaseOrder, frozenset({"vendor_id"}))

    def __init__(self, seat: CompanySession) -> None:
        super().__init__(seat)
        written = _WrittenOrders(seat)
        self.create = written.create
        self.update = written.update
        self.delete = written.delete
        self.outcome = written.outcome
