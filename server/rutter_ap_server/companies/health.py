"""The health of connected companies, when each was last synced, and what its platform supports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from rutter_ap_server.companies.company import Company, Environment
from rutter_ap_server.rutter.abilities import Support, abilities_of
from rutter_ap_server.rutter.models.connections import ConnectionDetail, ConnectionStatus
from rutter_ap_tools.connections import Abilities, ConnectionList, ConnectionRow, Health
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.records import RecordKind
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import CompanyNamed

ASKED_MAX = 50
_AT_ONCE_MAX = 8
_SECONDS_MAX = 30
# What stands for the company of the settings' token while it cannot be read, and so has no id or name.
OWN_COMPANY = "RUTTER_ACCESS_TOKEN"
Shown = Callable[[str], Awaitable[str | None]]
Verbs = dict[str, tuple[str, str]]
"""What is shown of a platform: a name, and the collection and verb of the abilities table it stands for."""
# What is shown in addition to the writes: what can be listed and looked up.
_READS: Verbs = {
    "payments": ("bill_payments", "read"),
    "credits": ("bill_credit_memos", "read"),
    **{kind.plural: (kind.plural, "read") for kind in RecordKind},
}
_SIGN_IN = ("needs_reauth", "waiting")


@dataclass(frozen=True, slots=True)
class UnavailableCompany:
    """A connected company that cannot be used now; `trouble` says why, and who can fix it."""

    id: str
    name: str
    platform: str
    environment: Environment
    trouble: ApError

    @property
    def named(self) -> CompanyNamed:
        """As it appears in a result."""
        return CompanyNamed(id=self.id, name=clean(self.name) or None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending connection. The repr omits the link, because anyone who has it can connect on the person's behalf."""

    id: str
    name: str
    environment: Environment
    link_url: str

    def __repr__(self) -> str:
        return f"Waiting({self.id!r})"


def health_of(status: ConnectionStatus) -> Health:
    """The health of a connection, the most serious problem first (Rutter docs: Connection Status)."""
    if status.disabled_status.is_disabled:
        return "disabled"
    if status.needs_update_status.needs_update:
        return "needs_reauth"
    if not status.is_ready:
        return "not_ready"
    return "active" if status.is_healthy else "unhealthy"


def abilities(platform: str, verbs: Verbs, unavailable: Sequence[str] = ()) -> Abilities:
    """What a platform supports for accounts payable, by how certain that is.

    `verbs` names what is looked up.
    """
    known = abilities_of(platform, unavailable)
    sorted_by: dict[Support, list[str]] = {support: [] for support in Support}
    for verb, (collection, what) in (verbs | _READS).items():
        support, condition = known.support(collection, what), known.condition(collection)
        needs = f": needs {condition.what}" if support is Support.CONDITION and condition is not None else ""
        sorted_by[support].append(f"{verb}{needs}")
    return Abilities(
        can=sorted_by[Support.YES],
        on_condition=sorted_by[Support.CONDITION],
        not_documented=sorted_by[Support.UNSURE],
        cannot=sorted_by[Support.NO],
    )


async def list_connections(
    found: Sequence[Company | UnavailableCompany | Waiting], shown: Shown, environment: Environment, verbs: Verbs
) -> ConnectionList:
    """Asks Rutter about each company, a few at a time and within a time limit; one failure does not hide the others.

    `shown` turns Rutter's link into one that a person can open.
    """
    rows: dict[int, ConnectionRow] = {}
    limiter = anyio.CapacityLimiter(_AT_ONCE_MAX)

    async def look(place: int, one: Company | UnavailableCompany | Waiting) -> None:
        async with limiter:
            rows[place] = await _row(one, shown, verbs)

    async with anyio.create_task_group() as tasks:
        for place, one in enumerate(found[:ASKED_MAX]):
            tasks.start_soon(look, place, one)
    listed = [rows[place] for place in sorted(rows)] + [_not_asked(one) for one in found[ASKED_MAX:]]
    company = (
        CompanyNamed(id=listed[0].id, name=listed[0].name)
        if len(listed) == 1
        else CompanyNamed(id="", name="all companies")
    )
    return ConnectionList(company=company, environment=environment, connections=listed, next_step=_next_step(listed))


