"""How the client's walk over all bills compares with a hand-written httpx + json.loads loop over the same pages.

    python benchmarks/walk.py [--bills 100000] [--rounds 5]

A server in a process of its own serves prepared pages. Both walks run in turn, in this process, over the same server;
the medians are compared. Peak memory is the resident size of a fresh process each, over few pages and over all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PAGE_SIZE = 500
RATIO_MAX = 1.3
CLIENT_ID, CLIENT_SECRET, TOKEN = "client", "secret", "token"
ZERO = "00000000-0000-0000-0000-000000000000"


def bill(number: int) -> dict[str, object]:
    """A bill of the usual size, about 1.8 kB."""
    moment = "2023-01-02T02:34:56.000Z"
    line = {
        "platform_id": "12345678",
        "account_id": ZERO,
        "class_id": ZERO,
        "customer_id": ZERO,
        "department_id": ZERO,
        "location_id": ZERO,
        "project_id": None,
        "tax_rate_id": ZERO,
        "description": f"Line of bill {number}",
        "discount_amount": 0,
        "discount_percentage": 0,
        "sub_total": 12.34,
        "tax_amount": 2,
        "total_amount": 14.34,
        "item": {"id": ZERO, "quantity": 1, "unit_amount": 12.34},
    }
    return {
        "id": f"{number:08d}-0000-0000-0000-000000000000",
        "platform_id": str(number),
        "account_id": ZERO,
        "payment_terms_id": ZERO,
        "subsidiary_id": None,
        "vendor_id": ZERO,
        "due_date": moment,
        "issue_date": moment,
        "amount_due": 9.34,
        "currency_code": "USD",
        "status": "partially_paid",
        "total_amount": 14.34,
        "document_number": f"INV-{number}",
        "memo": "Office supplies for the second quarter",
        "sub_total": 12.34,
        "tax_amount": 2,
        "total_discount": 0,
        "currency_rate": "1",
        "linked_purchase_orders": [{"id": ZERO}],
        "linked_credit_memos": [{"id": ZERO, "allocated_date": moment, "allocated_amount": 2}],
        "linked_payments": [{"id": ZERO, "allocated_date": moment, "allocated_amount": 3}],
        "line_items": [line],
        "created_at": moment,
        "updated_at": moment,
        "last_synced_at": moment,
        "platform_url": "https://platform.example/resource?id=123",
    }


async def serve(pages: int) -> None:
    """Prepared pages over plain asyncio; prints its port, and ends with the process that started it."""
    items = json.dumps([bill(number) for number in range(PAGE_SIZE)])
    connection = json.dumps({"id": ZERO, "orgId": ZERO, "platform": "QUICKBOOKS"})

    def body(index: int) -> bytes:
        cursor = json.dumps(str(index + 1) if index + 1 < pages else None)
        return f'{{"bills":{items},"next_cursor":{cursor},"connection":{connection}}}'.encode()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode("ascii")
                index = int(parse_qs(urlsplit(target).query).get("cursor", ["0"])[0])
                content = body(index)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
                )
                writer.write(content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def by_hand(base_url: str) -> int:
    """The loop one would write without this client."""
    import httpx  # noqa: PLC0415 - the peak memory of each side is what that side alone loads

    count, cursor = 0, None
    async with httpx.AsyncClient(auth=(CLIENT_ID, CLIENT_SECRET), timeout=60) as client:
        while True:
            params = {"access_token": TOKEN, "limit": str(PAGE_SIZE), "sort": "updated_at ASC"}
            if cursor:
                params["cursor"] = cursor
            answer = await client.get(f"{base_url}/accounting/bills", params=params)
            answer.raise_for_status()
            page = json.loads(answer.content)
            for one in page["bills"]:
                count += one["total_amount"] > 0
            cursor = page["next_cursor"]
            if not cursor:
                return count


async def by_client(base_url: str) -> int:
    """The same with this client: exact amounts, aware datetimes, every bound in place."""
    from rutter_ap_server.rutter import Credentials, Limits, RutterClient  # noqa: PLC0415 - as above

    # The server is ours: waiting for Rutter's limit of requests would only measure the wait.
    limits = Limits(requests_max=1_000_000)
    count = 0
    async with RutterClient(Credentials(CLIENT_ID, CLIENT_SECRET), base_url=base_url, limits=limits) as client:
        async for one in client.connection(TOKEN).bills.walk(page_size=PAGE_SIZE):
            count += one.total_amount is not None and one.total_amount > 0
    return count


WALKS: dict[str, Callable[[str], Awaitable[int]]] = {"hand": by_hand, "client": by_client}


def timed(name: str, base_url: str, bills: int) -> tuple[float, float]:
    """Seconds on the clock and of this process's own work."""

    async def run() -> int:
        return await WALKS[name](base_url)

    started, worked = time.perf_counter(), time.process_time()
    count = asyncio.run(run())
    assert count == bills, f"{name} saw {count} of {bills} bills"
    return time.perf_counter() - started, time.process_time() - worked


class Server:
    """A server process, which a benchmark is when it is called so; where it answers."""

    def __init__(self, *called: str) -> None:
        command = [sys.executable, *called]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.origin = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def __enter__(self) -> str:
        return self.origin

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


def own_peak_mib() -> float:
    """The peak resident size of this process. Linux's rusage would count its parent's memory before the exec."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_mib(name: str, pages: int) -> float:
    """The peak resident size of a fresh process that walks so many pages."""
    with Server(__file__, "--serve", str(pages)) as origin:
        command = [
            sys.executable,
            __file__,
            "--peak",
            name,
            "--at",
            f"{origin}/versioned",
            "--bills",
            str(pages * PAGE_SIZE),
        ]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(bills: int, rounds: int) -> int:
    pages = bills // PAGE_SIZE
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in WALKS}
    with Server(__file__, "--serve", str(pages)) as origin:
        for round_number in range(rounds):
            # In turn, and each first every other time, so that whatever else the machine does falls on both.
            for name in sorted(WALKS, reverse=bool(round_number % 2)):
                seconds[name].append(timed(name, f"{origin}/versioned", pages * PAGE_SIZE))
    clock, work = (
        {name: statistics.median(each[at] for each in runs) for name, runs in seconds.items()} for at in (0, 1)
    )
    ratio = clock["client"] / clock["hand"]
    print(f"{pages * PAGE_SIZE} bills in {pages} pages, {rounds} rounds, medians")
    for name, label in (("hand", "by hand"), ("client", "the client")):
        rate = pages * PAGE_SIZE / clock[name]
        print(f"  {label:10} {clock[name]:6.2f} s ({work[name]:5.2f} s of work) {rate:8.0f} bills/s")
    print(f"  ratio      {ratio:6.2f}   ({work['client'] / work['hand']:5.2f} of work), at most {RATIO_MAX}")
    few = max(pages // 10, 1)
    for name in WALKS:
        print(f"  peak memory, {name:6}: {peak_mib(name, few):6.1f} MiB over {few} pages, ", end="", flush=True)
        print(f"{peak_mib(name, pages):6.1f} MiB over {pages}")
    return 0 if ratio <= RATIO_MAX else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bills", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--peak", choices=sorted(WALKS), help=argparse.SUPPRESS)
    parser.add_argument("--at", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(serve(chosen.serve))
        return 0
    if chosen.peak:
        timed(chosen.peak, chosen.at, chosen.bills)
        print(own_peak_mib())
        return 0
    return compare(max(chosen.bills, PAGE_SIZE), chosen.rounds)


if __name__ == "__main__":
    sys.exit(main())
