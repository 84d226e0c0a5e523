"""Turns generated requests into ones that reach the books: real ids, dates, currencies and amounts put in their place.

What the generator made up stays wherever the books do not care: which keys are there, flags, texts, numbers of lines.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.sandbox.processes import Served
from support.sandbox.wire import Json

_PLURALS = [
    "accounts",
    "bills",
    "bill_payments",
    "bill_credit_memos",
    "vendors",
    "customers",
    "items",
    "classes",
    "departments",
    "locations",
    "projects",
    "tasks",
    "tax_rates",
    "payment_terms",
    "payment_methods",
    "subsidiaries",
    "purchase_orders",
    "currencies",
]
_KINDS_OF_KEYS = {
    "vendor_id": "vendors",
    "class_id": "classes",
    "customer_id": "customers",
    "department_id": "departments",
    "location_id": "locations",
    "project_id": "projects",
    "task_id": "tasks",
    "tax_rate_id": "tax_rates",
    "payment_terms_id": "payment_terms",
    "subsidiary_id": "subsidiaries",
    "item": "items",
    "bill_credit_memo_id": "bill_credit_memos",
    "bill_id": "bills",
}
_TEXT_MAX = 40


@dataclass(slots=True)
class Company:
    """The ids that one company's requests may name."""

    platform: str
    token: str
    ids: dict[str, list[str]] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    currency: str = "USD"
    bill: Json = field(default_factory=dict)
    credit: Json = field(default_factory=dict)
    attachment: str = ""
    job: str = ""


def companies_of(server: Served) -> list[Company]:
    """Every company as it was seeded, with one attachment and one applied credit where there can be one."""
    return [_company(server, row["platform"], row["access_token"]) for row in server.line["connections"]]


def _company(server: Served, platform: str, token: str) -> Company:
    company = Company(platform, token)
    for plural in _PLURALS:
        response = server.call("GET", f"/accounting/{plural}", access_token=token, limit="500")
        if response.status == 200:
            rows = response.json[plural]
            company.ids[plural] = [one["id"] for one in rows]
            if plural == "accounts":
                usable = [one for one in rows if one["status"] == "active" and "Euro" not in one["name"]]
                company.accounts = {one["account_type"]: one["id"] for one in usable}
                company.currency = rows[0]["currency_code"]
            if plural == "bill_credit_memos" and rows:
                company.credit = rows[0]
            if plural == "bills":
                company.bill = next(one for one in rows if one["status"] == "open" and _is_plain(one, company))
    bill = f"/accounting/bills/{company.bill['id']}"
    sent = server.call("PATCH", bill, {"bill": {"memo": "A job"}}, access_token=token)
    company.job = str(sent.job_id)
    sent = server.call("POST", f"{bill}/attachments", {"file": "aGVsbG8=", "file_name": "a.txt"}, access_token=token)
    company.attachment = sent.json["attachment"]["id"] if sent.status == 200 else "none"
    return company


def _is_plain(bill: Json, company: Company) -> bool:
    return bool(bill["currency_code"] == company.currency and bill["total_amount"] > 100)


def new_bill(server: Served, company: Company, **fields: object) -> Json:
    """An open bill of the company's own currency, from the vendor of its plain one."""
    line = {"account_id": company.accounts["expense"], "total_amount": 100}
    given = {"vendor_id": company.bill["vendor_id"], "issue_date": "2026-03-01", "currency_code": company.currency}
    return _made(server, company, "bills", "bill", given | {"line_items": [line]} | fields)


def new_credit(server: Served, company: Company, bill: Json, *, applied: bool) -> Json:
    given = {"vendor_id": bill["vendor_id"], "issue_date": "2026-03-01", "currency_code": company.currency}
    given["line_items"] = [{"account_id": company.accounts["expense"], "total_amount": 50}]
    credit = _made(server, company, "bill_credit_memos", "bill_credit_memo", given)
    if applied:
        body = {"bill_credit_application": application(company, credit, bill)}
        response = server.call("POST", "/accounting/bill_credit_applications", body, access_token=company.token)
        assert response.status == 200, response
    return credit


def application(company: Company, credit: Json, bill: Json) -> Json:
    return {
        "bill_credit_memo_id": credit["id"],
        "vendor_id": bill["vendor_id"],
        "transaction_date": "2026-03-02",
        "currency_code": company.currency,
        "linked_bills": [{"id": bill["id"], "allocated_amount": 20}],
    }


