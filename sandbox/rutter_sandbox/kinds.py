"""The kinds of object, one row each: names, filterable fields, and which platforms support which verbs."""

from __future__ import annotations

from dataclasses import dataclass, field

QUICKBOOKS, XERO, NETSUITE, INTACCT = "QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT"
DYNAMICS, SAGE, DESKTOP = "DYNAMICS365", "SAGE_BUSINESS_CLOUD", "QUICKBOOKS_DESKTOP"
PLATFORMS = (QUICKBOOKS, XERO, NETSUITE, INTACCT, DYNAMICS, SAGE, DESKTOP)
_ALL = frozenset(PLATFORMS)
_NONE: frozenset[str] = frozenset()
_MAIN = frozenset({QUICKBOOKS, XERO, NETSUITE, INTACCT})
"""The platforms that are played with all that they may have; of the others only what is documented is offered."""

# These ignore filter, sort and id_type (Rutter docs: Filtering objects).
PLATFORMS_WITHOUT_FILTERS = frozenset({INTACCT, SAGE})

# Payments there can be voided, and so they have a status (Rutter docs: Bill Payments, Update).
PAYMENTS_WITH_STATUS = frozenset({QUICKBOOKS, XERO, NETSUITE, DESKTOP})

_MOMENTS = {"created_at": "created_at", "updated_at": "updated_at", "last_synced_at": "last_synced_at"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object. `filters` maps a wire field to its column; each verb lists the platforms that support it."""

    name: str
    plural: str
    read: frozenset[str] = _ALL
    create: frozenset[str] = _NONE
    update: frozenset[str] = _NONE
    delete: frozenset[str] = _NONE
    filters: dict[str, str] = field(default_factory=dict)
    old_parameter: str = ""
    has_platform_url: bool = True
    has_platform_id: bool = True
    resource: str = ""

    @property
    def columns(self) -> dict[str, str]:
        return self.filters | _MOMENTS

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")


def _on(*platforms: str) -> frozenset[str]:
    return frozenset(platforms)


# Rutter docs: the platform lists of each object's page, read generously where they say nothing.
_KINDS = (
    Kind(
        "bill",
        "bills",
        create=_ALL,
        update=_ALL,
        delete=_on(QUICKBOOKS, NETSUITE),
        filters={
            "document_number": "document_number",
            "vendor_id": "vendor_id",
            "due_date": "due_date",
            "status": "status",
        },
        old_parameter="document_number",
    ),
    Kind(
        "bill_payment",
        "bill_payments",
        create=_ALL,
        update=_on(QUICKBOOKS, NETSUITE, DESKTOP),
        delete=_on(QUICKBOOKS, NETSUITE),
        filters={"account_id": "account_id", "vendor_id": "vendor_id", "reference": "reference"},
    ),
    Kind(
        "bill_credit_memo",
        "bill_credit_memos",
        read=_ALL - {DYNAMICS},
        create=_ALL - {DYNAMICS},
        update=_on(QUICKBOOKS, XERO, DESKTOP),
        delete=_on(QUICKBOOKS, NETSUITE),
        filters={"vendor_id": "vendor_id", "document_number": "document_number"},
    ),
    Kind(
        "account",
        "accounts",
        create=_ALL - {SAGE},
        update=_MAIN,
        filters={
            "account_type": "account_type",
            "status": "status",
            "balance": "balance_thousandths",
            "name": "name",
            "nominal_code": "nominal_code",
        },
        old_parameter="account_type",
    ),
    Kind(
        "vendor",
        "vendors",
        create=_ALL,
        update=_ALL,
        delete=_on(QUICKBOOKS, NETSUITE, INTACCT),
        filters={"vendor_name": "name"},
        old_parameter="vendor_name",
    ),
    Kind(
        "customer",
        "customers",
        read=_MAIN | {DESKTOP},
        create=_MAIN | {DESKTOP},
        update=_MAIN | {DESKTOP},
        filters={"customer_name": "name"},
        old_parameter="customer_name",
        resource="ACCOUNTING_CUSTOMER",
    ),
    Kind(
        "item",
        "items",
        read=_ALL - {SAGE},
        create=_MAIN | {DESKTOP},
        update=_MAIN | {DESKTOP},
        delete=_on(QUICKBOOKS, NETSUITE, INTACCT),
        filters={"name": "name"},
        old_parameter="name",
        has_platform_url=False,
        resource="ITEMS",
    ),
    Kind(
        "class",
        "classes",
        read=_MAIN | {DESKTOP},
        create=_MAIN,
        filters={"name": "name", "status": "status"},
        has_platform_url=False,
    ),
    Kind(
        "department",
        "departments",
        read=_on(QUICKBOOKS, NETSUITE, INTACCT),
        create=_on(QUICKBOOKS, NETSUITE, INTACCT),
    ),
    Kind("location", "locations", read=_on(NETSUITE, INTACCT), has_platform_url=False),
    Kind("project", "projects", read=_on(INTACCT)),
    Kind("task", "tasks", read=_on(INTACCT)),
    Kind("tax_rate", "tax_rates", create=_MAIN, has_platform_url=False, resource="TAX_RATES"),
    Kind(
        "payment_term",
        "payment_terms",
        read=_on(QUICKBOOKS, NETSUITE, DESKTOP),
        create=_on(QUICKBOOKS, NETSUITE),
        delete=_on(QUICKBOOKS, NETSUITE),
        has_platform_url=False,
    ),
    Kind("payment_method", "payment_methods", read=_on(QUICKBOOKS, NETSUITE), has_platform_url=False),
    Kind("subsidiary", "subsidiaries", read=_on(NETSUITE, INTACCT), has_platform_url=False),
    Kind(
        "purchase_order",
        "purchase_orders",
        read=_on(QUICKBOOKS, XERO, NETSUITE),
        create=_on(QUICKBOOKS, XERO, NETSUITE),
        update=_on(QUICKBOOKS, XERO, NETSUITE),
        delete=_on(QUICKBOOKS, NETSUITE),
        filters={"vendor_id": "vendor_id"},
    ),
    Kind(
        "currency",
        "currencies",
        read=_on(QUICKBOOKS, XERO, NETSUITE),
        has_platform_url=False,
        has_platform_id=False,
        resource="CURRENCIES",
    ),
    Kind("company_info", "company_info", has_platform_url=False),
)

KINDS = {kind.name: kind for kind in _KINDS}
KINDS_BY_PLURAL = {kind.plural: kind for kind in _KINDS if kind.name != "company_info"}

APPLICATIONS_ON = _ALL - {DYNAMICS}
"""Credit applications and their removal."""

ATTACHMENTS_ON = _MAIN | {DYNAMICS}

DELETIONS_ON = _on(QUICKBOOKS, XERO, NETSUITE)
"""Deletion events; on other platforms their list is empty (Rutter docs: Events)."""


def resource_of(kind: Kind) -> str:
    """The name that deletion events give this object (Rutter docs: Monitoring deleted objects)."""
    return kind.resource or kind.name.upper()
