"""What every kind of write must be able to say: how it is frozen, judged, sent, and recognised in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.untrusted import Argument
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.wire import Record

if TYPE_CHECKING:
    from rutter_ap_server.guard.writes.parties import VendorFact
    from rutter_ap_server.rutter.outcomes import WriteOutcome
    from rutter_ap_server.store.engine import Tx
    from rutter_ap_server.store.observations import Sighting

F = TypeVar("F")
Rule = Callable[[PreparedWrite, F, Policy], Finding | None]


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What our store knows about a write: the same for every kind.

    `sightings` are how its vendor was seen to look, the oldest first; `documents` the bills its file is attached to;
    `heard` which of its arguments text from outside named earlier, and where; `over_limits` the rolling limits it would
    break, as code and sentence, where somebody asked.
    """

    frozen_by: str | None = None
    in_flight: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    documents: tuple[str, ...] = ()
    mentioned_before: tuple[tuple[str, str], ...] = ()
    over_limits: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Ability:
    """Whether the platform does what this write needs: "cannot `words`: `instead`"."""

    platform: str
    support: Support
    words: str
    instead: str


def ability(company: Company, collection: str, verb: str, words: str, instead: str) -> Ability:
    """What the company's platform is documented to do (Rutter docs: supported platforms)."""
    platform = company.platform
    return Ability(platform, abilities_of(platform).support(collection, verb), words, instead)


@dataclass(frozen=True, slots=True)
class Facts(Generic[F]):
    """What was gathered for one judgement.

    `seen` is what the rules of the kind read. `binding` is the part an approval is bound to: when it changes, the
    approval no longer counts. `before` is what the ledger shows now, by which an unknown outcome is recognised later.
    `missing` are facts that could not be had, already as findings.

    What the rules shared by all kinds read: `now`; the `vendor` as it looks; what the platform can do; `texts` from
    outside, each with the words for its place; and the `arguments` an assistant chose that such text may have named.
    `closed_up_to` is the day up to which the ledger itself says that the books are closed.
    """

    seen: F
    binding: dict[str, Any]
    before: dict[str, Any] = field(default_factory=dict)
    missing: tuple[Finding, ...] = ()
    now: datetime | None = None
    vendor: VendorFact | None = None
    ability: Ability | None = None
    texts: tuple[tuple[str, str], ...] = ()
    arguments: tuple[Argument, ...] = ()
    closed_up_to: date | None = None

    @property
    def fingerprint(self) -> str:
        """The hash of what an approval is bound to."""
        return digest(self.binding)


class Write(Protocol):
    """One kind of write. `gather` reads; nothing here but `send` writes upstream."""

    tool: str
    moves_money: bool
    rules: tuple[Rule[Any], ...]

    async def prepare(self, intent: Any, company: Company, links: Links) -> PreparedWrite:
        """Resolves names, fills in what was left out, and freezes."""
        ...

    def lines(self, prepared: PreparedWrite) -> tuple[PreparedWrite, ...]:
        """The writes that one proposal stands for, where it stands for many: each is then judged, sent and settled

        by itself, once the whole is released. Empty for every other kind.
        """
        return ()

    async def gather(self, prepared: PreparedWrite, company: Company, policy: Policy | None = None) -> Facts[Any]:
        """Reads the facts afresh from the ledger.

        Facts that only some policies ask about are read where `policy` does; nothing an approval is bound to is.
        """
        ...

    async def send(self, prepared: PreparedWrite, company: Company, key: str, *, again: bool) -> WriteOutcome[Any]:
        """Sends the write under an idempotency key; `again` when the same was sent before and its outcome was lost.

        Sent again, being turned away says nothing about the first time, and the answer is then unknown.
        """
        ...

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> Record | None:
        """The record as the ledger now shows it, or None when it does not show it (yet)."""
        ...

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> Record | None:
        """Looks for the outcome of a lost sending; None when the ledger shows none."""
        ...

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """What became of a job Rutter named; unknown for writes that Rutter does not run as jobs."""
        ...

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """What our store remembers once it is posted, in the settling transaction."""
        ...


class Links(Protocol):
    """Which account plays a role for the company."""

    async def account_id(self, role: str) -> str | None: ...


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
