"""How many pages of bills the sandbox serves, against how many the client's fastest walk can take in.

    python benchmarks/sandbox.py [--bills 5000] [--rounds 5]

The sandbox must never be what a benchmark measures. It serves `GET /accounting/bills?limit=50` from a process of its
own to a caller that does nothing but follow cursors over one raw socket; the client walks the same number of pages of
50 bills, prepared in advance. Both run in turn, and each round gives one ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import walk

PAGE_SIZE = 50
RATIO_MIN = 1.0
_SERVE = "import sys; from rutter_sandbox.serve import serve; serve(bills=int(sys.argv[1]))"
_CURSOR = b'],"next_cursor":"'


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sandbox is, and what opens its main company."""

    host: str
    port: int
    path: str
    headers: bytes


class Sandbox:
    """A sandbox in a process of its own, with so many bills more than its story."""

    def __init__(self, bills: int) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", _SERVE, str(bills)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = json.loads(self.process.stdout.readline())
        address = urlsplit(line["base_url"])
        pair = base64.b64encode(f"{line['client_id']}:{line['client_secret']}".encode()).decode()
        token = quote(line["connections"][0]["access_token"])
        headers = f" HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Basic {pair}\r\n"
        headers += "X-Rutter-Version: 2024-08-31\r\n\r\n"
        path = f"{address.path}/accounting/bills?access_token={token}&limit={PAGE_SIZE}"
        self.place = Place(str(address.hostname), int(address.port or 80), path, headers.encode())

    def __enter__(self) -> Place:
        return self.place

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def pull(place: Place, pages: int) -> float:
    """Seconds to walk so many pages, beginning again at the end of the list."""
    cursor = b""
    with socket.create_connection((place.host, place.port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        for _ in range(pages):
            target = place.path.encode() + (b"&cursor=" + cursor if cursor else b"")
            link.sendall(b"GET " + target + place.headers)
            cursor = _next_cursor(_body(link))
        return time.perf_counter() - started


def _body(link: socket.socket) -> bytes:
    got = link.recv(1 << 18)
    while (end := got.find(b"\r\n\r\n")) < 0:
        got += link.recv(1 << 18)
    head = got[:end].lower()
    assert head.startswith(b"http/1.1 200"), got[:500]
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    body = bytearray(got[end + 4 :])
    while len(body) < length:
        body += link.recv(1 << 18)
    return bytes(body)


def _next_cursor(body: bytes) -> bytes:
    at = body.rfind(_CURSOR)
    return quote(body[at + len(_CURSOR) :].split(b'"', 1)[0]).encode() if at >= 0 else b""


def compare(bills: int, rounds: int) -> int:
    pages = bills // PAGE_SIZE
    walk.PAGE_SIZE = PAGE_SIZE
    ours, clients = [], []
    with Sandbox(bills) as place, walk.Server(__file__, "--serve", str(pages)) as origin:
        pull(place, min(pages, 20))
        for round_number in range(rounds):
            for name in ("sandbox", "client")[:: -1 if round_number % 2 else 1]:
                if name == "sandbox":
                    ours.append(pages / pull(place, pages))
                else:
                    clients.append(pages / walk.timed("client", f"{origin}/versioned", pages * PAGE_SIZE)[0])
    ratio = statistics.median(served / taken for served, taken in zip(ours, clients, strict=True))
    print(f"{pages} pages of {PAGE_SIZE} bills, {rounds} rounds, medians")
    print(f"  the sandbox serves  {statistics.median(ours):6.0f} pages/s, one after the other")
    print(f"  the client takes    {statistics.median(clients):6.0f} pages/s of prepared ones")
    print(f"  ratio to the client's walk {ratio:.2f} (at least {RATIO_MIN})")
    return 0 if ratio >= RATIO_MIN else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bills", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        walk.PAGE_SIZE = PAGE_SIZE
        asyncio.run(walk.serve(chosen.serve))
        return 0
    return compare(max(chosen.bills, PAGE_SIZE), max(chosen.rounds, 1))


if __name__ == "__main__":
    sys.exit(main())
