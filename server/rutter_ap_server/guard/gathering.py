"""Gathering: the facts of one kind of write, and with them what the ledger says of every write alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rutter_ap_server.guard.frozen import Frozen
from rutter_ap_server.guard.kinds.base import Facts, Kind
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.lookup.office import Office
from rutter_ap_server.rutter.abilities import shows_closing_date


async def gather_facts(kind: Kind, frozen: Frozen, office: Office, policy: Policy | None = None) -> Facts[Any]:
    """The kind's facts afresh, and up to which day the ledger says that the books are closed."""
    facts = await kind.gather(frozen, office, policy)
    if not shows_closing_date(office.company.platform):
        return facts
    return replace(facts, closed_up_to=await office.directory.closed_up_to())
