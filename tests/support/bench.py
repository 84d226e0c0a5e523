"""A whole guard on a bench: a real store, a real client, and the practice Rutter behind a wire that can be cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx

from rutter_ap_server.backend import AppBackend
from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import Company, CompanyIdentity
from rutter_ap_server.companies.directory import Directory
from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.documents.files import Documents
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.interaction import NO_INTERACTION, Interaction
from rutter_ap_server.rutter import Credentials, RutterClient
from rutter_ap_server.rutter.filters import equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPayment, BillPaymentCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.rutter.request import Limits
from rutter_ap_server.serving import ServingApp
from rutter_ap_server.settings import Settings, read_settings
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.secrets import SecretKeys
from rutter_ap_server.store.states import State
from rutter_ap_tools.payments import PayBill
from rutter_ap_tools.wire import WriteArguments, WriteResult
from rutter_sandbox import Sandbox
from support.approvers import add_approver
from support.seeded import empty_store, seeded_sandbox

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PASSCODE = "correct horse"


class PowerCut(BaseException):
    """The process ends here: nothing after this line runs."""


_BEFORE: dict[str, Callable[[], BaseException]] = {
    "lost before": lambda: httpx.ReadTimeout("no answer"),
    "power cut before": PowerCut,
    "never left": lambda: httpx.ConnectError("nobody answers"),
}
_AFTER: dict[str, Callable[[], BaseException]] = {
    "lost after": lambda: httpx.ReadTimeout("no answer"),
    "cut off after": lambda: httpx.RemoteProtocolError("gone"),
    "power cut after": PowerCut,
}


_TURNED_DOWN = json.dumps(
    {"error_type": "PLATFORM_ERROR", "error_code": "VENDOR_ON_HOLD", "error_message": "The vendor is on hold."}
).encode()
# The answer to a write that was carried out, instead of its own.
_INSTEAD = {"turned down after": (450, _TURNED_DOWN), "unreadable after": (200, b"<html>"), "error after": (500, b"{}")}


@dataclass(slots=True)
class Gate:
    """A place on the wire where a request waits."""

    matches: Callable[[httpx.Request], bool]
    reached: anyio.Event = field(default_factory=anyio.Event)
    go: anyio.Event = field(default_factory=anyio.Event)


class Wire(httpx.AsyncBaseTransport):
    """The way to Rutter. `faults` are what happens to the next writes, in order; everything else passes.

    `read_faults` are faults of the practice Rutter for reads whose path ends so, until they are taken out;
    `write_fault` is one for every write, and `fault_for` chooses by a write's body; after one carried out, `then` is
    called. `adds_tax` is the id of a tax rate that the platform puts on every line of a new document on its own.
    `answers` may change what is read; pages of a list of bills hold at most `page_bills_max`, if there is a bound.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._inner = httpx.ASGITransport(sandbox.asgi)
        self.faults: list[str] = []
        self.gates: list[Gate] = []
        self.writes: list[tuple[str, str]] = []
        self.carried_out: list[str] = []
        self.is_down = False
        self.read_faults: dict[str, str] = {}
        self.write_fault = ""
        self.fault_for: Callable[[str], str] = lambda _: ""
        self.then: Callable[[], None] = lambda: None
        self.adds_tax = ""
        self.page_bills_max = 0
        self.answers: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda _, response: response

    def gate(self, matches: Callable[[httpx.Request], bool]) -> Gate:
        """The next request that matches waits until its gate is opened."""
        self.gates.append(Gate(matches))
        return self.gates[-1]

    @property
    def payments_sent(self) -> list[str]:
        """The Idempotency-Key of every payment that was tried, in order."""
        return [key for path, key in self.writes if path.endswith("/bill_payments")]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Passes a request on, or does to it what the next fault says."""
        if self.is_down:
            raise httpx.ConnectError("nobody answers")
        for gate in self.gates:
            if gate.matches(request):
                self.gates.remove(gate)
                gate.reached.set()
                await gate.go.wait()
                break
        if request.method == "GET":
            if self.page_bills_max and request.url.path.endswith("/bills"):
                request.url = request.url.copy_set_param("limit", self.page_bills_max)
            response = await self._inner.handle_async_request(self._with_fault(request))
            await response.aread()
            return self.answers(request, response)
        key = request.headers.get("Idempotency-Key", "")
        self.writes.append((request.url.path, key))
        fault = self.faults.pop(0) if self.faults else ""
        fault = fault or self.fault_for((await request.aread()).decode())
        if fault in _BEFORE:
            raise _BEFORE[fault]()
        if fault == "turned down":
            return httpx.Response(450, content=_TURNED_DOWN, request=request)
        if fault == "not offered":
            return httpx.Response(404, json={"error_code": "NOT_FOUND"}, request=request)
        sent = await _taxed(request, self.adds_tax)
        if self.write_fault:
            sent.headers["X-Sandbox-Fault"] = self.write_fault
        response = await self._inner.handle_async_request(sent)
        if response.is_success:
            self.carried_out.append(key)
            self.then()
        if fault in _AFTER:
            raise _AFTER[fault]()
        if fault in _INSTEAD:
            status, body = _INSTEAD[fault]
            return httpx.Response(status, content=body, request=request)
        assert fault in ("", "none")
        return response

    def _with_fault(self, request: httpx.Request) -> httpx.Request:
        for ending, fault in self.read_faults.items():
            if request.url.path.endswith(ending):
                request.headers["X-Sandbox-Fault"] = fault
        return request


async def _taxed(request: httpx.Request, tax_rate_id: str) -> httpx.Request:
    """The request as a platform takes it that taxes every new line."""
    if not tax_rate_id or request.method != "POST":
        return request
    body = json.loads(await request.aread())
    for document in body.values():
        for line in document.get("line_items", ()) if isinstance(document, dict) else ():
            line.setdefault("tax_rate_id", tax_rate_id)
    headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
    return httpx.Request(request.method, request.url, headers=headers, json=body)


async def no_time(_seconds: float) -> None:
    """A pause that takes no time."""
    await anyio.lowlevel.checkpoint()


class OneCompany(CompanyRegistry):
    """The companies of a bench: one, behind the bench's own wire. Its store is never opened."""

    def __init__(self, settings: Settings, clock: FixedClock, client: RutterClient, company: Company) -> None:
        store = Store("sqlite:////never-opened", clock, prepare=lambda: None)
        super().__init__(settings, clock, store, SecretKeys((), settings.key_file, is_shared=False))
        self._client_of_bench = client
        self._company_of_bench = company

    async def all(self) -> tuple[Company, ...]:
        return (self._company_of_bench,)

    async def get_to_write(self, reference: str) -> Company:
        # Nothing is asked before a write, so that calls made at once are at once.
        return await self.get(reference)

    async def aclose(self) -> None:
        await self._client_of_bench.aclose()


