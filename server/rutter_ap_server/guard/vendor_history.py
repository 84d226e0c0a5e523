"""Whether a vendor's details are new, by what was seen of them: details shown once and used much later are new too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rutter_ap_server.guard.writes.parties import VendorFact
from rutter_ap_server.store.observations import Sighting


def changed_lately(vendor: VendorFact, sightings: Sequence[Sighting], now: datetime, cooling: timedelta) -> str | None:
    """What changed of a vendor within the cooling period, in words; None if nothing did.

    Details that come back after others are a change as well, whichever were first.
    """
    parts = dict(vendor.parts)
    others = [one for one in sightings if one.differs_from(vendor.details, parts)]
    if not others:
        return None
    last = sightings[-1]
    if last.differs_from(vendor.details, parts) or now - last.became_at < cooling:
        what = _differing(parts, dict(others[-1].parts)) or "details"
        return f"this vendor's {what} changed within the last {cooling.days} days"
    if not may_have_come_back(vendor, sightings, now, cooling):
        return None
    when = f"was changed in the ledger on {vendor.updated_at.date()}" if vendor.updated_at else "may have changed"
    return f"this vendor {when}, after it was last seen here with these details, and it had others before"


def may_have_come_back(vendor: VendorFact, sightings: Sequence[Sighting], now: datetime, cooling: timedelta) -> bool:
    """Whether the details that were seen last may have been others since, and have come back.

    A vendor that had other details can be given new ones, the old ones while nobody looks, and the new ones again when
    they count as known. Details that were seen for a whole cooling period are known. For others the ledger must show
    that the vendor was not changed since; where it does not show changes, the time without a sighting must be short.
    """
    parts = dict(vendor.parts)
    last = sightings[-1] if sightings else None
    if last is None or last.differs_from(vendor.details, parts):
        return False
    if not any(one.differs_from(vendor.details, parts) for one in sightings):
        return False
    if last.last_seen_at - last.first_seen_at >= cooling:
        return False
    changed = vendor.updated_at
    return changed > last.last_seen_at if changed is not None else now - last.last_seen_at >= cooling


def _differing(now: dict[str, str], before: dict[str, str]) -> str:
    return " and ".join(name for name in now if name in before and now[name] != before[name])
