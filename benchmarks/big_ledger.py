"""What a ledger of 100,000 bills, a fifth of them unpaid, costs over a Rutter that takes 300 ms for each request.

    python benchmarks/big_ledger.py [--bills 100000] [--rounds 5]

A server in a process of its own makes pages as they are asked for, and counts nothing but time. Its peer is one GET of
one page by bare httpx, over the same server. A copy of the payables is filled without the delay; what is measured is
what every later call costs, each size in a fresh process, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from walk import CLIENT_ID, CLIENT_SECRET, TOKEN, ZERO, Server, bill, own_peak_mib

from rutter_ap_server.clock import Clock
from rutter_ap_server.companies.company import Company, CompanyIdentity
from rutter_ap_server.companies.directory import Directory
from rutter_ap_server.documents.files import Documents
from rutter_ap_server.reads.bills import list_bills
from rutter_ap_server.reads.mirror import BillMirror
from rutter_ap_server.reads.payables import summarize_payables
from rutter_ap_server.rutter import Credentials, Limits, RutterClient
from rutter_ap_server.store.engine import Store
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.payables import SummarizePayables

DELAY_MS = 300
VENDORS = 200
UNPAID_PART, PARTLY_PART, RECENT_PART = 5, 50, 25
ROUND_TRIPS_MAX, FIRST_PAGE_MS_MAX, REQUESTS_MAX = 3.0, 1000, 3.0
CURRENT_MAX, GROWTH_MAX, MEMORY_MAX = 2.0, 2.0, 1.2
STAMP = f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%dT00:00:00.000Z}"
MEASURED = ("first", "summary", "peak")


def counted(question: dict[str, list[str]], bills: int) -> tuple[str, int]:
    """Which status a filter asks for, and how many bills of the ledger have it."""
    chosen = question.get("filter", [""])[0]
    if "last_synced_at" in chosen or question.get("sort") == ["last_synced_at DESC"]:
        return "open", 1
    parts = {"open": bills // UNPAID_PART - bills // PARTLY_PART, "partially_paid": bills // PARTLY_PART}
    parts |= {"paid": bills // RECENT_PART, "unknown": 0}
    return next(((status, count) for status, count in parts.items() if f'"{status}"' in chosen), ("open", bills))


FIRST_NUMBER = {"open": 0, "partially_paid": 10_000_000, "paid": 20_000_000, "unknown": 0}


def bill_page(question: dict[str, list[str]], bills: int) -> tuple[list[dict[str, Any]], str | None]:
    """One page of bills, and the cursor of the next."""
    status, count = counted(question, bills)
    limit, start = int(question["limit"][0]), int(question.get("cursor", ["0"])[0])
    end = min(start + limit, count)
    numbers = (FIRST_NUMBER[status] + position for position in range(start, end))
    return [one_bill(number, status) for number in numbers], str(end) if end < count else None


def one_bill(number: int, status: str) -> dict[str, Any]:
    """A bill of the usual size whose amounts and days differ from the next one's."""
    day = f"{datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number * 7 % 400):%Y-%m-%dT00:00:00.000Z}"
    changed = {"vendor_id": f"vendor-{number % VENDORS}", "status": status, "due_date": day, "issue_date": day}
    amounts = {"total_amount": number % 99_991 + 0.25, "amount_due": 0 if status == "paid" else number % 99_991 + 0.25}
    return bill(number) | changed | amounts | {"updated_at": STAMP, "last_synced_at": STAMP}


def answer(target: str) -> tuple[int, bytes]:
    """How many milliseconds an answer takes, and the answer. The path says how large the ledger is and how slow."""
    parts = urlsplit(target)
    question = parse_qs(parts.query)
    bills, delay = (int(text) for text in parts.path.split("/")[1].split("-"))
    name = parts.path.rsplit("/", 1)[1]
    items: list[dict[str, Any]] = []
    cursor = None
    if name == "bills":
        items, cursor = bill_page(question, bills)
    elif name == "vendors":
        items = [{"id": f"vendor-{number}", "vendor_name": f"Vendor {number}"} for number in range(VENDORS)]
    connection = {"id": ZERO, "orgId": ZERO, "platform": "QUICKBOOKS"}
    return delay, json.dumps({name: items, "next_cursor": cursor, "connection": connection}).encode()


