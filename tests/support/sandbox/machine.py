"""What the machine that tries the books starts from: a company with vendors, banks and tax rates in four currencies."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis.stateful import RuleBasedStateMachine

from rutter_sandbox.companies import company_by
from rutter_sandbox.records import Books
from support.sandbox.bookkeeper import Figures, check_books, figures, major, minor, openings_of
from support.sandbox.wire import TODAY, Answered, Json, Wire
from support.seeded import seeded_sandbox

CURRENCIES = ("USD", "JPY", "KWD", "GBP")
RATES: dict[str, list[tuple[str, bool]]] = {"5%": [("5", False)], "8.875%": [("8.875", False)]}
RATES["on top of each other"] = [("5", False), ("9.975", True)]
PERCENTS = {None: Fraction(0), "5%": Fraction(5), "8.875%": Fraction("8.875")}
PERCENTS["on top of each other"] = 5 + Fraction("105") * Fraction("9.975") / 100

# A stated amount, the name of a tax rate, and which account it goes to.
Lines = list[tuple[int, str | None, int]]


class Company(RuleBasedStateMachine):
    """A company with its vendors, banks and tax rates over the wire, and what a machine needs to know of it."""

    platform = "QUICKBOOKS"

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire(seeded_sandbox(today=TODAY), self.platform)
        self._use_currencies()
        wire = self.wire
        self.banks = {code: self._bank(code) for code in CURRENCIES}
        self.vendors = {code: [self._vendor(code, n) for n in (1, 2)] for code in CURRENCIES}
        self.rates = {name: self._rate(name, parts) for name, parts in RATES.items()}
        kinds = {"expense", "cost_of_goods_sold"}
        self.costs = [one["id"] for one in wire.every("accounts") if one["account_type"] in kinds]
        self.taxes = self.platform != "SAGE_INTACCT"
        self.openings = openings_of(wire)
        self.bills: list[str] = []
        self.credits: list[str] = []
        self.payments: list[str] = []
        self.books = check_books(wire, self.openings)

    def teardown(self) -> None:
        self.wire.close()
        self.wire.sandbox.close()

    def _use_currencies(self) -> None:
        """The company's own list of currencies is read-only on the wire, so it is extended beneath it."""
        with self.wire.sandbox._database.writing() as tx:
            company = company_by(tx.sql, "id", self.wire.connection.id)
            assert company is not None
            books = Books(tx, company)
            known = {one["currency_code"] for one in books.every("currency")}
            for code in CURRENCIES if known else ():
                if code not in known:
                    books.add("currency", {"currency_code": code, "currency_name": code})

    def _bank(self, currency: str) -> str:
        number = {"bank_account_number": f"12-{currency}"}
        name = f"Till {currency}"
        given = {"name": name, "account_type": "bank", "currency_code": currency, "additional_fields": number}
        return str(self.wire.create("accounts", **given)["id"])

    def _vendor(self, currency: str, number: int) -> str:
        name = f"Seller {number} {currency}"
        return str(self.wire.create("vendors", vendor_name=name, contact_name=name, currency_code=currency)["id"])

    def _rate(self, name: str, parts: list[tuple[str, bool]]) -> str:
        components = [{"name": rate, "rate": Decimal(rate), "is_compound": compound} for rate, compound in parts]
        return str(self.wire.create("tax_rates", name=name, components=components)["id"])

    # What is where

    def bill(self, pick: int) -> Json:
        return self._one("bills", self.bills[pick % len(self.bills)])

    def credit(self, pick: int) -> Json:
        return self._one("bill_credit_memos", self.credits[pick % len(self.credits)])

    def _one(self, plural: str, record_id: str) -> Json:
        return next(one for one in self.books[plural] if one["id"] == record_id)

    def _lines(self, given: Lines, currency: str) -> list[Json]:
        made = []
        for stated, rate, cost in given:
            line: Json = {"account_id": self.costs[cost % len(self.costs)], "total_amount": major(stated, currency)}
            if rate and self.taxes:
                line["tax_rate_id"] = self.rates[rate]
            made.append(line)
        return made

    def _figures(self, given: Lines, *, inclusive: bool) -> Figures:
        return figures([(one, PERCENTS[rate if self.taxes else None]) for one, rate, _ in given], inclusive=inclusive)

    def _refused(self, response: Answered, status: int = 450) -> None:
        """A refusal has the documented status, and has changed nothing at all."""
        assert response.status == status, response
        if status == 450:
            assert response.job_id
        assert self.wire.books() == self.books

    def _pay(self, links: list[Json], currency: str, **fields: object) -> Answered:
        given = {"account_id": self.banks[currency], "transaction_date": "2026-03-14", "linked_bills": links}
        return self.wire.send("POST", "bill_payments", given | fields)

    def _agrees(self, document: Json, expected: Figures) -> None:
        currency = document["currency_code"]
        assert minor(document["total_amount"], currency) == expected.total
        if "tax_amount" in document:
            assert minor(document["tax_amount"], currency) == expected.tax
            assert minor(document["sub_total"], currency) == expected.net
