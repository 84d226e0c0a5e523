"""The typed tables of the policy file: an unknown field is an error, and amounts are decimals in quotes."""

from __future__ import annotations

from datetime import date, datetime, time
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from rutter_ap_server.guard.policy.codes import CODES
from rutter_ap_server.guard.policy.currencies import CurrencyPolicy, Table, amount_of, fitting
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.records import CreatedKind
from rutter_ap_tools.text import clean, fold
from rutter_ap_tools.wire import WriteArguments

Base = Literal["allow", "ask", "approve", "refuse"]
Setting = Literal["off", "ask", "approve", "refuse"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
# Every tool that writes: the policy may name exactly these.
WRITE_TOOLS = frozenset(tool.name for tool in CATALOGUE if issubclass(tool.arguments, WriteArguments))
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _is_write(name: str) -> str:
    if name not in WRITE_TOOLS:
        raise PydanticCustomError("not_a_write", "{name} is not a tool that writes", {"name": clean(name, 40)})
    return name


Tool = Annotated[str, AfterValidator(_is_write)]


def known_writes(value: Any) -> Any:
    """A table by tool. Raises `ValueError` with the name of every tool that does not write."""
    unknown = [name for name in value if name not in WRITE_TOOLS] if isinstance(value, dict) else []
    if unknown:
        raise ValueError("; ".join(f"tools.{clean(str(name), 60)} is not a known field" for name in unknown))
    return value


class Asking(Table):
    """Asking a person in the chat.

    Above `type_amount_above` in a currency a tick is not enough: the person must type the amount, so that ticking out
    of habit does not release something unread. `in_card` lets the card in the chat answer, and not only show.
    """

    timeout_seconds: int = Field(default=120, ge=1, le=3600)
    valid_seconds: int = Field(default=600, ge=1, le=3600)
    in_card: bool = False
    type_amount_above: dict[str, str] = Field(default_factory=dict)

    @field_validator("type_amount_above")
    @classmethod
    def _amounts_fit(cls, value: dict[str, str]) -> dict[str, str]:
        for code, text in value.items():
            amount_of(text, code)
        return value

    def must_be_typed(self, money: Money | None) -> bool:
        """Whether the person must type this amount instead of only ticking."""
        text = self.type_amount_above.get(money.currency) if money else None
        return money is not None and text is not None and money > Money.parse(text, money.currency)


class ProposalPolicy(Table):
    """How long a held proposal waits, how long a no counts, and how long a posted payment does for detecting repeats.

    While a no counts, whatever would bring about the same needs an approver. None of them can be nothing, because a
    repeat and a no are never to be passed over.
    """

    expire_hours: int = Field(default=72, ge=1, le=24 * 90)
    declined_hours: int = Field(default=72, ge=1, le=24 * 90)
    repeat_days: int = Field(default=30, ge=1, le=366)


class RulePolicy(Table):
    """The thresholds of rules, and their severities.

    A payment is unusual if it is more than `unusual_factor` times the median of at least `unusual_after` earlier ones
    to its vendor. Its tier is that of the sum released for its bill, and in the last `tier_vendor_hours` to its vendor
    and others of that name, with it. `severity` raises a code, or turns it "off" where allowed; a rule is never made
    milder.
    """

    unusual_factor: str = "3"
    unusual_after: int = Field(default=3, ge=1, le=1000)
    similar_days: int = Field(default=14, ge=0, le=366)
    cooling_days: int = Field(default=14, ge=1, le=366)
    just_under_percent: int = Field(default=3, ge=0, le=50)
    # One day, because whoever wrote the date may be where it is already tomorrow.
    future_days: int = Field(default=1, ge=0, le=366)
    untrusted_days: int = Field(default=30, ge=1, le=366)
    tier_vendor_hours: int = Field(default=24, ge=1, le=24 * 31)
    document_required_above: dict[str, str] = Field(default_factory=dict)
    severity: dict[str, Setting] = Field(default_factory=dict)

    @field_validator("unusual_factor")
    @classmethod
    def _factor_fits(cls, value: str) -> str:
        try:
            factor = Money.parse(value, "UYW").amount
        except BadInput:
            raise ValueError('unusual_factor must be a decimal in quotes, such as "3" or "2.5"') from None
        if factor < 1:
            raise ValueError("unusual_factor must be at least 1")
        return value

    @field_validator("document_required_above")
    @classmethod
    def _amounts_fit(cls, value: dict[str, str]) -> dict[str, str]:
        for code, text in value.items():
            amount_of(text, code)
        return value

    @field_validator("severity")
    @classmethod
    def _codes_fit(cls, value: dict[str, Setting]) -> dict[str, Setting]:
        for name, setting in value.items():
            code = CODES.get(name)
            if code is None:
                raise ValueError(f"rules.severity: {clean(name, 60)} is not a rule code")
            if setting == "off" and not code.may_be_off:
                raise ValueError(f"rules.severity: {name} protects the books and cannot be switched off")
            if setting != "off" and Severity[setting.upper()] < code.least:
                raise ValueError(
                    f"rules.severity: {name} is at least {code.least.word}; rules can only be made stricter"
                )
        return value

    @property
    def factor(self) -> Fraction:
        """`unusual_factor` as an exact fraction."""
        return Fraction(self.unusual_factor)


class VendorPolicy(Table):
    """Vendors by Rutter id or by exact name, ignoring case.

    Nothing is paid to, and no bill created for, a blocked vendor. A trusted one is exempt from the two signals about
    amounts, `amount.unusual_for_vendor` and `amount.just_under_limit`, and nothing else: tiers, limits, a first payment
    and changed details are judged as for anyone.
    """

    blocked: list[str] = Field(default_factory=list)
    trusted: list[str] = Field(default_factory=list)

    @field_validator("blocked", "trusted")
    @classmethod
    def _names_somebody(cls, value: list[str]) -> list[str]:
        # A name of nothing but spaces and marks matches nobody, so whoever is meant would not be blocked.
        if not all(fold(name) for name in value):
            raise ValueError("vendors: one of the names is empty")
        return value

    def is_blocked(self, vendor_id: str | None, name: str | None) -> bool:
        """Whether the policy names this vendor as blocked."""
        return _named_in(self.blocked, vendor_id, name)

    def is_trusted(self, vendor_id: str | None, name: str | None) -> bool:
        """Whether the policy names this vendor as trusted, and not also as blocked."""
        return _named_in(self.trusted, vendor_id, name) and not self.is_blocked(vendor_id, name)


class RecordsPolicy(Table):
    """Which kinds of record `create_record` may create: none unless they are listed."""

    may_create: list[CreatedKind] = Field(default_factory=list)


class QuietHours(Table):
    """When payments need an approver, in UTC: every day from `starts` to `ends`, and all day on `days`.

    A window may cross midnight; if it starts and ends at the same time it is the whole day.
    """

    starts: ClockTime | None = None
    ends: ClockTime | None = None
    days: list[Weekday] = Field(default_factory=list)

    @property
    def is_half(self) -> bool:
        """Whether only one end of the window is given."""
        return (self.starts is None) != (self.ends is None)

    def hold(self, moment: datetime) -> bool:
        """Whether that moment is within the quiet hours."""
        if _WEEKDAYS[moment.weekday()] in self.days:
            return True
        if self.starts is None or self.ends is None:
            return False
        starts, ends, at = time.fromisoformat(self.starts), time.fromisoformat(self.ends), moment.time()
        return starts <= at < ends if starts < ends else at >= starts or at < ends


class ApproverPolicy(Table):
    """What one approver may release: these tools, and payments up to `max` in the listed currencies.

    An omitted field limits nothing; if `max` is given, a currency missing from it may not be released at all.
    """

    tools: list[Tool] | None = None
    max: dict[str, str] | None = None

    @field_validator("max")
    @classmethod
    def _amounts_fit(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        for code, text in (value or {}).items():
            amount_of(text, code)
        return value


class CompanyPolicy(Table):
    """Settings for one company, by its Rutter id: currency tables that go before the file's, and its closing date."""

    currencies: dict[str, CurrencyPolicy] = Field(default_factory=dict)
    closing_date: date | None = None

    @field_validator("currencies")
    @classmethod
    def _amounts_fit(cls, value: dict[str, CurrencyPolicy]) -> dict[str, CurrencyPolicy]:
        return fitting(value)


def _named_in(names: list[str], vendor_id: str | None, name: str | None) -> bool:
    if vendor_id is not None and vendor_id in names:
        return True
    folded = fold(name)
    return bool(folded) and folded in {fold(one) for one in names}
