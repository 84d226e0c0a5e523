"""How far a payment run is, for the person who has released it at a terminal and waits there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rutter_ap_server.interaction import NO_INTERACTION, Interaction, NoInteraction
from rutter_ap_server.store.proposals import Proposal

_RUN = "propose_payment_run"


@contextmanager
def progress_of(proposal: Proposal) -> Iterator[Interaction]:
    """Whom to tell while a proposal is sent: for a run a line at the terminal, there at once and gone at the end."""
    if proposal.tool != _RUN or not sys.stderr.isatty():
        yield NO_INTERACTION
        return
    shown = _ProgressLine(sys.stderr, len(proposal.fields["lines"]))
    try:
        yield shown
    finally:
        shown.erase()


class _ProgressLine(NoInteraction):
    """One line that is written over again and again; it never goes back."""

    def __init__(self, stream: TextIO, total: int) -> None:
        self._stream = stream
        self._done = 0
        self._columns = 0
        self._show(0, total)

    async def report_progress(self, done: float, total: float, message: str) -> None:
        """So many payments have an outcome."""
        self._done = max(self._done, int(done))
        self._show(self._done, int(total))

    def erase(self) -> None:
        """Takes the line away, so that what became of the run stands in its place."""
        self._write("\r" + " " * self._columns + "\r")

    def _show(self, done: int, total: int) -> None:
        text = f"{done} of {total} payments"
        self._columns = max(self._columns, len(text))
        self._write("\r" + text.ljust(self._columns))

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
