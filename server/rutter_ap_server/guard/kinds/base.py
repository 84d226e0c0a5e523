"""What every kind of write must be able to say: how it is frozen, judged, sent, and recognised in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from rutter_ap_server.guard.frozen import Frozen
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.wire import Record

if TYPE_CHECKING:
    from rutter_ap_server.rutter.outcomes import WriteOutcome
    from rutter_ap_server.store.engine import Tx

F = TypeVar("F")
Rule = Callable[[Frozen, F, Policy], Finding | None]


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """What our store knows about a write: the same for every kind. Amounts as texts would be for the wire only."""

    frozen_by: str | None = None
    in_flight: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts(Generic[F]):
    """What was gathered for one judgement.

    `seen` is what the rules of the kind read. `binding` is the part an approval is bound to: when it changes, the
    approval no longer counts. `before` is what the ledger shows now, by which an unknown outcome is recognised later.
    `missing` are facts that could not be had, already as findings.
    """

    seen: F
    binding: dict[str, Any]
    before: dict[str, Any] = field(default_factory=dict)
    missing: tuple[Finding, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The hash of what an approval is bound to."""
        return digest(self.binding)


class Kind(Protocol):
    """One kind of write. `gather` reads; nothing here but `send` writes upstream."""

    tool: str
    moves_money: bool
    rules: tuple[Rule[Any], ...]

    async def freeze(self, intent: Any, office: Office, links: Links) -> Frozen:
        """Resolves names, fills in what was left out, and freezes."""
        ...

    async def gather(self, frozen: Frozen, office: Office) -> Facts[Any]:
        """Reads the facts afresh from the ledger."""
        ...

    async def send(self, frozen: Frozen, office: Office, key: str, *, again: bool) -> WriteOutcome[Any]:
        """Sends the write under an idempotency key; `again` when the same was sent before and its outcome was lost.

        Sent again, being turned away says nothing about the first time, and the answer is then unknown.
        """
        ...

    async def read_back(self, frozen: Frozen, office: Office, sent: Any, before: dict[str, Any]) -> Record | None:
        """The record as the ledger now shows it, or None when it does not show it (yet)."""
        ...

    async def find(self, frozen: Frozen, office: Office, before: dict[str, Any]) -> Record | None:
        """Looks for the outcome of a lost sending; None when the ledger shows none."""
        ...

    async def outcome_of_job(self, office: Office, job_id: str) -> WriteOutcome[Any]:
        """What became of a job Rutter named; unknown for writes that Rutter does not run as jobs."""
        ...

    def on_posted(self, tx: Tx, frozen: Frozen, record: Record) -> None:
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
