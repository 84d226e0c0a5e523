"""Generates the example invoice, so that the first task in the README needs nothing but this repository.

    python examples/invoices/make.py [FOLDER]

The output is identical everywhere: dates and identifiers are fixed, and nothing is compressed, because two
builds of a compression library may write the same content differently.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos


@dataclass(frozen=True, slots=True)
class Invoice:
    """The contents of the invoice."""

    vendor: str
    customer: str
    number: str
    issued: str
    due: str
    lines: tuple[tuple[str, str], ...]

    @property
    def total(self) -> str:
        """The sum of the lines, formatted as on the invoice."""
        return f"{sum((Decimal(amount) for _, amount in self.lines), Decimal(0)):,.2f}"


NORTHWIND = Invoice(
    vendor="Northwind Utilities",
    customer="Harbor & Pine Ltd",
    number="NW-2026-1107",
    issued="2026-11-02",
    due="2026-12-02",
    lines=(
        ("Electricity, 1,789 kWh, meter E-20883", "268.35"),
        ("Water and wastewater, 41 m3, meter W-11790", "122.25"),
        ("Waste collection, weekly", "48.00"),
    ),
)
_MARGIN_MM = 20
_WIDTH_MM = 170
_AMOUNT_MM = 35
_GREY = (110, 110, 110)


def render(invoice: Invoice) -> bytes:
    """The invoice as a PDF of one A4 page."""
    pdf = FPDF(format="A4")
    pdf.set_compression(False)
    pdf.set_creation_date(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))
    pdf.set_producer("examples/invoices/make.py")
    pdf.set_title(f"Invoice {invoice.number}")
    pdf.set_author(invoice.vendor)
    pdf.set_margin(_MARGIN_MM)
    pdf.set_auto_page_break(False)
    pdf.add_page()
    _head(pdf, invoice)
    _table(pdf, invoice)
    _foot(pdf)
    return bytes(pdf.output())


def _head(pdf: FPDF, invoice: Invoice) -> None:
    pdf.set_fill_color(24, 72, 96)
    pdf.rect(0, 0, 210, 8, style="F")
    pdf.set_y(18)
    _say(pdf, invoice.vendor, size=18, bold=True)
    _say(pdf, "40 Turbine Road, Portland, ME 04103, US", colour=_GREY)
    _say(pdf, "billing@northwind-utilities.example", colour=_GREY)
    pdf.ln(8)
    _say(pdf, "INVOICE", size=14, bold=True)
    pdf.ln(2)
    for label, value in (
        ("From", invoice.vendor),
        ("Bill to", invoice.customer),
        ("Invoice number", invoice.number),
        ("Invoice date", invoice.issued),
        ("Due date", invoice.due),
        ("Customer account", "7741-20883"),
        ("Service address", "12 Harbor Road, Portland, ME 04101, US"),
        ("Service period", "2026-10-01 to 2026-10-31"),
        ("Currency", "USD"),
    ):
        _say(pdf, f"{label}: {value}", height=6.5)
    pdf.ln(8)


def _table(pdf: FPDF, invoice: Invoice) -> None:
    pdf.set_draw_color(180, 180, 180)
    pdf.set_fill_color(234, 240, 243)
    _row(pdf, "Description", "Amount", bold=True, fill=True)
    for words, amount in invoice.lines:
        _row(pdf, words, amount)
    pdf.ln(4)
    _say(pdf, f"Total due: USD {invoice.total}", size=13, bold=True, align="R")
    pdf.ln(10)


def _foot(pdf: FPDF) -> None:
    _say(pdf, "Payment terms: 30 days net. Please quote the invoice number with your payment.", colour=_GREY)
    _say(pdf, "Bank: First Casco Bank, account ending 0413, unchanged since 2019.", colour=_GREY)
    pdf.ln(12)
    top = pdf.get_y()
    pdf.set_draw_color(150, 60, 60)
    pdf.rect(_MARGIN_MM, top, 95, 24)
    pdf.set_xy(_MARGIN_MM + 3, top + 2.5)
    for text in ("Received: 2026-11-04, accounts payable", "Account: 6100 Utilities", "Department: Operations"):
        pdf.set_x(_MARGIN_MM + 3)
        _say(pdf, text, colour=(150, 60, 60))


def _say(
    pdf: FPDF,
    text: str,
    *,
    size: int = 10,
    bold: bool = False,
    colour: tuple[int, int, int] = (20, 20, 20),
    height: float = 6,
    align: str = "L",
) -> None:
    pdf.set_font("Helvetica", style="B" if bold else "", size=size)
    pdf.set_text_color(*colour)
    pdf.cell(0, height, text, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _row(pdf: FPDF, words: str, amount: str, *, bold: bool = False, fill: bool = False) -> None:
    pdf.set_font("Helvetica", style="B" if bold else "", size=10)
    pdf.set_text_color(20, 20, 20)
    pdf.cell(_WIDTH_MM - _AMOUNT_MM, 8, words, border="B", fill=fill)
    pdf.cell(_AMOUNT_MM, 8, amount, border="B", fill=fill, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def main() -> int:
    """Writes the invoice next to this script, or into the given folder."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    path = folder / f"northwind-utilities-{NORTHWIND.number}.pdf"
    path.write_bytes(render(NORTHWIND))
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
