"""Bodies that a company takes as they are, and the form that every refusal has."""

from __future__ import annotations

from decimal import Decimal

from support.sandbox.wire import Answered, Json, Wire


def bill_fields(wire: Wire, amount: str = "10.00", **fields: object) -> Json:
    vendor = next(one for one in wire.every("vendors") if one["status"] == "active")
    currency = vendor["currency_codes"][0]
    line = {"account_id": wire.of_type("expense")["id"], "total_amount": Decimal(amount)}
    given = {"vendor_id": vendor["id"], "issue_date": "2026-03-10", "currency_code": currency, "line_items": [line]}
    return given | fields


def payment_fields(wire: Wire, *bills: Json, amount: str = "1.00") -> Json:
    account = next(
        one
        for one in wire.every("accounts")
        if (one["account_type"], one["currency_code"]) == ("bank", bills[0]["currency_code"])
    )
    links = [{"id": bill["id"], "allocated_amount": Decimal(amount)} for bill in bills]
    return {"account_id": account["id"], "transaction_date": "2026-03-15", "linked_bills": links}


def refused(response: Answered, status: int, code: str | None = None) -> None:
    """A refusal has the documented body, and its status is the one expected."""
    assert response.status == status, response
    body = response.json
    assert all(isinstance(body[name], str) and body[name] for name in ("error_type", "error_code", "error_message"))
    assert code is None or body["error_code"] == code, body
