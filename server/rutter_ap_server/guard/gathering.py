"""Gathers the facts of a write, or of each member of a batch: its own, and those that are the same for every write."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import anyio

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Ability, Batch, Facts, Need, Write, ability_of
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.rutter.abilities import Support
from rutter_ap_server.rutter.platforms import shows_closing_date
from rutter_ap_tools.errors import ApError

_GATHERED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """The facts of each member of a batch, in order."""

    members: tuple[Facts[Any], ...]


async def gather_facts(write: Write[Any] | Batch, prepared: PreparedWrite, company: Company) -> Facts[Any] | BatchFacts:
    """Reads the facts: those of the write, and those that are the same for every write.

    They are of one reading: the company's, or else of a new one.
    """
    if company.reading is None:
        company = company.read_once()
    await read_ahead(write, prepared, company)
    if isinstance(write, Batch):
        return BatchFacts(await _gather_members(write.member, write.members(prepared), company))
    return await _gather_one(write, prepared, company)


async def read_ahead(write: Write[Any] | Batch, prepared: PreparedWrite, company: Company) -> None:
    """Reads into the company's reading, side by side, what the facts will need; once for each write."""

    def of_write() -> Awaitable[None]:
        if isinstance(write, Batch):
            return write.read_ahead(write.members(prepared), company)
        return write.read_ahead(prepared, company)

    async def read() -> None:
        await company.ahead(of_write, partial(_closed_up_to, company))

    if company.reading is not None:
        await company.reading.anew(("ahead", prepared.digest), read)


async def _gather_one(write: Write[Any], prepared: PreparedWrite, company: Company) -> Facts[Any]:
    gathered = await write.gather(prepared, company)
    closed_up_to = await _closed_up_to(company)
    return Facts(
        seen=gathered.seen,
        binding=gathered.binding,
        before=gathered.before,
        vendor=gathered.vendor,
        texts=gathered.texts,
        arguments=gathered.arguments,
        names=gathered.names,
        remembers=gathered.remembers,
        compared=gathered.compared,
        contents=gathered.contents,
        now=company.clock.now(),
        today=company.clock.today(),
        ability=await _ability(company, write.needed(prepared)),
        closed_up_to=closed_up_to,
        incomplete=company.is_incomplete,
        clock_trouble=company.clock_trouble,
    )


async def _closed_up_to(company: Company) -> date | None:
    """The closing date that some ledgers report themselves."""
    return await company.directory.closed_up_to() if shows_closing_date(company.platform) else None


async def _ability(company: Company, needs: tuple[Need, ...]) -> Ability | None:
    """What the platform is documented to support; on a condition, only if the company shows that it is met."""
    able = ability_of(company.platform, needs)
    if able is None or able.support is not Support.CONDITION or await doubt_about(company, able.need.collection):
        return able
    return replace(able, support=Support.YES)


async def _gather_members(
    write: Write[Any], members: tuple[PreparedWrite, ...], company: Company
) -> tuple[Facts[Any], ...]:
    """The facts of every member, a few at a time; the first error ends it."""
    gathered: dict[int, Facts[Any]] = {}
    failures: list[ApError] = []
    free = anyio.CapacityLimiter(_GATHERED_AT_ONCE)

    async def one(number: int) -> None:
        async with free:
            try:
                await read_ahead(write, members[number], company)
                gathered[number] = await _gather_one(write, members[number], company)
            except ApError as error:
                failures.append(error)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for number in range(len(members)):
            tasks.start_soon(one, number)
    if failures:
        raise failures[0]
    return tuple(gathered[number] for number in range(len(members)))