def _made(server: Served, company: Company, plural: str, name: str, fields: Json) -> Json:
    response = server.call("POST", f"/accounting/{plural}", {name: fields}, access_token=company.token)
    assert response.status == 200, response
    made: Json = response.json[name]
    return made


class Helper:
    """Puts one company's facts into generated bodies. Its own choices come from a seed."""

    def __init__(self, company: Company, bill: Json, seed: int) -> None:
        self.company = company
        self.bill = bill
        self.chance = random.Random(seed)
        self._names: dict[str, Callable[[Any], Any]] = {
            "email": lambda _: "someone@example.com",
            "currency_code": lambda _: company.currency,
            "currency": lambda _: company.currency,
            "rate": lambda value: round(abs(value) % 20, 4),
            "vendor_name": lambda _: f"Vendor {self.chance.random()}",
            "discount_amount": lambda value: round(abs(value) % 100, 2),
            "response_mode": lambda value: value,
            "status": lambda value: value,
            "type": lambda value: value,
            "account_type": lambda value: value,
        }

    def body(self, given: Any) -> Any:
        return self._object(given, ()) if isinstance(given, dict) else given

    def _object(self, given: Json, path: tuple[str, ...]) -> Json:
        helped = {name: self._value(value, (*path, name)) for name, value in given.items()}
        return {name: value for name, value in helped.items() if value is not _LEFT_OUT}

    def _value(self, value: Any, path: tuple[str, ...]) -> Any:
        name = path[-1]
        if name == "linked_bills":
            rest = {"allocated_amount": round(self.chance.randint(1, 900) / 100, 2)}
            return [{"id": self.bill["id"], **rest}]
        if name in {"line_items", "components"}:
            return [self._line(one, path) for one in value[:3] or [{}]]
        if name in {"linked_purchase_orders", "subsidiaries"}:
            return _LEFT_OUT
        if isinstance(value, dict):
            return self._object(value, path)
        if isinstance(value, list):
            helped = [
                self._value(one, (*path, name)) if not isinstance(one, dict) else self._object(one, path)
                for one in value[:3]
            ]
            return [one for one in helped if one is not _LEFT_OUT]
        if name.endswith("_id") or name in {"id", "item"}:
            return self._id(name, path)
        if path == ("vendor", "status"):
            # An archived vendor would refuse the bills that later requests need.
            return "active"
        if name.endswith("_date"):
            return "2026-03-10T00:00:00.000Z"
        if name in self._names:
            return self._names[name](value)
        if name == "unit_price" or (isinstance(value, str) and name.endswith(("_rate", "_amount"))):
            return "1.5"
        if isinstance(value, int | float) and not isinstance(value, bool):
            return round(abs(value) % 1000, 2) + 1
        return (value[:_TEXT_MAX] or "text") if isinstance(value, str) else value

    def _line(self, line: Json, path: tuple[str, ...]) -> Json:
        """A line with all that it must have, whatever else the generator gave it."""
        if path[-1] == "components":
            return self._object({"name": "part", "rate": 5} | line, path)
        if path[0] == "purchase_order":
            return self._object({"item": "", "quantity": 1} | line, path)
        return self._object({"account_id": "", "total_amount": 1} | line, path)

    def _id(self, name: str, path: tuple[str, ...]) -> Any:
        if name == "account_id" or name.endswith("_account_id"):
            return self._account(name, path)
        if name == "vendor_id":
            return self.bill["vendor_id"]
        if name == "parent_id":
            return _LEFT_OUT
        plural = _KINDS_OF_KEYS.get(name) or next((_KINDS_OF_KEYS[one] for one in path if one in _KINDS_OF_KEYS), "")
        ids = self.company.ids.get(plural)
        # On NetSuite a line has an account or an item, so none of ours has both.
        both = self.company.platform == "NETSUITE" and path[-2:] == ("item", "id")
        return self.chance.choice(ids) if ids and not both else _LEFT_OUT

    def _account(self, name: str, path: tuple[str, ...]) -> str:
        accounts = self.company.accounts
        if "payables" in name or path[:2] in {("bill", "account_id"), ("bill_credit_memo", "account_id")}:
            return accounts["accounts_payable"]
        if path[0] == "bill_payment":
            return accounts["bank"]
        return accounts["expense"]


_LEFT_OUT = object()
