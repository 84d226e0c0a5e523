"""An independent bookkeeper: works out from the documents on the wire what every account must hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from rutter_sandbox import Sandbox
from support.sandbox.wire import Json, Wire

DECIMALS = {"USD": 2, "GBP": 2, "EUR": 2, "JPY": 0, "KWD": 3}
NOT_IN_THE_LEDGER = {"draft", "submitted", "pending_approval", "rejected", "void", "unknown"}

# (account id, currency) to minor units, debits positive.
Totals = Counter[tuple[str, str]]


def minor(amount: Decimal | int, currency: str) -> int:
    """Whole minor units; an amount that is off by a part of one is an error at once."""
    scaled = Decimal(amount).scaleb(DECIMALS[currency])
    units = int(scaled)
    assert units == scaled, f"{amount} {currency} is not a whole number of minor units"
    return units


def major(units: int, currency: str) -> Decimal:
    return Decimal(units).scaleb(-DECIMALS[currency])


def half_up(value: Fraction) -> int:
    """Rounded to a whole number, halves away from zero."""
    whole = int(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def tax_of(stated: int, percent: Fraction, *, inclusive: bool) -> int:
    """The tax on a net amount, or within a gross one."""
    if inclusive:
        return stated - half_up(stated * 100 / (100 + percent))
    return half_up(stated * percent / 100)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a document must come to, in minor units."""

    net: int
    tax: int

    @property
    def total(self) -> int:
        return self.net + self.tax


def figures(lines: list[tuple[int, Fraction]], *, inclusive: bool) -> Figures:
    """Each line is a stated amount and the percentage on it; every line is rounded by itself."""
    taxes = [tax_of(stated, percent, inclusive=inclusive) for stated, percent in lines]
    stated = sum(amount for amount, _ in lines)
    return Figures(stated - sum(taxes) if inclusive else stated, sum(taxes))


def expected_ledger(books: dict[str, list[Json]]) -> Totals:
    """Double entry over again, from the documents alone: what they debit and credit."""
    tax_account = next(one["id"] for one in books["accounts"] if one["name"] == "Purchase Tax")
    # What is bought as an item goes to the cost of what is sold.
    items_account = next(one["id"] for one in books["accounts"] if one["account_type"] == "cost_of_goods_sold")
    totals: Totals = Counter()
    for plural, sign in (("bills", 1), ("bill_credit_memos", -1)):
        for document in books[plural]:
            if document["status"] not in NOT_IN_THE_LEDGER:
                _add_document(totals, document, sign, (tax_account, items_account))
    payables = {one["id"]: one["account_id"] for one in books["bills"]}
    for bill in books["bills"]:
        totals[bill["account_id"], bill["currency_code"]] += journals_of(bill)
    for payment in books["bill_payments"]:
        for link in payment["linked_bills"]:
            amount = minor(link["allocated_amount"], payment["currency_code"])
            totals[payables[link["id"]], payment["currency_code"]] += amount
            totals[payment["account_id"], payment["currency_code"]] -= amount
    return totals


def journals_of(bill: Json) -> int:
    """What journal entries take off a bill, in minor units; where they take it from, the bill does not say."""
    links = bill.get("additional_fields", {}).get("linked_journal_entries", [])
    return sum(minor(Decimal(link["amount"]), bill["currency_code"]) for link in links)


def _add_document(totals: Totals, document: Json, sign: int, accounts: tuple[str, str]) -> None:
    currency, (tax_account, items_account) = document["currency_code"], accounts
    for line in document["line_items"]:
        totals[line["account_id"] or items_account, currency] += sign * minor(line["sub_total"], currency)
        totals[tax_account, currency] += sign * minor(line["tax_amount"], currency)
    totals[document["account_id"], currency] -= sign * minor(document["total_amount"], currency)


def ledger_of(sandbox: Sandbox, connection_id: str) -> Totals:
    """What the postings add up to, after checking that they balance and that every kept balance is their sum."""
    with sandbox._database.reading() as tx:
        company = tx.sql.execute("SELECT number FROM companies WHERE id = ?", (connection_id,)).fetchone()[0]
        unbalanced = """SELECT document_id, currency, SUM(amount_minor) FROM postings WHERE company = ?
            GROUP BY document_id, currency HAVING SUM(amount_minor) <> 0"""
        assert tx.sql.execute(unbalanced, (company,)).fetchall() == []
        summed = """SELECT account_id, currency, SUM(amount_minor) FROM postings WHERE company = ?
            GROUP BY account_id, currency"""
        postings = {row[:2]: row[2] for row in tx.sql.execute(summed, (company,))}
        kept = "SELECT account_id, currency, amount_minor FROM balances WHERE company = ?"
        balances = {row[:2]: row[2] for row in tx.sql.execute(kept, (company,))}
    assert balances == postings, "a kept balance is not the sum of its postings"
    assert sum(postings.values()) == 0, "the ledger does not balance"
    return Counter(postings)


