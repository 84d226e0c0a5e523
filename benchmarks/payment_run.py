"""How a payment run of the real program compares with a bare loop of its POSTs, over an upstream that takes its time.

    python benchmarks/payment_run.py [--payments 20] [--vendors 20,1] [--delay 0.3]

A sandbox in a process of its own serves a company with so many open bills of so many vendors. The program proposes a
run of them, reviews it as an approver's page does, and releases it; a transport adds the delay to each request, as
many at once as the client lets out. The bare loop sends the very same POSTs one after another, with httpx, over the
same delay, to a fresh company of the same bills. Promised:

- from the approver's release to the last outcome, at most 1.5 times the bare loop;
- at most 6 requests a payment over the whole life of a run: proposing, reviewing, releasing and reading back;
- at most 100 ms of this process's own work a payment from release to last outcome, without any delay, beside the
  passcode check, which is slow on purpose;
- a run of a hundred bills is proposed within 15 seconds.

Requests count from the proposal on: what an assistant does before it, listing the open bills, is no part of a run.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx

from rutter_ap_server.app import App
from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.rutter import Credentials, RutterClient
from rutter_ap_server.rutter.request import Limits
from rutter_ap_server.rutter.transport import network_transport
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.errors import RetryError
from rutter_ap_tools.payments import ProposePaymentRun
from rutter_ap_tools.wire import WriteResult
from rutter_sandbox import load
from rutter_sandbox.serve import serve as serve_sandbox

RATIO_MAX = 1.5
REQUESTS_MAX = 6
WORK_MS_MAX = 100
PROPOSING_MS_MAX = 15_000
MANY = 100
ACCOUNT = "Operating Checking"
PASSCODE = "a passcode of the benchmark"
# An approver releases, whatever the amount; no limit is ever reached.
POLICY = """
[tools]
pay_bill = "approve"
propose_payment_run = "approve"

[currencies.USD]
approve_above = "900000000.00"
two_approvers_above = "900000000.00"
single_limit = "900000000.00"
day_limit = "900000000.00"
vendor_day_limit = "900000000.00"
"""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass(slots=True)
class Seen:
    """What has left since the last phase began: requests of each kind, and the payments posted."""

    kinds: Counter[str] = field(default_factory=Counter)
    posts: list[httpx.Request] = field(default_factory=list)


class Delayed(httpx.AsyncBaseTransport):
    """Adds a delay to each request, all of them at once, and counts them by method and path."""

    def __init__(self, inner: httpx.AsyncBaseTransport, delay_seconds: float) -> None:
        self._inner = inner
        self._delay_seconds = delay_seconds
        self.seen = Seen()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Passes it on after the delay."""
        path = _ID.sub("ID", request.url.path.removeprefix("/versioned"))
        names = sorted(name for name in request.url.params if name != "access_token")
        self.seen.kinds[f"{request.method} {path} {','.join(names)}".rstrip()] += 1
        if request.method == "POST" and path.endswith("/bill_payments"):
            await request.aread()
            self.seen.posts.append(request)
        await anyio.sleep(self._delay_seconds)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class DelayedCompanies(CompanyRegistry):
    """The companies of a process whose way to Rutter takes its time."""

    wire: Delayed

    def _opened(self) -> RutterClient:
        credentials = Credentials(self._settings.client_id, self._settings.client_secret)
        self._own_token = self._settings.access_token
        client = RutterClient(credentials, base_url=self._settings.base_url, transport=self.wire)
        self._stack.push_async_callback(client.aclose)
        return client


