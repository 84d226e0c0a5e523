"""The checks: each part is checked by itself, so that no fault hides another, in a fixed order."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import anyio

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import AS_JSON, command
from rutter_ap_server.cli.doctor.check import (
    OTHERS_MAY_READ,
    OTHERS_MAY_WRITE,
    Check,
    Installation,
    Look,
    NotKnown,
    Status,
    mode_of,
    step_of,
)
from rutter_ap_server.cli.doctor.connections import connections
from rutter_ap_server.cli.doctor.days import days
from rutter_ap_server.cli.doctor.keys import keys
from rutter_ap_server.cli.output import line, print_json
from rutter_ap_server.clock import unstamp
from rutter_ap_server.guard.policy import DEFAULT, Policy, read_file
from rutter_ap_server.settings import SettingsError, make_home, read_settings
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.names import look_of
from rutter_ap_tools.text import clean

# Clocks of several servers on one store differ by moments; more than this makes windows and expiries wrong.
_CLOCK_SECONDS_BEHIND_MAX = 5


@command(AS_JSON)
def doctor(given: argparse.Namespace) -> int:
    """Checks the installation of this process's settings."""
    return report(anyio.run(examine, os.environ), given.json)


async def examine(environ: Mapping[str, str]) -> list[Check]:
    """Checks every part, in a fixed order; at least one result for each. Never raises for what is broken.

    Wrong settings end it at once, since everything else depends on them.
    """
    try:
        app = App(read_settings(environ))
    except SettingsError as error:
        return [Check("settings", "fail", error.message, error.next_step)]
    installation = Installation(environ, app)
    try:
        return [check for name, look in _LOOKS.items() for check in await _looked_at(name, look, installation)]
    finally:
        await app.aclose()


def report(checks: Sequence[Check], as_json: bool) -> int:
    """Prints the checks. Returns 0 when none fails, 1 when one does, 2 for wrong settings."""
    failed = _names(checks, "fail")
    if as_json:
        print_json({"checks": [asdict(check) for check in checks], "ok": not failed})
    else:
        for check in checks:
            line(f"{check.status:4}  {check.name:10}  {check.detail}")
            if check.next_step:
                line(f"{'':18}→ {check.next_step}")
        line(_conclusion(failed, _names(checks, "warn")))
    if "settings" in failed:
        return 2
    return 1 if failed else 0


def _names(checks: Sequence[Check], status: Status) -> list[str]:
    return list(dict.fromkeys(check.name for check in checks if check.status == status))


def _conclusion(failed: Sequence[str], warned: Sequence[str]) -> str:
    also = f" Warnings: {', '.join(warned)}." if warned else ""
    if failed:
        return f"Failed: {', '.join(failed)}.{also}"
    return f"Nothing failed.{also}" if also else "Everything is in order."


async def _looked_at(name: str, look: Look, installation: Installation) -> list[Check]:
    try:
        found = await look(installation)
        return found if isinstance(found, list) else [found]
    except NotKnown:
        return [Check(name, "warn", "cannot be checked while the store is broken")]
    except ApError as error:
        return [Check(name, "fail", error.message, step_of(error))]
    except Exception as error:  # noqa: BLE001 - a broken part must not hide the others
        # The exception's own text may hold anything; its kind is enough to say.
        words = f"the check itself failed ({type(error).__name__})"
        return [Check(name, "fail", words, "Check the server's log. If it happens again, report it with this line.")]


async def _settings(installation: Installation) -> Check:
    settings = installation.settings
    parts = [f"environment {settings.environment}"]
    parts += ["read-only"] if settings.read_only else []
    parts += [f"toolsets {', '.join(sorted(settings.toolsets))}"] if settings.toolsets else []
    detail = ", ".join(parts)
    if mode_of(installation.environ.get("RUTTER_AP_ENV_FILE", "")) & OTHERS_MAY_READ:
        return Check("settings", "warn", f"{detail}; others can read the file in RUTTER_AP_ENV_FILE", "chmod 600 it")
    return Check("settings", "ok", detail)


