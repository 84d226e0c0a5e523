"""What a bill can refer to: where each kind of record is read, what it is called, what to do where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rutter_ap_tools.errors import AssistantError

Text = Callable[[Any], str]


def _nothing(_record: Any) -> str:
    return ""


def _field(*names: str) -> Text:
    """The first of some fields that is filled."""

    def read(record: Any) -> str:
        return next((value for name in names if (value := getattr(record, name))), "")

    return read


_NAME = _field("name")


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of record. `collection` is the Rutter client's; `instead` is the way on a platform without it."""

    collection: str
    instead: str
    name: Text = _NAME
    code: Text = _nothing

    @property
    def plural(self) -> str:
        """The kind as a sentence names several of it."""
        return self.collection.replace("_", " ")

    def names(self, record: Any) -> tuple[str, ...]:
        """Everything a person may call the record, its name first."""
        return tuple(text for text in (self.name(record), self.code(record)) if text)


_LOOK_THERE = "A person must look it up in the accounting platform."

NOUNS: dict[str, Noun] = {
    "vendor": Noun("vendors", _LOOK_THERE, _field("vendor_name", "contact_name")),
    "account": Noun("accounts", _LOOK_THERE, code=_field("nominal_code")),
    "customer": Noun("customers", "Leave the customer out.", _field("customer_name", "contact_name")),
    "item": Noun("items", "Name an expense account on the line instead.", code=_field("code")),
    "class": Noun("classes", "Leave the class out; find_records kind=department may hold what is meant."),
    "department": Noun("departments", "Leave the department out; find_records kind=class may hold what is meant."),
    "location": Noun("locations", "Leave the location out; find_records kind=department may hold what is meant."),
    "project": Noun("projects", "Leave the project out; a customer may stand for it."),
    "tax_rate": Noun(
        "tax_rates", "Leave the tax rate out and enter the tax as a line of its own.", code=_field("code")
    ),
    "payment_terms": Noun("payment_terms", "Leave the payment terms out and give due_date.", _field("term_name")),
    "subsidiary": Noun("subsidiaries", "Leave the subsidiary out: the company has one set of books."),
    "purchase_order": Noun(
        "purchase_orders", "Enter the bill without its purchase order.", _nothing, _field("document_number")
    ),
    "currency": Noun(
        "currencies", "Use the ISO 4217 code on the document.", _field("currency_name"), _field("currency_code")
    ),
}


class NotOffered(AssistantError):
    """The accounting platform, or the plan of this connection, has no such records."""

    code = "platform.unsupported"

    def __init__(self, noun: Noun) -> None:
        super().__init__(
            f"this company's accounting platform or plan does not offer {noun.plural}",
            next_step=f"Do not try again. {noun.instead}",
        )