class Upstream:
    """A sandbox in a process of its own, with so many open bills of so many vendors."""

    def __init__(self, bills: int, vendors: int) -> None:
        command = [sys.executable, __file__, "--serve", f"{bills},{vendors}"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def __enter__(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        announced: dict[str, Any] = json.loads(self._process.stdout.readline())
        return announced

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def serve(bills: int, vendors: int) -> int:
    """The upstream's process: each bill follows a paid one of the same vendor, so that every vendor has a past."""
    load._RUN, load._PAID_HALVES = 2, {1: 2}
    load._VENDORS_MAX, load._BILLS_PER_VENDOR = vendors, 1
    # No amount may become unusual by what the run itself has paid.
    load._minor = lambda position: 100_00 + position
    return serve_sandbox(bills=2 * bills)


class Program:
    """The real program, its home in a folder of its own, in front of an upstream."""

    def __init__(self, app: App, wire: Delayed) -> None:
        self.app = app
        self.wire = wire
        self.phases: dict[str, tuple[float, Counter[str]]] = {}
        self.worked: dict[str, float] = {}
        self.posts: list[httpx.Request] = []

    @property
    def requests(self) -> int:
        return sum(kinds.total() for _, kinds in self.phases.values())

    def seconds(self, phase: str) -> float:
        return self.phases[phase][0]

    async def open_bills(self, count: int) -> list[str]:
        """What an assistant looks up first, which is no part of a payment: the generated bills that are open."""
        ids: list[str] = []
        cursor = ""
        while len(ids) < count:
            page = await self.app.backend("assistant", NO_INTERACTION).read(
                ListBills(status="unpaid", limit=200, cursor=cursor)
            )
            ids += [row.id for row in page.bills if (row.document_number or "").startswith("LOAD-")]
            cursor = page.next_cursor or ""
            if not cursor:
                break
        assert len(ids) >= count, f"only {len(ids)} of {count} bills are open"
        return ids[:count]

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        """Measures one phase: its time, and the requests in it."""
        seen = self.wire.seen = Seen()
        began, worked = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.phases[name] = (time.perf_counter() - began, seen.kinds)
            self.worked[name] = time.process_time() - worked
            self.posts += seen.posts

    async def propose(self, request: ProposePaymentRun) -> str:
        async with self.phase("propose"):
            result = await self.app.backend("assistant", NO_INTERACTION).submit(request)
        return held(result)

    async def review_and_release(self, proposal_id: str) -> str:
        """As the approver's page does it: shown first, then released with a passcode. Returns the state."""
        company = await self.app.company_of(await self.app.proposal(proposal_id))
        async with self.phase("review"):
            seen = await self.app.approvals.preview(proposal_id, company)
        async with self.phase("passcode"):
            await self.app.approvals.prove(Proof("Ana", PASSCODE), channel="desk")
        async with self.phase("release"):
            done = await self.app.approvals.approve(seen, company, by=Proof("Ana", PASSCODE), channel="desk")
        return done.state.value


def held(result: WriteResult) -> str:
    """The id of a proposal that waits for an approver."""
    assert result.status == "held", (result.status, result.findings)
    assert result.proposal_id is not None
    return result.proposal_id


@asynccontextmanager
async def program(announced: dict[str, Any], delay_seconds: float) -> AsyncIterator[Program]:
    """The program with one approver, connected to the upstream's first company."""
    with tempfile.TemporaryDirectory() as home:
        await anyio.Path(home, "policy.toml").write_text(POLICY)
        settings = read_settings(
            {
                "RUTTER_AP_HOME": home,
                "RUTTER_ENVIRONMENT": "sandbox",
                "RUTTER_BASE_URL": announced["base_url"],
                "RUTTER_CLIENT_ID": announced["client_id"],
                "RUTTER_CLIENT_SECRET": announced["client_secret"],
                "RUTTER_ACCESS_TOKEN": announced["connections"][0]["access_token"],
                "RUTTER_AP_DESK": "off",
            }
        )
        app = App(settings)
        companies = DelayedCompanies(settings, app.clock, app.store, app.secret_keys)
        companies.wire = Delayed(network_transport(connections_max=Limits().concurrency), delay_seconds)
        await app.aclose()
        app = App(settings, companies=companies)
        try:
            await app.approvals.add_approver("Ana", PASSCODE, channel="terminal")
            yield Program(app, companies.wire)
        finally:
            await app.aclose()


async def bare_loop(announced: dict[str, Any], posts: list[httpx.Request], delay_seconds: float) -> float:
    """Seconds that the same POSTs take one after another, to another company of the same bills."""
    base = httpx.URL(announced["base_url"])
    auth = (announced["client_id"], announced["client_secret"])
    params = {"access_token": announced["connections"][0]["access_token"]}
    transport = Delayed(httpx.AsyncHTTPTransport(), delay_seconds)
    async with httpx.AsyncClient(transport=transport, auth=auth, timeout=60) as client:
        began = time.perf_counter()
        for post in posts:
            url = post.url.copy_with(scheme=base.scheme, host=base.host, port=base.port, query=b"")
            headers = {"Content-Type": "application/json", "Idempotency-Key": post.headers["Idempotency-Key"]}
            version = post.headers.get("X-Rutter-Version")
            if version:
                headers["X-Rutter-Version"] = version
            answer = await client.post(url, params=params, content=post.content, headers=headers)
            answer.raise_for_status()
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Life:
    """One run from its proposal to its last outcome."""

    program: Program
    bare_seconds: float

    def breakdown(self, payments: int) -> None:
        """Prints what was asked in each phase."""
        for phase, (seconds, kinds) in self.program.phases.items():
            asked = kinds.total()
            print(f"    {phase:8} {seconds:7.2f} s {asked:5} requests, {asked / payments:.2f} a payment")
            for kind, count in kinds.most_common():
                print(f"      {count:5}  {kind}")


async def live(payments: int, vendors: int, delay_seconds: float, *, with_peer: bool = True) -> Life:
    """Proposes, reviews and releases one run, and sends the same POSTs bare."""
    with Upstream(payments, vendors) as announced, Upstream(payments, vendors) as other:
        async with program(announced, delay_seconds) as ours:
            ids = await ours.open_bills(payments)
            state = await ours.review_and_release(await ours.propose(ProposePaymentRun(bill_ids=ids, account=ACCOUNT)))
            assert state == "posted", state
            assert len(ours.posts) == payments, f"{len(ours.posts)} POSTs for {payments} payments"
        bare = await bare_loop(other, ours.posts, delay_seconds) if with_peer else 0.0
    return Life(ours, bare)


async def propose_many(delay_seconds: float) -> Program:
    """Proposes a run of a hundred bills, each of another vendor."""
    with Upstream(MANY, MANY) as announced:
        async with program(announced, delay_seconds) as ours:
            ids = await ours.open_bills(MANY)
            try:
                await ours.propose(ProposePaymentRun(bill_ids=ids, account=ACCOUNT))
            except RetryError as error:
                # Its time until then breaks the promise by far.
                print(f"  {MANY} bills were not proposed: {error.message}")
    return ours


def shape(vendors: int) -> str:
    return "one vendor" if vendors == 1 else "many vendors"


async def compare(payments: int, vendors: list[int], delay_seconds: float) -> int:
    kept = True
    for count in vendors:
        life = await live(payments, count, delay_seconds)
        release, ratio = life.program.seconds("release"), life.program.seconds("release") / life.bare_seconds
        asked = life.program.requests / payments
        print(f"{payments} payments to {shape(count)}, {delay_seconds * 1000:.0f} ms a request")
        print(f"  release to last outcome  {release:.2f} s; the bare loop  {life.bare_seconds:.2f} s")
        life.breakdown(payments)
        print(f"  ratio to the bare loop, {shape(count)} {ratio:.2f} (at most {RATIO_MAX})")
        print(f"  ratio of requests to payments, {shape(count)} {asked:.2f} (at most {REQUESTS_MAX})", flush=True)
        kept = kept and ratio <= RATIO_MAX and asked <= REQUESTS_MAX
    for count in vendors:
        life = await live(payments, count, 0.0, with_peer=False)
        work_ms = (life.program.worked["release"] - life.program.worked["passcode"]) * 1000 / payments
        whole_ms = sum(seconds for seconds, _ in life.program.phases.values()) * 1000 / payments
        print(f"  without delay a payment takes {whole_ms:.0f} ms in all, {shape(count)}")
        print(f"  budget: own work a payment, {shape(count)} {work_ms:.2f} ms (at most {WORK_MS_MAX} ms)", flush=True)
        kept = kept and work_ms <= WORK_MS_MAX
    many = await propose_many(delay_seconds)
    took_ms = many.seconds("propose") * 1000
    print(f"  {MANY} bills took {many.requests} requests to propose")
    print(f"  budget: proposing a hundred bills {took_ms:.1f} ms (at most {PROPOSING_MS_MAX} ms)")
    return 0 if kept and took_ms <= PROPOSING_MS_MAX else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payments", type=int, default=20)
    parser.add_argument("--vendors", default="", help="how many vendors, for each shape; each bill's own, and one")
    parser.add_argument("--delay", type=float, default=0.3, help="seconds that each request takes longer")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        bills, vendors = chosen.serve.split(",")
        return serve(int(bills), int(vendors))
    vendors = [int(one) for one in chosen.vendors.split(",")] if chosen.vendors else [chosen.payments, 1]
    return anyio.run(compare, chosen.payments, vendors, chosen.delay)


if __name__ == "__main__":
    sys.exit(main())
