"""Customers, to whom a bill line may be charged on (Rutter docs: Customers)."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Address, AddressDraft, Draft, Linked

CUSTOMER_STATUSES: Final = ("active", "archived", "unknown")


class Customer(Linked, frozen=True, kw_only=True):
    """Someone the company sells to. Zoho Books fills `addresses` only for customers written through Rutter."""

    NAMED_BY = ("customer_name", "contact_name")

    parent_id: str | None = None
    payment_terms_id: str | None = None
    subsidiary_id: str | None = None
    status: str | None = None
    contact_name: str | None = None
    currency_code: str | None = None
    customer_name: str | None = None
    email: str | None = None
    phone: str | None = None
    registration_number: str | None = None
    tax_number: str | None = None
    addresses: tuple[Address, ...] = ()


class CustomerUpdateExtras(Draft, frozen=True, kw_only=True):
    """`parent_id`: QuickBooks Online."""

    parent_id: str | UnsetType = UNSET


class CustomerCreateExtras(CustomerUpdateExtras, frozen=True, kw_only=True):
    """FreshBooks needs `currency_code` and `language`; NetSuite, Sage Intacct v2 and Zoho Books take the first."""

    currency_code: str | UnsetType = UNSET
    language: str | UnsetType = UNSET


class CustomerCreate(Draft, frozen=True, kw_only=True):
    """A new customer. `contact_name` is split at its first blank on QuickBooks, Sage Intacct v2 and Xero."""

    contact_name: str
    customer_name: str | UnsetType = UNSET
    subsidiary_id: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    addresses: tuple[AddressDraft, ...] | UnsetType = UNSET
    additional_fields: CustomerCreateExtras | UnsetType = UNSET


class CustomerUpdate(Draft, frozen=True, kw_only=True):
    """A change to a customer."""

    contact_name: str | UnsetType = UNSET
    customer_name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    addresses: tuple[AddressDraft, ...] | UnsetType = UNSET
    additional_fields: CustomerUpdateExtras | UnsetType = UNSET