def check_books(wire: Wire, openings: Totals) -> dict[str, list[Json]]:
    """Everything that must be true of one company's books after any step; gives what the wire shows."""
    books = wire.books()
    _check_bills(books)
    _check_credits(books)
    _check_payments(books)
    ledger = ledger_of(wire.sandbox, wire.connection.id)
    assert difference(ledger, expected_ledger(books)) == openings, "the ledger does not say what the documents say"
    _check_shown_balances(books["accounts"], ledger)
    return books


def openings_of(wire: Wire) -> Totals:
    """What the ledger holds beyond the documents before anything is done: opening balances."""
    return difference(ledger_of(wire.sandbox, wire.connection.id), expected_ledger(wire.books()))


def difference(one: Totals, other: Totals) -> Totals:
    return Counter({key: one[key] - other[key] for key in {*one, *other} if one[key] != other[key]})


def status_of(document: Json, total: int, rest: int) -> str:
    if document["status"] in NOT_IN_THE_LEDGER:
        return str(document["status"])
    if rest == 0:
        return "paid"
    return "open" if rest == total else "partially_paid"


def _check_bills(books: dict[str, list[Json]]) -> None:
    taken: dict[str, list[tuple[str, str, int]]] = {}
    for plural, name in (("bill_payments", "linked_payments"), ("bill_credit_memos", "linked_credit_memos")):
        for source in books[plural]:
            for link in source["linked_bills"]:
                amount = minor(link["allocated_amount"], source["currency_code"])
                taken.setdefault(link["id"], []).append((name, source["id"], amount))
    for bill in books["bills"]:
        currency = bill["currency_code"]
        total = minor(bill["total_amount"], currency)
        shown = [
            (name, link["id"], minor(link["allocated_amount"], currency))
            for name in ("linked_payments", "linked_credit_memos")
            for link in bill[name]
        ]
        # Both ends of every allocation say the same.
        assert sorted(shown) == sorted(taken.pop(bill["id"], [])), bill
        rest = total - sum(amount for _, _, amount in shown) - journals_of(bill)
        assert rest >= 0, bill
        assert minor(bill["amount_due"], currency) == rest, bill
        assert bill["status"] == status_of(bill, total, rest), bill
        assert total == minor(bill["sub_total"], currency) + minor(bill["tax_amount"], currency), bill
        for name in ("sub_total", "tax_amount"):
            assert minor(bill[name], currency) == sum(minor(line[name], currency) for line in bill["line_items"]), bill
    assert taken == {}, "an allocation to a bill that is not there"


def _check_credits(books: dict[str, list[Json]]) -> None:
    for credit in books["bill_credit_memos"]:
        currency = credit["currency_code"]
        total = minor(credit["total_amount"], currency)
        rest = total - sum(minor(link["allocated_amount"], currency) for link in credit["linked_bills"])
        assert rest >= 0, credit
        assert minor(credit["remaining_amount"], currency) == (0 if credit["status"] == "void" else rest), credit
        assert credit["status"] == status_of(credit, total, rest), credit


def _check_payments(books: dict[str, list[Json]]) -> None:
    for payment in books["bill_payments"]:
        currency = payment["currency_code"]
        linked = sum(minor(link["allocated_amount"], currency) for link in payment["linked_bills"])
        assert minor(payment["total_amount"], currency) == linked, payment
        assert payment["status"] != "void" or not payment["linked_bills"], payment


def _check_shown_balances(accounts: list[Json], ledger: Totals) -> None:
    """An account that only ever met its own currency shows exactly its postings, on the side it grows on."""
    for account in accounts:
        held = {currency: total for (account_id, currency), total in ledger.items() if account_id == account["id"]}
        if set(held) <= {account["currency_code"]}:
            units = held.get(account["currency_code"], 0)
            units = units if account["category"] in {"asset", "expense"} else -units
            assert minor(account["balance"], account["currency_code"]) == units, account
