"""Vendors: enter a new one, or change how one is reached. How one is paid is never changed here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from rutter_ap_tools.render import render_write
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import ShortText, WriteArguments, WriteResult

OptionalCurrency = Annotated[str, StringConstraints(pattern=r"^([A-Z]{3})?$")]


class SaveVendor(WriteArguments):
    """A vendor to create, or what to change of one; what is left out stays as it is.

    There is no bank account among the arguments, and there must be none: a payee's new bank details, sent by whoever
    pretends to be the payee, are the oldest fraud there is.
    """

    vendor_id: ShortText = Field(default="", description="To change one; else new.")
    name: ShortText = Field(default="", description="Needed if new.")
    currency: OptionalCurrency = Field(default="", description="ISO 4217; needed if new.")
    email: ShortText = Field(default="", description="E-mail.")
    phone: ShortText = Field(default="", description="Phone.")
    street: ShortText = Field(default="", description="Or PO box.")
    city: ShortText = Field(default="", description="City.")
    region: ShortText = Field(default="", description="State or region.")
    postal_code: ShortText = Field(default="", description="Postal code.")
    country: ShortText = Field(default="", description="Country.")


SAVE_VENDOR = Tool(
    name="save_vendor",
    title="Save a vendor",
    description=(
        "Enters a vendor, or changes name, currency or contact of one, never bank details. An approver must "
        "agree. Pays nobody."
    ),
    risk=Risk.WRITES,
    toolset="ledger",
    arguments=SaveVendor,
    result=WriteResult,
    render=render_write,
)
