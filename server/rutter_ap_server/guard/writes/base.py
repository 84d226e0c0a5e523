"""What every write declares about itself, without defaults, and the steps each write implements.

A new write is one class in a file named after its tool and one line in `registry.py`. Limits, the one-write-at-a-time
interlock, dates, default severities and platform support are judged for all writes in one place (`shared_rules.py`,
`date_rules.py`, `store_facts.py`), from what the class declares: a class that leaves out one of these declarations
cannot be instantiated, so the server does not start.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import Enum
from typing import Any, Generic, Literal, TypeVar

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.untrusted import Argument
from rutter_ap_server.guard.writes.compared import Compared
from rutter_ap_server.guard.writes.parties import Contents, VendorFact
from rutter_ap_server.guard.writes.wording import Description
from rutter_ap_server.reads.history import History
from rutter_ap_server.rutter.abilities import Condition, Support, abilities_of
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.store.documents import Document
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.wire import Record

F = TypeVar("F")
Rule = Callable[[PreparedWrite, F, Policy], "Finding | Unchecked | None"]
LinkedAccount = Callable[[str], Awaitable[str | None]]
"""Looks up the id of the account linked for a role of the company, or None."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What a rule returns if it could not be applied, and why: a person must know that nobody looked."""

    why: str


class Repeats(Enum):
    """How a repeat of a recently posted write is recognised."""

    SAME_BILL = "another payment of the bill, or a voided payment to its vendor"
    SAME_REQUEST = "the same request"
    # Doing it twice has the same result as doing it once.
    NOT_LOOKED_FOR = "nothing"


TouchedKind = Literal[
    "bill",
    "credit",
    "payment",
    "vendor",
    "files_of_bill",
    "bills_of_vendor",
    "credits_of_vendor",
    "vendors",
    "accounts",
    "records",
]


@dataclass(frozen=True, slots=True, order=True)
class Touched:
    """Something only one write at a time may touch. A list is named by its vendor's id, the vendors by a name, and
    other records by their kind.
    """

    kind: TouchedKind
    id: str


TakenBack = frozenset[tuple[Touched | None, str]]
"""Records by id, each with the thing it is gone from; None for everything."""


def contents_of(kind: TouchedKind, ids: Iterable[str], history: History[Any]) -> dict[Touched, Contents]:
    """What the documents of these vendors show of themselves: nothing unless all of them were read."""
    shown = Contents(frozenset(one.id for one in history.records))
    return {Touched(kind, vendor_id): shown for vendor_id in ids} if history.whole else {}


@dataclass(frozen=True, slots=True)
class Dated:
    """A date of a write, and the words that introduce it: "the payment is dated"."""

    words: str
    day: date


