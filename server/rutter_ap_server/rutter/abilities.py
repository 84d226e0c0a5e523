"""What each accounting platform is documented to do, as data, so that a write can be judged before it is sent.

Rutter docs: the supported-platform lists of the REST reference. They only ever grow, so that a platform that is not
listed is UNSURE: it may work by now, and Rutter answers 404 when it does not. NO is kept for what is known not to work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Support(StrEnum):
    """How sure it is that a platform does something."""

    YES = "documented"
    UNSURE = "not_documented"
    NO = "not_offered"


_PLATFORMS: Final = {
    "BC": "DYNAMICS365",
    "EX": "EXACTONLINE",
    "FA": "FREEAGENT",
    "FB": "FRESHBOOKS",
    "KF": "KASHFLOW",
    "MB": "MONEYBIRD",
    "NS": "NETSUITE",
    "QBD": "QUICKBOOKS_DESKTOP",
    "QBO": "QUICKBOOKS",
    "SBC": "SAGE_BUSINESS_CLOUD",
    "SI": "SAGE_INTACCT",
    "SI2": "SAGE_INTACCT_V2",
    "TA": "TALLY",
    "WA": "WAVE",
    "X": "XERO",
    "ZB": "ZOHOBOOKS",
}


def _named(short: str) -> frozenset[str]:
    return frozenset(_PLATFORMS[key] for key in short.split())


PLATFORMS: Final = frozenset(_PLATFORMS.values())
IGNORES_FILTERS: Final = _named("SI SBC")
SHOWS_CLOSING_DATE: Final = _named("QBO")

_ALMOST_ALL = "BC EX FA KF MB NS QBD QBO SBC SI X ZB"

# (collection, verb) -> where it is documented. The verbs beyond Rutter's own: attach, void, apply,
# replace_lines, set_memo, set_address.
DOCUMENTED: Final[dict[tuple[str, str], frozenset[str]]] = {
    ("bills", "read"): _named(f"{_ALMOST_ALL} FB"),
    ("bills", "create"): _named(_ALMOST_ALL),
    ("bills", "update"): _named("BC NS QBD QBO SBC SI X"),
    ("bills", "replace_lines"): _named("NS QBO SBC X"),
    ("bills", "set_memo"): _named("NS QBD QBO"),
    ("bills", "set_status"): _named("NS X"),
    ("bills", "delete"): _named("NS QBO"),
    ("bills", "attach"): _named("BC NS QBO SI X"),
    ("bill_payments", "read"): _named(f"{_ALMOST_ALL} FB"),
    ("bill_payments", "create"): _named(_ALMOST_ALL),
    ("bill_payments", "update"): _named("NS QBO QBD SI2"),
    ("bill_payments", "void"): _named("NS QBO"),
    ("bill_payments", "delete"): frozenset(),
    ("bill_credit_memos", "read"): _named("EX FA KF NS QBD QBO SBC SI X"),
    ("bill_credit_memos", "create"): _named("EX FA KF NS QBD QBO SBC SI X"),
    ("bill_credit_memos", "update"): _named("QBO QBD X"),
    ("bill_credit_memos", "delete"): frozenset(),
    ("bill_credit_memos", "apply"): _named("FA NS QBD QBO SBC X"),
    ("bill_credit_memos", "unapply"): frozenset(),
    ("accounts", "read"): _named("BC FA FB MB NS QBD QBO SBC SI TA WA X ZB"),
    ("accounts", "create"): _named("BC NS QBD QBO SI X ZB"),
    ("accounts", "update"): frozenset(),
    ("vendors", "read"): _named(f"{_ALMOST_ALL} FB"),
    ("vendors", "create"): _named(_ALMOST_ALL),
    ("vendors", "update"): _named("QBD"),
    ("vendors", "set_address"): _named("SI2"),
    ("vendors", "delete"): frozenset(),
    ("customers", "read"): _named("NS QBD QBO SI X"),
    ("customers", "create"): _named("NS QBD QBO SI X"),
    ("customers", "update"): _named("QBD QBO"),
    ("items", "read"): _named("BC NS QBD QBO SI X ZB"),
    ("items", "create"): _named("QBD QBO SI"),
    ("items", "update"): _named("QBD QBO SI2 X ZB"),
    ("items", "delete"): frozenset(),
    ("classes", "read"): _named("NS QBD QBO SI X"),
    ("classes", "create"): frozenset(),
    ("departments", "read"): _named("NS QBO SI"),
    ("departments", "create"): frozenset(),
    ("locations", "read"): _named("NS SI"),
    ("projects", "read"): _named("SI"),
    ("tasks", "read"): _named("SI"),
    ("tax_rates", "read"): _named("BC EX FA MB NS QBD QBO SBC SI X ZB"),
    ("tax_rates", "create"): _named("QBO ZB"),
    ("payment_terms", "read"): _named("NS QBD QBO"),
    ("payment_terms", "create"): frozenset(),
    ("payment_terms", "delete"): frozenset(),
    ("payment_methods", "read"): frozenset(),
    ("subsidiaries", "read"): _named("NS"),
    ("purchase_orders", "read"): _named("NS QBO X"),
    ("purchase_orders", "create"): _named("NS"),
    ("purchase_orders", "update"): frozenset(),
    ("purchase_orders", "delete"): frozenset(),
    ("currencies", "read"): _named("KF NS QBO X ZB"),
    ("company_info", "read"): _named("BC FB NS QBD QBO SBC SI WA X ZB"),
}

# What is known not to work: Dynamics has no credit memos at all, FreshBooks' bills are there to be read.
_IMPOSSIBLE: Final[dict[str, frozenset[tuple[str, str]]]] = {
    "DYNAMICS365": frozenset(
        ("bill_credit_memos", verb) for verb in ("read", "create", "update", "delete", "apply", "unapply")
    ),
    "FRESHBOOKS": frozenset({("bills", "create"), ("bill_payments", "create")}),
}

# Rutter's names for what a connection's plan or scopes do not give, where they differ from the collection.
_OBJECT_TYPES: Final = {
    "account": "accounts",
    "accounting_customer": "customers",
    "bill": "bills",
    "bill_credit_memo": "bill_credit_memos",
    "bill_payment": "bill_payments",
    "class": "classes",
    "department": "departments",
    "location": "locations",
    "payment_method": "payment_methods",
    "payment_term": "payment_terms",
    "project": "projects",
    "purchase_order": "purchase_orders",
    "subsidiary": "subsidiaries",
    "task": "tasks",
    "vendor": "vendors",
}


def ignores_filters(platform: str) -> bool:
    """Whether the platform answers as if no filter and no sort had been given (Rutter docs: Filtering Objects)."""
    return platform in IGNORES_FILTERS


def shows_closing_date(platform: str) -> bool:
    """Whether the company's record says up to which day its books are closed (Rutter docs: Company Info)."""
    return platform in SHOWS_CLOSING_DATE


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one connection can do, from its platform and from `ConnectionDetail.unavailable_objects`."""

    platform: str
    unavailable: frozenset[str] = frozenset()

    def support(self, collection: str, verb: str) -> Support:
        """How sure it is that this connection can do that. Raises KeyError for what Rutter has no call for."""
        documented = DOCUMENTED[collection, verb]
        if collection in self.unavailable or (collection, verb) in _IMPOSSIBLE.get(self.platform, ()):
            return Support.NO
        return Support.YES if self.platform in documented else Support.UNSURE

    @property
    def delete_bill(self) -> Support:
        return self.support("bills", "delete")

    @property
    def attach_file(self) -> Support:
        return self.support("bills", "attach")

    @property
    def void_payment(self) -> Support:
        return self.support("bill_payments", "void")

    @property
    def apply_credit(self) -> Support:
        return self.support("bill_credit_memos", "apply")

    @property
    def pay_several_bills_at_once(self) -> Support:
        """Xero makes one payment per bill out of a payment that covers several."""
        return Support.NO if self.platform == "XERO" else self.support("bill_payments", "create")

    @property
    def filters(self) -> bool:
        """Whether lists can be filtered and sorted; where not, only by timestamps (see `Reads.list`)."""
        return not ignores_filters(self.platform)

    @property
    def every_line_needs_an_account(self) -> bool:
        return self.platform in _named("QBO FA FB")

    @property
    def credit_application_wants_an_account(self) -> bool:
        """Whether `additional_fields.account_id` of an application is asked for: a bank or credit-card account."""
        return self.platform in _named("FA QBO QBD SI")

    @property
    def statuses_of_payments(self) -> bool:
        """Whether the platform is documented to know active and void payments."""
        return self.void_payment is Support.YES


def abilities_of(platform: str, unavailable_objects: Iterable[str] = ()) -> Abilities:
    """The abilities of a connection. `unavailable_objects` are Rutter's object types, as the detail lists them."""
    lowered = (name.lower() for name in unavailable_objects)
    return Abilities(platform.upper(), frozenset(_OBJECT_TYPES.get(name, name) for name in lowered))
