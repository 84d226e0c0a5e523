"""Reads a stranger's document in a process of its own: whatever the file does to a parser, it ends there.

    python -I page_image.py picture PAGE < FILE > PNG      one page of a PDF, or a picture drawn anew
    python -I page_image.py text ROOT... < FILE > JSON     its text, read by `documents.text`, and how many pages it has

It is started by its path, not as a module, so that it finds its libraries alone: ROOT are the folders of our packages.
The document is its standard input, and it is told nothing else. What cannot be done ends with another status than 0.
"""

from __future__ import annotations

import importlib
import io
import json
import mmap
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

import pypdfium2
from PIL import Image, ImageOps

SIDE_PIXELS_MAX = 2000
PICTURE_BYTES_MAX = 4_000_000
# More than the reader of the text gives itself.
_CPU_SECONDS_MAX = 7
_MEMORY_BYTES_MAX = 1 << 30
_PIXELS_READ_MAX = 60_000_000
# Of an A4 page: letters of six points can be read.
_SCALE = 1.5
# Most pages fit at their full size; a photograph may need more than one attempt.
_SIDES_PIXELS = (SIDE_PIXELS_MAX, 1400, 900)


def main(arguments: Sequence[str]) -> NoReturn:
    """Does one thing to the document on the standard input."""
    _limit_this_process()
    kind, *rest = arguments
    # Mapped, not read: two of these processes may share one open file, and with it the place that is read next.
    content = mmap.mmap(0, 0, access=mmap.ACCESS_READ)[:]
    sys.stdout.buffer.write(picture(content, int(rest[0])) if kind == "picture" else text(content, rest))
    sys.stdout.flush()
    # At once: a reader that was abandoned in a hostile file would be waited for.
    os._exit(0)


def _limit_this_process() -> None:
    """Bounds its time and memory, and forbids it to write any file; Windows has no such limits, only the time."""
    try:
        limits = importlib.import_module("resource")
    except ImportError:
        return
    # Whoever waits for a page of the desk comes first.
    os.nice(5)
    for name, value in (("CPU", _CPU_SECONDS_MAX), ("AS", _MEMORY_BYTES_MAX), ("FSIZE", 0), ("CORE", 0)):
        limits.setrlimit(getattr(limits, f"RLIMIT_{name}"), (value, value))


def picture(content: bytes, page: int) -> bytes:
    """One page of the document as a PNG. Raises whatever a parser raises."""
    drawn = _page_of(content, page) if content.startswith(b"%PDF-") else _redrawn(content, page)
    for side in _SIDES_PIXELS:
        drawn.thumbnail((side, side))
        png = io.BytesIO()
        drawn.save(png, "PNG")
        if png.tell() <= PICTURE_BYTES_MAX:
            return png.getvalue()
    raise ValueError("the picture is too large")


def _page_of(content: bytes, number: int) -> Image.Image:
    document = pypdfium2.PdfDocument(content)
    # Without this what was typed into the fields of a form is not drawn.
    document.init_forms()
    page = document[number]
    scale = min(_SCALE, SIDE_PIXELS_MAX / max(page.get_size()))
    drawn: Image.Image = page.render(scale=scale).to_pil().convert("RGB")
    return drawn


def _redrawn(content: bytes, number: int) -> Image.Image:
    """A picture, drawn anew from its pixels: nothing else that the file holds is passed on."""
    if number:
        raise IndexError("a picture has one page")
    Image.MAX_IMAGE_PIXELS = _PIXELS_READ_MAX
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    found = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    found.draft("RGB", (SIDE_PIXELS_MAX, SIDE_PIXELS_MAX))
    found.thumbnail((SIDE_PIXELS_MAX, SIDE_PIXELS_MAX))
    # On white, as it is on paper: what is written in a transparent picture is usually black.
    upright = ImageOps.exif_transpose(found).convert("RGBA")
    paper = Image.new("RGBA", upright.size, "white")
    paper.alpha_composite(upright)
    return paper.convert("RGB")


def text(content: bytes, roots: Sequence[str]) -> bytes:
    """The document's text as JSON: the fields of `DocumentText`, and `drawn`, how many pages can be drawn."""
    sys.path.extend(roots)
    read: Callable[[bytes], object] = importlib.import_module("rutter_ap_server.documents.text").document_text
    found = importlib.import_module("anyio").run(read, content)
    drawn = _pages_of(content) if content.startswith(b"%PDF-") else int(found.content_type.startswith("image/"))
    said = {name: getattr(found, name) for name in ("content_type", "pages", "page_count", "trouble")}
    return json.dumps(said | {"drawn": drawn}).encode()


def _pages_of(content: bytes) -> int:
    try:
        return len(pypdfium2.PdfDocument(content))
    except pypdfium2.PdfiumError:
        return 0


if __name__ == "__main__":
    main(sys.argv[1:])
