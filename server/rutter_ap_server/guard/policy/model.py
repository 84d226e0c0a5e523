"""The whole policy as one typed value, and the questions rules ask it."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Any

from pydantic import Field, field_validator

from rutter_ap_server.guard.policy.currencies import (
    DEFAULT,
    Table,
    Tables,
    built_in,
    fitting,
    in_digits,
    of_company,
    whole,
)
from rutter_ap_server.guard.policy.tables import (
    ApproverPolicy,
    Asking,
    Base,
    CompanyPolicy,
    ProposalPolicy,
    QuietHours,
    RecordsPolicy,
    RulePolicy,
    VendorPolicy,
    known_writes,
)
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.names import canonical_name
from rutter_ap_tools.text import clean


class Policy(Table):
    """The whole policy. `currencies` are whole tables, whatever the file leaves out, and `default` is that of the rest.

    `approvers` limits those it lists; once it lists anyone, nobody else may release. The person who prepared a write
    may not release it unless `preparer_may_approve`. Nothing is posted on or before `closing_date`. `tools` says what
    every call of a write requires, if that is not the write's own default.
    """

    currencies: Tables = Field(default_factory=built_in)
    tools: dict[str, Base] = Field(default_factory=dict)
    asking: Asking = Asking()
    proposals: ProposalPolicy = ProposalPolicy()
    rules: RulePolicy = RulePolicy()
    vendors: VendorPolicy = VendorPolicy()
    records: RecordsPolicy = RecordsPolicy()
    quiet_hours: QuietHours = QuietHours()
    approvers: dict[str, ApproverPolicy] = Field(default_factory=dict)
    companies: dict[str, CompanyPolicy] = Field(default_factory=dict)
    preparer_may_approve: bool = False
    closing_date: date | None = None

    @field_validator("currencies")
    @classmethod
    def _amounts_fit(cls, value: Tables) -> Tables:
        return whole(fitting(value))

    @field_validator("tools", mode="before")
    @classmethod
    def _tools_write(cls, value: Any) -> Any:
        return known_writes(value)

    @field_validator("approvers")
    @classmethod
    def _names_differ(cls, value: dict[str, ApproverPolicy]) -> dict[str, ApproverPolicy]:
        # With two tables for one person, which of them counts would depend on their order in the file.
        if len({canonical_name(name) for name in value}) < len(value):
            raise ValueError("approvers: two of the names are spellings of one name")
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _window_is_whole(cls, value: QuietHours) -> QuietHours:
        if value.is_half:
            raise ValueError("quiet_hours: a window needs both starts and ends")
        return value

    @cached_property
    def version(self) -> str:
        """The hash of the policy; every proposal records it."""
        return digest(self.model_dump(mode="json"))

    def of(self, *company_ids: str) -> Policy:
        """The policy as it applies to one company. Its version is not the file's, which is the one that is recorded.

        A ledger that was connected more than once may have a table for each: where both speak, the last id counts.
        """
        copied = self
        for own in (self.companies[one] for one in dict.fromkeys(company_ids) if one in self.companies):
            tables = of_company(copied.currencies, own.currencies)
            closing = own.closing_date or copied.closing_date
            copied = copied.model_copy(update={"currencies": tables, "closing_date": closing})
            copied.__dict__.pop("version", None)
        return copied

    def closed(self, up_to: date | None) -> Policy:
        """The policy with the later of its own closing date and the ledger's."""
        if up_to is None or (self.closing_date is not None and self.closing_date >= up_to):
            return self
        return self.model_copy(update={"closing_date": up_to})

    def asks_of(self, tool: str) -> Severity | None:
        """What every call of this tool requires; None if the policy leaves it to the write's own default."""
        word = self.tools.get(tool)
        return Severity[word.upper()] if word is not None else None

    def limit(self, currency: str, name: str) -> Money:
        """One of a currency's amounts. Every currency has each of them, if need be the default's."""
        table = self.currencies.get(currency) or in_digits(self.currencies[DEFAULT], currency)
        return Money.parse(getattr(table, name), currency)

    def document_required_above(self, currency: str) -> Money | None:
        """The amount above which a bill needs an attached document before it is paid, if any."""
        text = self.rules.document_required_above.get(currency)
        return Money.parse(text, currency) if text is not None else None

    def adjusted(self, found: Finding) -> Finding | None:
        """A finding with the severity the operator set for its code; None if it is switched off."""
        setting = self.rules.severity.get(found.code)
        if setting == "off":
            return None
        if setting is None or Severity[setting.upper()] <= found.severity:
            return found
        return found.model_copy(update={"severity": Severity[setting.upper()]})

    def may_release(self, approver: str, tool: str, money: Money | None) -> str | None:
        """None if that approver may release such a write; otherwise the reason why not."""
        if not self.approvers:
            return None
        own = {canonical_name(name): table for name, table in self.approvers.items()}.get(canonical_name(approver))
        who = clean(approver, 100)
        if own is None:
            return f"the policy does not list {who} as an approver"
        if own.tools is not None and tool not in own.tools:
            return f"the policy does not let {who} release {tool}"
        if money is None or own.max is None:
            return None
        most = own.max.get(money.currency)
        if most is None:
            return f"the policy does not let {who} release payments in {money.currency}"
        limit = Money.parse(most, money.currency)
        return f"the policy lets {who} release at most {limit}, but this is {money}" if money > limit else None
