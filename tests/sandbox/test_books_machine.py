"""Whatever is bought, paid, credited, voided, changed and refused, in any order, the books stay right.

A machine makes random writes over the wire, on every platform and in currencies of no, two and three decimals. After
each step an independent bookkeeper works everything out again from the documents.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from support.sandbox.bookkeeper import check_books, major, minor
from support.sandbox.machine import CURRENCIES, PERCENTS, Company, Lines
from support.sandbox.wire import Json

SETTINGS = settings(
    max_examples=13,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

picks = st.integers(0, 10_000)
amounts = st.one_of(st.integers(1, 400), st.integers(1, 5_000_000))
lines = st.lists(st.tuples(amounts, st.sampled_from(list(PERCENTS)), picks), min_size=1, max_size=4)


class BooksMachine(Company):
    """Enters and undoes documents, knowing for each write whether it must be taken."""

    # Bills

    @rule(given=lines, currency=st.sampled_from(CURRENCIES), vendor=picks, inclusive=st.booleans())
    def enter_a_bill(self, given: Lines, currency: str, vendor: int, inclusive: bool) -> None:
        inclusive = inclusive and self.taxes
        made = self.wire.create(
            "bills",
            vendor_id=self.vendors[currency][vendor % 2],
            issue_date="2026-03-10",
            currency_code=currency,
            line_items=self._lines(given, currency),
            additional_fields={"tax_inclusive": inclusive},
        )
        self._agrees(made, self._figures(given, inclusive=inclusive))
        self.bills.append(made["id"])

    @rule(currency=st.sampled_from(CURRENCIES))
    def an_amount_finer_than_the_currency_is_refused(self, currency: str) -> None:
        line = {"account_id": self.costs[0], "total_amount": major(1005, currency).scaleb(-1)}
        given = {"vendor_id": self.vendors[currency][0], "issue_date": "2026-03-10", "currency_code": currency}
        self._refused(self.wire.send("POST", "bills", given | {"line_items": [line]}))

    @precondition(lambda self: self.bills)
    @rule(pick=picks, given=lines)
    def rewrite_the_lines_of_a_bill(self, pick: int, given: Lines) -> None:
        bill = self.bill(pick)
        currency = bill["currency_code"]
        # The wire says nothing of how lines were entered; only a taxed line tells that the tax was inside.
        inclusive = any(one["tax_amount"] and one["sub_total"] != one["total_amount"] for one in bill["line_items"])
        expected = self._figures(given, inclusive=inclusive)
        taken = minor(bill["total_amount"], currency) - minor(bill["amount_due"], currency)
        change = {"line_items": self._lines(given, currency), "memo": "changed"}
        response = self.wire.send("PATCH", f"bills/{bill['id']}", change)
        if expected.total < taken:
            self._refused(response)
        else:
            assert response.status == 200, response
            self._agrees(response.json["bill"], expected)

    @precondition(lambda self: self.bills)
    @rule(pick=picks)
    def delete_a_bill(self, pick: int) -> None:
        bill = self.bill(pick)
        response = self.wire.call("DELETE", f"/accounting/bills/{bill['id']}")
        if self.platform not in {"QUICKBOOKS", "NETSUITE"}:
            self._refused(response, 404)
        elif bill["linked_payments"] or bill["linked_credit_memos"]:
            self._refused(response)
        else:
            assert response.json == {"code": "deleted", "success": True}
            self.bills.remove(bill["id"])

    # Payments

    @precondition(lambda self: self.bills)
    @rule(pick=picks, part=st.integers(0, 120))
    def pay_a_bill(self, pick: int, part: int) -> None:
        bill = self.bill(pick)
        currency = bill["currency_code"]
        due = minor(bill["amount_due"], currency)
        # Of every hundred parts of what is due: none of it, some, all, or more than all.
        paid = due * part // 100 if part <= 100 else due + part - 100
        response = self._pay([{"id": bill["id"], "allocated_amount": major(paid, currency)}], currency)
        if 0 < paid <= due:
            assert response.status == 200, response
            self.payments.append(response.json["bill_payment"]["id"])
        else:
            self._refused(response)

    @precondition(lambda self: len(self.bills) > 1)
    @rule(picked=st.lists(picks, min_size=2, max_size=4), over=st.booleans())
    def pay_several_bills_at_once(self, picked: list[int], over: bool) -> None:
        first = self.bill(picked[0])
        chosen = {one["id"]: one for one in map(self.bill, picked)}
        currency = first["currency_code"]
        mixed = any((b["vendor_id"], b["currency_code"]) != (first["vendor_id"], currency) for b in chosen.values())
        due = {bill["id"]: minor(bill["amount_due"], bill["currency_code"]) for bill in chosen.values()}
        # Half of each and, when too much is wanted, more than there is of the last: then none of it may happen.
        halves = {bill_id: (rest + 1) // 2 for bill_id, rest in due.items()}
        if over:
            halves[list(halves)[-1]] = due[list(due)[-1]] + 1
        links: list[Json] = [
            {"id": bill_id, "allocated_amount": major(units, chosen[bill_id]["currency_code"])}
            for bill_id, units in halves.items()
        ]
        response = self._pay(links, currency)
        if self._splits() and mixed and not over:
            # Each of the platform's payments may have a vendor of its own, and only a currency can stand in the way.
            mixed = any(bill["currency_code"] != currency for bill in chosen.values())
        if mixed or over or not all(halves.values()):
            self._refused(response)
            return
        assert response.status == 200, response
        made = response.json.get("bill_payments", [response.json["bill_payment"]])
        assert len(made) == (len(links) if self._splits() else 1)
        self.payments.extend(one["id"] for one in made)

    def _splits(self) -> bool:
        return self.platform == "XERO"

    @precondition(lambda self: self.bills)
    @rule(pick=picks)
    def money_in_another_currency_pays_nothing(self, pick: int) -> None:
        bill = self.bill(pick)
        other = CURRENCIES[(CURRENCIES.index(bill["currency_code"]) + 1) % len(CURRENCIES)]
        self._refused(self._pay([{"id": bill["id"], "allocated_amount": 1}], other))

    @precondition(lambda self: self.bills)
    @rule(pick=picks, part=st.integers(2, 9))
    def a_bill_named_twice_in_one_payment_is_refused(self, pick: int, part: int) -> None:
        bill = self.bill(pick)
        link = {"id": bill["id"], "allocated_amount": major(part, bill["currency_code"])}
        self._refused(self._pay([link, link], bill["currency_code"]))

    @precondition(lambda self: self.payments)
    @rule(pick=picks)
    def void_a_payment(self, pick: int) -> None:
        payment = self._one("bill_payments", self.payments[pick % len(self.payments)])
        response = self.wire.send("PATCH", f"bill_payments/{payment['id']}", {"status": "void"})
        if self.platform not in {"QUICKBOOKS", "NETSUITE"}:
            self._refused(response, 404)
        elif payment["status"] == "void":
            self._refused(response)
        else:
            assert response.status == 200, response

    @precondition(lambda self: self.payments)
    @rule(pick=picks)
    def delete_a_payment(self, pick: int) -> None:
        payment_id = self.payments[pick % len(self.payments)]
        response = self.wire.call("DELETE", f"/accounting/bill_payments/{payment_id}")
        if self.platform not in {"QUICKBOOKS", "NETSUITE"}:
            self._refused(response, 404)
        else:
            assert response.json == {"code": "deleted", "success": True}
            self.payments.remove(payment_id)

    # Credits

    @rule(given=lines, currency=st.sampled_from(CURRENCIES), vendor=picks)
    def enter_a_credit(self, given: Lines, currency: str, vendor: int) -> None:
        made = self.wire.create(
            "bill_credit_memos",
            vendor_id=self.vendors[currency][vendor % 2],
            issue_date="2026-03-11",
            currency_code=currency,
            line_items=self._lines(given, currency),
        )
        self._agrees(made, self._figures(given, inclusive=False))
        self.credits.append(made["id"])

    @precondition(lambda self: self.bills and self.credits)
    @rule(bill_pick=picks, credit_pick=picks, part=st.integers(0, 110))
    def apply_a_credit(self, bill_pick: int, credit_pick: int, part: int) -> None:
        credit = self.credit(credit_pick)
        near = [
            one
            for one in map(self.bill, range(len(self.bills)))
            if (one["vendor_id"], one["currency_code"]) == (credit["vendor_id"], credit["currency_code"])
        ]
        bill = near[bill_pick % len(near)] if near and bill_pick % 5 else self.bill(bill_pick)
        currency = credit["currency_code"]
        ours = (bill["vendor_id"], bill["currency_code"]) == (credit["vendor_id"], currency)
        rest = minor(credit["remaining_amount"], currency)
        room = min(minor(bill["amount_due"], bill["currency_code"]), rest)
        units = room * part // 100 if part <= 100 else room + part - 100
        given = {
            "bill_credit_memo_id": credit["id"],
            "vendor_id": credit["vendor_id"],
            "transaction_date": "2026-03-15",
            "currency_code": currency,
            "linked_bills": [{"id": bill["id"], "allocated_amount": str(major(units, currency))}],
        }
        response = self.wire.send("POST", "bill_credit_applications", given)
        if ours and 0 < units <= room:
            assert response.json == {"bill_credit_application": {"success": True}}
        else:
            self._refused(response)

    @precondition(lambda self: self.bills and self.credits)
    @rule(bill_pick=picks, credit_pick=picks)
    def take_a_credit_off_again(self, bill_pick: int, credit_pick: int) -> None:
        credit = self.credit(credit_pick)
        linked = [link["id"] for link in credit["linked_bills"]]
        bill_id = linked[bill_pick % len(linked)] if linked else self.bill(bill_pick)["id"]
        body = {"bill_credit_unapplication": {"bill_credit_memo_id": credit["id"], "bill_id": bill_id}}
        response = self.wire.call("POST", "/accounting/bill_credit_applications/unapply", body)
        if linked:
            assert response.json["bill_credit_unapplication"]["success"] is True
        else:
            self._refused(response)

    @precondition(lambda self: self.credits)
    @rule(pick=picks, given=lines)
    def rewrite_the_lines_of_a_credit(self, pick: int, given: Lines) -> None:
        credit = self.credit(pick)
        currency = credit["currency_code"]
        expected = self._figures(given, inclusive=False)
        used = sum(minor(link["allocated_amount"], currency) for link in credit["linked_bills"])
        change = {"line_items": self._lines(given, currency)}
        response = self.wire.send("PATCH", f"bill_credit_memos/{credit['id']}", change)
        if self.platform not in {"QUICKBOOKS", "XERO"}:
            self._refused(response, 404)
        elif expected.total < used or credit["status"] == "void":
            self._refused(response)
        else:
            assert response.status == 200, response
            self._agrees(response.json["bill_credit_memo"], expected)

    @precondition(lambda self: self.credits)
    @rule(pick=picks)
    def end_a_credit(self, pick: int) -> None:
        """Xero voids a credit, the others that can delete it."""
        credit = self.credit(pick)
        if self.platform == "XERO":
            response = self.wire.send("PATCH", f"bill_credit_memos/{credit['id']}", {"status": "void"})
        else:
            response = self.wire.call("DELETE", f"/accounting/bill_credit_memos/{credit['id']}")
        if self.platform == "SAGE_INTACCT":
            self._refused(response, 404)
        elif credit["linked_bills"] or credit["status"] == "void":
            self._refused(response)
        else:
            assert response.status == 200, response
            if self.platform != "XERO":
                self.credits.remove(credit["id"])

    @invariant()
    def the_books_are_right(self) -> None:
        self.books = check_books(self.wire, self.openings)
        steps[self.platform] += 1


steps = dict.fromkeys(("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT"), 0)


@pytest.mark.parametrize("platform", list(steps))
def test_the_books_are_right_after_every_step(platform: str) -> None:
    machine = type(f"{platform}Machine", (BooksMachine,), {"platform": platform})
    run_state_machine_as_test(machine, settings=SETTINGS)
    # Hypothesis ends some runs early; far fewer than these would mean that it ends most of them.
    assert steps[platform] > 300
