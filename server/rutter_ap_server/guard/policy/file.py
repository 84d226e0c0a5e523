"""Reading the policy file: every problem is named by its line or field, and nothing that is broken is used."""

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
    default_next_step = "Ask whoever runs this server to run `rutter-ap policy check`. Reads still work."


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """Where the policy is read from. It is read afresh for every write, so that an operator's change holds at once."""

    path: Path
    named: bool = False

    def read(self) -> Policy:
        """The policy in force. Raises `PolicyError` for a file that cannot be used, or was named and is not there.

        Only where nobody named a file does none mean the default: a policy that was moved away must not loosen itself.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            if self.named:
                raise PolicyError("RUTTER_AP_POLICY names a file that is not there") from None
            return Policy()
        except (OSError, UnicodeDecodeError):
            raise PolicyError("the policy file is there but cannot be read") from None
        return parse_policy(text)


def parse_policy(text: str) -> Policy:
    """Reads TOML. The error names the line or the field, so that whoever wrote it can find it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"the policy file is not TOML: {clean(str(error), 200)}") from None
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
        example = 'a decimal in quotes, such as "1000.00"' if of_amounts else "a text in quotes"
        return f"{where} must be {example}"
    return f"{where}: {clean(error['msg'], 120)}"
