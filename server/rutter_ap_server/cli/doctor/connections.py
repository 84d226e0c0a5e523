"""Whether each connected company answers, and what a person must do about one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from rutter_ap_server.cli.doctor.check import Check, Installation, Status, step_of
from rutter_ap_server.companies.health import health_of
from rutter_ap_tools.connections import Health
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.text import clean

if TYPE_CHECKING:
    from rutter_ap_server.companies.company import Company

_SECONDS_MAX = 60
_SICK: dict[Health, tuple[Status, str, str]] = {
    "disabled": ("fail", "the connection is disabled", "Enable or renew the connection at Rutter."),
    "needs_reauth": (
        "fail",
        "the connection needs a new sign-in",
        "A person must sign in to the accounting platform again: run `rutter-ap connect --connection {}`.",
    ),
    "not_ready": (
        "warn",
        "the first synchronisation has not ended",
        "Try again later: the first synchronisation can take hours.",
    ),
    "unhealthy": (
        "warn",
        "Rutter calls the connection unhealthy",
        "Look at the connection in Rutter's dashboard; lists may be out of date.",
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
            found = [await _company(company) for company in await companies.all()]
            broken = await companies.broken()
    except TimeoutError:
        return [late]
    found += [
        Check("connection", "fail", f"{clean(one.name, 60)}: {one.trouble.message}", step_of(one.trouble))
        for one in broken
    ]
    return found or [Check("connection", "warn", "no company is connected", "Run `rutter-ap connect`.")]


async def _company(company: Company) -> Check:
    named = f"{clean(company.name, 60)} ({clean(company.platform, 30)})"
    try:
        health = health_of(await company.rutter.status())
    except ApError as error:
        return Check("connection", "fail", f"{named}: {error.message}", step_of(error))
    if health in _SICK:
        status, words, step = _SICK[health]
        return Check("connection", status, f"{named}: {words}", step.format(company.id))
    if company.environment == "embedded":
        where = "from the embedded sandbox: no account, no network, no real books"
    else:
        where = f"from Rutter's {company.environment} environment"
    return Check("connection", "ok", f"{named} answers, {where}")
