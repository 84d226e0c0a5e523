"""A run released at a terminal says how far it is, from the first moment on; nobody else is written to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio

from support.real_terminal import RealTerminal
from support.runs import PLAIN
from support.serving import PASSCODE, bill_numbered, done, link_funding, serving
from support.terminal import Terminal


def held_run(home: Path, **more: Any) -> str:
    """A run of three payments that an assistant proposed, which nobody released yet."""

    async def propose() -> str:
        async with serving(home) as (client, _):
            await link_funding(client)
            ids = [(await bill_numbered(client, one))["id"] for one in PLAIN]
            held = await done(client, "propose_payment_run", bill_ids=ids, **more)
            assert held["status"] == "held"
            return str(held["proposal_id"])

    return anyio.run(propose)


def test_at_a_terminal_a_run_counts_up_from_nothing(home: Path, rutter_ap: Terminal) -> None:
    run_id = held_run(home)
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)

    with RealTerminal(home, "proposals", "approve", run_id) as terminal:
        terminal.until("Passcode for Dana: ")
        terminal.type(f"{PASSCODE}\n")
        assert terminal.ended() == 0, terminal.raw

    counted = [int(done) for done in re.findall(r"\r(\d) of 3 payments", terminal.raw)]
    assert (counted[0], counted[-1]) == (0, 3)
    assert counted == sorted(counted)
    # The last one is written over by what became of the run.
    assert re.search(r"3 of 3 payments *\r +\r", terminal.raw)
    assert "3 of 3 payments posted" in terminal.shown


def test_where_nobody_watches_no_progress_is_written(home: Path, rutter_ap: Terminal) -> None:
    run_id = held_run(home)
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)

    approved = rutter_ap("proposals", "approve", run_id, "--json", typed=PASSCODE)

    assert approved.json["proposal"]["state"] == "posted"
    assert "of 3 payments" not in approved.err
