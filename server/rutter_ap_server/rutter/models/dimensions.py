"""What a line can be tagged with (Rutter docs: Classes, Departments, Locations, Projects, Tasks)."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, UnsetType

from rutter_ap_server.rutter.models.base import Draft, Linked, Ref, Synced

DIMENSION_STATUSES: Final = ("active", "archived")
TASK_STATUSES: Final = ("not_started", "planned", "in_progress", "completed", "on_hold", "unknown")


class Class(Synced, frozen=True, kw_only=True):
    """A class. On Xero a tracking category, which Rutter calls deprecated there."""

    name: str | None = None
    parent_id: str | None = None
    has_children: bool | None = None
    status: str | None = None


class Department(Linked, frozen=True, kw_only=True):
    """A department. QuickBooks Online shows its locations as these."""

    name: str | None = None
    parent_id: str | None = None
    has_children: bool | None = None
    status: str | None = None


class Location(Synced, frozen=True, kw_only=True):
    """A location. NetSuite and Sage Intacct; read only."""

    name: str | None = None
    parent_id: str | None = None
    has_children: bool | None = None
    status: str | None = None
    subsidiaries: tuple[Ref, ...] = ()


class Project(Linked, frozen=True, kw_only=True):
    """A project; read only. `status` is free text."""

    name: str | None = None
    status: str | None = None
    project_category: str | None = None


class Task(Linked, frozen=True, kw_only=True):
    """A task of a project; read only. `status` is one of TASK_STATUSES or a later one."""

    name: str | None = None
    status: str | None = None


class ClassCreate(Draft, frozen=True, kw_only=True):
    """A new class."""

    name: str
    parent_id: str | UnsetType = UNSET


class DepartmentCreate(Draft, frozen=True, kw_only=True):
    """A new department."""

    name: str
    parent_id: str | UnsetType = UNSET
