"""A due list longer than a run: it pays a hundred and says how many it leaves out, in bounded requests and memory."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest

from rutter_ap_tools.payments import PROPOSE_PAYMENT_RUN, RUN_LINES_MAX, ProposePaymentRun, RunResult
from rutter_ap_tools.statement import render_statement
from support.long_runs import ACCOUNT, long_run

DUE = 1000
# What a run of so many may ask, and what its answer may hold: the list, and so much for each line.
REQUESTS_MAX = 10 * RUN_LINES_MAX
ANSWER_CHARACTERS_MAX = 60_000
PEAK_BYTES_MAX = 256 * 1024 * 1024


@pytest.mark.slow
async def test_a_thousand_due_bills_make_a_run_of_a_hundred(home: Path) -> None:
    async with long_run(home, DUE, 200) as run:
        before = run.wire.requests
        tracemalloc.start()
        held = await run.bench.submit(ProposePaymentRun(due_to="2026-12-31", account=ACCOUNT))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert isinstance(held, RunResult)
        assert len(held.lines) == RUN_LINES_MAX
        assert {one.bill_id for one in held.left_out}.isdisjoint(line.bill_id for line in held.lines)
        assert all(one.reason for one in held.left_out)
        assert run.wire.requests - before <= REQUESTS_MAX
        assert peak_bytes < PEAK_BYTES_MAX
        assert run.wire.writes == []
        assert len(PROPOSE_PAYMENT_RUN.render(held)) < ANSWER_CHARACTERS_MAX
        seen = await run.bench.app.approvals.preview(str(held.proposal_id), run.bench.company)
        # Every generated bill that is not paid, and some of the story's.
        [count] = re.findall(r"Bills left out: (\d+), of which are listed \d+", render_statement(seen.statement))
        assert int(count) >= DUE - RUN_LINES_MAX
