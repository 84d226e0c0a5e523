"""Takes the screens of docs/approving.md from the program itself, at a terminal of 100 columns and on a fixed day."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from datetime import UTC, datetime
from pathlib import Path

import anyio

from rutter_ap_server.app import App
from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.settings import read_settings
from rutter_ap_tools.accounts import LinkAccount
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.payments import PayBill
from rutter_sandbox import open_sandbox

PROPOSED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
COLUMNS = 100
PASSCODE = "a passcode that nobody guesses"
# The ids that proposals have on the page: the account's, and one for the payment of each bill.
LINK, LARGE, ODD = "account", "FT-802", "BH-5533"
IDS = {
    LINK: "52fd8c90-8a14-4e6b-9c7d-1f3b6e2a4d00",
    "NW-2291": "1b0c5a7e-2f7d-4a53-9d0e-6a4f0c2b8e11",
    ODD: "7d92e4f0-51c8-4b6a-8f3e-0e9b7a6d5c22",
    LARGE: "c4a81f36-9e20-4d17-b5a4-3f8d1e7c9a33",
}
_AT_LOOK = """
import sys
from datetime import UTC, datetime
from rutter_ap_server.clock import Clock
Clock.now = lambda self: datetime(2026, 3, 2, 11, 45, tzinfo=UTC)
Clock.is_machines = False
from rutter_ap_server.cli.main import main
sys.exit(main())
"""
_STYLE = re.compile(r"\x1b\[[\d;]*m")


def screens() -> dict[str, str]:
    """What a person types and sees, by name."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir(mode=0o700)
        open_sandbox(home / "sandbox.db", today=PROPOSED.date()).close()
        ids = anyio.run(_proposed, home)
        odd = _at_terminal(home, f"proposals show {ids[ODD][:8]}")
        taken = {
            "list": _at_terminal(home, "proposals list"),
            "approve": _at_terminal(home, f"proposals approve {ids[LARGE][:8]} --as Dana"),
            "findings": odd[odd.index("Findings\n") : odd.index("Checks\n")],
        }
    for number, one in ids.items():
        for name, text in taken.items():
            taken[name] = text.replace(one, IDS[number]).replace(one[:8], IDS[number][:8])
    return taken


async def _proposed(home: Path) -> dict[str, str]:
    """A home with two approvers, and a payment of each bill that waits for them: proposal ids by bill."""
    app = App(read_settings({"RUTTER_AP_HOME": str(home)}), FixedClock(PROPOSED))
    try:
        await app.approvals.add_approver("Dana", PASSCODE, channel="terminal", by=None)
        dana = Proof("Dana", PASSCODE)
        await app.approvals.add_approver("Sam", f"{PASSCODE}, and Sam", channel="terminal", by=dana)
        backend = app.backend("assistant (Claude)", NO_INTERACTION)
        linked = await backend.submit(LinkAccount(role="funding", account="Operating Checking"))
        ids = {LINK: str(linked.proposal_id)}
        for number in IDS:
            if number == LINK:
                continue
            found = await backend.read(ListBills(document_number=number, status="any"))
            held = await backend.submit(PayBill(bill_id=found.bills[0].id, reason="It is due this month."))
            ids[number] = str(held.proposal_id)
        return ids
    finally:
        await app.aclose()


def _at_terminal(home: Path, words: str) -> str:
    """The command as it is typed, and everything it shows; Dana's passcode is typed when it is asked for."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    settings = {"RUTTER_AP_HOME": str(home), "TZ": "UTC", "TERM": "xterm"}
    outside = {name: value for name, value in os.environ.items() if not name.startswith("RUTTER_")}
    process = subprocess.Popen(
        [sys.executable, "-c", _AT_LOOK, *words.split()],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=outside | settings,
        start_new_session=True,
    )
    os.close(slave)
    read, typed = b"", False
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        read += piece
        if read.endswith(b"Passcode for Dana: ") and not typed:
            typed = True
            # The terminal stops echoing just after the question.
            anyio.run(anyio.sleep, 0.3)
            os.write(master, f"{PASSCODE}\n".encode())
        if not piece:
            break
    os.close(master)
    assert process.wait() == 0, read.decode()
    shown = _STYLE.sub("", read.decode()).replace("\r\n", "\n")
    return f"$ rutter-ap {words}\n{shown}"


if __name__ == "__main__":
    for taken in screens().values():
        sys.stdout.write(taken)
