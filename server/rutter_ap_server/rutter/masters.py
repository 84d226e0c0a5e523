"""The collections of master data: what bills refer to (Rutter docs: REST reference)."""

from __future__ import annotations

from rutter_ap_server.rutter.models.company import Currency, Subsidiary
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
from rutter_ap_server.rutter.models.purchase_orders import (
    PurchaseOrder,
    PurchaseOrderCreate,
    PurchaseOrderReceipt,
    PurchaseOrderUpdate,
)
from rutter_ap_server.rutter.models.terms import PaymentMethod, PaymentTerm, PaymentTermCreate, TaxRate, TaxRateCreate
from rutter_ap_server.rutter.resources import Kind, Reads, Seat
from rutter_ap_server.rutter.writing import Creates, Deletes, Updates


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

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        written = _WrittenOrders(seat)
        self.create = written.create
        self.update = written.update
        self.delete = written.delete
        self.outcome = written.outcome
