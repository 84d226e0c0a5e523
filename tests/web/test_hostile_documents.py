"""Documents that were made to bring their reader down: the desk stays small and quick, and says what it cannot show."""

from __future__ import annotations

import html
import re
import sys
import time
from pathlib import Path

import anyio
import httpx
import pytest

from support.browser import served
from support.desk import Visitor, a_desk
from support.papers import HOSTILE, attached, long_pdf

_GROWS_BYTES_MAX = 20_000_000
_ANSWERS_SECONDS_MAX = 1.0
_BILLS = ("NW-2291", "BH-5520")


async def prepared(home: Path) -> list[str]:
    """A payment of a bill with a plain document, and two of bills with hostile ones."""
    async with a_desk(home) as desk:
        await attached(desk, long_pdf(1), "plain.pdf", "NW-2304")
        for number, name in enumerate(HOSTILE):
            await attached(desk, HOSTILE[name](), name, _BILLS[number % 2])
        return [await desk.held(one) for one in ("NW-2304", *_BILLS)]


def memory_of(process_id: int) -> int:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    [found] = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(found) * 1024


async def opened(http: httpx.AsyncClient, proposal_id: str) -> list[str]:
    """The page and all its pictures; the types of the pictures."""
    page = await http.get(f"/approvals/{proposal_id}", timeout=60)
    assert page.status_code == 200
    kinds = []
    for address in re.findall(r'<img class="page"[^>]* src="([^"]+)"', page.text):
        picture = await http.get(html.unescape(address), timeout=60)
        assert picture.status_code == 200
        kinds.append(picture.headers["content-type"])
    return kinds


async def visit(url: str, process_id: int, plain: str, *hostile: str) -> tuple[int, list[float], list[str]]:
    """By how much the server grew, how long another page took meanwhile, and the types of the hostile pictures."""
    origin = url.removesuffix("/approvals")
    waits, kinds, sizes, done = list[float](), list[str](), list[int](), anyio.Event()
    async with httpx.AsyncClient(base_url=origin) as http:
        visitor = Visitor(http)
        await visitor.signs_in()
        assert await opened(http, plain) == ["image/png"]
        before = memory_of(process_id)

        async def another_page() -> None:
            while not done.is_set():
                start = time.monotonic()
                await http.get("/approvals", timeout=60)
                waits.append(time.monotonic() - start)
                sizes.append(memory_of(process_id))
                await anyio.sleep(0.1)

        async def one(proposal_id: str) -> None:
            # Twice: on a slow machine not every document is read in the time of one look.
            await opened(http, proposal_id)
            kinds.extend(await opened(http, proposal_id))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(another_page)
            async with anyio.create_task_group() as visits:
                for proposal_id in hostile:
                    visits.start_soon(one, proposal_id)
            done.set()
        return max(sizes) - before, waits, kinds


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
def test_hostile_documents_leave_the_server_small_and_quick(home: Path) -> None:
    plain, *hostile = anyio.run(prepared, home)
    with served(home, plain, hostile[0]) as running:
        grown, waits, kinds = anyio.run(visit, running.url, running.process_id, plain, *hostile)
    sys.stdout.write(f"grown {grown:,} bytes; {len(waits)} pages, slowest {max(waits):.2f} s; {kinds}\n")
    assert grown < _GROWS_BYTES_MAX
    assert max(waits) < _ANSWERS_SECONDS_MAX
    assert "image/png" in kinds
    assert "image/svg+xml" in kinds
