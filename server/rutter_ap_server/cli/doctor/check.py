"""What a check is, and what all checks share."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from rutter_ap_server.app import App
from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.health import UnavailableCompany
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.settings import Settings
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.errors import ApError

T = TypeVar("T")
Status = Literal["ok", "warn", "fail"]
OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
# Some errors tell their reader to run the doctor; the doctor itself must say more.
_STEPS = {
    "credentials_rejected": "Compare the credentials and RUTTER_ENVIRONMENT with what Rutter's dashboard shows.",
    "policy.broken": "Correct the file. Until then every write is refused; reads still work.",
    "policy.gone": "Put the file back, mount its folder, or set RUTTER_AP_POLICY as it was; or run "
    "`rutter-ap policy reset` to go back to the built-in default. Until then every write is refused.",
    "rutter_unavailable": "Check the network, RUTTER_BASE_URL and Rutter's status page, then try again.",
    "store": "Keep the file: it records what was paid. Restore a backup, or set RUTTER_AP_HOME to another folder.",
}


@dataclass(frozen=True, slots=True)
class Check:
    """The result for one part. `warn` is for what works but needs attention; `next_step` says what to do."""

    name: str
    status: Status
    detail: str
    next_step: str = ""


@dataclass
class Installation:
    """What the checks share. The companies are None until an earlier check has listed them."""

    environ: Mapping[str, str]
    app: App
    policy: Policy | None = None
    companies: tuple[Company, ...] | None = None
    unavailable: tuple[UnavailableCompany, ...] = ()
    store_is_broken: bool = False

    @property
    def settings(self) -> Settings:
        return self.app.settings

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Reads the store, unless an earlier check found it broken: one fault is reported once."""
        if self.store_is_broken:
            raise NotKnown
        return await self.app.store.read(work)


class NotKnown(Exception):
    """Another check already says why this one cannot run."""


Look = Callable[[Installation], Awaitable[Check | list[Check]]]


def step_of(error: ApError) -> str:
    """What to do about an error, for a reader who is already running the doctor."""
    if error.next_step != error.default_next_step:
        return error.next_step
    return _STEPS.get(error.error_code, error.next_step)


def mode_of(path: Path | str) -> int:
    """The permission bits; none where there is no such file, or where they mean nothing (Windows)."""
    try:
        return stat.S_IMODE(Path(path).expanduser().stat().st_mode) if path and os.name == "posix" else 0
    except OSError:
        return 0
