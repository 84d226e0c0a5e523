"""The vendors' pages: whom something was proposed for, how each was seen to change, and what it was paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.released_sums import PAYING, payee_ids
from rutter_ap_server.guard.reports.explain import states_of
from rutter_ap_server.guard.reports.listing import policy_or_none
from rutter_ap_server.guard.vendor_history import changed_lately
from rutter_ap_server.guard.writes.parties import VendorFact, read_vendor
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.observations import Sighting
from rutter_ap_server.store.overview import KnownVendor
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import OPEN_STATES, State
from rutter_ap_server.web.frame import Frame
from rutter_ap_server.web.signing_in import Session
from rutter_ap_tools.errors import ApError, NotFound
from rutter_ap_tools.people import BOOKS, for_people, length_of
from rutter_ap_tools.text import clean, fold

_LISTED_MAX = 200
_PAYMENTS_MAX = 100
_NAME_CHARACTERS_MAX = 120
_SECONDS_MAX = 5
_UNKNOWN_BOOKS = "books of an unknown kind: the store was edited by hand"
# Amounts count against a limit from when they were released, whatever is known of them.
_NOT_CLOSED = (*OPEN_STATES, State.POSTED, State.FAILED)


@dataclass(frozen=True, slots=True)
class VendorRow:
    """One vendor of the list."""

    company_id: str
    id: str
    name: str
    company: str
    seen: str
    changed: str
    cools: str


@dataclass(frozen=True, slots=True)
class VendorPart:
    """The vendors of one kind of books."""

    environment: str
    title: str
    rows: tuple[VendorRow, ...]


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment to the vendor that went through here."""

    id: str
    at: str
    summary: str
    amount: str
    state: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the store knows of one vendor; `problem` says why it cannot be believed.

    `appearances` say since and until when it was seen so, and what of it was different before.
    """

    appearances: tuple[tuple[str, str, str], ...]
    sightings: tuple[Sighting, ...]
    payments: tuple[PaymentRow, ...]
    limits: tuple[tuple[str, str, str, str], ...]
    now: datetime
    problem: str


@dataclass(frozen=True)
class VendorsPages:
    """Vendors, and one of them."""

    frame: Frame

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [self.frame.get("/vendors", self._vendors), self.frame.get("/vendors/one", self._vendor)]

    async def _vendors(self, request: Request, session: Session) -> Response:
        wanted = request.query_params.get("name", "")[:_NAME_CHARACTERS_MAX]
        policy = await policy_or_none(self.frame.approvals.dispatcher.policy)
        cooling = _cooling(policy)

        def look(tx: Tx) -> tuple[list[KnownVendor], datetime]:
            return [one for one in tx.overview.vendors() if fold(wanted) in fold(one.name)], tx.now

        found, now = await self.frame.store.read(look)
        rows = [(one.company.environment, _row(one, now, cooling)) for one in found[:_LISTED_MAX]]
        books = {**BOOKS, **{kind: _UNKNOWN_BOOKS for kind, _ in rows if kind not in BOOKS}}
        parts = [
            VendorPart(clean(kind, 20), title, tuple(row for of, row in rows if of == kind))
            for kind, title in books.items()
        ]
        return self.frame.page(
            "vendors.html",
            session=session,
            parts=[part for part in parts if part.rows],
            name=wanted,
            count=len(found),
            shown=len(rows),
        )

    async def _vendor(self, request: Request, session: Session) -> Response:
        company_id, vendor_id = (request.query_params.get(name, "") for name in ("company", "vendor"))
        policy = await policy_or_none(self.frame.approvals.dispatcher.policy)
        cooling = _cooling(policy)

        def look(tx: Tx) -> tuple[KnownVendor, Memory]:
            known = [one for one in tx.overview.vendors() if (one.company.id, one.id) == (company_id, vendor_id)]
            if not known:
                raise NotFound("nothing was ever proposed for a vendor with that id")
            return known[0], _memory(tx, policy, known[0])

        vendor, memory = await self.frame.store.read(look)
        fact, unknown = await self._in_ledger(vendor)
        lately = changed_lately(fact, memory.sightings, memory.now, cooling) if fact is not None else None
        return self.frame.page(
            "vendor.html",
            session=session,
            vendor=_row(vendor, memory.now, cooling),
            environment=clean(vendor.company.environment, 20),
            books=BOOKS.get(vendor.company.environment, _UNKNOWN_BOOKS),
            memory=memory,
            in_ledger=_ledger_words(fact) if fact is not None else [],
            unknown=unknown,
            lately=lately,
        )

    async def _in_ledger(self, vendor: KnownVendor) -> tuple[VendorFact | None, str]:
        """The vendor as the ledger shows it now, or why that is not known."""
        try:
            with anyio.fail_after(_SECONDS_MAX):
                return await read_vendor(await self.frame.companies.of_ledger(vendor.company.id), vendor.id), ""
        except TimeoutError:
            return None, f"The ledger did not answer within {_SECONDS_MAX} seconds."
        except ApError as error:
            return None, f"{error.message}. {error.next_step}"


def _cooling(policy: Policy | None) -> timedelta:
    return timedelta(days=(policy or Policy()).rules.cooling_days)


def _row(one: KnownVendor, now: datetime, cooling: timedelta) -> VendorRow:
    # The first time a vendor is seen is no change.
    changed = one.became_at if one.appearances > 1 else None
    left = changed + cooling - now if changed is not None else timedelta()
    return VendorRow(
        company_id=one.company.id,
        id=one.id,
        name=clean(one.name, _NAME_CHARACTERS_MAX) or f"vendor {clean(one.id, 60)}",
        company=clean(one.company.name, _NAME_CHARACTERS_MAX),
        seen=_day(one.last_seen_at),
        changed=_day(changed),
        cools=f"{length_of(left)} left" if left > timedelta() else "",
    )


def _memory(tx: Tx, policy: Policy | None, vendor: KnownVendor) -> Memory:
    company, problem, sightings = vendor.company, "", tuple[Sighting, ...]()
    payee = payee_ids(tx, company.id, vendor.id, vendor.name)
    limits = list[tuple[str, str, str, str]]()
    try:
        sightings = tx.observations.sightings(company.id, vendor.id)
        if policy is not None:
            own = policy.of(company.id, company.connection_id)
            for currency in sorted(tx.overview.currencies(company.id)):
                limits += [
                    (one.window.words, (one.spent + one.reserved).grouped, one.left.grouped, one.limit.grouped)
                    for one in states_of(tx, own, company.id, currency, payee)
                    if one.window.per_vendor
                ]
    except (Tampered, ValueError, TypeError) as error:
        words = error.message if isinstance(error, Tampered) else "what was seen of this vendor cannot be read"
        problem = f"{words}. Nothing is paid to it before that is cleared up: run `rutter-ap audit verify`."
        sightings, limits = (), []
    found = [one for of in payee for one in tx.proposals.of_vendor(company.id, of, _NOT_CLOSED)]
    paid = sorted((one for one in found if one.tool in PAYING), key=lambda one: one.updated_at, reverse=True)
    return Memory(
        appearances=_appearances(sightings),
        sightings=sightings,
        payments=tuple(_payment(one) for one in paid[:_PAYMENTS_MAX]),
        limits=tuple(limits),
        now=tx.now,
        problem=problem,
    )


def _appearances(sightings: Sequence[Sighting]) -> tuple[tuple[str, str, str], ...]:
    """The newest first, each with the names of the details that were others before: only their hashes are kept."""
    found = []
    for place, one in enumerate(sightings):
        before = dict(sightings[place - 1].parts) if place else {}
        differing = [name for name, value in one.parts if name in before and before[name] != value]
        changed = ", ".join(differing) or ("details" if place else "first seen")
        found.append((_day(one.became_at), _day(one.last_seen_at), changed))
    return tuple(reversed(found))


def _payment(one: Proposal) -> PaymentRow:
    return PaymentRow(
        id=one.id,
        at=_day(one.updated_at),
        summary=for_people(clean(one.summary, 1000)),
        amount=one.money.grouped if one.money is not None else "",
        state=one.state,
    )


def _ledger_words(fact: VendorFact) -> list[tuple[str, str]]:
    return [
        ("Name", fact.name),
        ("Status", fact.status),
        ("Bank account", fact.bank_words),
        ("Last changed there", _day(fact.updated_at) or "not shown by this ledger"),
    ]


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else ""
