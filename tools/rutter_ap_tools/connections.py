"""Connections: listing companies and what they support, connecting another one, and syncing one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rutter_ap_tools.backend import Query
from rutter_ap_tools.render import UNTRUSTED_NOTE, cell, header
from rutter_ap_tools.tool import Risk, Tool
from rutter_ap_tools.wire import CompanyArguments, CompanyResult, Result, ShortText

Environment = Literal["embedded", "sandbox", "production"]
# `waiting`: no person has signed in yet. `unknown`: the health could not be checked, and `problem` says why.
Health = Literal["active", "not_ready", "unhealthy", "needs_reauth", "disabled", "waiting", "unknown"]
# Rutter accepts names of at most 30 characters (Rutter docs: Connections).
ConnectionName = Annotated[str, StringConstraints(max_length=30)]


class Abilities(Result):
    """What the platform supports according to Rutter's documentation: yes, if something is there, unsure, or no."""

    can: list[str] = Field(default_factory=list)
    on_condition: list[str] = Field(default_factory=list)
    not_documented: list[str] = Field(default_factory=list)
    cannot: list[str] = Field(default_factory=list)


class ConnectionRow(Result):
    """One connected company. Its name is cleaned text from outside."""

    id: str
    name: str | None = None
    platform: str | None = None
    environment: Environment
    health: Health
    last_synced_at: datetime | None = None
    sign_in_url: str | None = Field(default=None, description="Where a person must sign in, if anywhere.")
    problem: str | None = None
    abilities: Abilities | None = None


class ConnectionList(CompanyResult):
    """Every connected company, or the one that was requested."""

    connections: list[ConnectionRow]
    next_step: str


class ListConnections(CompanyArguments, Query[ConnectionList]):
    """Which companies to list."""

    company: ShortText = Field(default="", description="Only this company, by id or name; defaults to all of them.")


class ConnectResult(CompanyResult):
    """The state of the connection. `waiting` means that a person must still open `link_url` and sign in there."""

    status: Literal["waiting", "connected", "dry_run"]
    platform: str | None = None
    link_url: str | None = None
    next_step: str


class ConnectLedger(Query[ConnectResult]):
    """A company to connect, or one to sign in to again."""

    name: ConnectionName = Field(default="", description="Name for the new company, at most 30 characters.")
    connection_id: ShortText = Field(
        default="",
        description="Connection to check or sign in to again, from a result or list_connections.",
    )
    dry_run: bool = Field(default=False, description="Preview: say what would happen without changing anything.")


class SyncResult(CompanyResult):
    """How old the data shown in lists is, and whether newer data is being fetched."""

    status: Literal["queued", "synced", "still_running"]
    last_synced_at: datetime | None = None
    age_seconds: int | None = None
    next_step: str


class SyncLedger(CompanyArguments, Query[SyncResult]):
    """Which company to sync."""

    wait_seconds: int = Field(
        default=0, ge=0, le=120, description="Seconds to wait for the sync to finish; 0 returns at once."
    )


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
        lines.append(f"  a person must sign in at {row.sign_in_url}")
    if row.abilities:
        words = (
            ("supported", row.abilities.can),
            ("on a condition", row.abilities.on_condition),
            ("not documented", row.abilities.not_documented),
            ("not supported", row.abilities.cannot),
        )
        lines.append("  " + "; ".join(f"{word}: {', '.join(verbs)}" for word, verbs in words if verbs))
    return lines


def _render_connect(result: ConnectResult) -> str:
    platform = cell(result.platform) if result.platform else "an accounting platform"
    lines = [f"{result.status.upper().replace('_', ' ')}: connection to {platform}", header(result)]
    if result.company.id:
        lines.append(f"connection: {result.company.id}")
    if result.link_url:
        lines.append(f"A person must open this link and sign in there: {result.link_url}")
    return "\n".join([*lines, result.next_step])


def _render_sync(result: SyncResult) -> str:
    when = "never synced"
    if result.last_synced_at is not None and result.age_seconds is not None:
        when = f"last synced {result.last_synced_at:%Y-%m-%d %H:%M:%S} UTC, {_age(result.age_seconds)} ago"
    return "\n".join([f"{result.status.upper().replace('_', ' ')}: {when}", header(result), result.next_step])


def _age(seconds: int) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}s"
    return "1 second" if seconds == 1 else f"{seconds} seconds"


CONNECT_LEDGER = Tool(
    name="connect_ledger",
    title="Connect a ledger",
    description=(
        "Starts connecting an accounting platform and returns a link for a person to open. Call again with "
        "connection_id to check whether they have finished. Changes no accounting records."
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
    description="Lists connected companies: platform, health, last sync, and what each platform supports.",
    risk=Risk.READS,
    toolset="ledger",
    arguments=ListConnections,
    result=ConnectionList,
    render=_render_list,
)
# A read: it makes Rutter fetch the platform's current data and changes no records. A read-only server needs current
# data most of all.
SYNC_LEDGER = Tool(
    name="sync_ledger",
    title="Sync the ledger",
    description=(
        "Shows how old a company's data is and asks Rutter to fetch recent changes. Use it when a list seems out of "
        "date. Changes no accounting records."
    ),
    risk=Risk.READS,
    toolset="ledger",
    arguments=SyncLedger,
    result=SyncResult,
    render=_render_sync,
)
