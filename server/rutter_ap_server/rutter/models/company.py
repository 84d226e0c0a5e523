"""The company behind a connection, its subsidiaries and its currencies (Rutter docs: Company Info, Subsidiaries)."""

from __future__ import annotations

from typing import Final

from rutter_ap_server.rutter.models.base import Instant, Part, Synced

SUBSIDIARY_STATUSES: Final = ("active", "inactive")


class CompanyExtras(Part, frozen=True, kw_only=True):
    """`closing_date`: the books are closed up to here; QuickBooks Online."""

    closing_date: Instant | None = None


class CompanyInfo(Synced, frozen=True, kw_only=True):
    """The company itself. `currency_code` is its home currency; addresses are plain text."""

    name: str | None = None
    legal_name: str | None = None
    currency_code: str | None = None
    addresses: tuple[str, ...] = ()
    additional_fields: CompanyExtras | None = None


class Subsidiary(Synced, frozen=True, kw_only=True):
    """A part of the company with books of its own. `elimination` marks one that only cancels dealings between them."""

    name: str | None = None
    parent_id: str | None = None
    country: str | None = None
    currency_code: str | None = None
    status: str | None = None
    elimination: bool | None = None


class Currency(Synced, frozen=True, kw_only=True):
    """A currency the company uses."""

    NAMED_BY = ("currency_name",)
    CODED_BY = ("currency_code",)

    currency_code: str
    currency_name: str | None = None
