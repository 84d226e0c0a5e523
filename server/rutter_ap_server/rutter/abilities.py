"""What each accounting platform is documented to do, so that a write can be judged before it is sent.

The lists are those of Rutter's REST reference, kept with each collection. They only ever grow, so that a platform that
is not listed is UNSURE: it may work by now, and Rutter returns 404 when it does not. NO is only for what is known not
to work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rutter_ap_server.rutter.collections import ENDPOINTS
from rutter_ap_server.rutter.platforms import ignores_filters, named


class Support(StrEnum):
    """How sure it is that a platform does something."""

    YES = "documented"
    UNSURE = "not_documented"
    NO = "not_offered"


# The company's own record is no collection, but is documented like one.
_COMPANY_INFO: Final = ("company_info", "read")

# (collection, verb) -> the platforms it is documented for, from the endpoints of the collections.
DOCUMENTED: Final[dict[tuple[str, str], frozenset[str]]] = {
    (endpoint.many, verb): named(short) for endpoint in ENDPOINTS for verb, short in endpoint.documented.items()
} | {_COMPANY_INFO: named("BC FB NS QBD QBO SBC SI WA X ZB")}

# What is known not to work: Dynamics has no credit memos at all, and FreshBooks' bills are read-only.
_IMPOSSIBLE: Final[dict[str, frozenset[tuple[str, str]]]] = {
    "DYNAMICS365": frozenset(
        ("bill_credit_memos", verb) for verb in ("read", "create", "update", "delete", "apply", "unapply")
    ),
    "FRESHBOOKS": frozenset({("bills", "create"), ("bill_payments", "create")}),
}

# What changes what a document means, its amounts or whether it counts: where that is not documented, it would be
# dropped without a word.
_FLAGS: Final = frozenset(
    {
        ("bills", "set_status"),
        ("bills", "tax_inclusive"),
        ("bills", "update_tax_inclusive"),
        ("bill_credit_memos", "tax_inclusive"),
    }
)

# Rutter's object types, by which a connection's plan or scopes are described, name one object; some name them all.
_COLLECTION_OF: Final = {endpoint.one: endpoint.many for endpoint in ENDPOINTS} | {"accounting_customer": "customers"}


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
        if self.platform in documented:
            return Support.YES
        return Support.NO if (collection, verb) in _FLAGS else Support.UNSURE

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
        """Whether one payment can cover several bills; Xero splits it into one payment per bill."""
        return Support.NO if self.platform == "XERO" else self.support("bill_payments", "create")

    @property
    def filters(self) -> bool:
        """Whether lists can be filtered and sorted; if not, only by timestamps (see `Reads.list`)."""
        return not ignores_filters(self.platform)

    @property
    def every_line_needs_an_account(self) -> bool:
        return self.platform in named("QBO FA FB")

    @property
    def credit_application_wants_an_account(self) -> bool:
        """Whether an application needs `additional_fields.account_id`: a bank or credit-card account."""
        return self.platform in named("FA QBO QBD SI")

    @property
    def statuses_of_payments(self) -> bool:
        """Whether the platform is documented to distinguish active and void payments."""
        return self.void_payment is Support.YES


def abilities_of(platform: str, unavailable_objects: Iterable[str] = ()) -> Abilities:
    """The abilities of a connection. `unavailable_objects` are Rutter's object types, as the detail lists them."""
    lowered = (name.lower() for name in unavailable_objects)
    return Abilities(platform.upper(), frozenset(_COLLECTION_OF.get(name, name) for name in lowered))
