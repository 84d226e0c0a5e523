"""Bodies read in parts, within a bound: of bytes once decompressed, and of time where there is a deadline."""

from __future__ import annotations

import math
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Final

import anyio
import httpx

from rutter_ap_server.rutter.request import NoAnswer

_GZIP: Final = 16 + zlib.MAX_WBITS
# What gzip itself adds to a body that cannot be packed is far less.
_PACKING_BYTES_MAX: Final = 64 * 1024
CLOSE_SECONDS_MAX: Final = 5.0


async def whole_body(response: httpx.Response, bytes_max: int) -> bytes | NoAnswer:
    """All of it. The response is closed afterwards, in every case."""
    parts: list[bytes] = []
    try:
        async for part in body_parts(response, bytes_max):
            if isinstance(part, NoAnswer):
                return part
            parts.append(part)
    finally:
        await close_quietly(response)
    return b"".join(parts)


async def body_parts(
    response: httpx.Response, bytes_max: int, *, deadline: float = math.inf
) -> AsyncIterator[bytes | NoAnswer]:
    """The parts of a body. When it fails or is too large or too slow, the last one is the `NoAnswer` that says so.

    `deadline` is a time of the event loop's clock (`anyio.current_time`).
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        # Only gzip was offered; other encodings can turn a kilobyte into gigabytes in one step.
        yield NoAnswer("not_readable", sent=True)
        return
    # What a transport has read already is in memory, and decompressed.
    is_read = response.is_stream_consumed
    bounded = _Bounded(bytes_max, is_gzip=encoding == "gzip" and not is_read)
    parts = response.aiter_bytes() if is_read else response.aiter_raw()
    raw = (part async for part in parts if part)
    while True:
        part = await _next(raw, deadline)
        if isinstance(part, NoAnswer):
            yield part
            return
        for piece in bounded.more(part) if part else bounded.end():
            yield piece
            if isinstance(piece, NoAnswer):
                return
        if not part:
            return


async def _next(raw: AsyncIterator[bytes], deadline: float) -> bytes | NoAnswer:
    """The next bytes as they came, empty at the end."""
    with anyio.CancelScope(deadline=deadline) as scope:
        try:
            return await anext(raw, b"")
        except httpx.TimeoutException:
            return NoAnswer("timeout", sent=True)
        except Exception:  # noqa: BLE001 - a transport may raise anything, and its words are not passed on
            return NoAnswer("cut_off", sent=True)
    assert scope.cancelled_caught
    return NoAnswer("timeout", sent=True)


class _Bounded:
    """Counts the bytes that come in and out, and never lets more out at once than the bound allows."""

    def __init__(self, bytes_max: int, *, is_gzip: bool) -> None:
        self._left = bytes_max
        self._packed_left = bytes_max + _PACKING_BYTES_MAX
        self._inflate = zlib.decompressobj(_GZIP) if is_gzip else None

    def more(self, part: bytes) -> Iterator[bytes | NoAnswer]:
        try:
            # One byte beyond the bound is enough to know that there are more.
            out = part if self._inflate is None else self._inflate.decompress(part, self._left + 1)
        except zlib.error:
            yield NoAnswer("not_readable", sent=True)
            return
        self._left -= len(out)
        self._packed_left -= len(part)
        if self._left < 0 or self._packed_left < 0:
            yield NoAnswer("too_large", sent=True)
        elif self._inflate is not None and self._inflate.unused_data:
            # What follows the end would be left out without a word, and kept in memory.
            yield NoAnswer("not_readable", sent=True)
        elif out:
            yield out

    def end(self) -> Iterator[bytes | NoAnswer]:
        if self._inflate is not None and not self._inflate.eof:
            yield NoAnswer("cut_off", sent=True)


async def close_quietly(opened: httpx.Response | httpx.AsyncBaseTransport) -> None:
    """Closes it, even while the task is being cancelled; neither fails nor waits for long."""
    with anyio.move_on_after(CLOSE_SECONDS_MAX, shield=True), suppress(Exception):
        await opened.aclose()
