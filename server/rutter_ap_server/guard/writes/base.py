"""What every write says of itself, with nothing left to a default, and the steps each of them has.

A new write is one class in a file named for its tool and one line in `registry.py`. Limits, the one-write-at-a-time
interlock, closed periods, dates to come, what the policy asks by default and what a platform can do are judged for all
writes in one place (`shared_rules.py`, `store_facts.py`), from what the class states here: a class that leaves one of
these statements out cannot be instantiated, so the server does not start.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Generic, Literal, TypeVar

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.untrusted import Argument
from rutter_ap_server.guard.writes.parties import VendorFact
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_server.rutter.outcomes import Unknown, WriteOutcome
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.wire import Record

F = TypeVar("F")
Rule = Callable[[PreparedWrite, F, Policy], Finding | None]
LinkedAccount = Callable[[str], Awaitable[str | None]]
"""Which account plays a role for the company: the account's id, or None."""


class Repeats(Enum):
    """By what a write that was posted lately is recognised when it is asked for again."""

    SAME_BILL_AND_AMOUNT = "the same amount on the same bill"
    SAME_REQUEST = "the same request"
    # Doing it twice leaves what doing it once leaves.
    NOT_LOOKED_FOR = "nothing"


@dataclass(frozen=True, slots=True, order=True)
class Touched:
    """Something that one write at a time touches. `id` is Rutter's; for a list it is the vendor's, or empty."""

    kind: Literal["bill", "credit", "payment", "bills_of_vendor", "credits_of_vendor", "vendors"]
    id: str


@dataclass(frozen=True, slots=True)
class Dated:
    """A date of a write, and the words for it: "the payment is dated"."""

    words: str
    day: date


@dataclass(frozen=True, slots=True)
class Need:
    """Something a platform must be able to do: "Xero cannot `words`: `instead`".

    `collection` and `verb` are those of the abilities table. `shown_as` is its name in `list_connections`, where it is
    shown there.
    """

    collection: str
    verb: str
    words: str
    instead: str
    shown_as: str | None


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether the company's platform does what a write needs."""

    platform: str
    support: Support
    need: Need


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered(Generic[F]):
    """What one write read for one judgement.

    `seen` is what its own rules read. `binding` is the part an approval is bound to: when it changes, the approval no
    longer counts. `before` is what the ledger shows now, by which an unknown outcome is recognised later. `vendor` is
    the vendor as it looks, None for a write that no vendor gains by. `texts` come from outsiders, each with the words
    for its place, and `arguments` are what an assistant chose that such text may have named.
    """

    seen: F
    binding: dict[str, Any]
    before: dict[str, Any]
    vendor: VendorFact | None
    texts: tuple[tuple[str, str], ...]
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Gathered[F]):
    """Everything rules may read: what the write gathered, and what is the same for all writes.

    `today` is the company's day and `now` the moment. `ability` is the first thing the platform is not documented to
    do, or else the first the write needs; None for a write that needs nothing of it. `closed_up_to` is the day up to
    which the ledger itself says that its books are closed, None where it says nothing.
    """

    now: datetime
    today: date
    ability: Ability | None
    closed_up_to: date | None

    @property
    def fingerprint(self) -> str:
        """The hash of what an approval is bound to."""
        return digest(self.binding)


class Preparable(ABC):
    """What an assistant can propose: one write, or a batch of them."""

    @property
    @abstractmethod
    def tool(self) -> str:
        """The tool whose requests it prepares."""

    @property
    @abstractmethod
    def default_severity(self) -> Severity:
        """What every call asks for where the policy says nothing else."""

    @abstractmethod
    async def prepare(self, request: Any, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Resolves names, fills in what was left out, and fixes every field."""


class Write(Preparable, Generic[F]):
    """One kind of write. Nothing here but `send` writes upstream."""

    @property
    @abstractmethod
    def counts_against_limits(self) -> bool:
        """Whether its amount is money that leaves: reserved against every limit, and held in quiet hours."""

    @property
    @abstractmethod
    def repeats(self) -> Repeats:
        """By what a repeat is recognised."""

    @property
    @abstractmethod
    def needs(self) -> tuple[Need, ...]:
        """Everything it may need of a platform."""

    @property
    @abstractmethod
    def rules(self) -> tuple[Rule[F], ...]:
        """Its own rules."""

    @abstractmethod
    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """What no other write may touch while this one is sent; empty is said, too."""

    @abstractmethod
    def posting_dates(self, prepared: PreparedWrite, seen: F) -> tuple[Dated, ...]:
        """The days under which entries appear, change or disappear: none of them may lie in a closed period."""

    @abstractmethod
    def document_dates(self, prepared: PreparedWrite, seen: F) -> tuple[Dated, ...]:
        """The dates of the documents it is about: none of them should lie in the future."""

    @abstractmethod
    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """What this one needs of the platform, the most important first."""

    @abstractmethod
    async def gather(self, prepared: PreparedWrite, company: Company, policy: Policy | None) -> Gathered[F]:
        """Reads the facts afresh from the ledger.

        Facts that only some policies ask about are read where `policy` does; nothing an approval is bound to is.
        """

    @abstractmethod
    async def draft(self, prepared: PreparedWrite, company: Company) -> Any:
        """What will be sent. Nothing has left yet: raises `ApError` when it cannot be made (a file that changed)."""

    @abstractmethod
    async def send(
        self, prepared: PreparedWrite, draft: Any, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Sends the draft under an idempotency key; `again` when the same was sent before and its outcome was lost.

        Raises `NothingSent`, and nothing else, when it did not leave. Sent again, being turned away says nothing about
        the first time, and the outcome is then unknown.
        """

    @abstractmethod
    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> Record | None:
        """Looks for the outcome of a lost sending; None when the ledger shows none."""

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> Record | None:
        """The record as the ledger now shows it, or None when it does not show it (yet)."""
        return await self.find(prepared, company, before)

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """What became of a job Rutter named. Unknown unless a write says more: its job then names no record."""
        return Unknown(job_id, "job_unreadable")

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """What our store remembers once it is posted, in the settling transaction."""


class Batch(Preparable):
    """Many writes under one release. It sends nothing itself: its members are judged, sent and settled one by one."""

    @property
    @abstractmethod
    def member(self) -> Write[Any]:
        """The write each of its members is."""

    @abstractmethod
    def members(self, prepared: PreparedWrite) -> tuple[PreparedWrite, ...]:
        """Its members, each prepared exactly as the same write would be alone."""


def ability_of(platform: str, needs: tuple[Need, ...]) -> Ability | None:
    """The first need that the platform is not documented to fulfil, or else the first (Rutter docs: platforms)."""
    able = [Ability(platform, abilities_of(platform).support(need.collection, need.verb), need) for need in needs]
    return next((one for one in able if one.support is not Support.YES), able[0] if able else None)


def finding(code: str, severity: Severity, message: str) -> Finding:
    """A finding in one line."""
    return Finding(code=code, severity=severity, message=message)


def refuse(code: str, message: str) -> Finding:
    """A finding that ends the matter."""
    return finding(code, Severity.REFUSE, message)


def approve(code: str, message: str) -> Finding:
    """A finding that needs a named approver outside the chat."""
    return finding(code, Severity.APPROVE, message)


def ask(code: str, message: str) -> Finding:
    """A finding that a person in the chat may answer."""
    return finding(code, Severity.ASK, message)
