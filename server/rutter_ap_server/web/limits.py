"""The limits page: what the policy allows each company in each currency, what is used of it, and what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rutter_ap_server.clock import unstamp
from rutter_ap_server.guard.policy import DEFAULT, WINDOWS, Policy, PolicyError
from rutter_ap_server.guard.reports.explain import shown_policy, states_of
from rutter_ap_server.store.audit import Asked
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.overview import KnownCompany
from rutter_ap_server.store.states import State
from rutter_ap_server.web.frame import Frame
from rutter_ap_server.web.signing_in import Session
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.money import Money
from rutter_ap_tools.people import BOOKS
from rutter_ap_tools.text import clean

# Companies that nothing was proposed for yet are known to the registry alone, which may have to ask Rutter.
_SECONDS_MAX = 5
_PAYING = ("pay_bill", "propose_payment_run")
# What a payment requires that no tier asks for, by the policy's word.
_BELOW = {
    "allow": "{} and less: recorded without asking anybody",
    "ask": "{} and less: a person confirms it",
    "approve": "{} and less: one approver releases it",
    "refuse": "payments are refused",
}
_ENTRIES = ("policy_changed", "policy_reset")


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit: what it is on, what is used, what is left, and the whole; used and left are empty where it depends."""

    name: str
    used: str
    left: str
    whole: str


@dataclass(frozen=True, slots=True)
class CurrencyLimits:
    """The limits of one currency, its tiers in words, and what waits in it."""

    currency: str
    rows: tuple[LimitRow, ...]
    tiers: tuple[str, ...]
    waits: str


@dataclass(frozen=True, slots=True)
class CompanyLimits:
    """A company's limits: first the currencies it uses. `problem` says why what is used is not known."""

    name: str
    environment: str
    books: str
    used: tuple[CurrencyLimits, ...]
    others: tuple[CurrencyLimits, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class PolicyState:
    """Which policy is in force, by the first characters of its version, and since when."""

    version: str
    since: str
    source: str


@dataclass(frozen=True)
class LimitsPages:
    """What is left of what."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Its address."""
        return [self.frame.get("/limits", self._limits)]

    async def _limits(self, _: Request, session: Session) -> Response:
        policy, trouble, others = await self._policy()
        connected, is_whole = await self._connected()

        def look(tx: Tx) -> tuple[PolicyState | None, list[CompanyLimits]]:
            known = {one.id: one for one in (*connected, *tx.overview.companies())}
            companies = [_of_company(tx, policy, one) for one in known.values()] if policy is not None else []
            return _in_force(tx), companies

        in_force, companies = await self.frame.store.read(look)
        return self.frame.page(
            "limits.html",
            session=session,
            in_force=in_force,
            trouble=trouble,
            others=others,
            companies=companies,
            is_whole=is_whole,
        )

    async def _policy(self) -> tuple[Policy | None, str, list[str]]:
        """The policy; why it cannot be used, if so; and the other policies that processes on the store hold."""
        file = self.frame.approvals.dispatcher.policy
        try:
            return await file.look(), "", [clean(one, 200) for one in await file.others()]
        except PolicyError as error:
            return None, f"{error.message}. {error.next_step}", []

    async def _connected(self) -> tuple[list[KnownCompany], bool]:
        """The connected companies, and whether there was time to ask for all of them."""
        try:
            with anyio.fail_after(_SECONDS_MAX):
                found = await self.frame.companies.all()
                is_whole = not await self.frame.companies.unavailable()
            return [KnownCompany(one.ledger_id, one.id, one.name, one.environment) for one in found], is_whole
        except (ApError, TimeoutError):
            return [], False


def _in_force(tx: Tx) -> PolicyState | None:
    stored = tx.controls.policy_in_force()
    if stored is None:
        return None
    found = [one for kind in _ENTRIES for one in tx.audit.told(1, Asked(kind=kind))]
    newest = max(found, key=lambda entry: entry.seq, default=None)
    return PolicyState(
        version=clean(stored.version, 12).removesuffix("…"),
        since=_day(newest.at) if newest is not None else "",
        source="the built-in default" if stored.from_file is False else "the policy file",
    )


def _day(at: str) -> str:
    try:
        return f"{unstamp(at):%Y-%m-%d %H:%M} UTC"
    except (ValueError, TypeError):
        return clean(str(at), 40)


def _of_company(tx: Tx, policy: Policy, company: KnownCompany) -> CompanyLimits:
    own = policy.of(company.id, company.connection_id)
    problem, used, others = "", list[CurrencyLimits](), list[CurrencyLimits]()
    try:
        tx.spend.check(company.id, tx.hours_back(max(window.hours for window in WINDOWS)))
        in_use = tx.overview.currencies(company.id)
        waiting = _waiting(tx, company.id, tx.now)
        for currency in sorted(in_use | (own.currencies.keys() - {DEFAULT})):
            (used if currency in in_use else others).append(_of_currency(tx, own, company.id, currency, waiting))
    except Tampered as error:
        problem, used, others = f"{error.message}. {error.next_step}", [], []
    return CompanyLimits(
        name=clean(company.name, 120),
        environment=clean(company.environment, 20),
        books=BOOKS.get(company.environment, "books of an unknown kind: the store was edited by hand"),
        used=tuple(used),
        others=tuple(others),
        problem=problem,
    )


def _of_currency(
    tx: Tx, own: Policy, company_id: str, currency: str, waiting: dict[str, list[Money]]
) -> CurrencyLimits:
    states = states_of(tx, own, company_id, currency)
    rows = [
        LimitRow(one.window.words, (one.spent + one.reserved).grouped, one.left.grouped, one.limit.grouped)
        for one in states
    ]
    rows += [
        LimitRow(one.words.replace("this vendor", "one vendor"), "", "", own.limit(currency, one.limit).grouped)
        for one in WINDOWS
        if one.per_vendor
    ]
    rows.append(LimitRow("one payment", "", "", own.limit(currency, "single_limit").grouped))
    held = waiting.get(currency, [])
    total = Money.total(held, currency).grouped
    waits = f"{len(held)} {'payment waits' if len(held) == 1 else 'payments wait'}: {total}" if held else ""
    return CurrencyLimits(currency, tuple(rows), _tiers(own, currency), waits)


def _waiting(tx: Tx, company_id: str, now: datetime) -> dict[str, list[Money]]:
    """The amounts of the payments that wait, by currency."""
    found: dict[str, list[Money]] = {}
    for one in tx.proposals.of_company(company_id, [State.HELD]):
        if one.tool in _PAYING and one.money is not None and not one.damaged and one.expires_at > now:
            found.setdefault(one.money.currency, []).append(one.money)
    return found


def _tiers(own: Policy, currency: str) -> tuple[str, ...]:
    """Who must release how much, in words."""
    word = str(shown_policy(own, exclude_none=True)["tools"]["pay_bill"])
    one, two, most = (
        own.limit(currency, name).grouped for name in ("approve_above", "two_approvers_above", "single_limit")
    )
    return (
        _BELOW[word].format(one),
        f"more than {one}: one approver releases it",
        f"more than {two}: two different approvers release it",
        f"more than {most}: refused",
    )
