"""What a notice says: that a person is needed, where, and for which company. No amount, no payee, no link that acts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rutter_ap_server.installed import as_installed
from rutter_ap_server.store.notices import Kind, Matter
from rutter_ap_tools.text import clean

TITLE = "rutter-ap"
NAME_CHARACTERS_MAX = 60
# What one is said to be, what several are; most urgent first.
_SAID: dict[Kind, tuple[str, str]] = {
    Kind.FROZEN: ("All writes are stopped", "All writes are stopped"),
    Kind.UNKNOWN: ("The outcome of 1 write is unknown", "The outcomes of {count} writes are unknown"),
    Kind.EXPIRING: ("1 proposal expires soon", "{count} proposals expire soon"),
    Kind.SECOND: ("1 proposal waits for a second approver", "{count} proposals wait for a second approver"),
    Kind.HELD: ("1 proposal waits for a person", "{count} proposals wait for a person"),
}


def said(matters: Sequence[Matter], where: str) -> tuple[str, str]:
    """The title and the text of one message about all of them; `where` is the address or command to decide at."""
    counted = Counter((one.kind, one.company_name, one.environment) for one in matters)
    order = list(_SAID)
    lines = [
        _line(kind, count, company, environment)
        for (kind, company, environment), count in sorted(
            counted.items(), key=lambda one: (order.index(one[0][0]), one[0][1], one[0][2])
        )
    ]
    return f"{TITLE}: {lines[0].rstrip('.')}", "\n".join([*lines, where])


def _line(kind: Kind, count: int, company: str, environment: str) -> str:
    one, several = _SAID[kind]
    words = one if count == 1 else several.format(count=count)
    if not company:
        return f"{words}."
    return f"{words} at {clean(company, NAME_CHARACTERS_MAX)} ({clean(environment, 20)})."


def where_to_decide(desk_address: str) -> str:
    """The sentence that tells a person where to look."""
    if desk_address:
        return f"Decide at {desk_address}"
    return as_installed("Run `rutter-ap proposals list` where the server runs.")
