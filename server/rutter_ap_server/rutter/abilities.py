"""What each accounting platform is documented to do, so that a write can be judged before it is sent.

The lists are those of Rutter's REST reference, kept with each collection. They only ever grow, so that a platform that
is not listed is UNSURE: it may work by now, and Rutter returns 404 when it does not. CONDITION is for what is
documented to work only where the company has something else. NO is only for what is known not to work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rutter_ap_server.rutter.collections import ENDPOINTS
from rutter_ap_server.rutter.errors import InvalidInput
from rutter_ap_server.rutter.platforms import ignores_filters, named


class Support(StrEnum):
    """How sure it is that a platform does something."""

    YES = "documented"
    CONDITION = "on_a_condition"
    UNSURE = "not_documented"
    NO = "not_offered"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a company must have before its platform does what Rutter documents; `remedy` says who can see to it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a list may lack what is in the ledger: what it does not show is then unknown, and not absent.

    `words` are the end of a sentence, `next_step` a sentence on who can find out. `may_end`: the list is whole where it
    can be read at all, so that a record in it which the ledger brought there ends the doubt.
    """

    words: str
    next_step: str
    may_end: bool = True


# The company's own record is no collection, but is documented like one.
_COMPANY_INFO: Final = ("company_info", "read")

# (collection, verb) -> the platforms it is documented for, from the endpoints of the collections.
DOCUMENTED: Final[dict[tuple[str, str], frozenset[str]]] = {
    (endpoint.many, verb): named(short) for endpoint in ENDPOINTS for verb, short in endpoint.documented.items()
} | {_COMPANY_INFO: named("BC FB NS QBD QBO SBC SI WA X ZB")}

# By platform and collection (Rutter docs: Bill Payments). Only reading is said to need it, but a payment that cannot be
# read back is one whose outcome nobody knows, so every verb does.
_CONDITIONS: Final[dict[str, dict[str, Condition]]] = {
    "DYNAMICS365": {
        "bill_payments": Condition(
            "Rutter's extension in Business Central",
            "A person can install Rutter's extension in Business Central (from Microsoft AppSource or by hand; "
            "Rutter's support sets it up); then call sync_ledger.",
        )
    }
}
# Elsewhere only the files that were uploaded through Rutter are listed (Rutter docs: Bill Attachments).
_LISTS_EVERY_FILE: Final = named("X")
_LOOK_THERE: Final = "A person can look in the accounting platform."

# What is known not to work: Rutter has no credit memos of Dynamics, and FreshBooks' bills are read-only.
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
        """How sure it is that this connection can do that. Raises `InvalidInput` for what Rutter has no call for."""
        documented = DOCUMENTED.get((collection, verb))
        if documented is None:
            raise InvalidInput("Rutter has no such call: see the verbs of the collections.")
        if collection in self.unavailable or (collection, verb) in _IMPOSSIBLE.get(self.platform, ()):
            return Support.NO
        if self.platform in documented:
            return Support.CONDITION if self.condition(collection) else Support.YES
        return Support.NO if (collection, verb) in _FLAGS else Support.UNSURE

    def condition(self, collection: str) -> Condition | None:
        """What must be true of the company before the platform does anything with such records; None if nothing."""
        return _CONDITIONS.get(self.platform, {}).get(collection)

    def doubt(self, collection: str) -> Doubt | None:
        """Why a list that shows nothing does not say that there is nothing; None where it does."""
        support, kind = self.support(collection, "read"), collection.replace("_", " ")
        if support is Support.YES:
            return None
        if support is Support.NO:
            return Doubt(f"Rutter does not offer the {kind} of this accounting platform", _LOOK_THERE, may_end=False)
        condition = self.condition(collection)
        if condition is not None:
            return Doubt(f"{kind} are listed only with {condition.what}", condition.remedy)
        return Doubt(f"Rutter does not document that it lists the {kind} of this accounting platform", _LOOK_THERE)

    @property
    def lists_every_file(self) -> bool:
        """Whether the files on a bill that were added in the platform itself are listed as well."""
        return self.platform in _LISTS_EVERY_FILE

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


def not_offered(collection: str) -> Doubt:
    """The doubt about a list that is documented, and that Rutter refuses to this company."""
    kind = collection.replace("_", " ")
    return Doubt(f"Rutter does not offer the {kind} of this company", _LOOK_THERE, may_end=False)


def abilities_of(platform: str, unavailable_objects: Iterable[str] = ()) -> Abilities:
    """The abilities of a connection. `unavailable_objects` are Rutter's object types, as the detail lists them."""
    lowered = (name.lower() for name in unavailable_objects)
    return Abilities(platform.upper(), frozenset(_COLLECTION_OF.get(name, name) for name in lowered))