async def _home(installation: Installation) -> Check:
    home = installation.settings.home
    mode = mode_of(home)
    make_home(home)
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Check("home", "fail", f"{home} cannot be written", "Set RUTTER_AP_HOME to a folder you own.")
    if mode & OTHERS_MAY_READ:
        was = f"{home} was open to others (mode {mode:04o}); it is 0700 now"
        return Check("home", "warn", was, "If you share this machine, change RUTTER_CLIENT_SECRET and all passcodes.")
    return Check("home", "ok", f"{home}, accessible only to its owner")


async def _store(installation: Installation) -> Check:
    try:
        found, tables = await installation.app.store.read(lambda tx: (tx.audit.verify(), tx.checks.everything()))
    except Exception:
        installation.store_is_broken = True
        raise
    if not found.holds:
        return Check(
            "store",
            "fail",
            f"the audit chain breaks at entry {found.broken_at}: {found.reason}",
            "Keep the file as it is, run `rutter-ap freeze`, and find out who changed it before anything is paid.",
        )
    if tables.differences:
        return Check(
            "store",
            "fail",
            f"{len(tables.differences)} values or rows in the tables are not what the audit chain says",
            "Run `rutter-ap freeze`; `rutter-ap audit verify` says what differs. Find out who changed it.",
        )
    entries = "1 entry" if found.entries == 1 else f"{found.entries} entries"
    return Check("store", "ok", f"usable; the audit chain is intact ({entries})")


async def _policy(installation: Installation) -> Check:
    path, app = installation.settings.policy_file, installation.app
    others: list[str] = []
    if installation.store_is_broken:
        policy = await read_file(path) or Policy()
    else:
        others = await app.policy.others()
        policy = await app.policy.look()
    installation.policy = policy
    if others:
        different = f"{path} has version {policy.version[:8]}, but others count on this store: {'; '.join(others)}"
        return Check(
            "policy", "fail", different, "Give every server on the store this file and start it, or stop the others."
        )
    if not path.exists():
        return Check("policy", "ok", f"no file at {path}: the built-in default is in force")
    detail = f"{path} is in force, version {policy.version[:12]}"
    if mode_of(path) & OTHERS_MAY_WRITE:
        return Check("policy", "warn", f"{detail}; others can write it", f"chmod go-w {path}")
    unheld = sorted(one for one in policy.currencies.keys() - {DEFAULT} if _all_in_chat(policy, one))
    if unheld:
        words = f"{detail}; no payment in {', '.join(unheld)} needs an approver for its amount"
        return Check("policy", "warn", words, "Set approve_above below single_limit and day_limit.")
    return Check("policy", "ok", detail)


async def _clock(installation: Installation) -> Check:
    newest = await installation.read(_newest)
    now = installation.app.clock.now()
    if newest is not None and unstamp(newest) - now > timedelta(seconds=_CLOCK_SECONDS_BEHIND_MAX):
        behind = f"{now:%Y-%m-%d %H:%M} UTC is before the newest audit entry, {unstamp(newest):%Y-%m-%d %H:%M}"
        return Check("clock", "fail", behind, "Set this machine's clock: limits and expiries depend on it.")
    return await _beside_rutters(installation, f"{now:%Y-%m-%d %H:%M} UTC")


async def _beside_rutters(installation: Installation, shown: str) -> Check:
    """The clocks as the guard holds them against Rutter's; the checks of the connections have asked it."""
    theirs, now = (await installation.app.companies.client()).time, await installation.read(lambda tx: tx.now)
    store, ours = theirs.difference(now), theirs.difference(installation.app.clock.now())
    if store is None or ours is None:
        return Check("clock", "ok", f"{shown}; Rutter has not told its own time, so it is not held against that")
    worse = max(store, ours, key=lambda one: max(one.least, -one.most))
    if worse.is_too_far:
        words = f"{shown} is {worse}: more than two minutes apart, so every write is refused"
        return Check("clock", "fail", words, "Set the clock of this machine, and of the database's if it has its own.")
    return Check("clock", "ok", f"{shown}, {worse}")


def _newest(tx: Tx) -> str | None:
    return max((entry.at for entry in tx.audit.entries()), default=None)


