"""The benchmark of a large ledger still runs: every figure is printed as the report reads it, and requests are few."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_large_ledger_costs_no_more_requests_than_promised() -> None:
    command = [sys.executable, str(BENCHMARKS / "big_ledger.py"), "--bills", "10000", "--rounds", "1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    lines = [line.strip() for line in done.stdout.splitlines()]
    figures = [line for line in lines if line.startswith(("budget: ", "ratio: "))]
    assert len(figures) == 8, done.stdout + done.stderr
    # How long it takes is for a quiet machine to say.
    asked = [line for line in figures if "requests" in line]
    assert asked == [
        "budget: first page of list_bills, requests 4.00 (at most 6)",
        "budget: summarize_payables when current, requests 3.00 (at most 3)",
    ]
