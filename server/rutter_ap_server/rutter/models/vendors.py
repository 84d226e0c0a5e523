"""Vendors as read and as written (Rutter docs: Vendors)."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Address, AddressDraft, Draft, Linked, Part

VENDOR_STATUSES: Final = ("active", "archived", "unknown")
VENDOR_STATUSES_ON_UPDATE: Final = ("active", "archived")


class VendorSubsidiary(Part, frozen=True, kw_only=True):
    """A subsidiary that deals with the vendor. `status`: active or inactive."""

    id: str
    primary: bool | None = None
    status: str | None = None


class Vendor(Linked, frozen=True, kw_only=True):
    """Someone the company buys from. `bank_account_number` is known on Sage Business Cloud and Xero only."""

    NAMED_BY = ("vendor_name", "display_name", "contact_name")
    ALSO_NAMED_BY = ("display_name",)

    payment_terms_id: str | None = None
    status: str | None = None
    bank_account_number: str | None = None
    contact_name: str | None = None
    currency_codes: tuple[str, ...] = ()
    display_name: str | None = None
    email: str | None = None
    phone: str | None = None
    registration_number: str | None = None
    tax_number: str | None = None
    vendor_name: str | None = None
    website: str | None = None
    subsidiaries: tuple[VendorSubsidiary, ...] = ()
    addresses: tuple[Address, ...] = ()


class VendorSubsidiaryDraft(Draft, frozen=True, kw_only=True):
    """A subsidiary to link. On NetSuite mark exactly one as primary, or the root subsidiary becomes it."""

    id: str
    primary: bool


class VendorExtras(Draft, frozen=True, kw_only=True):
    """Rare fields of a vendor. `default_payables_account_id`: NetSuite."""

    default_payables_account_id: str | UnsetType = UNSET


class VendorCreate(Draft, frozen=True, kw_only=True):
    """A new vendor. NetSuite ignores `contact_name`."""

    contact_name: str
    currency_code: str
    vendor_name: str
    payment_terms_id: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    registration_number: str | UnsetType = UNSET
    tax_number: str | UnsetType = UNSET
    website: str | UnsetType = UNSET
    subsidiaries: tuple[VendorSubsidiaryDraft, ...] | UnsetType = UNSET
    addresses: tuple[AddressDraft, ...] | UnsetType = UNSET
    additional_fields: VendorExtras | UnsetType = UNSET


class VendorUpdate(Draft, frozen=True, kw_only=True):
    """A change to a vendor; `status` takes one of VENDOR_STATUSES_ON_UPDATE."""

    status: str | UnsetType = UNSET
    contact_name: str | UnsetType = UNSET
    currency_code: str | UnsetType = UNSET
    vendor_name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    registration_number: str | UnsetType = UNSET
    tax_number: str | UnsetType = UNSET
    website: str | UnsetType = UNSET
    subsidiaries: tuple[VendorSubsidiaryDraft, ...] | UnsetType = UNSET
    addresses: tuple[AddressDraft, ...] | UnsetType = UNSET
    additional_fields: VendorExtras | UnsetType = UNSET