async def _row(one: Company | UnavailableCompany | Waiting, shown: Shown, verbs: Verbs) -> ConnectionRow:
    if isinstance(one, Waiting):
        return ConnectionRow(
            id=one.id,
            name=clean(one.name) or None,
            environment=one.environment,
            health="waiting",
            sign_in_url=await shown(one.link_url),
            problem="Nobody has signed in yet.",
        )
    if isinstance(one, UnavailableCompany):
        return _troubled(one.id, one.name, one.platform, one.environment, one.trouble, verbs)
    company = one.identity
    try:
        with anyio.fail_after(_SECONDS_MAX):
            status, detail = await _asked(one)
            return await _healthy_or_not(one, status, detail, shown, verbs)
    except TimeoutError:
        late = ApError(f"Rutter did not respond within {_SECONDS_MAX} seconds.")
        return _troubled(company.id, company.name, company.platform, company.environment, late, verbs)
    except ApError as error:
        return _troubled(company.id, company.name, company.platform, company.environment, error, verbs)


async def _asked(company: Company) -> tuple[ConnectionStatus, ConnectionDetail]:
    return await company.rutter.status(), await company.rutter.detail()


async def _healthy_or_not(
    company: Company, status: ConnectionStatus, detail: ConnectionDetail, shown: Shown, verbs: Verbs
) -> ConnectionRow:
    health = health_of(status)
    link = status.link_url or detail.link_url
    return ConnectionRow(
        id=company.id,
        name=clean(company.name) or None,
        platform=clean(detail.platform, 40),
        environment=company.environment,
        health=health,
        last_synced_at=status.last_sync_completed_at or detail.last_sync_completed_at,
        sign_in_url=await shown(link) if link and health in _SIGN_IN else None,
        problem=_PROBLEMS.get(health),
        abilities=abilities(detail.platform, verbs, detail.unavailable_objects),
    )


_PROBLEMS: dict[Health, str] = {
    "not_ready": "The first sync has not finished; it can take hours. Until then lists may be incomplete, and every "
    "write needs an approver.",
    "unhealthy": "Rutter has trouble reaching the platform and keeps retrying; lists may be out of date.",
    "needs_reauth": "A person must sign in to the accounting platform again.",
    "disabled": "The connection is disabled; a person must enable or renew it in Rutter.",
}


def _troubled(
    id: str,  # noqa: A002 - as a row names it
    name: str,
    platform: str,
    environment: Environment,
    error: ApError,
    verbs: Verbs,
) -> ConnectionRow:
    return ConnectionRow(
        id=id,
        name=clean(name) or None,
        platform=clean(platform, 40) or None,
        environment=environment,
        health="unknown",
        problem=f"{error.message.rstrip('.')}. {error.next_step}".strip(),
        abilities=abilities(platform, verbs) if platform else None,
    )


def _not_asked(one: Company | UnavailableCompany | Waiting) -> ConnectionRow:
    company = one.identity if isinstance(one, Company) else one
    platform = "" if isinstance(company, Waiting) else company.platform
    return ConnectionRow(
        id=company.id,
        name=clean(company.name) or None,
        platform=clean(platform, 40) or None,
        environment=company.environment,
        health="unknown",
        problem="Not checked now; pass it as `company` to check it.",
    )


def _next_step(rows: Sequence[ConnectionRow]) -> str:
    if not rows:
        return "No company is connected yet; start with connect_ledger."
    if any(row.health in _SIGN_IN for row in rows):
        return "Ask a person to open the sign-in link and sign in, then call connect_ledger with its connection_id."
    if any(row.problem for row in rows):
        return "Companies listed without a problem can be used; the others say what is wrong."
    if len(rows) > 1:
        return "Name the company in every call."
    return "The company is ready."