async def _approvers(installation: Installation) -> Check:
    names = [a.name for a in await installation.read(lambda tx: tx.approvers.active())]
    listed = ", ".join(clean(name, 60) for name in names)
    if installation.settings.read_only:
        return Check("approvers", "ok", listed or "none; in read-only mode none is needed")
    if not names:
        nobody = "there is no approver: nobody can release what the policy holds for one"
        return Check("approvers", "warn", nobody, "Run `rutter-ap approvers add NAME`.")
    alike = [f"{clean(a, 60)} and {clean(b, 60)}" for a, b in combinations(names, 2) if look_of(a) == look_of(b)]
    if alike:
        # No such name can be added any more; these are from an older store.
        words = f"{'; '.join(alike)} look alike and may be one person, who could release as two"
        return Check("approvers", "warn", words, "If they are, run `rutter-ap approvers remove NAME` for one of them.")
    if len(names) == 1 and installation.policy is not None and _has_second_tier(installation.policy):
        alone = f"{listed} is the only approver, and the policy requires two people for large payments"
        return Check("approvers", "warn", alone, "Run `rutter-ap approvers add NAME` for a second person.")
    return Check("approvers", "ok", listed)


def _all_in_chat(policy: Policy, currency: str) -> bool:
    """Whether no amount that the limits let pass is above the first tier."""
    tier, *limits = (policy.limit(currency, name) for name in ("approve_above", "single_limit", "day_limit"))
    return tier >= min(limits)


def _has_second_tier(policy: Policy) -> bool:
    """Whether any payment that is not refused outright needs two people."""
    named = sorted(policy.currencies.keys() - {DEFAULT})
    return any(policy.limit(one, "two_approvers_above") < policy.limit(one, "single_limit") for one in named)


async def _files(installation: Installation) -> Check:
    folders, home = installation.settings.files, installation.settings.home.resolve()
    if not folders:
        return Check("files", "ok", "RUTTER_AP_FILES is not set: only files from `rutter-ap upload` can be attached")
    too_wide = [folder for folder in folders if home.is_relative_to(folder) or Path.home().is_relative_to(folder)]
    if too_wide:
        wide = f"{_joined(too_wide)} contains this program's own files, or your whole home folder"
        return Check("files", "warn", wide, "Set RUTTER_AP_FILES to a folder that holds only invoices.")
    closed = [folder for folder in folders if not os.access(folder, os.R_OK | os.X_OK)]
    if closed:
        return Check("files", "warn", f"{_joined(closed)} cannot be read", "Give this user permission to read it.")
    return Check("files", "ok", _joined(folders))


def _joined(folders: Sequence[Path]) -> str:
    return ", ".join(str(folder) for folder in folders)


async def _notices(installation: Installation) -> Check:
    addresses = installation.settings.notify
    if not addresses:
        return Check("notices", "ok", "RUTTER_AP_NOTIFY is not set: nobody is told when a person is needed")

    def problems(tx: Tx) -> list[str]:
        found = [(one.words, tx.notices.problem(one.id)) for one in addresses]
        return [f"{words}: {problem}" for words, problem in found if problem]

    failing = await installation.read(problems)
    if failing:
        step = "Correct RUTTER_AP_NOTIFY, then run `rutter-ap notices test`. Nothing else waits for notices."
        return Check("notices", "warn", f"a channel does not get through: {'; '.join(failing)}", step)
    return Check("notices", "ok", f"told: {', '.join(one.words for one in addresses)}")


async def _freeze(installation: Installation) -> Check:
    frozen = await installation.read(lambda tx: tx.controls.frozen_by())
    if frozen is not None:
        return Check(
            "freeze",
            "warn",
            f"all writes are stopped, by {clean(frozen, 120)}",
            "Run `rutter-ap unfreeze` to allow them again.",
        )
    return Check("freeze", "ok", "writes are allowed")


_LOOKS: dict[str, Look] = {
    "settings": _settings,
    "home": _home,
    "store": _store,
    "policy": _policy,
    "keys": keys,
    "connection": connections,
    "clock": _clock,
    "today": days,
    "approvers": _approvers,
    "files": _files,
    "notices": _notices,
    "freeze": _freeze,
}
