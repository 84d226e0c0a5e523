"""What stands beside a proposal: the bill's documents, what its vendor was paid before, and the bill's own page.

None of it is part of what is released, and the ledger is asked for it at each look: what cannot be read, or not in
time, is said instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from urllib.parse import urlsplit

import anyio

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.writes.parties import BillFact, VendorFact, bill_fact, bill_words, read_vendor
from rutter_ap_server.guard.writes.pay_bill_facts import paid_amount
from rutter_ap_server.reads.history import payments_to
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.web.proposal_documents import Paper, Papers
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.money import Money

_SECONDS_MAX = 8
_URL_CHARACTERS_MAX = 2000
_BARS_MAX = 12
_BAR_WIDTH, _BAR_STEP, _CHART_HEIGHT = 20, 26, 80


@dataclass(frozen=True, slots=True)
class Bar:
    """One payment in the chart; `is_asked` for the one that the proposal is about."""

    x: int
    y: int
    height: int
    day: str
    amount: str
    is_asked: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """What a vendor was paid lately, the oldest first, and the amount of the proposal; `words` are the same figures."""

    bars: tuple[Bar, ...]
    width: int
    height: int
    words: str


@dataclass(frozen=True, slots=True)
class Link:
    """The address of a bill in its accounting platform, and the host that a person would go to."""

    url: str
    host: str


@dataclass
class Beside:
    """What could be read; `notes` say what could not."""

    bill_number: int
    bill: BillFact | None = None
    link: Link | None = None
    papers: list[Paper] = field(default_factory=list)
    chart: Chart | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def named(self) -> str:
        """The bill as people know it."""
        return bill_words(self.bill) if self.bill is not None else "a bill that could not be read"


async def beside(papers: Papers, company: Company, proposal: Proposal, bill_id: str | None, number: int) -> Beside:
    """All of it, as far as the ledger answers in time; without a bill only the vendor's payments. Raises nothing."""
    found = Beside(number)
    with anyio.move_on_after(_SECONDS_MAX) as scope:
        vendor = None
        if bill_id is not None:
            await _noting(found, "The bill", lambda: _read_bill(found, company, bill_id))
        vendor_id = found.bill.vendor_id if found.bill else proposal.vendor_id
        if vendor_id:
            vendor = await _noting(found, "The vendor", lambda: read_vendor(company, vendor_id))
        async with anyio.create_task_group() as tasks:
            if bill_id is not None:
                tasks.start_soon(
                    _noting, found, "The documents", partial(_papers, found, papers, company, proposal, bill_id, vendor)
                )
            if vendor_id and proposal.money is not None:
                tasks.start_soon(
                    _noting, found, "The vendor's payments", partial(_chart, found, company, proposal, vendor_id)
                )
    if scope.cancelled_caught:
        found.notes.append("Reading this took too long, so not everything is shown here. Open the page again.")
    return found


async def _noting(found: Beside, what: str, read: Callable[[], Awaitable[VendorFact | None]]) -> VendorFact | None:
    """What was read; None, with a note, if it cannot be."""
    try:
        return await read()
    except ApError as error:
        found.notes.append(f"{what} could not be read: {error.message}.")
        return None


async def _read_bill(found: Beside, company: Company, bill_id: str) -> None:
    raw = await company.rutter.bills.get(bill_id)
    found.link = platform_link(raw.platform_url)
    found.bill = bill_fact(raw)


async def _papers(
    found: Beside, papers: Papers, company: Company, proposal: Proposal, bill_id: str, vendor: VendorFact | None
) -> None:
    async for one in papers.of(company, proposal, bill_id, found.bill, vendor):
        if isinstance(one, Paper):
            found.papers.append(one)
        else:
            found.notes.append(one)


async def _chart(found: Beside, company: Company, proposal: Proposal, vendor_id: str) -> None:
    assert proposal.money is not None
    currency, ours = proposal.money.currency, proposal.record["id"] if proposal.record else None
    earlier = list[tuple[date, Money]]()
    listed = await payments_to(company, vendor_id)
    for one in listed.records:
        paid = paid_amount(one)
        if one.status == "void" or one.trouble or paid is None or paid.currency != currency or one.id == ours:
            continue
        earlier.append((one.transaction_date.date() if one.transaction_date else date.min, paid))
    earlier.sort(key=lambda one: one[0])
    found.chart = chart_of(earlier[-_BARS_MAX:], proposal.money, listed.unlisted)


def chart_of(earlier: list[tuple[date, Money]], asked: Money, unlisted: Doubt | None = None) -> Chart:
    """The chart of these payments and of the amount that is asked for; `unlisted` says why there may be others."""
    shown = [*((_day(day), money, False) for day, money in earlier), ("this proposal", asked, True)]
    most = max((money.amount for _, money, _ in shown), default=asked.amount)
    bars = []
    for number, (day, money, is_asked) in enumerate(shown):
        height = max(1, int(money.amount * _CHART_HEIGHT / most)) if most > 0 else 1
        bars.append(Bar(number * _BAR_STEP, _CHART_HEIGHT - height, height, day, money.grouped, is_asked))
    said = "; ".join(f"{one.day} {one.amount}" for one in bars[:-1])
    if unlisted is not None:
        said = f"{said}; there may be others: {unlisted.words}" if said else f"not known: {unlisted.words}"
    said = said or f"no earlier payment in {asked.currency}"
    words = f"Payments to this vendor: {said}. This proposal: {bars[-1].amount}."
    return Chart(tuple(bars), len(bars) * _BAR_STEP - _BAR_STEP + _BAR_WIDTH, _CHART_HEIGHT, words)


def _day(day: date) -> str:
    return "without a date" if day == date.min else day.isoformat()


def platform_link(url: str | None) -> Link | None:
    """An address that Rutter gave, if a browser may be sent there: https, a host and nothing that hides it."""
    if not url or len(url) > _URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    return Link(url, parts.hostname if port is None else f"{parts.hostname}:{port}")
