"""The collections of one company's books: which verbs each kind of object has (Rutter docs: REST reference)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from rutter_ap_server.rutter.attachments import Attachments
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
from rutter_ap_server.rutter.resources import CompanySession, Endpoint, Reads, ResponseMode
from rutter_ap_server.rutter.write_calls import (
    Creates,
    Deletes,
    Updates,
    found_under,
    outcome_of_job,
    send_write,
    with_mode,
)

T = TypeVar("T")
_ALMOST_ALL = "BC EX FA KF MB NS QBD QBO SBC SI X ZB"


class Bills(Reads[Bill], Creates[Bill, BillCreate], Updates[Bill, BillUpdate], Deletes[Bill]):
    """`/accounting/bills` (Rutter docs: Bills)"""

    endpoint = Endpoint(
        "bill",
        "bills",
        Bill,
        documented={
            "read": f"{_ALMOST_ALL} FB",
            "create": _ALMOST_ALL,
            "update": "BC NS QBD QBO SBC SI X",
            "replace_lines": "NS QBO SBC X",
            "tax_rate": "NS QBO X",
            "tax_inclusive": "NS QBO QBD X",
            "update_tax_inclusive": "",
            "set_memo": "NS QBD QBO",
            "set_status": "NS X",
            "delete": "NS QBO",
            "attach": "BC NS QBO SI X",
        },
        fields=frozenset({"document_number", "vendor_id", "due_date", "status"}),
    )


class BillPayments(
    Reads[BillPayment],
    Creates[BillPayment, BillPaymentCreate],
    Updates[BillPayment, BillPaymentUpdate],
    Deletes[BillPayment],
):
    """`/accounting/bill_payments` (Rutter docs: Bill Payments). A record in the ledger, not a bank transfer."""

    endpoint = Endpoint(
        "bill_payment",
        "bill_payments",
        BillPayment,
        documented={
            "read": f"{_ALMOST_ALL} FB",
            "create": _ALMOST_ALL,
            "update": "NS QBO QBD SI2",
            "void": "NS QBO",
            "delete": "",
        },
        fields=frozenset({"account_id", "vendor_id", "reference"}),
    )

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

    endpoint = Endpoint(
        "bill_credit_memo",
        "bill_credit_memos",
        BillCreditMemo,
        documented={
            "read": "EX FA KF NS QBD QBO SBC SI X",
            "create": "EX FA KF NS QBD QBO SBC SI X",
            "tax_inclusive": "X",
            "update": "QBO QBD X",
            "delete": "",
            "apply": "FA NS QBD QBO SBC X",
            "unapply": "",
        },
        fields=frozenset({"vendor_id", "document_number"}),
    )


class BillCreditApplications:
    """`/accounting/bill_credit_applications` (Rutter docs: Bill Credit Applications).

    They cannot be read: see the links of bills and memos.
    """

    def __init__(self, session: CompanySession) -> None:
        self._session = session

    async def apply(
        self,
        draft: BillCreditApplicationCreate,
        *,
        idempotency_key: str,
        again: bool = False,
        response_mode: ResponseMode | None = None,
    ) -> WriteOutcome[BillCreditApplication]:
        """Applies credit to bills. Never raises for its outcome; raises `NothingSent` when it did not leave."""
        return await send_write(
            self._session,
            "POST",
            ("accounting", "bill_credit_applications"),
            with_mode({"bill_credit_application": draft}, response_mode),
            idempotency_key=idempotency_key,
            again=again,
            find=_APPLIED,
            on_object=False,
        )

    async def unapply(
        self, draft: BillCreditUnapplicationCreate, *, idempotency_key: str, again: bool = False
    ) -> WriteOutcome[BillCreditUnapplication]:
        """Takes back everything one memo settled of one bill. Rutter runs this without a job."""
        return await send_write(
            self._session,
            "POST",
            ("accounting", "bill_credit_applications", "unapply"),
            {"bill_credit_unapplication": draft},
            idempotency_key=idempotency_key,
            again=again,
            find=_TAKEN_BACK,
            on_object=False,
        )

    async def outcome(
        self, job_id: str, *, wait: bool = False
    ) -> WriteOutcome[BillCreditApplication | BillCreditUnapplication]:
        """The outcome of either whose job id is known. Reads it once, or follows the job with `wait`."""

        def find(members: dict[str, msgspec.Raw]) -> tuple[BillCreditApplication | BillCreditUnapplication, ...]:
            return _APPLIED(members) or _TAKEN_BACK(members)

        return await outcome_of_job(self._session, job_id, find, wait=wait)


_APPLIED = found_under(BillCreditApplication, "bill_credit_application")
_TAKEN_BACK = found_under(BillCreditUnapplication, "bill_credit_unapplication")


class Accounts(Reads[Account], Creates[Account, AccountCreate], Updates[Account, AccountUpdate]):
    """`/accounting/accounts` (Rutter docs: Accounts)"""

    endpoint = Endpoint(
        "account",
        "accounts",
        Account,
        documented={
            "read": "BC FA FB MB NS QBD QBO SBC SI TA WA X ZB",
            "create": "BC NS QBD QBO SI X ZB",
            "update": "",
        },
        fields=frozenset({"account_type", "status", "balance", "name", "nominal_code"}),
    )


class Vendors(Reads[Vendor], Creates[Vendor, VendorCreate], Updates[Vendor, VendorUpdate], Deletes[Vendor]):
    """`/accounting/vendors` (Rutter docs: Vendors)"""

    endpoint = Endpoint(
        "vendor",
        "vendors",
        Vendor,
        documented={
            "read": f"{_ALMOST_ALL} FB",
            "create": _ALMOST_ALL,
            "update": "QBD",
            "set_address": "SI2",
            "delete": "",
        },
        fields=frozenset({"vendor_name"}),
    )


class Customers(Reads[Customer], Creates[Customer, CustomerCreate], Updates[Customer, CustomerUpdate]):
    """`/accounting/customers` (Rutter docs: Customers)"""

    endpoint = Endpoint(
        "customer",
        "customers",
        Customer,
        documented={"read": "NS QBD QBO SI X", "create": "NS QBD QBO SI X", "update": "QBD QBO"},
    )


class Items(Reads[Item], Creates[Item, ItemCreate], Updates[Item, ItemUpdate], Deletes[Item]):
    """`/accounting/items` (Rutter docs: Items)"""

    endpoint = Endpoint(
        "item",
        "items",
        Item,
        documented={
            "read": "BC NS QBD QBO SI X ZB",
            "create": "QBD QBO SI",
            "update": "QBD QBO SI2 X ZB",
            "delete": "",
        },
        fields=frozenset({"name"}),
    )


class Classes(Reads[Class], Creates[Class, ClassCreate]):
    """`/accounting/classes` (Rutter docs: Classes)"""

    endpoint = Endpoint(
        "class",
        "classes",
        Class,
        documented={"read": "NS QBD QBO SI X", "create": ""},
        fields=frozenset({"name", "status"}),
    )


class Departments(Reads[Department], Creates[Department, DepartmentCreate]):
    """`/accounting/departments` (Rutter docs: Departments)"""

    endpoint = Endpoint("department", "departments", Department, documented={"read": "NS QBO SI", "create": ""})


class Locations(Reads[Location]):
    """`/accounting/locations` (Rutter docs: Locations)"""

    endpoint = Endpoint("location", "locations", Location, documented={"read": "NS SI"})


class Projects(Reads[Project]):
    """`/accounting/projects` (Rutter docs: Projects)"""

    endpoint = Endpoint("project", "projects", Project, documented={"read": "SI"}, fields=frozenset())


class Tasks(Reads[Task]):
    """`/accounting/tasks` (Rutter docs: Tasks)"""

    endpoint = Endpoint("task", "tasks", Task, documented={"read": "SI"})


class TaxRates(Reads[TaxRate], Creates[TaxRate, TaxRateCreate]):
    """`/accounting/tax_rates` (Rutter docs: Tax Rates)"""

    endpoint = Endpoint(
        "tax_rate",
        "tax_rates",
        TaxRate,
        documented={"read": "BC EX FA MB NS QBD QBO SBC SI X ZB", "create": "QBO ZB"},
        fields=frozenset(),
    )


class PaymentTerms(Reads[PaymentTerm], Creates[PaymentTerm, PaymentTermCreate], Deletes[PaymentTerm]):
    """`/accounting/payment_terms` (Rutter docs: Payment Terms)"""

    endpoint = Endpoint(
        "payment_term", "payment_terms", PaymentTerm, documented={"read": "NS QBD QBO", "create": "", "delete": ""}
    )


class PaymentMethods(Reads[PaymentMethod]):
    """`/accounting/payment_methods` (Rutter docs: Payment Methods)"""

    endpoint = Endpoint("payment_method", "payment_methods", PaymentMethod, documented={"read": ""})


class Subsidiaries(Reads[Subsidiary]):
    """`/accounting/subsidiaries` (Rutter docs: Subsidiaries)"""

    endpoint = Endpoint("subsidiary", "subsidiaries", Subsidiary, documented={"read": "NS"})


class Currencies(Reads[Currency]):
    """`/accounting/currencies` (Rutter docs: Currencies)"""

    endpoint = Endpoint("currency", "currencies", Currency, documented={"read": "KF NS QBO X ZB"})


class _WrittenOrders(
    Creates[PurchaseOrderReceipt, PurchaseOrderCreate],
    Updates[PurchaseOrderReceipt, PurchaseOrderUpdate],
    Deletes[PurchaseOrderReceipt],
):
    endpoint = Endpoint("purchase_order", "purchase_orders", PurchaseOrderReceipt, documented={})


class PurchaseOrders(Reads[PurchaseOrder]):
    """`/accounting/purchase_orders` (Rutter docs: Purchase Orders).

    Writes return an older shape, a `PurchaseOrderReceipt`: read the order again by its id.
    """

    endpoint = Endpoint(
        "purchase_order",
        "purchase_orders",
        PurchaseOrder,
        documented={"read": "NS QBO X", "create": "NS", "update": "", "delete": ""},
        fields=frozenset({"vendor_id"}),
    )

    def __init__(self, session: CompanySession) -> None:
        super().__init__(session)
        written = _WrittenOrders(session)
        self.create = written.create
        self.update = written.update
        self.delete = written.delete
        self.outcome = written.outcome


class _Of(cached_property[T]):
    """One collection of a company, created on first use."""

    def __init__(self, collection: Callable[[CompanySession], T]) -> None:
        super().__init__(lambda company: collection(company._session))
        self.collection = collection


class Collections:
    """Every collection of one company's books, under Rutter's own name for it."""

    def __init__(self, session: CompanySession) -> None:
        self._session = session

    bills = _Of(Bills)
    bill_payments = _Of(BillPayments)
    bill_credit_memos = _Of(BillCreditMemos)
    bill_credit_applications = _Of(BillCreditApplications)
    attachments = _Of(Attachments)
    accounts = _Of(Accounts)
    vendors = _Of(Vendors)
    customers = _Of(Customers)
    items = _Of(Items)
    classes = _Of(Classes)
    departments = _Of(Departments)
    locations = _Of(Locations)
    projects = _Of(Projects)
    tasks = _Of(Tasks)
    tax_rates = _Of(TaxRates)
    payment_terms = _Of(PaymentTerms)
    payment_methods = _Of(PaymentMethods)
    subsidiaries = _Of(Subsidiaries)
    purchase_orders = _Of(PurchaseOrders)
    currencies = _Of(Currencies)


def _endpoints() -> tuple[Endpoint[Any], ...]:
    collections = [each.collection for each in vars(Collections).values() if isinstance(each, _Of)]
    return tuple(each.endpoint for each in collections if isinstance(each, type) and issubclass(each, Reads))


ENDPOINTS = _endpoints()
