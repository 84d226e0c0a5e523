"""The demo's invoice: found beside the program, and read from its PDF as an assistant would."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from pypdf import PdfReader

from rutter_ap_tools.errors import OperatorError

INVOICE_NAME = "northwind-utilities-NW-2026-1107.pdf"


@dataclass(frozen=True, slots=True)
class Invoice:
    """What the PDF says; amounts and dates in the tools' format."""

    vendor: str
    number: str
    issue_date: str
    due_date: str
    currency: str
    total: str
    lines: tuple[tuple[str, str], ...]


def invoice_folder() -> Path:
    """`examples/invoices`: inside an installed package, or in the repository."""
    installed = Path(str(files("rutter_ap_server"))) / "examples" / "invoices"
    in_repository = Path(__file__).resolve().parents[4] / "examples" / "invoices"
    for folder in (installed, in_repository):
        if (folder / INVOICE_NAME).is_file():
            return folder
    raise OperatorError("the demo's invoice is missing", next_step="Install rutter-ap again.")


def read_invoice() -> Invoice:
    """Reads the PDF's text and finds the fields by their labels."""
    reader = PdfReader(invoice_folder() / INVOICE_NAME)
    text = "\n".join(page.extract_text() for page in reader.pages)
    total = re.search(r"Total due:\s*([A-Z]{3})\s*([\d,]+\.\d{2})", text)
    if total is None:
        raise OperatorError("the demo's invoice shows no total", next_step="Install rutter-ap again.")
    return Invoice(
        vendor=_labelled(text, "From"),
        number=_labelled(text, "Invoice number"),
        issue_date=_date(_labelled(text, "Invoice date")),
        due_date=_date(_labelled(text, "Due date")),
        currency=total[1],
        total=total[2].replace(",", ""),
        lines=tuple(_lines(text)),
    )


def _labelled(text: str, label: str) -> str:
    found = re.search(rf"{label}:\s*(.+)", text)
    if found is None:
        raise OperatorError(f"the demo's invoice shows no {label.lower()}", next_step="Install rutter-ap again.")
    return found[1].strip()


def _date(text: str) -> str:
    return datetime.strptime(text, "%Y-%m-%d").date().isoformat()  # noqa: DTZ007 - a calendar day has no zone


def _lines(text: str) -> list[tuple[str, str]]:
    """The table's rows: words, then an amount with two decimals at the end, between its head and the total."""
    table = text.split("Amount", 1)[-1].split("Total due", 1)[0]
    rows = re.findall(r"^(.+?)\s+([\d,]+\.\d{2})$", table, flags=re.MULTILINE)
    return [(words.strip(), amount.replace(",", "")) for words, amount in rows]
