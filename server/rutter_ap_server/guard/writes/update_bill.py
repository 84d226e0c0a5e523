"""`update_bill`: changes only the given fields of a bill in the ledger, and nothing that has been paid."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.base import (
    Dated,
    Dates,
    Facts,
    Gathered,
    LinkedAccount,
    Need,
    Repeats,
    Touched,
    Write,
)
from rutter_ap_server.guard.writes.bill_lines import booked_names, booked_to, booked_words, bound_lines
from rutter_ap_server.guard.writes.create_bill import bill_record, earlier_bill, line_draft, prepared_line, shown_of
from rutter_ap_server.guard.writes.parties import (
    NAME_CHARACTERS_MAX,
    account_fact,
    bill_contents,
    bill_fact,
    bill_texts,
    bill_words,
    midnight,
    read_payee,
    read_vendor,
)
from rutter_ap_server.guard.writes.readback import Kind, Sent, differences, same_day, with_differences
from rutter_ap_server.guard.writes.sums import (
    ExpectedSums,
    TaxFact,
    read_sums,
    released_amount,
    sum_fields,
    sums_rows,
    sums_words,
    total_of,
)
from rutter_ap_server.guard.writes.sums_rules import alike_ids, remember_booking
from rutter_ap_server.guard.writes.update_bill_rules import REACHED, RULES, ChangeFacts, compared_after, day_of
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    bill_row,
    columns,
    exact,
    line_names,
    line_sum,
    lines_table,
    pairs,
    payee_words,
    plain,
    unless_unlisted,
)
from rutter_ap_server.reads.amounts import is_amount, ledger_money
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.reads.history import bills_to_compare
from rutter_ap_server.rutter.models.base import given
from rutter_ap_server.rutter.models.bills import Bill, BillLine, BillUpdate
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.bills import UpdateBill
from rutter_ap_tools.errors import ApError, BadInput
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import quote
from rutter_ap_tools.wire import Record

_TEXT_KINDS: dict[str, Kind] = {"document_number": "number", "memo": "text"}
_TEXTS = tuple(_TEXT_KINDS)
_DATES = ("issue_date", "due_date")
_VALUES = (*_TEXTS, *_DATES, "status")
_INSTEAD = "a person can change it there"
_UPDATE = Need("bills", "update", "change a bill", _INSTEAD, "update_bill")
_REPLACE_LINES = Need("bills", "replace_lines", "replace the lines of a bill", _INSTEAD, "replace_bill_lines")
_SET_MEMO = Need("bills", "set_memo", "change the memo of a bill", _INSTEAD, "change_bill_memo")
_SET_STATUS = Need("bills", "set_status", "submit or open a draft of a bill", "a person can do it there", "submit_bill")
_INCLUSIVE = Need(
    "bills",
    "update_tax_inclusive",
    "be told that new line amounts contain tax",
    "pass them without tax and name tax rates",
    "tax_inclusive_lines",
)
_INSIDE = "the bill's lines contain their tax, so the ledger may take new lines in the same way"
_DIMENSIONS = ("tax_rate", "class", "department", "location", "customer", "project")


class UpdateBillWrite(Write[ChangeFacts]):
    """`update_bill`."""

    tool = "update_bill"
    # Like creating: it pays nothing, and rules require confirmation if it changes what is owed or when.
    default_severity = Severity.ALLOW
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (_INCLUSIVE, _UPDATE, _REPLACE_LINES, _SET_MEMO, _SET_STATUS)
    rules = RULES

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The bill; with a new number, or made payable, it may become one document with another of its vendor's."""
        bill, vendor_id = Touched("bill", prepared.fields["bill_id"]), prepared.vendor_id
        may_repeat = bool({"document_number", "status"} & prepared.fields["changes"].keys()) and vendor_id is not None
        return frozenset({bill, Touched("bills_of_vendor", vendor_id or "")} if may_repeat else {bill})

    def dates(self, prepared: PreparedWrite, seen: ChangeFacts) -> Dates:
        """Entries move from the issue date to the new one; a change alone must not decide which of them is right."""
        issued, due_on = day_of(prepared, "issue_date"), day_of(prepared, "due_date")
        now = (Dated("the bill is dated", seen.bill.issued),) if seen.bill.issued else ()
        moved = (Dated("the bill would be dated", issued),) if issued else ()
        due = (Dated("the bill would be due", due_on),) if due_on else ()
        documents = (*moved, *now) if moved or "status" in prepared.fields["changes"] else ()
        return Dates(posted=(*now, *moved), documents=documents, entered=(*moved, *due), used=())

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Changing a bill, and separately its lines, what their amounts mean, its memo and its status."""
        changes = prepared.fields["changes"]
        if prepared.fields.get("tax_inclusive"):
            return (_INCLUSIVE, _UPDATE, *((_SET_STATUS,) if "status" in changes else ()))
        special = {"lines": _REPLACE_LINES, "memo": _SET_MEMO, "status": _SET_STATUS}
        return (_UPDATE, *(need for name, need in special.items() if name in changes))

    async def prepare(self, request: UpdateBill, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Fixes what to change. Raises `BadInput` if nothing would change."""
        raw = await company.rutter.bills.get(request.bill_id)
        bill = bill_fact(raw)
        currency = bill.total.currency
        changes: dict[str, Any] = {name: getattr(request, name) for name in _VALUES if getattr(request, name)}
        if request.lines:
            changes["lines"] = [await prepared_line(line, currency, company, linked_account) for line in request.lines]
        if not changes:
            raise BadInput(
                "no changes were given; pass document_number, issue_date, due_date, memo, status or lines",
                code="write.no_change",
            )
        if _shows(raw, changes):
            raise BadInput(
                f"{bill_words(bill)} already has all of these values",
                code="write.no_change",
                next_step="There is nothing to change. Nothing was written.",
            )
        _check_order(raw, changes)
        kept, money, amount = {}, None, ""
        if request.lines:
            sums, _ = await _sums(raw, changes["lines"], company, inclusive=request.tax_inclusive)
            total = Money.parse(request.total, currency) if request.total else None
            kept = sum_fields(sums, total, inclusive=request.tax_inclusive)
            money, amount = released_amount(sums, total), sums_words(sums, total)
        elif request.total or request.tax_inclusive:
            raise BadInput("`total` and `tax_inclusive` describe new `lines`; pass every line of the corrected bill")
        name = (await read_vendor(company, bill.vendor_id)).name if bill.vendor_id else None
        of_vendor = f" from {name}" if name else ""
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields={"bill_id": bill.id, "currency": currency, "changes": changes} | kept,
            summary=f"Update {bill_words(bill)}{of_vendor}: {'; '.join(_words(raw, changes, amount))}",
            defaulted=("expected",),
            money=money,
            vendor_id=bill.vendor_id,
            vendor_name=name,
            bill_id=bill.id,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[ChangeFacts]:
        """Reads the bill, its vendor's other bills, and the accounts and tax rates on the new lines."""
        changes = prepared.fields["changes"]
        raw = await company.rutter.bills.get(prepared.fields["bill_id"])
        bill = bill_fact(raw)
        vendor = await read_payee(company, bill.vendor_id) if bill.vendor_id else None
        named = {line["account"] for line in changes.get("lines", ()) if line["account"]}
        accounts = tuple([account_fact(await company.rutter.accounts.get(one)) for one in sorted(named)])
        day = day_of(prepared, "issue_date") or bill.issued
        numbers = [raw.document_number, changes.get("document_number")]
        payees = (vendor.id, *vendor.twins) if vendor else ()
        history = await bills_to_compare(company, payees, numbers, day)
        others = tuple(earlier_bill(one) for one in history.records if one.id != bill.id and one.status not in _DEAD)
        inclusive = prepared.fields.get("tax_inclusive", False)
        summed = await _sums(raw, changes["lines"], company, inclusive=inclusive) if "lines" in changes else None
        sums, rates = summed or (None, ())
        net = shown_of(raw).net
        ours = sums or ExpectedSums(net, None, bill.total, "")
        seen = ChangeFacts(
            bill=bill,
            is_shown=_shows(raw, changes),
            accounts=accounts,
            others=others,
            net=net,
            sums=sums,
            rates=rates,
            now=_now(raw, changes),
            doubt=history.doubt,
            sure=history.sure,
            unlisted=await doubt_about(company, "bill_payments"),
            booked=booked_to(raw) if "status" in changes else (),
        )
        return Gathered(
            seen=seen,
            binding={
                "bill": bill.binding,
                "now": _now(raw, changes),
                "lines": bound_lines(raw) if "status" in changes else None,
                "accounts": [account.binding for account in accounts],
                "sums": sums.binding if sums else None,
                "tax_rates": [rate.binding for rate in rates],
                "alike": alike_ids(others, ours, total_of(prepared), [bill.number, changes.get("document_number")]),
            },
            before={"now": _now(raw, changes)},
            contents={Touched("bill", raw.id): bill_contents(raw)},
            vendor=vendor,
            texts=(*bill_texts(raw), *_new_texts(changes)),
            arguments=(),
            names=await line_names(company, [*changes.get("lines", ()), *_now(raw, changes).get("lines", ())])
            | await booked_names(company, seen.booked),
            remembers=(earlier_bill(raw),),
            compared=compared_after(prepared, seen),
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[ChangeFacts]) -> Description:
        """Each change with the value it replaces, what stays, and every line before and after."""
        seen, said = facts.seen, Fields(prepared.fields)
        changes, now = said.take("changes") or {}, seen.now
        currency = said.take("currency")
        rows = [
            ("Bill", bill_row(seen.bill, said.take("bill_id"))),
            ("Vendor", payee_words(facts.vendor, seen.bill.vendor_id, prepared.vendor_name)),
            ("Currency", plain(currency or seen.bill.total.currency)),
            *(sums_rows(said, currency, seen.rates) if "lines" in changes else ()),
            *said.rest(),
        ]
        values = {name: value for name, value in changes.items() if name != "lines"}
        sections = [
            pairs("Bill to change", rows),
            columns(
                "Changes",
                ("field", "now", "afterwards"),
                [(name.replace("_", " "), exact(now.get(name)), exact(value)) for name, value in values.items()],
            ),
        ]
        if "lines" in changes:
            lines = changes["lines"]
            before = [_line_now(line, currency) for line in now.get("lines", ())]
            sections += [
                lines_table("Lines now, all of them replaced", before, currency, facts.names),
                lines_table("Lines afterwards", lines, currency, facts.names),
                pairs("Sums", [("Total now", str(seen.bill.total)), ("New lines", line_sum(lines, currency))]),
            ]
        stays = [name.replace("_", " ") for name in (*_VALUES, "lines") if name not in changes]
        sections.append(pairs("Unchanged", [("Stays as it is", ", ".join(["vendor", "currency", *stays]))]))
        settled = ("Paid or credited on it", unless_unlisted(seen.unlisted, str(seen.settled), seen.settled.amount))
        # Those of a draft are booked once it is open.
        lines_of = ("Lines of the bill", booked_words(seen.booked, seen.bill.total.currency, facts.names))
        known = (settled, lines_of) if "status" in changes and "lines" not in changes else (settled,)
        return Description(fields=tuple(sections), known=known, follows=())

    async def draft(self, prepared: PreparedWrite, company: Company) -> BillUpdate:
        """The changes; omitted fields keep their values (Rutter docs: Bills)."""
        changes = prepared.fields["changes"]
        lines = tuple(line_draft(line) for line in changes.get("lines", ()))
        return BillUpdate(
            document_number=given(changes.get("document_number")),
            memo=given(changes.get("memo")),
            status=given(changes.get("status")),
            issue_date=given(midnight(changes["issue_date"]) if "issue_date" in changes else None),
            due_date=given(midnight(changes["due_date"]) if "due_date" in changes else None),
            line_items=given(lines or None),
        )

    async def send(
        self, prepared: PreparedWrite, draft: BillUpdate, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Changes the bill."""
        return await company.rutter.bills.update(prepared.fields["bill_id"], draft, idempotency_key=key, again=again)

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Bill, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """The bill shows the new dates and lines, and its texts as Rutter's answer to the change already had them."""
        bill = await company.rutter.bills.get(prepared.fields["bill_id"])
        shown = _changed(bill, prepared, _now(sent, prepared.fields["changes"]), is_answer=sent.id == bill.id)
        return (shown,) if shown is not None else ()

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """The bill shows the new dates and lines, and its texts are new, or at least no longer what they were."""
        bill = await company.rutter.bills.get(prepared.fields["bill_id"])
        if _now(bill, prepared.fields["changes"]) == before["now"]:
            return ()
        shown = _changed(bill, prepared, before["now"], is_answer=False)
        return (shown,) if shown is not None else ()

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.bills.outcome(job_id)

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """Remembers what the bill became, and what its new lines were released for."""
        remember_booking(tx, prepared, record)
        if record.amount is None:
            return
        changes, shown = prepared.fields["changes"], record.document_number or ""
        for number in sorted({shown, changes.get("document_number", shown)}):
            changed = Document(
                kind="bill",
                id=record.id,
                vendor_id=prepared.vendor_id or "",
                number=number,
                issued=day_of(prepared, "issue_date") or record.issued,
                total=record.amount.money,
            )
            tx.documents.remember(prepared.company_id, changed)


_DEAD = ("void", "rejected")


async def _sums(
    bill: Bill, lines: list[dict[str, Any]], company: Company, *, inclusive: bool
) -> tuple[ExpectedSums, tuple[TaxFact, ...]]:
    """What new lines come to. Whether a platform keeps taking lines with their tax inside is not documented."""
    inside = any(line.tax_amount and line.sub_total != line.total_amount for line in bill.line_items)
    unknown = _INSIDE if inside and not inclusive else ""
    return await read_sums(lines, bill.currency_code, company, inclusive=inclusive, unknown=unknown)


def _check_order(bill: Bill, changes: dict[str, Any]) -> None:
    issued, due_on = (changes.get(name) or _day(getattr(bill, name)) for name in _DATES)
    if set(_DATES) & set(changes) and issued and due_on and due_on < issued:
        raise BadInput(f"the due date {due_on} would be before the issue date {issued}")


def _words(bill: Bill, changes: dict[str, Any], amount: str) -> list[str]:
    """The changes, for people: the new value and, if it is short, the old one. `amount` is that of new lines."""
    words = []
    if "document_number" in changes:
        old = quote(bill.document_number, NAME_CHARACTERS_MAX) or "none"
        words.append(f"number {quote(changes['document_number'], NAME_CHARACTERS_MAX)} instead of {old}")
    for name, said in (("issue_date", "issued"), ("due_date", "due")):
        if name in changes:
            words.append(f"{said} {changes[name]} instead of {_day(getattr(bill, name)) or 'no date'}")
    if "status" in changes:
        words.append(f"{changes['status']} instead of {quote(bill.status, NAME_CHARACTERS_MAX)}")
    if "memo" in changes:
        words.append(f"memo {quote(changes['memo'], NAME_CHARACTERS_MAX)}")
    if amount:
        old_total = ledger_money(bill.total_amount, bill.currency_code, "bill total")
        words.append(f"new lines totaling {amount} instead of {old_total}")
    return words


def _new_texts(changes: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the assistant copied from a document, which may contain text aimed at the assistant."""
    lines = (("a new line of the bill", line.get("description", "")) for line in changes.get("lines", ()))
    texts = (("the new memo", changes.get("memo", "")), ("the new number", changes.get("document_number", "")))
    return tuple((where, text) for where, text in (*texts, *lines) if text)


def _now(bill: Bill, changes: dict[str, Any]) -> dict[str, Any]:
    """The current values of everything that is to change."""
    shown: dict[str, Any] = {name: getattr(bill, name) or "" for name in _TEXTS if name in changes}
    shown |= {name: _day(getattr(bill, name)) for name in _DATES if name in changes}
    if "status" in changes:
        shown["status"] = bill.status
    if "lines" in changes:
        shown["lines"] = [_shown_line(line) | {"amount": _text(line.total_amount)} for line in bill.line_items]
    return shown


def _shows(bill: Bill, changes: dict[str, Any]) -> bool:
    """Whether the bill shows all of the new values exactly."""
    wanted = {name: value for name, value in changes.items() if name != "lines"}
    shown = {name: value for name, value in _now(bill, changes).items() if name != "lines"}
    return shown == wanted and ("lines" not in changes or _shows_lines(bill, changes["lines"]))


def _changed(bill: Bill, prepared: PreparedWrite, other: dict[str, Any], *, is_answer: bool) -> Record | None:
    """The record of a change that the bill shows, and how its texts differ; None if it does not show it.

    Dates, lines and the status are exact. A text beyond what platforms are known to change counts if Rutter's own
    answer to the change, `other`, had it so; or else if it is not what it was before, which `other` is then.
    """
    changes, now = prepared.fields["changes"], _now(bill, prepared.fields["changes"])
    counts = {name for name in now if (now[name] == other.get(name)) is is_answer}
    if not all(same_day(getattr(bill, name), changes[name], in_any_zone=True) for name in _DATES if name in changes):
        return None
    if bill.status not in REACHED.get(changes.get("status"), (bill.status,)):
        return None
    lines = _pairs(bill, changes.get("lines", []), any_text="lines" in counts) if "lines" in changes else []
    texts = {
        name: Sent(name.replace("_", " "), changes[name], getattr(bill, name), kind)
        for name, kind in _TEXT_KINDS.items()
        if name in changes
    }
    if lines is None or not all(sent.is_shown or name in counts for name, sent in texts.items()):
        return None
    described_lines = [
        Sent("description of a line", line["description"], shown.description)
        for line, shown in lines
        if line.get("description")
    ]
    return with_differences(bill_record(bill, prepared), differences([*texts.values(), *described_lines]))


def _shows_lines(bill: Bill, lines: list[dict[str, Any]]) -> bool:
    """Whether these are its lines exactly."""
    pairs_of = _pairs(bill, lines, any_text=False)
    return pairs_of is not None and all(
        one.get("description") in (None, "", shown.description) for one, shown in pairs_of
    )


def _pairs(bill: Bill, lines: list[dict[str, Any]], *, any_text: bool) -> list[tuple[dict[str, Any], BillLine]] | None:
    """Each line with the one the bill shows for it, in any order, since platforms use their own; None if they differ.

    Descriptions may be as platforms keep them, or with `any_text` anything.
    """
    left, found = list(bill.line_items), []
    # Lines with the most fields first, so that a less specific line does not take their match.
    for line in sorted(lines, key=len, reverse=True):
        fitting = [one for one in left if _is_line(one, line, bill.currency_code)]
        described_so = [one for one in fitting if _described(one, line)]
        if not fitting or not (described_so or any_text):
            return None
        match = (described_so or fitting)[0]
        left.remove(match)
        found.append((line, match))
    return None if left else found


def _described(shown: BillLine, line: dict[str, Any]) -> bool:
    text = line.get("description")
    return not text or Sent("description", text, shown.description).is_shown


def _is_line(shown: BillLine, line: dict[str, Any], currency: str) -> bool:
    """Whether it is that line, whatever it is described as."""
    # With or without tax, depending on the platform (Rutter docs: Bills).
    untaxed = shown.total_amount - (shown.tax_amount or 0) if shown.total_amount is not None else None
    if not any(
        is_amount(one, Money.of(line["amount"], currency)) for one in (shown.total_amount, shown.sub_total, untaxed)
    ):
        return False
    now = _shown_line(shown)
    for name, value in line.items():
        if name in ("quantity", "unit_amount"):
            if now[name] is None or Decimal(now[name]) != Decimal(value):
                return False
        elif name not in ("amount", "description") and value and now[name] != value:
            return False
    return True


def _shown_line(line: BillLine) -> dict[str, Any]:
    item = line.item
    return {
        "account": line.account_id,
        "description": line.description,
        "item": item.id if item else None,
        "quantity": _text(item.quantity) if item else None,
        "unit_amount": _text(item.unit_amount) if item else None,
    } | {name: getattr(line, f"{name}_id") for name in _DIMENSIONS}


def _line_now(line: dict[str, Any], currency: str) -> dict[str, Any]:
    """A line as the ledger shows it, its amount with the digits people expect of the currency."""
    shown = {name: value for name, value in line.items() if value}
    with suppress(ApError, KeyError):
        shown["amount"] = Money.of(shown["amount"], currency).text
    return shown


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"


def _day(moment: datetime | None) -> str | None:
    return moment.date().isoformat() if moment else None
