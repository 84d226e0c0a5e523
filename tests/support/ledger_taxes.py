"""A ledger whose tax is not what was expected: its rates change, as a bookkeeper changes them."""

from __future__ import annotations

from decimal import Decimal

from rutter_sandbox import Sandbox
from rutter_sandbox.companies import company_by
from rutter_sandbox.records import Books


def set_tax_rate(sandbox: Sandbox, name: str, percent: str, status: str = "active") -> str:
    """Changes a tax rate of the first company; returns its id."""
    connection_id = sandbox.connections[0].id
    with sandbox._database.writing() as tx:
        company = company_by(tx.sql, "id", connection_id)
        assert company is not None
        books = Books(tx, company)
        rate = next(one for one in books.every("tax_rate") if one["name"] == name)
        rate |= {"effective_tax_rate": Decimal(percent), "total_tax_rate": Decimal(percent), "status": status}
        rate["additional_fields"] = {
            "purchase_total_tax_rate": Decimal(percent),
            "sales_total_tax_rate": Decimal(percent),
        }
        books.save("tax_rate", rate)
        return str(rate["id"])