async def serve() -> None:
    """Answers over plain asyncio; prints its port, and ends with the process that started it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                began = time.monotonic()
                delay, content = answer(head.split(b" ", 2)[1].decode("ascii"))
                # Making the page is part of the delay, as it is at Rutter.
                await asyncio.sleep(max(0.0, delay / 1000 - (time.monotonic() - began)))
                date = format_datetime(datetime.now(UTC).replace(microsecond=0), usegmt=True)
                start = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                writer.write(f"{start}Date: {date}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


class Counting(httpx.AsyncHTTPTransport):
    """The way to the server; it counts the requests."""

    requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Counts one and passes it on."""
        self.requests += 1
        return await super().handle_async_request(request)


class Ledger:
    """One company whose ledger has so many bills, behind a delay."""

    def __init__(self, origin: str, bills: int, delay_ms: int, home: Path) -> None:
        self.wire = Counting()
        self.base_url = f"{origin}/{bills}-{delay_ms}/versioned"
        # The server is ours: waiting for Rutter's limit of requests would only measure the wait.
        limits = Limits(requests_max=1_000_000)
        self.client = RutterClient(
            Credentials(CLIENT_ID, CLIENT_SECRET), base_url=self.base_url, limits=limits, transport=self.wire
        )
        self.books = self.client.connection(TOKEN)
        self.home = home
        self.clock = Clock()
        self.store = Store(f"sqlite:///{home / 'ap.db'}", self.clock)

    def company(self) -> Company:
        """The company, with no names known yet."""
        return Company(
            identity=CompanyIdentity(ZERO, "Large", "QUICKBOOKS", "sandbox"),
            rutter=self.books,
            directory=Directory(self.books, self.clock),
            documents=Documents((self.home,), self.home),
            clock=self.clock,
        )

    async def close(self) -> None:
        """Closes the client and the store."""
        await self.client.aclose()
        self.store.close()


async def bare_get(client: httpx.AsyncClient, base_url: str) -> None:
    """The one request that one would write without us: a page of bills, read."""
    params = {"access_token": TOKEN, "limit": "50", "filter": 'status="open"', "sort": "due_date ASC"}
    answered = await client.get(f"{base_url}/accounting/bills", params=params, auth=(CLIENT_ID, CLIENT_SECRET))
    assert json.loads(answered.content)["bills"]


async def fill(ledger: Ledger) -> dict[str, float]:
    """Makes the copy whole."""
    company = ledger.company()
    while not (await BillMirror(ledger.store, company).bring_up_to_date()).whole:
        pass
    return {"requests": float(ledger.wire.requests)}


async def first_page(ledger: Ledger, rounds: int) -> dict[str, float]:
    """The first page of bills of a company that was just opened."""
    return await beside_a_get(ledger, rounds, lambda: list_bills(ledger.company(), ListBills()))


async def summary(ledger: Ledger, rounds: int) -> dict[str, float]:
    """The summary while nothing changes; the names of vendors were read before."""
    company = ledger.company()

    async def call() -> None:
        found = await summarize_payables(company, SummarizePayables(), ledger.store)
        assert found.complete
        assert found.currencies

    return await beside_a_get(ledger, rounds, call)


