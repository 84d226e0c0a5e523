"""What commands print: lines, JSON and tables on stdout, and what is only for the person watching on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rutter_ap_tools.errors import Ambiguous, ApError, BadInput, NotFound, OperatorError, OutcomeUnknown, Refused
from rutter_ap_tools.money import Money
from rutter_ap_tools.people import for_people
from rutter_ap_tools.text import clean

# The default next steps are worded for an assistant that calls a tool; a person at a terminal has typed a command.
_STEPS = {
    BadInput.default_next_step: "Correct it and run the command again. Nothing was changed.",
    NotFound.default_next_step: "Check the id or the name and run the command again.",
    Ambiguous.default_next_step: "Run the command again with the id of the one you mean.",
    Refused.default_next_step: "Nothing was written.",
    OperatorError.default_next_step: "Run `rutter-ap doctor`.",
    OutcomeUnknown.default_next_step: "Do not send it again. `rutter-ap proposals list` shows whether it is settled.",
}


def line(text: str = "") -> None:
    """One line of the command's result."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """One line for the person watching. It goes to stderr, so that --json leaves one JSON value on stdout."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """One JSON value, indented."""
    line(json.dumps(value, indent=2, ensure_ascii=False))


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Rows in aligned columns, two spaces apart; the columns in `right` are aligned to the right, as amounts are."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line("  ".join(cells).rstrip())


def money(amount: Money) -> str:
    """An amount for a person to read: "1,234.50 USD". A model might copy the commas, so its texts have none."""
    return amount.grouped


def report_error(error: ApError) -> None:
    """An error on stderr: what happened, why, and what to do next."""
    note(f"{error.error_code}: {for_people(error.message)}")
    if isinstance(error, Refused):
        for finding in error.findings:
            note(f"  {finding.severity.label}: {for_people(finding.message)} [{finding.code}]")
    if isinstance(error, Ambiguous):
        for identifier, name in error.candidates:
            note(f"  {identifier}  {clean(name, 160)}")
    step = _STEPS.get(error.next_step, error.next_step)
    if step:
        note(f"Next: {for_people(step)}")
