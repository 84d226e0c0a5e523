"""Which day it is for each company: overdue bills are counted from it, and a payment without a date is made on it."""

from __future__ import annotations

from rutter_ap_server.cli.doctor.check import Check, Installation
from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.health import OWN_COMPANY
from rutter_ap_tools.text import clean


async def days(installation: Installation) -> list[Check]:
    """One check for each company, and one for each time zone that is set for no company."""
    if installation.companies is None:
        return [Check("today", "warn", "cannot be checked while the companies cannot be listed")]
    checks = [Check("today", "ok", _words(company)) for company in installation.companies]
    zone = installation.app.clock.in_zone(installation.settings.time_zones.default)
    checks = checks or [Check("today", "ok", f"{zone.today()} ({zone.zone_name})")]
    return checks + [
        Check(
            "today",
            "warn",
            f"RUTTER_AP_TIME_ZONE has a zone for {key}, which is no connected company",
            "Write the company's name or id as `rutter-ap connections` shows it.",
        )
        for key in _unused(installation)
    ]


def _words(company: Company) -> str:
    return f"{company.clock.today()} for {clean(company.name, 60)} ({company.clock.zone_name})"


def _unused(installation: Installation) -> tuple[str, ...]:
    unavailable = installation.unavailable
    if installation.store_is_broken or any(one.id == OWN_COMPANY for one in unavailable):
        # Not every name and id is known, so an entry may well be for one of the others.
        return ()
    known = [(one.id, one.name) for one in installation.companies or ()] + [(one.id, one.name) for one in unavailable]
    return installation.settings.time_zones.without_company(known)
