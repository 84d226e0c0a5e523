"""Reads a policy file: every problem is reported with its line or field, and a broken file is never used."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import anyio.to_thread
from pydantic import ValidationError

from rutter_ap_server.guard.policy.model import Policy
from rutter_ap_tools.errors import OperatorError
from rutter_ap_tools.text import clean


class PolicyError(OperatorError):
    """The policy file cannot be used, so nothing is written anywhere."""

    code = "policy.broken"
    default_next_step = "Run `rutter-ap policy check` on the server; it says what to fix. Reads still work."


_BYTES_MAX = 1024 * 1024
# A network folder that does not answer must not keep a call waiting for ever.
_READ_SECONDS_MAX = 10


async def read_file(path: Path) -> Policy | None:
    """The policy in that file, read on a worker thread; None if there is no file, or nothing in it.

    Raises `PolicyError` for anything else that is not a policy.
    """
    with anyio.move_on_after(_READ_SECONDS_MAX):
        return await anyio.to_thread.run_sync(_read, path, abandon_on_cancel=True)
    raise PolicyError("the policy file could not be read in time")


def _read(path: Path) -> Policy | None:
    try:
        text = _bytes_of(path).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise PolicyError("the policy file exists but cannot be read") from None
    # A file that lost its content, when a disk was full for example, says no more than one that is gone.
    return parse_policy(text) if text.strip() else None


def _bytes_of(path: Path) -> bytes:
    """The bytes of a regular file, or of the one a link names; a pipe or a device would wait, or never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise PolicyError("the policy file exists but is not a regular file")
    # Whatever has taken its place since is opened without waiting, and looked at again.
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise PolicyError("the policy file exists but is not a regular file")
        found = file.read(_BYTES_MAX + 1)
    if len(found) > _BYTES_MAX:
        raise PolicyError(f"the policy file is larger than {_BYTES_MAX // 1024} KB")
    return found


def parse_policy(text: str) -> Policy:
    """Parses TOML. The error names the line or field, so that its author can find it."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Besides what is not TOML, a number of thousands of digits, and brackets nested as deep.
        raise PolicyError(f"the policy file is not valid TOML: {clean(str(error), 200)}") from None
    try:
        policy = Policy.model_validate(data)
        # Tables without a value are no more than comments, but for an approver's, which says who may release.
        return policy if policy.approvers or _sets_a_value(data) else Policy()
    except ValidationError as error:
        problems = "; ".join(_problem(e) for e in error.errors(include_url=False, include_input=False)[:8])
        raise PolicyError(f"the policy file is broken: {problems}") from None


def _sets_a_value(data: object) -> bool:
    return any(_sets_a_value(one) for one in data.values()) if isinstance(data, dict) else True


def _problem(error: Any) -> str:
    where = clean(".".join(str(part) for part in error["loc"]), 100)
    if error["type"] == "extra_forbidden":
        return f"{where} is not a known field"
    if error["type"] == "value_error":
        return clean(str(error["ctx"]["error"]), 200)
    if error["type"] == "string_type":
        of_amounts = any(table in error["loc"] for table in ("currencies", "document_required_above", "max"))
        example = 'a decimal in quotes, such as "1000.00"' if of_amounts else "a string in quotes"
        return f"{where} must be {example}"
    return f"{where}: {clean(error['msg'], 120)}"
