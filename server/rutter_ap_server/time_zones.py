"""The zone of each company: "today" is a day in the place where a company keeps its books, not where a server runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rutter_ap_tools.text import clean, fold

# What looks like the name of a zone may be repeated in an error; anything else could be a secret in the wrong place.
_LIKE_A_ZONE = re.compile(r"[A-Za-z_]{1,20}(/[A-Za-z0-9_+-]{1,20}){0,2}")


class ZonesUnreadable(Exception):
    """What is wrong with the setting, in words that may be shown."""


@dataclass(frozen=True, slots=True)
class TimeZones:
    """The zone of every company without its own, the machine's if None, and the companies' own by name or id."""

    default: ZoneInfo | None = None
    own: tuple[tuple[str, ZoneInfo], ...] = ()

    def of(self, company_id: str, name: str) -> ZoneInfo | None:
        """The zone of a company; its id counts before its name."""
        by_key = dict(self.own)
        by_name = {fold(key): zone for key, zone in self.own}
        return by_key.get(company_id) or by_name.get(fold(name)) or self.default

    def without_company(self, companies: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """The entries that name none of these companies, which are ids and names."""
        known = {key for id_, name in companies for key in (id_, fold(name))}
        return tuple(clean(key, 60) for key, _ in self.own if key not in known and fold(key) not in known)


def read_time_zones(text: str) -> TimeZones:
    """`America/New_York, Northwind=Europe/Berlin`: the zone of all, then the companies' own. A name may have commas.

    Raises `ZonesUnreadable` for the first entry that cannot be used.
    """
    default: ZoneInfo | None = None
    own: dict[str, tuple[str, ZoneInfo]] = {}
    name = ""
    parts = text.split(",")
    for number, part in enumerate(parts, start=1):
        where = f"entry {number} of {len(parts)}"
        if "=" in part:
            key, _, zone = (name + part).rpartition("=")
            if not fold(key):
                raise ZonesUnreadable(f"{where} names no company")
            if fold(key) in own:
                raise ZonesUnreadable(f"{where} names a company that already has a zone")
            own[fold(key)] = (key.strip(), _zone(zone, where))
            name = ""
        elif number == 1:
            default = _zone(part, where)
        elif not part.strip() or _is_zone(part.strip()) or number == len(parts):
            raise ZonesUnreadable(f"{where}{_shown(part)} is not COMPANY=ZONE")
        else:
            # The first half of "Acme, Inc.=Europe/Berlin".
            name += f"{part},"
    return TimeZones(default, tuple(own.values()))


def _zone(text: str, where: str) -> ZoneInfo:
    name = text.strip()
    if not _is_zone(name):
        raise ZonesUnreadable(f"{where}{_shown(name)} is not a time zone, such as Europe/Berlin")
    return ZoneInfo(name)


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A name may also be a folder of zones, or no file name at all.
        return False


def _shown(text: str) -> str:
    name = text.strip()
    return f" ({name})" if _LIKE_A_ZONE.fullmatch(name) else ""
