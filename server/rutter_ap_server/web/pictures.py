"""Documents as pictures: kept for a while in files without a name, and read by processes that may come to grief."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Generic, TypeVar

import anyio
import anyio.abc

import rutter_ap_server
import rutter_ap_tools
from rutter_ap_server.documents.files import content_type_of
from rutter_ap_server.documents.text import DocumentText

PAGES_MAX = 10
_AT_ONCE_MAX = 2
# Of one process; a page of the desk waits for the text, and not for the pictures.
_SECONDS_MAX = {"text": 6, "picture": 12}
# Longer than any page takes, also behind others: what takes longer is shown as a page that cannot be drawn.
_WAIT_SECONDS_MAX = 30
_ANSWER_BYTES_MAX = 4_500_000
_KEPT_BYTES_MAX = 128_000_000
_KEPT_FILES_MAX = 200
_READINGS_MAX = 16
_SPOILED_MAX = 200
_SPOILED_SECONDS = 300
_PIECE_BYTES = 65_536
# Not imported: this process must never hold a parser of pictures.
_PROGRAM = str(Path(__file__).with_name("page_image.py"))
_ROOTS = [str(Path(one.__file__ or "").parents[1]) for one in (rutter_ap_server, rutter_ap_tools)]

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read of a document: its text, and how many of its pages can be drawn."""

    text: DocumentText
    drawn: int


# Its first page may be drawn all the same.
_NOT_READ = Reading(DocumentText("application/octet-stream", trouble="too_slow"), 1)


class Latest(Generic[V]):
    """What was used last, up to a number."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found = OrderedDict[Hashable, V]()

    def get(self, key: Hashable) -> V | None:
        if key in self._found:
            self._found.move_to_end(key)
        return self._found.get(key)

    def put(self, key: Hashable, value: V) -> None:
        self._found[key] = value
        self._found.move_to_end(key)
        while len(self._found) > self._most:
            self._found.popitem(last=False)


@dataclass
class _Files:
    """Open files without a name, those used last up to a size: nothing of them is left when the process ends."""

    _open: OrderedDict[str, tuple[IO[bytes], int]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        weakref.finalize(self, _close_all, self._open)

    def put(self, key: str, file: IO[bytes], size: int) -> None:
        self._drop(key)
        self._open[key] = (file, size)
        while len(self._open) > _KEPT_FILES_MAX or sum(one for _, one in self._open.values()) > _KEPT_BYTES_MAX:
            self._drop(next(iter(self._open)))

    def get(self, key: str) -> IO[bytes] | None:
        if key not in self._open:
            return None
        self._open.move_to_end(key)
        return self._open[key][0]

    def _drop(self, key: str) -> None:
        if key in self._open:
            self._open.pop(key)[0].close()


def _close_all(files: OrderedDict[str, tuple[IO[bytes], int]]) -> None:
    for file, _ in files.values():
        file.close()


class Pictures:
    """Keeps documents by the hash of their bytes, and reads them in other processes, a few at once."""

    def __init__(self) -> None:
        self._files = _Files()
        self._readings = Latest[Reading](_READINGS_MAX)
        # When a process did not survive a file, or not in time: none is tried on it for a while.
        self._spoiled = Latest[float](_SPOILED_MAX)
        self._free = anyio.CapacityLimiter(_AT_ONCE_MAX)

    def has(self, sha256: str) -> bool:
        """Whether that document is kept."""
        return self._files.get(sha256) is not None

    async def keep(self, pieces: AsyncIterable[bytes]) -> str:
        """Keeps a document, and returns its hash. Whatever ends the pieces early ends this."""
        hashed, size = hashlib.sha256(), 0
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open for as long as it is kept
        try:
            async for piece in pieces:
                hashed.update(piece)
                size += len(piece)
                file.write(piece)
            file.flush()
        except BaseException:
            file.close()
            raise
        self._files.put(hashed.hexdigest(), file, size)
        return hashed.hexdigest()

    async def pieces(self, sha256: str) -> AsyncIterator[bytes]:
        """The bytes of a kept document. Another use of the file may move its place between two of them."""
        kept = self._files.get(sha256)
        if kept is None:
            return
        # A file of its own: the kept one may be closed meanwhile.
        with os.fdopen(os.dup(kept.fileno()), "rb", buffering=0) as file:
            at = 0
            while True:
                file.seek(at)
                piece = file.read(_PIECE_BYTES)
                if not piece:
                    return
                at += len(piece)
                yield piece

    def kind(self, sha256: str) -> str:
        """The type of a kept document by its content."""
        kept = self._files.get(sha256)
        if kept is None:
            return "application/octet-stream"
        kept.seek(0)
        return content_type_of(kept.read(_PIECE_BYTES))

    async def read(self, sha256: str) -> Reading:
        """The text of a kept document; one that cannot be read says so."""
        known = self._readings.get(sha256)
        if known is not None:
            return known
        said = await self._child(sha256, "text", *_ROOTS)
        if said is None:
            return _NOT_READ
        told = json.loads(said)
        drawn, pages = told.pop("drawn"), tuple(told.pop("pages"))
        found = Reading(DocumentText(pages=pages, **told), drawn)
        self._readings.put(sha256, found)
        return found

    async def page(self, sha256: str, number: int) -> bytes | None:
        """A page of a kept document as a PNG, counted from 0; None if it cannot be drawn."""
        if number >= PAGES_MAX:
            return None
        key = f"{sha256}/{number}"
        kept = self._files.get(key)
        if kept is not None:
            kept.seek(0)
            return kept.read()
        png = await self._child(sha256, "picture", str(number))
        if png is not None:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - it stays open for as long as it is kept
            file.write(png)
            file.flush()
            self._files.put(key, file, len(png))
        return png

    async def _child(self, sha256: str, kind: str, *arguments: str) -> bytes | None:
        """What such a process says of a kept document; None if it fails, or takes too long or says too much."""
        with anyio.move_on_after(_WAIT_SECONDS_MAX):
            async with self._free:
                file = self._files.get(sha256)
                key, now = f"{kind} {sha256}", anyio.current_time()
                if file is None or now - (self._spoiled.get(key) or -math.inf) < _SPOILED_SECONDS:
                    return None
                with anyio.move_on_after(_SECONDS_MAX[kind]), suppress(_Died):
                    return await _said_by(file, (kind, *arguments))
                self._spoiled.put(key, now)
        return None


class _Died(Exception):
    """A process was ended by a signal: it used up what it may have, or broke."""


async def _said_by(document: IO[bytes], arguments: tuple[str, ...]) -> bytes | None:
    command = [sys.executable, "-I", _PROGRAM, *arguments]
    # It needs nothing of the environment, where secrets are; on Windows nothing starts without some of it.
    environment = None if sys.platform == "win32" else dict[str, str]()
    process = await anyio.open_process(
        command, stdin=document.fileno(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    # Leaving this block kills it, also when the time is up.
    async with process:
        assert process.stdout is not None
        said = bytearray()
        async for piece in process.stdout:
            said += piece
            if len(said) > _ANSWER_BYTES_MAX:
                process.kill()
                return None
        status = await process.wait()
        if status < 0:
            raise _Died
        return bytes(said) if status == 0 else None