class Bench:
    """One process and its Rutter. `another` starts a second process on the same store and the same Rutter."""

    def __init__(
        self,
        home: Path,
        sandbox: Sandbox,
        clock: FixedClock,
        database_url: str = "",
        zone: tzinfo | None = None,
        wire: Wire | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.home = home
        self.sandbox = sandbox
        self.clock = clock
        self.wire = wire or Wire(sandbox)
        self.database_url = database_url
        self.zone = zone
        settings = read_settings({"RUTTER_AP_HOME": str(home), "RUTTER_AP_DATABASE_URL": database_url})
        connection = sandbox.connections[0]
        client = RutterClient(
            Credentials(sandbox.client_id, sandbox.client_secret),
            base_url="http://sandbox/versioned",
            transport=self.wire,
            limits=limits,
            sleep=no_time,
        )
        books = client.connection(connection.access_token)
        self.company = Company(
            identity=CompanyIdentity(connection.id, connection.name, connection.platform, "embedded"),
            rutter=books,
            directory=Directory(books, clock),
            documents=Documents((home,), home / "uploads"),
            clock=clock.in_zone(zone),
            written_here=self._written_here,
        )
        companies = OneCompany(settings, clock, client, self.company)
        self.app = ServingApp(settings, clock, companies=companies, sleep=no_time)

    async def _written_here(self, ledger_id: str, ids: Collection[str]) -> int:
        return await self.app.store.read(lambda tx: tx.attempts.may_have_written(ledger_id, ids))

    def another(self) -> Bench:
        """A second process."""
        return Bench(self.home, self.sandbox, self.clock, self.database_url, self.zone)

    def policy(self, text: str) -> None:
        """Writes the operator's file."""
        (self.home / "policy.toml").write_text(text)

    def backend(self, interaction: Interaction = NO_INTERACTION) -> AppBackend:
        """The backend of one call."""
        return self.app.backend("assistant", interaction)

    async def submit(self, intent: WriteArguments, interaction: Interaction = NO_INTERACTION) -> WriteResult:
        """One write."""
        return await self.backend(interaction).submit(intent)

    async def pay(
        self, number: str, amount: str = "", interaction: Interaction = NO_INTERACTION, **more: Any
    ) -> WriteResult:
        """A payment of the story's bill with that number."""
        bill = await self.bill(number)
        account = "Euro Account" if bill.currency_code == "EUR" else "Operating Checking"
        return await self.submit(PayBill(bill_id=bill.id, amount=amount, account=account, **more), interaction)

    async def bill(self, number: str) -> Bill:
        """The story's bill with that number, as the ledger shows it now."""
        found = [b async for b in self.company.rutter.bills.walk(filter=equal("document_number", number))]
        assert len(found) == 1
        return found[0]

    async def paid(self, number: str) -> list[Decimal]:
        """The payments the ledger shows on that bill."""
        return [link.allocated_amount for link in (await self.bill(number)).linked_payments]

    async def pay_by_hand(self, number: str, amount: str, key: str = "by hand") -> str:
        """Somebody enters a payment in the accounting platform."""
        bill = await self.bill(number)
        account = await self.company.directory.account("Operating Checking")
        draft = BillPaymentCreate(
            account_id=account.id,
            transaction_date=START,
            linked_bills=(AllocationDraft(id=bill.id, allocated_amount=Decimal(amount)),),
        )
        held, self.wire.faults = self.wire.faults, []
        outcome = await self.company.rutter.bill_payments.create(draft, idempotency_key=key)
        self.wire.writes.pop()
        self.wire.faults = held
        assert isinstance(outcome, Done)
        payment: BillPayment = outcome.record
        return payment.id

    async def proposal(self, proposal_id: str | None) -> Proposal:
        """A proposal as the store has it."""
        assert proposal_id is not None
        found = await self.app.store.read(lambda tx: tx.proposals.get(proposal_id))
        assert found is not None
        return found

    async def proposals(self) -> list[Proposal]:
        """Every proposal."""
        return await self.app.store.read(lambda tx: tx.proposals.in_states(list(State)))

    async def spent(self) -> str:
        """What counts against the day's limit in US dollars."""
        company = self.company.id
        return (await self.app.store.read(lambda tx: tx.spend.spent(company, "USD", 24))).text

    async def approver(self, *names: str) -> None:
        """Adds approvers, all with one passcode."""
        for name in names:
            await add_approver(self.app.store, name, PASSCODE)

    async def remove_approver(self, name: str, channel: str = "terminal") -> None:
        """An approver removes themselves."""
        await self.app.approvals.remove_approver(name, channel=channel, by=Proof(name, PASSCODE))

    async def id_of(self, name: str) -> str:
        """The id of the active approver with that name."""
        (found,) = [one.id for one in await self.app.store.read(lambda tx: tx.approvers.active()) if one.name == name]
        return found

    async def approve(self, proposal_id: str | None, name: str = "Ana") -> Proposal:
        """An approver looks at a proposal and releases it."""
        assert proposal_id is not None
        seen = await self.app.approvals.preview(proposal_id, self.company)
        return await self.app.approvals.approve(seen, self.company, by=Proof(name, PASSCODE), channel="terminal")

    async def chain_holds(self) -> bool:
        """Whether the audit chain holds."""
        return (await self.app.store.read(lambda tx: tx.audit.verify())).holds


@asynccontextmanager
async def a_bench(
    home: Path, policy: str = "", database_url: str = "", zone: tzinfo | None = None
) -> AsyncIterator[Bench]:
    """A bench on a store in that home, or on another; its audit chain must hold at the end, whatever happened.

    `zone` is where the company keeps its books, UTC if there is none.
    """
    empty_store(home)
    sandbox = seeded_sandbox(today=START.date())
    bench = Bench(home, sandbox, FixedClock(START), database_url, zone)
    if policy:
        bench.policy(policy)
    try:
        yield bench
        assert await bench.chain_holds()
    finally:
        await bench.app.aclose()
        sandbox.close()


def codes(result: WriteResult | Proposal) -> list[str]:
    """The codes of the findings."""
    return [finding.code for finding in result.findings]
