"""Many more bills for load: generated as rows, with the same arithmetic and the same postings as entered ones."""

from __future__ import annotations

from datetime import date

from rutter_ap_server.sandbox.database import Transaction


def generate(tx: Transaction, today: date, bills: int) -> None:
    """Add `bills` unpaid bills to the main company."""
