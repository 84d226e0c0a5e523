"""Tax rates, payment terms and payment methods (Rutter docs: Tax Rates, Payment Terms, Payment Methods)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Draft, Part, Ref, Synced

TAX_RATE_STATUSES: Final = ("active", "inactive", "unknown")


class TaxComponent(Part, frozen=True, kw_only=True):
    """A part of a tax rate. Dynamics 365 never says which side of trade it is for."""

    is_compound: bool = False
    is_purchases_tax: bool = False
    is_sales_tax: bool = False
    name: str | None = None
    rate: Decimal | None = None


class TaxRateExtras(Part, frozen=True, kw_only=True):
    """The totals by side of trade."""

    purchase_total_tax_rate: Decimal | None = None
    sales_total_tax_rate: Decimal | None = None


class TaxRate(Synced, frozen=True, kw_only=True):
    """A tax rate. `total_tax_rate` is the plain sum of the parts, `effective_tax_rate` the one with compounding."""

    CODED_BY = ("code",)

    status: str | None = None
    code: str | None = None
    effective_tax_rate: Decimal | None = None
    name: str | None = None
    total_tax_rate: Decimal | None = None
    subsidiaries: tuple[Ref, ...] = ()
    components: tuple[TaxComponent, ...] = ()
    additional_fields: TaxRateExtras | None = None


class TaxComponentExtras(Draft, frozen=True, kw_only=True):
    """`tax_agency_id`: QuickBooks Online; `tax_authority_name`: Zoho Books."""

    tax_agency_id: str | UnsetType = UNSET
    tax_authority_name: str | UnsetType = UNSET


class TaxComponentDraft(Draft, frozen=True, kw_only=True):
    """A part of a new tax rate."""

    name: str
    rate: Decimal
    is_compound: bool | UnsetType = UNSET
    is_purchases_tax: bool | UnsetType = UNSET
    is_sales_tax: bool | UnsetType = UNSET
    additional_fields: TaxComponentExtras | UnsetType = UNSET


class TaxRateCreate(Draft, frozen=True, kw_only=True):
    """A new tax rate."""

    name: str
    components: tuple[TaxComponentDraft, ...]


class PaymentTerm(Synced, frozen=True, kw_only=True):
    """When a bill is due, in days, and the discount for paying sooner."""

    NAMED_BY = ("term_name",)

    term_name: str | None = None
    due_days: Decimal | None = None
    discount_days: Decimal | None = None
    discount_percent: Decimal | None = None


class PaymentTermCreate(Draft, frozen=True, kw_only=True):
    """A new payment term. There is no update."""

    term_name: str
    due_days: Decimal | UnsetType = UNSET
    discount_days: Decimal | UnsetType = UNSET
    discount_percent: Decimal | UnsetType = UNSET


class PaymentMethod(Synced, frozen=True, kw_only=True):
    """A way to pay; read only."""

    name: str | None = None
