"""Connections: which companies there are and what they can do, linking one more, bringing one up to date."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import CompanyArguments, CompanyResult, Result, ShortText

Environment = Literal["embedded", "sandbox", "production"]
# `waiting`: nobody linked it yet. `unknown`: Rutter could not be asked, and `problem` says why.
Health = Literal["active", "not_ready", "unhealthy", "needs_reauth", "disabled", "waiting", "unknown"]
# Rutter takes names of at most 30 characters (Rutter docs: Connections).
ConnectionName = Annotated[str, StringConstraints(max_length=30)]


class Abilities(Result):
    """What Rutter documents for the platform: what works, what is in no list of it, what is known not to work."""

    can: list[str] = Field(default_factory=list)
    not_documented: list[str] = Field(default_factory=list)
    cannot: list[str] = Field(default_factory=list)


class ConnectionRow(Result):
    """One connected company; its name is cleaned text from outside."""

    id: str
    name: str | None = None
    platform: str | None = None
    environment: Environment
    health: Health
    last_synced_at: datetime | None = None
    sign_in_url: str | None = Field(default=None, description="Where a person signs in, if one must.")
    problem: str | None = None
    abilities: Abilities | None = None


class ConnectionList(CompanyResult):
    """Every connected company, or the one that was named."""

    connections: list[ConnectionRow]
    next_step: str


class ListConnections(CompanyArguments, Query[ConnectionList]):
    """Which companies to list; all of them when none is named."""


class ConnectResult(CompanyResult):
    """How far it is. `waiting` means that a person has yet to open `link_url` and sign in there."""

    status: Literal["waiting", "connected", "dry_run"]
    platform: str | None = None
    link_url: str | None = None
    next_step: str


class ConnectLedger(Query[ConnectResult]):
    """A company to link, or one to sign in to again."""

    name: ConnectionName = Field(default="", description="Company name.")
    connection_id: ShortText = Field(default="", description="To finish or renew.")
    dry_run: bool = Field(default=False, description="Only say what would happen.")


class SyncResult(CompanyResult):
    """How old what lists show is, and whether fresher data is on its way."""

    status: Literal["queued", "synced", "still_running"]
    last_synced_at: datetime | None = None
    age_seconds: int | None = None
    next_step: str


class SyncLedger(CompanyArguments, Query[SyncResult]):
    """Which company to bring up to date."""

    wait_seconds: int = Field(default=0, ge=0, le=120, description="At most 120.")


def _render_list(found: ConnectionList) -> str:
    count = len(found.connections)
    lines = [f"{count} connection{'' if count == 1 else 's'} ({found.environment})"]
    if count:
        lines.append(UNTRUSTED_NOTE)
    for row in found.connections:
        lines += _said(row)
    return "\n".join([*lines, found.next_step])


def _said(row: ConnectionRow) -> list[str]:
    synced = f", last synced {row.last_synced_at:%Y-%m-%d %H:%M} UTC" if row.last_synced_at else ""
    lines = [f"{row.id} | {cell(row.name)} | {cell(row.platform)} | {row.health}{synced}"]
    if row.problem:
        lines.append(f"  {row.problem}")
    if row.sign_in_url:
        lines.append(f"  a person signs in at {row.sign_in_url}")
    if row.abilities:
        words = (
            ("can", row.abilities.can),
            ("not documented", row.abilities.not_documented),
            ("cannot", row.abilities.cannot),
        )
        lines.append("  " + "; ".join(f"{word}: {', '.join(verbs)}" for word, verbs in words if verbs))
    return lines


def _render_connect(result: ConnectResult) -> str:
    lines = [f"{result.status.upper().replace('_', ' ')}: {cell(result.platform or 'a ledger')}", header(result)]
    if result.company.id:
        lines.append(f"connection: {result.company.id}")
    if result.link_url:
        lines.append(f"A person opens this link and signs in there: {result.link_url}")
    return "\n".join([*lines, result.next_step])


def _render_sync(result: SyncResult) -> str:
    when = "never synced yet"
    if result.last_synced_at is not None and result.age_seconds is not None:
        when = f"last synced {result.last_synced_at:%Y-%m-%d %H:%M:%S} UTC, {_age(result.age_seconds)} ago"
    return "\n".join([f"{result.status.upper().replace('_', ' ')}: {when}", header(result), result.next_step])


def _age(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}s"
    return f"{seconds} seconds"


CONNECT_LEDGER = Tool(
    name="connect_ledger",
    title="Connect a ledger",
    description=(
        "Begins linking an accounting platform: a person opens the link it answers. Call again to see whether "
        "they did. Writes no books."
    ),
    risk=Risk.WRITES,
    toolset="ledger",
    arguments=ConnectLedger,
    result=ConnectResult,
    render=_render_connect,
)
LIST_CONNECTIONS = Tool(
    name="list_connections",
    title="List connections",
    description="Lists connected companies: platform, health, last synchronisation, what each can do.",
    risk=Risk.READS,
    toolset="ledger",
    arguments=ListConnections,
    result=ConnectionList,
    render=_render_list,
)
# A read: it makes Rutter fetch what the platform shows by now, and changes nothing that anybody decided. A server that
# may only read needs fresh data most of all.
SYNC_LEDGER = Tool(
    name="sync_ledger",
    title="Sync the ledger",
    description="Says how old a company's data is and asks Rutter to fetch what changed. Changes no books.",
    risk=Risk.READS,
    toolset="ledger",
    arguments=SyncLedger,
    result=SyncResult,
    render=_render_sync,
)
