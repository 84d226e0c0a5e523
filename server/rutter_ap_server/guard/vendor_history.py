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
    if not sightings:
        return None
    parts, last = dict(vendor.parts), sightings[-1]
    others = [one for one in sightings if one.differs_from(vendor.details, parts)]
    # It became as it is after it was seen like that for the first time, if that is not the only time.
    again = bool(others) or last.became_at > last.first_seen_at
    if last.differs_from(vendor.details, parts) or (again and now - last.became_at < cooling):
        what = (_differing(parts, dict(others[-1].parts)) if others else "") or "details"
        return f"this vendor's {what} changed within the last {cooling.days} days"
    if not may_have_come_back(vendor, sightings, now, cooling):
        return None
    when = f"was changed in the ledger on {vendor.updated_at.date()}" if vendor.updated_at else "may have changed"
    before = ", and it had others before" if others else ""
    return f"this vendor {when}, after it was last seen here with these details{before}"


def may_be_known(vendor: VendorFact, sightings: Sequence[Sighting], now: datetime, cooling: timedelta) -> bool:
    """Whether the ledger shows enough to know a vendor by: when it changed or, where it does not say that, its bank
    account, which was then seen here for a whole cooling period and lately.
    """
    if vendor.updated_at is not None:
        return True
    if not vendor.shows_bank_account or not sightings:
        return False
    first, last = sightings[0].first_seen_at, sightings[-1].last_seen_at
    return now - first >= cooling > now - last


def may_have_come_back(vendor: VendorFact, sightings: Sequence[Sighting], now: datetime, cooling: timedelta) -> bool:
    """Whether the details that were seen last may have been others since, and have come back.

    A vendor can be given new details while nobody looks, and the known ones again when they are to be paid to. So a
    change in the ledger after the last sighting counts, though nothing differs. Where the ledger does not show changes,
    a vendor that had other details before must be seen often.
    """
    parts = dict(vendor.parts)
    last = sightings[-1] if sightings else None
    if last is None or last.differs_from(vendor.details, parts):
        return False
    had_others = any(one.differs_from(vendor.details, parts) for one in sightings)
    changed = vendor.updated_at
    if changed is None:
        return had_others and now - last.last_seen_at >= cooling
    # The ledger's own stamp then says most, whatever its clock is; an earlier program did not keep it.
    is_changed = changed != last.changed_at if last.changed_at is not None else changed > last.last_seen_at
    return is_changed and (had_others or now - changed < cooling)


def _differing(now: dict[str, str], before: dict[str, str]) -> str:
    return " and ".join(name for name in now if name in before and now[name] != before[name])
