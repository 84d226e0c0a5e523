"""The benchmark runs as its page says; what it measures is for a quiet machine, not for a test."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

WALK = Path(__file__).resolve().parents[2] / "benchmarks" / "walk.py"


def test_the_walk_benchmark_sees_every_bill_and_prints_results() -> None:
    command = [sys.executable, str(WALK), "--bills", "1000", "--rounds", "1"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode in {0, 1}, run.stderr
    assert run.stdout.startswith("1000 bills in 2 pages, 1 rounds, medians\n")
    assert re.search(r"^  ratio +\d+\.\d\d +\( ?\d+\.\d\d of work\), at most 1\.3$", run.stdout, re.MULTILINE)
    assert len(re.findall(r"peak memory, (?:hand|client) *: +\d+\.\d MiB over 1 pages, +\d+\.\d MiB", run.stdout)) == 2
