"""Whether each connected company can be reached, and what a person must do about one that cannot."""

from __future__ import annotations

import anyio

from rutter_ap_server.cli.doctor.check import Check, Installation, Status, step_of
from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.health import health_of
from rutter_ap_tools.connections import Health
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.text import clean

_SECONDS_MAX = 60
_SICK: dict[Health, tuple[Status, str, str]] = {
    "disabled": (
        "fail",
        "the connection is disabled",
        "Enable the connection at Rutter, or connect the company again.",
    ),
    "needs_reauth": (
        "fail",
        "the connection needs a new sign-in",
        "Run `rutter-ap connect --connection {}` and have a person sign in to the accounting platform again.",
    ),
    "not_ready": (
        "warn",
        "the first synchronisation is still running",
        "Wait: it can take hours. Until then lists may be incomplete, and every write needs an approver.",
    ),
    "unhealthy": (
        "warn",
        "Rutter reports the connection as unhealthy",
        "Check the connection in Rutter's dashboard. Until then lists may be out of date.",
    ),
}


async def connections(installation: Installation) -> list[Check]:
    """One check for each company."""
    companies = installation.app.companies
    late = Check(
        "connection", "fail", f"no answer within {_SECONDS_MAX} seconds", "Check the network and Rutter's status page."
    )
    try:
        with anyio.fail_after(_SECONDS_MAX):
            usable = await companies.all()
            broken = await companies.unavailable()
            installation.companies, installation.unavailable = usable, broken
            found = [await _company(company) for company in usable]
    except TimeoutError:
        return [late]
    found += [
        Check("connection", "fail", f"{_named(one.name, one.platform)}: {one.trouble.message}", step_of(one.trouble))
        for one in broken
    ]
    return found or [Check("connection", "warn", "no company is connected", "Run `rutter-ap connect`.")]


def _named(name: str, platform: str) -> str:
    return f"{clean(name, 60)} ({clean(platform, 30)})" if platform else clean(name, 60)


async def _company(company: Company) -> Check:
    named = _named(company.name, company.platform)
    try:
        health = health_of(await company.rutter.status())
    except ApError as error:
        return Check("connection", "fail", f"{named}: {error.message}", step_of(error))
    if health in _SICK:
        status, words, step = _SICK[health]
        return Check("connection", status, f"{named}: {words}", step.format(company.id))
    if company.environment == "embedded":
        where = "in the embedded sandbox: no account, no network, no real books"
    else:
        where = f"in Rutter's {company.environment} environment"
    return Check("connection", "ok", f"{named} can be reached, {where}")