@dataclass(frozen=True, slots=True)
class Used:
    """The day on which money or a credit is used, and the documents it settles: none may be issued after it.

    `code` is the finding for a day before one of them. `documents` are named as in "bill INV-7", each with its issue
    date, None if the ledger does not show it.
    """

    words: str
    day: date
    code: str
    documents: tuple[tuple[str, date | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """Every date of a write, by what is asked of it. A write states all four kinds, so that none is forgotten.

    On the `posted` ones entries appear, change or disappear: none may be in a closed period. The `documents` it is
    about must not be dated in the future. Those `entered` are new in the ledger, and must be near today. On the `used`
    ones money or a credit is used: this year, not in the future, and not before what it settles.
    """

    posted: tuple[Dated, ...]
    documents: tuple[Dated, ...]
    entered: tuple[Dated, ...]
    used: tuple[Used, ...]


NO_DATES = Dates(posted=(), documents=(), entered=(), used=())


@dataclass(frozen=True, slots=True)
class Need:
    """Something a platform must support: "Xero cannot `words`; `instead`".

    `collection` and `verb` are those of the abilities table. `shown_as` is its name in `list_connections`.
    """

    collection: str
    verb: str
    words: str
    instead: str
    shown_as: str


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether the company's platform supports what a write needs; `condition` is what that depends on, if anything."""

    platform: str
    support: Support
    need: Need
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered(Generic[F]):
    """The facts one write read for one judgement.

    `seen` is what its own rules read. `binding` is the part an approval is bound to: if it changes, the approval no
    longer counts. `before` is what the ledger shows now, used later to resolve an unknown outcome. `vendor` is the
    vendor's current state, None for a write that benefits no vendor. `texts` were written by outsiders, each with a
    phrase for its place, and `arguments` are values the assistant chose that such text may have suggested. `names` are
    the names of the records it refers to, by id, as they are shown to people. `remembers` are documents as the ledger
    shows them now, to be known later, and `compared` is the one that must not be in the books twice, if there is one.
    `contents` is what the ledger showed of the things it touches, to be held against what this store wrote there.
    """

    seen: F
    binding: dict[str, Any]
    before: dict[str, Any]
    vendor: VendorFact | None
    texts: tuple[tuple[str, str], ...]
    arguments: tuple[Argument, ...]
    names: Mapping[str, str]
    remembers: tuple[Document, ...] = ()
    compared: Compared | None = None
    contents: Mapping[Touched, Contents] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Gathered[F]):
    """Everything rules may read: what the write gathered, and what is the same for all writes.

    `today` is the company's date and `now` the current time. `ability` is the first need the platform is not documented
    to support, or else the write's first need; None for a write that needs nothing from it. `closed_up_to` is the last
    closed day according to the ledger itself, None if it does not say. `behind` names what this store wrote and the
    ledger does not show yet. `incomplete` says that Rutter has not read the whole ledger yet. `clock_trouble` says what
    is wrong with the store's time when it is held against Rutter's.
    """

    now: datetime
    today: date
    ability: Ability | None
    closed_up_to: date | None
    behind: tuple[str, ...] = ()
    incomplete: bool = False
    clock_trouble: Callable[[datetime], str | None] = lambda now: None

    def saying(self, behind: tuple[str, ...]) -> Facts[F]:
        """The same facts, known to be behind."""
        return replace(self, behind=behind)


class Preparable(ABC):
    """Something an assistant can propose: one write, or a batch of them."""

    @property
    @abstractmethod
    def tool(self) -> str:
        """The tool whose requests it prepares."""

    @property
    @abstractmethod
    def default_severity(self) -> Severity:
        """What every call requires unless the policy says otherwise."""

    @abstractmethod
    async def prepare(self, request: Any, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Resolves names, fills in omitted values, and fixes every field."""


class Write(Preparable, Generic[F]):
    """One kind of write. Only `send` writes upstream."""

    @property
    @abstractmethod
    def counts_against_limits(self) -> bool:
        """Whether its amount is money paid out: reserved against every limit, and held in quiet hours."""

    @property
    @abstractmethod
    def repeats(self) -> Repeats:
        """How a repeat is recognised."""

    @property
    @abstractmethod
    def needs(self) -> tuple[Need, ...]:
        """Everything it may need from a platform."""

    @property
    @abstractmethod
    def rules(self) -> tuple[Rule[F], ...]:
        """Its own rules."""

    @abstractmethod
    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """What no other write may touch while this one is in progress; empty if nothing."""

    @abstractmethod
    def dates(self, prepared: PreparedWrite, seen: F) -> Dates:
        """Its dates of every kind."""

    @abstractmethod
    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """What this particular write needs from the platform, the most important first."""

    async def read_ahead(self, prepared: PreparedWrite, company: Company) -> None:
        """Reads side by side, into the company's reading, what `gather` will need; only for speed."""

    @abstractmethod
    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[F]:
        """Reads the facts from the ledger, the same whatever the policy: a release is bound to them."""

    @abstractmethod
    def describe(self, prepared: PreparedWrite, facts: Facts[F]) -> Description:
        """Every field that will be sent, by name and in words, and what follows from it."""

    @abstractmethod
    async def draft(self, prepared: PreparedWrite, company: Company) -> Any:
        """What will be sent. Nothing is sent yet: raises `ApError` if it cannot be built (a file that changed)."""

    @abstractmethod
    async def send(
        self, prepared: PreparedWrite, draft: Any, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Sends the draft with an idempotency key; `again` if it was sent before and its outcome was lost.

        Raises `NothingSent`, and nothing else, if it was not sent. When it is sent again, a rejection says nothing
        about the first attempt, so the outcome is then unknown.
        """

    @abstractmethod
    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """Looks in the ledger for the outcome of a lost attempt: every record that may be it.

        Whether one of them is another proposal's outcome is not asked here.
        """

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """The record Rutter said it wrote, as the ledger now shows it; empty if it does not show it (yet).

        After it come other new records that look the same, where the ledger shows any.
        """
        return await self.find(prepared, company, before)

    async def named(
        self, prepared: PreparedWrite, company: Company, record_id: str, before: dict[str, Any]
    ) -> Record | None:
        """The record a person says is the outcome, if the ledger shows it and it can be; None if it cannot.

        A write that creates something overrides this, to be settled with a record that `find` would not recognise.
        """
        return next((one for one in await self.find(prepared, company, before) if one.id == record_id), None)

    @abstractmethod
    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of the job that Rutter named for it."""

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """Updates our store once it is posted, in the settling transaction."""

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """Once it is posted: what must be seen in each thing it touched, by id. Nothing unless it adds a record."""
        return {}

    def takes_back(self, prepared: PreparedWrite) -> TakenBack:
        """What earlier ones left, and in what, that is not seen there any more once this one is posted."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class MemberWords:
    """A member of a batch as its statement shows it; `skipped` says why it will not be written, if it will not."""

    prepared: PreparedWrite
    facts: Facts[Any]
    findings: tuple[Finding, ...]
    skipped: str | None


class Batch(Preparable):
    """Many writes under one release. It sends nothing itself: its members are judged, sent and settled one by one."""

    @property
    @abstractmethod
    def member(self) -> Write[Any]:
        """The kind of write its members are."""

    @abstractmethod
    def members(self, prepared: PreparedWrite) -> tuple[PreparedWrite, ...]:
        """Its members, each prepared exactly as the same write would be on its own."""

    async def read_ahead(self, members: Sequence[PreparedWrite], company: Company) -> None:
        """Reads as a set, into the company's reading, what the members' facts will need; only for speed."""

    @abstractmethod
    def settled(self, facts: Facts[Any]) -> str | None:
        """Why a member needs no write any more, so that it is left out and the rest is sent; None if it does."""

    @abstractmethod
    def describe(self, prepared: PreparedWrite, members: Sequence[MemberWords]) -> Description:
        """Every member in words, none left out, with what they have in common and what they add up to."""


def ability_of(platform: str, needs: tuple[Need, ...]) -> Ability | None:
    """The first need the platform is not documented to support, or else the first (Rutter docs: platforms)."""
    known = abilities_of(platform)
    able = [
        Ability(platform, known.support(need.collection, need.verb), need, known.condition(need.collection))
        for need in needs
    ]
    return next((one for one in able if one.support is not Support.YES), able[0] if able else None)


def finding(code: str, severity: Severity, message: str) -> Finding:
    """A finding in one line."""
    return Finding(code=code, severity=severity, message=message)


def refuse(code: str, message: str) -> Finding:
    """A finding that refuses the write."""
    return finding(code, Severity.REFUSE, message)


def approve(code: str, message: str) -> Finding:
    """A finding that requires a named approver outside the chat."""
    return finding(code, Severity.APPROVE, message)


def ask(code: str, message: str) -> Finding:
    """A finding that a person may confirm in the chat."""
    return finding(code, Severity.ASK, message)
