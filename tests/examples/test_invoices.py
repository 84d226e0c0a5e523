"""The example invoice is what its maker makes, and a program can read what a clerk reads."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from pypdf import PdfReader

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "invoices"
NAME = "northwind-utilities-NW-2026-1107.pdf"


def test_the_maker_reproduces_the_file_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, FOLDER / "make.py", tmp_path], check=True, capture_output=True)

    assert (tmp_path / NAME).read_bytes() == (FOLDER / NAME).read_bytes()


def test_the_text_gives_number_dates_lines_and_total_by_label() -> None:
    (page,) = PdfReader(FOLDER / NAME).pages
    lines = page.extract_text().splitlines()

    labelled = dict(line.split(": ", 1) for line in lines if ": " in line)
    assert {
        "From": "Northwind Utilities",
        "Bill to": "Harbor & Pine Ltd",
        "Invoice number": "NW-2026-1107",
        "Invoice date": "2026-11-02",
        "Due date": "2026-12-02",
        "Currency": "USD",
        "Total due": "USD 438.60",
        "Account": "6100 Utilities",
    }.items() <= labelled.items()

    table = lines[lines.index("Description Amount") + 1 : lines.index("Total due: USD 438.60")]
    rows = [re.fullmatch(r"(.+) (\d+\.\d{2})", line) for line in table if line.strip()]
    amounts = [Decimal(row[2]) for row in rows if row]
    assert len(amounts) == len(rows) == 3
    assert sum(amounts) == Decimal("438.60")


def test_the_file_is_small_and_shows_nothing_of_its_machine() -> None:
    content = (FOLDER / NAME).read_bytes()

    assert len(content) < 10_000
    assert content.startswith(b"%PDF-")
    assert not re.search(rb"/(home|root|work|tmp|Users)/", content)
