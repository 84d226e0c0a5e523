"""A server of raw bytes on a real socket, so that what left this process can be seen as it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HANG = b""
"""An answer that never comes: the connection stays open until the other side gives up."""


def http(status: str, body: bytes = b"{}", *headers: bytes, length: int | None = None) -> bytes:
    """An HTTP/1.1 answer as bytes. A `length` beyond the body makes it break off."""
    head = [b"HTTP/1.1 " + status.encode("ascii"), b"content-type: application/json", *headers]
    head.append(b"content-length: %d" % (len(body) if length is None else length))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


@dataclass
class RawServer:
    """What was asked, as bytes of the first line, and what is answered to everything."""

    answer: bytes
    port: int = 0
    lines: list[bytes] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/versioned"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.lines.append(head.split(b"\r\n", 1)[0])
            if self.answer == HANG:
                await reader.read()
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[RawServer]:
    """A server that gives one answer to everything."""
    server = RawServer(answer)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
