"""Reads the policy file: every problem is reported with its line or field, and a broken file is never used."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rutter_ap_server.guard.policy.model import Policy
from rutter_ap_tools.errors import OperatorError
from rutter_ap_tools.text import clean


class PolicyError(OperatorError):
    """The policy file cannot be used, so nothing is written anywhere."""

    code = "policy.broken"
    default_next_step = "Run `rutter-ap policy check` on the server; it says what to fix. Reads still work."


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """Where the policy is read from. It is read again for every write, so that a change takes effect at once."""

    path: Path
    named: bool = False

    def read(self) -> Policy:
        """The policy in force. Raises `PolicyError` for a file that cannot be used, or was named but does not exist.

        A missing file means the default only if none was named: moving the policy away must not loosen it.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            if self.named:
                raise PolicyError("RUTTER_AP_POLICY names a file that does not exist") from None
            return Policy()
        except (OSError, UnicodeDecodeError):
            raise PolicyError("the policy file exists but cannot be read") from None
        return parse_policy(text)


def parse_policy(text: str) -> Policy:
    """Parses TOML. The error names the line or field, so that its author can find it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"the policy file is not valid TOML: {clean(str(error), 200)}") from None
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(_problem(e) for e in error.errors(include_url=False, include_input=False)[:8])
        raise PolicyError(f"the policy file is broken: {problems}") from None


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
