"""Writes docs/surface.md: everything Rutter documents of accounts payable, and where it is honoured.

Run with the tests on the path, since the rows belong to them. `--check` writes nothing, and fails when the page is not
what would be written.
"""

from __future__ import annotations

import sys

from support.surface.page import PAGE, page


def main(arguments: list[str]) -> int:
    """Writes or checks."""
    text = page()
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in arguments:
        sys.stderr.write(f"not current: docs/{PAGE.name}; run: make docs\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
