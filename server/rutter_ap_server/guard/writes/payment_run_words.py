"""Puts a payment run into words: every payment, the largest first, and what each vendor gets; none is left out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import MemberWords
from rutter_ap_server.guard.writes.pay_bill_rules import PaymentFacts
from rutter_ap_server.guard.writes.pay_bill_signals import usual_payment
from rutter_ap_server.guard.writes.wording import (
    NO_BANK_TRANSFER,
    Description,
    Fields,
    account_words,
    bill_row,
    columns,
    day_words,
    documents_words,
    exact,
    named,
    pairs,
    payee_words,
    plain,
)
from rutter_ap_tools.money import Money

PAYMENTS_TITLE, WILL_NOT_BE_PAID = "Payments, the largest first", "will not be paid"
_PAYMENTS = ("amount", "payee", "bill", "number when proposed", "due date", "documents", "findings")
PAYMENT_COLUMNS = len(_PAYMENTS)
_VENDORS = ("total", "vendor", "payments", "usual payment")
_LEFT_OUT = ("bill", "number", "reason")


def describe_run(prepared: PreparedWrite, members: Sequence[MemberWords]) -> Description:
    """The run as its statement shows it. A member that is not paid any more stays in the list and says so."""
    said = Fields(prepared.fields)
    currency, lines = said.take("currency"), {line["bill_id"]: line for line in said.take("lines")}
    left_out, count = said.take("left_out") or [], said.take("left_out_count") or 0
    account = members[0].facts.seen.account if members else None
    paid = [one.prepared.money for one in members if one.skipped is None and one.prepared.money is not None]
    given = "as given" if said.take("date_given") else "filled in: the day it was proposed"
    rows = [
        ("Payments", str(len(paid))),
        ("Total", str(Money.total(paid, currency))),
        ("From account", account_words(account, said.take("account_id"))),
        ("Account's name when proposed", exact(said.take("account_name"))),
        ("Payment date", f"{day_words(said.take('date'))}, {given}"),
        ("Memo on each payment", exact(said.take("memo"))),
        *said.rest(),
    ]
    sections = [
        pairs("Payment run to record", rows),
        columns(PAYMENTS_TITLE, _PAYMENTS, _payments(members, lines, currency)),
        columns("Total for each vendor", _VENDORS, _vendors(members, currency)),
    ]
    if count:
        out = [_left_out(Fields(one)) for one in left_out]
        sections.append(columns(f"Bills left out: {count}, of which are listed {len(out)}", _LEFT_OUT, out))
    return Description(fields=tuple(sections), follows=(NO_BANK_TRANSFER,))


def _payments(members: Sequence[MemberWords], lines: dict[str, dict[str, Any]], currency: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for member in sorted(members, key=_largest_first):
        seen: PaymentFacts = member.facts.seen
        said = Fields(lines.get(member.prepared.bill_id or "", {}))
        amount, vendor_id, name = said.take("amount"), said.take("vendor_id"), said.take("vendor_name")
        bill, number, due = said.take("bill_id"), said.take("number"), said.take("due_date")
        found = "; ".join([one.code for one in member.findings] + [f"{label} {text}" for label, text in said.rest()])
        payee = payee_words(seen.vendor, vendor_id, name)
        if seen.vendor is None or seen.vendor.name != name:
            payee += f", named {exact(name)} when proposed"
        rows.append(
            (
                f"{plain(amount)} {plain(currency)}",
                payee,
                bill_row(seen.bill, bill),
                exact(number),
                plain(due) if due else "none",
                documents_words(seen.file_names, every_file_listed=seen.every_file_listed),
                f"{WILL_NOT_BE_PAID}: {member.skipped}" if member.skipped else found or "none",
            )
        )
    return rows


def _left_out(said: Fields) -> tuple[str, str, str]:
    """A bill that is not in the run; what nobody put into words follows the reason."""
    bill, number, reason = named(None, said.take("bill_id")), exact(said.take("number")), plain(said.take("reason"))
    return bill, number, "; ".join([reason, *(f"{label} {text}" for label, text in said.rest())])


def in_order(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of a run in the order of the rows that tell them."""
    return sorted(lines, key=lambda line: (-Decimal(line["amount"]), line["bill_id"]))


def _largest_first(member: MemberWords) -> tuple[Decimal, str]:
    money = member.prepared.money
    return (-money.amount if money is not None else Decimal(0), member.prepared.bill_id or "")


def _vendors(members: Sequence[MemberWords], currency: str) -> list[tuple[str, ...]]:
    """What each vendor gets, the most first, with what it is usually paid."""
    by_vendor: dict[str, list[MemberWords]] = {}
    for member in members:
        if member.skipped is None:
            by_vendor.setdefault(member.prepared.vendor_id or "", []).append(member)
    totals = []
    for own in by_vendor.values():
        total = Money.total((one.prepared.money for one in own if one.prepared.money is not None), currency)
        seen: PaymentFacts = own[0].facts.seen
        usual = usual_payment(seen.earlier_payments, currency, seen.unlisted)
        totals.append((total, (named(own[0].prepared.vendor_name, own[0].prepared.vendor_id), str(len(own)), usual)))
    return [(str(total), *cells) for total, cells in sorted(totals, key=lambda one: (-one[0].amount, one[1]))]