async def beside_a_get(ledger: Ledger, rounds: int, call: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """The median times of a call and of one bare GET, in turn, and the requests of a call."""
    times: dict[str, list[float]] = {"call": [], "get": []}
    async with httpx.AsyncClient() as client:
        await bare_get(client, ledger.base_url)
        await call()
        before = ledger.wire.requests
        for _ in range(rounds):
            began = time.perf_counter()
            await bare_get(client, ledger.base_url)
            between = time.perf_counter()
            await call()
            times["get"].append(between - began)
            times["call"].append(time.perf_counter() - between)
    requests = (ledger.wire.requests - before) / rounds
    return {name: statistics.median(each) for name, each in times.items()} | {"requests": requests}


async def peak(ledger: Ledger) -> dict[str, float]:
    """The peak memory of a process that summed once."""
    await summarize_payables(ledger.company(), SummarizePayables(), ledger.store)
    return {"mib": own_peak_mib()}


async def measure(what: str, origin: str, bills: int, rounds: int, home: Path) -> dict[str, float]:
    """One measurement, in this process."""
    ledger = Ledger(origin, bills, 0 if what in ("fill", "peak") else DELAY_MS, home)
    try:
        if what == "fill":
            return await fill(ledger)
        if what == "peak":
            return await peak(ledger)
        return await (first_page if what == "first" else summary)(ledger, rounds)
    finally:
        await ledger.close()


def measured(what: str, origin: str, bills: int, rounds: int, home: Path) -> dict[str, float]:
    """One measurement, in a fresh process."""
    command = [sys.executable, __file__, "--measure", what, "--at", origin, "--bills", str(bills)]
    command += ["--rounds", str(rounds), "--home", str(home)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def compare(bills: int, rounds: int) -> int:
    """Measures, prints, and says whether every promise is kept."""
    sizes = (bills, bills // 10, bills // 100)
    with tempfile.TemporaryDirectory() as folder, Server(__file__, "--serve") as origin:
        homes = {size: Path(folder, str(size)) for size in sizes}
        for size, home in homes.items():
            home.mkdir()
            began = time.perf_counter()
            filled = measured("fill", origin, size, rounds, home)
            took = time.perf_counter() - began
            print(f"a copy of {size} bills filled in {filled['requests']:.0f} requests, {took:.1f} s without the delay")
        first = measured("first", origin, bills, rounds, homes[bills])
        large, _, small = (measured("summary", origin, size, rounds, homes[size]) for size in sizes)
        peaks = [measured("peak", origin, size, rounds, homes[size])["mib"] for size in sizes[:2]]
    print(f"{bills} bills, {bills // UNPAID_PART} unpaid, {DELAY_MS} ms a request, {rounds} rounds, medians")
    print(f"  one bare GET {first['get'] * 1000:.0f} ms; a summary {large['call'] * 1000:.0f} ms", end="")
    print(f", over a hundredth of the bills {small['call'] * 1000:.0f} ms; peaks {peaks[0]:.0f} and {peaks[1]:.0f} MiB")
    figures = (
        ("budget: first page of list_bills, round trips", first["call"] * 1000 / DELAY_MS, ROUND_TRIPS_MAX, ""),
        ("budget: first page of list_bills", first["call"] * 1000, FIRST_PAGE_MS_MAX, " ms"),
        ("budget: first page of list_bills, requests", first["requests"], 2 * ROUND_TRIPS_MAX, ""),
        ("ratio: first page of list_bills to a bare GET", first["call"] / first["get"], ROUND_TRIPS_MAX, ""),
        ("budget: summarize_payables when current, requests", large["requests"], REQUESTS_MAX, ""),
        ("ratio: summarize_payables when current to a bare GET", large["call"] / large["get"], CURRENT_MAX, ""),
        ("ratio: summarize_payables to that of a hundredth", large["call"] / small["call"], GROWTH_MAX, ""),
        ("ratio: peak memory to that of a tenth", peaks[0] / peaks[1], MEMORY_MAX, ""),
    )
    for words, value, most, unit in figures:
        print(f"  {words} {value:.2f}{unit} (at most {most:g}{unit})")
    return 0 if all(value <= most for _, value, most, _ in figures) else 1


def main() -> int:
    """Runs the benchmark, or the part of it that its own processes are for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bills", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=("fill", *MEASURED), help=argparse.SUPPRESS)
    parser.add_argument("--at", help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(serve())
        return 0
    if chosen.measure:
        found = asyncio.run(measure(chosen.measure, chosen.at, chosen.bills, chosen.rounds, chosen.home))
        print(json.dumps(found))
        return 0
    return compare(max(chosen.bills, 10_000), chosen.rounds)


if __name__ == "__main__":
    sys.exit(main())
