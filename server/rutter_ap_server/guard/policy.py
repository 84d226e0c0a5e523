"""The policy: what the operator allows, as a typed file. Missing means the default; broken stops every write."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.errors import BadInput, OperatorError
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money, exponent_of
from rutter_ap_tools.text import clean

Base = Literal["allow", "ask", "approve", "refuse"]


class PolicyError(OperatorError):
    """The policy file cannot be used, so nothing is written anywhere."""

    code = "policy.broken"
    default_next_step = "Ask whoever runs this server to run `rutter-ap policy check`. Reads still work."


class _Table(BaseModel):
    # An unknown field may be a limit with a slip of the pen in its name: it is an error, never ignored.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CurrencyPolicy(_Table):
    """Tiers and limits for payments in one currency, as decimal texts in that currency.

    Above `approve_above` a named approver releases, above `two_approvers_above` two distinct ones. `single_limit`
    bounds one payment, `day_limit` the company's payments in any 24 hours, `vendor_day_limit` those to one vendor.
    """

    approve_above: str
    two_approvers_above: str
    single_limit: str
    day_limit: str
    vendor_day_limit: str


class ToolPolicy(_Table):
    """What each write asks for before any rule has spoken."""

    create_bill: Base = "allow"
    pay_bill: Base = "ask"
    apply_credit: Base = "allow"
    attach_file: Base = "allow"
    link_account: Base = "allow"


class Asking(_Table):
    """Asking a person in the chat."""

    timeout_seconds: int = Field(default=120, ge=1, le=3600)
    valid_seconds: int = Field(default=600, ge=1, le=86400)


class ProposalPolicy(_Table):
    """How long a held proposal waits, and how long a posted payment counts as one that may be repeated by mistake."""

    expire_hours: int = Field(default=72, ge=1, le=24 * 90)
    repeat_days: int = Field(default=30, ge=0, le=366)


_DEFAULT_CURRENCY = CurrencyPolicy(
    approve_above="1000",
    two_approvers_above="25000",
    single_limit="100000",
    day_limit="100000",
    vendor_day_limit="50000",
)


class Policy(_Table):
    """The whole policy. A currency without a table of its own has no tier that a chat answer could release."""

    currencies: dict[str, CurrencyPolicy] = Field(
        default_factory=lambda: dict.fromkeys(("AUD", "CAD", "CHF", "EUR", "GBP", "NZD", "USD"), _DEFAULT_CURRENCY)
    )
    tools: ToolPolicy = ToolPolicy()
    asking: Asking = Asking()
    proposals: ProposalPolicy = ProposalPolicy()

    @field_validator("currencies")
    @classmethod
    def _amounts_fit(cls, value: dict[str, CurrencyPolicy]) -> dict[str, CurrencyPolicy]:
        for code, table in value.items():
            try:
                exponent_of(code)
                amounts = {name: Money.parse(text, code) for name, text in table.model_dump().items()}
            except BadInput as error:
                raise ValueError(f"{clean(code, 10)}: {error.message}") from None
            if amounts["two_approvers_above"] < amounts["approve_above"]:
                raise ValueError(f"{code}: two_approvers_above is below approve_above")
        return value

    @property
    def version(self) -> str:
        """The hash of what the policy says; it stands in every record."""
        return digest(self.model_dump(mode="json"))

    def base(self, tool: str) -> Severity:
        """What a write of this tool asks for before any rule has spoken."""
        return Severity[getattr(self.tools, tool).upper()]

    def limit(self, currency: str, name: str) -> Money | None:
        """One of a currency's amounts, or None when the currency has no table."""
        table = self.currencies.get(currency)
        return Money.parse(getattr(table, name), currency) if table else None


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """Where the policy is read from. It is read afresh for every write, so that an operator's change holds at once."""

    path: Path

    def read(self) -> Policy:
        """The policy in force. Raises `PolicyError` for a file that is there and cannot be used."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
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
        return f'{where} must be a decimal in quotes, such as "1000.00"'
    return f"{where}: {clean(error['msg'], 120)}"
