"""The types that all tools share: strict arguments in, typed results out."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from rutter_ap_tools.findings import Finding
from rutter_ap_tools.money import AMOUNT_PATTERN, Money


def _iso_date(value: object) -> object:
    if isinstance(value, str) and value:
        try:
            if date.fromisoformat(value).isoformat() != value:
                raise ValueError  # noqa: TRY301 - fromisoformat also reads 20260102, which the wire does not allow
        except ValueError:
            raise ValueError("must be a calendar date written YYYY-MM-DD") from None
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


# An omitted text is an empty string, not null, so that the schema stays a plain string that every client can show.
Amount = Annotated[str, StringConstraints(pattern=AMOUNT_PATTERN, max_length=40)]
DateText = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"), BeforeValidator(_iso_date)]
OptionalAmount = Annotated[str, StringConstraints(pattern=AMOUNT_PATTERN.replace("^", "^(").replace("$", ")?$"))]
OptionalDate = Annotated[str, StringConstraints(pattern=r"^(\d{4}-\d{2}-\d{2})?$"), BeforeValidator(_iso_date)]
CurrencyText = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_not_blank)]
# An id as another tool returned it; characters that could redirect a path or a query are not allowed.
RecordId = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\s/\\?#%.][^\s/\\?#%]*$")]
ShortText = Annotated[str, StringConstraints(max_length=200)]
LongText = Annotated[str, StringConstraints(max_length=1000)]


class Arguments(BaseModel):
    """The arguments of a tool: unknown names are rejected, types are strict, and a null counts as omitted.

    `may_be_empty` names the optional ones that mean the same empty as omitted; None says that all of them do.
    """

    may_be_empty: ClassVar[frozenset[str] | None] = None

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, data: Any) -> Any:
        return {k: v for k, v in data.items() if v is not None} if isinstance(data, dict) else data


class CompanyArguments(Arguments):
    """Arguments of a tool that works on one company."""

    company: ShortText = Field(
        default="",
        description="Company id or name, if several are connected.",
    )


# Of a write that changes a record, which keeps what is omitted.
CHANGES = frozenset({"company", "reason"})


class WriteArguments(CompanyArguments):
    """Arguments of a write. Every write can be previewed. What is empty is not omitted where that decides anything."""

    may_be_empty: ClassVar[frozenset[str]] = frozenset(
        {"company", "reason", "document_number", "memo", "purchase_orders"}
    )

    dry_run: bool = Field(default=False, description="Preview: judge it and write nothing.")
    reason: ShortText = Field(default="", description="Why, for the person who releases it.")


class Result(BaseModel):
    """What a tool returns; fields that are None are omitted on the wire."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class MoneyShape(Result):
    """Money as an assistant sees it."""

    amount: str = Field(description="Exact decimal string.")
    currency: str

    @classmethod
    def of(cls, money: Money) -> MoneyShape:
        return cls(amount=money.text, currency=money.currency)

    @property
    def money(self) -> Money:
        return Money.of(self.amount, self.currency)


class Named(Result):
    """A record by its id and, if known, its name (cleaned text from the ledger)."""

    id: str
    name: str | None = None


class CompanyNamed(Named):
    """A company by its id and name; `note` says what makes all that is said of it doubtful, if anything."""

    note: str | None = None


class CompanyResult(Result):
    """A result that names the company and the environment it is about."""

    company: CompanyNamed
    environment: Literal["embedded", "sandbox", "production"]


class Record(Result):
    """What a write left in the ledger, as read back afterwards."""

    kind: str
    id: str
    name: str | None = None
    document_number: str | None = None
    vendor: Named | None = None
    bill_id: str | None = None
    amount: MoneyShape | None = None
    bill_due: MoneyShape | None = Field(default=None, description="Balance due on the bill afterwards.")
    bill_status: str | None = None
    expected: MoneyShape | None = Field(default=None, description="What was released.")
    difference: str | None = Field(default=None, description="How the ledger's amount differs from what was released.")
    tidied: str | None = Field(default=None, description="Texts that the ledger keeps trimmed, cut or formatted.")
    text_difference: str | None = Field(default=None, description="Texts that the ledger keeps otherwise than sent.")
    account: Named | None = None
    role: str | None = None
    file_name: str | None = None
    sha256: str | None = None
    # For our own memory alone: a bill is recognised by its date, also where the write left that as it was.
    issued: SkipJsonSchema[date | None] = Field(default=None, exclude=True)


WriteStatus = Literal["posted", "held", "declined", "withdrawn", "unknown", "dry_run"]


class WriteResult(CompanyResult):
    """The outcome of a write."""

    status: WriteStatus
    verdict: Literal["allow", "ask", "approve", "refuse"]
    proposal_id: str | None = None
    summary: str
    findings: list[Finding]
    record: Record | None = None
    release_url: str | None = None
    next_step: str


def build_models() -> None:
    """Builds every validator and serializer that was deferred: listing the tools needs none, calling them does."""
    models: list[type[BaseModel]] = [Arguments, Result]
    while models:
        model = models.pop()
        models += model.__subclasses__()
        model.model_rebuild()
