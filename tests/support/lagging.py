"""A ledger that lags: what was read once is shown again, whatever was written since."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from support.bench import Bench


async def photographed(bench: Bench, *endings: str) -> Callable[[], None]:
    """From the returned call on, reads whose path ends so show what they showed first, whatever is written since."""
    kept: dict[str, httpx.Response] = {}

    def look(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if any(request.url.path.endswith(one) for one in endings):
            kept.setdefault(request.url.path, response)
        return response

    def old(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        was = kept.get(request.url.path)
        if was is None:
            return response
        return httpx.Response(was.status_code, content=was.content, headers={"content-type": "application/json"})

    def start() -> None:
        bench.wire.answers = old

    bench.wire.answers = look
    return start


def up_to_date(bench: Bench) -> None:
    """The ledger has caught up."""
    bench.wire.answers = lambda _, response: response
