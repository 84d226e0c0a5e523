"""Vendors: creating one, or changing its contact details. Bank details are never changed here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from rutter_ap_tools.render import render_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import CHANGES, ShortText, WriteArguments, WriteResult

OptionalCurrency = Annotated[str, StringConstraints(pattern=r"^([A-Z]{3})?$")]


class SaveVendor(WriteArguments):
    """A vendor to create, or what to change on one; omitted fields keep their values.

    There is no bank account among the arguments, and there must never be one: new bank details sent by someone who
    pretends to be the payee are the most common payment fraud.
    """

    may_be_empty = CHANGES | {"vendor_id"}

    vendor_id: ShortText = Field(default="", description="Id of the vendor to change; omit it to create a vendor.")
    name: ShortText = Field(default="", description="Vendor name; required for a new vendor.")
    currency: OptionalCurrency = Field(
        default="", description="Currency it bills in, ISO 4217; required for a new vendor."
    )
    email: ShortText = Field(default="", description="Email address.")
    phone: ShortText = Field(default="", description="Phone number.")
    street: ShortText = Field(default="", description="Street address or PO box.")
    city: ShortText = Field(default="", description="City.")
    region: ShortText = Field(default="", description="State, province or region.")
    postal_code: ShortText = Field(default="", description="ZIP or postal code.")
    country: ShortText = Field(default="", description="Country.")


SAVE_VENDOR = Tool(
    name="save_vendor",
    title="Save a vendor",
    description=(
        "Creates a vendor, or changes the name, currency or contact details of one. Check find_records for similar "
        "names first. Bank details can never be changed here. Changing contact details needs an approver."
    ),
    risk=Risk.WRITES,
    toolset="ledger",
    arguments=SaveVendor,
    result=WriteResult,
    render=render_write,
)
