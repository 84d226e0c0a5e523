"""Completion over MCP: suggests values from live data for what a person has typed so far.

It is only a convenience: limited in number and time, and empty if a ledger cannot be reached.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import anyio
import mcp_types as types

from rutter_ap_server.companies.company import Company
from rutter_ap_server.mcp.live_data import LiveData
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.text import clean, fold
from rutter_ap_tools.wire import Named

VALUES_MAX = 100
SECONDS_MAX = 5.0
_NAME_CHARACTERS_MAX = 200
_PROPOSALS_MAX = 200


@dataclass(frozen=True, slots=True)
class _Choice:
    """One value, and further words to find it by."""

    value: str
    words: tuple[str, ...] = ()

    def rank(self, typed: str) -> int | None:
        """How well it matches: 0 if it starts with the text, 1 if it contains it, None if it does not match."""
        words = [fold(one) for one in (self.value, *self.words)]
        if any(one.startswith(typed) for one in words):
            return 0
        return 1 if any(typed in one for one in words) else None


Context = Mapping[str, str]


async def complete(live_data: LiveData, kind: str, typed: str, context: Context) -> types.CompleteResult:
    """The matching values of a kind, at most 100. `context` has the arguments given so far."""
    choices: list[_Choice] = []
    with anyio.move_on_after(SECONDS_MAX), suppress(ApError):
        choices = await _choices(live_data, kind, context)
    wanted = fold(typed)
    ranked = [(rank, place, one.value) for place, one in enumerate(choices) if (rank := one.rank(wanted)) is not None]
    values = list(dict.fromkeys(value for _, _, value in sorted(ranked) if value))
    shown = types.Completion(values=values[:VALUES_MAX], total=len(values), has_more=len(values) > VALUES_MAX)
    return types.CompleteResult(completion=shown)


async def _choices(live_data: LiveData, kind: str, context: Context) -> list[_Choice]:
    if kind == "proposal_id":
        # In the store's order: open proposals come first.
        return [_Choice(one.id, (clean(one.summary, 200),)) for one in await live_data.proposals(_PROPOSALS_MAX)]
    if kind in ("company", "company_id"):
        return _sorted(_company(one, by_id=kind == "company_id") for one in await live_data.known())
    find = _KINDS.get(kind)
    if find is None:
        return []
    found: list[_Choice] = []
    for company in await live_data.companies(context.get("company", "")):
        # An unreachable ledger hides only its own names.
        with suppress(ApError):
            found += await find(live_data, company, context)
    return found if kind == "attachment" else _sorted(found)


def _sorted(choices: Iterable[_Choice]) -> list[_Choice]:
    return sorted(choices, key=lambda one: (fold(one.words[0] if one.words else one.value), one.value))


def _company(one: Named, *, by_id: bool) -> _Choice:
    return _Choice(one.id, (one.name or "",)) if by_id or not one.name else _Choice(one.name, (one.id,))


async def _vendors(live_data: LiveData, company: Company, context: Context) -> list[_Choice]:
    found = (await company.directory.cached_list("vendor")).by_id.values()
    return [_Choice(clean(one.label, _NAME_CHARACTERS_MAX)) for one in found]


async def _vendor_ids(live_data: LiveData, company: Company, context: Context) -> list[_Choice]:
    found = (await company.directory.cached_list("vendor")).by_id.values()
    return [_Choice(one.id, (clean(one.label, _NAME_CHARACTERS_MAX),)) for one in found]


async def _accounts(live_data: LiveData, company: Company, context: Context) -> list[_Choice]:
    found = (await company.directory.cached_list("account")).by_id.values()
    return [_Choice(clean(one.name, _NAME_CHARACTERS_MAX)) for one in found if one.account_type == "bank"]


async def _bills(live_data: LiveData, company: Company, context: Context) -> list[_Choice]:
    """By number, as a person would say it; by id if it has no number or shares it with another bill."""
    bills = await live_data.unpaid(company)
    numbers = [fold(bill.document_number) for bill in bills]
    return [
        _Choice(bill.document_number, (bill.vendor.name or "",))
        if bill.document_number and numbers.count(fold(bill.document_number)) == 1
        else _Choice(bill.id, (bill.document_number or "", bill.vendor.name or ""))
        for bill in bills
    ]


async def _bill_ids(live_data: LiveData, company: Company, context: Context) -> list[_Choice]:
    bills = await live_data.unpaid(company)
    return [_Choice(bill.id, (bill.document_number or "", bill.vendor.name or "")) for bill in bills]


async def _attachments(live_data: LiveData, company: Company, context: Context) -> list[_Choice]:
    """The positions of a bill's files, once the bill is known."""
    bill_id = context.get("id", "")
    if not bill_id:
        return []
    files = await company.rutter.attachments.list(bill_id)
    return [_Choice(str(place), (clean(one.file_name, 120),)) for place, one in enumerate(files, start=1)]


async def _currencies(live_data: LiveData, company: Company, context: Context) -> list[_Choice]:
    """The currencies in use: those of paying accounts, vendors and unpaid bills."""
    vendors = (await company.directory.cached_list("vendor")).by_id.values()
    accounts = (await company.directory.cached_list("account")).by_id.values()
    codes = {one.currency_code for one in accounts if one.account_type == "bank"}
    codes |= {code for one in vendors for code in one.currency_codes}
    codes |= {bill.total.currency for bill in await live_data.unpaid(company)}
    return [_Choice(clean(code, 10)) for code in codes if code]


_KINDS: dict[str, Callable[[LiveData, Company, Context], Awaitable[list[_Choice]]]] = {
    "vendor": _vendors,
    "vendor_id": _vendor_ids,
    "account": _accounts,
    "bill": _bills,
    "bill_id": _bill_ids,
    "attachment": _attachments,
    "currency": _currencies,
}
