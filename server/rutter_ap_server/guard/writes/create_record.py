"""`create_record`: creates what a bill can refer to, where the operator's policy lets its kind be created at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.base import (
    NO_DATES,
    Dates,
    Facts,
    Gathered,
    LinkedAccount,
    Need,
    Repeats,
    Rule,
    Touched,
    Write,
    ask,
    refuse,
)
from rutter_ap_server.guard.writes.document_rules import account_not_for_expenses
from rutter_ap_server.guard.writes.parties import NAME_CHARACTERS_MAX, AccountFact, Contents, read_account
from rutter_ap_server.guard.writes.readback import Sent, differences, with_differences
from rutter_ap_server.guard.writes.save_vendor_rules import alike
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    account_words,
    exact,
    names_for,
    names_in,
    pairs,
    plain,
)
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.rutter.models.base import Draft, given
from rutter_ap_server.rutter.models.base import Record as LedgerRecord
from rutter_ap_server.rutter.models.customers import CustomerCreate
from rutter_ap_server.rutter.models.dimensions import ClassCreate, DepartmentCreate
from rutter_ap_server.rutter.models.items import ItemCreate, ItemSideDraft
from rutter_ap_server.rutter.outcomes import Unknown, WriteOutcome
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.names import look_of
from rutter_ap_tools.records import CREATED_KINDS, CreateRecord, RecordKind
from rutter_ap_tools.text import clean, fold, quote
from rutter_ap_tools.wire import Record

_NAMED_MAX = 3
# The arguments beside the name, and the kinds they apply to.
_APPLIES_TO = {"code": ("item",), "account": ("item",), "parent": ("class", "department")}
# Bought for use and booked to its account; what is kept in stock is set up by a person.
_ITEM_TYPE = "non_inventory"
_CREATE = {
    kind: Need(RecordKind(kind).plural, "create", f"create {words}", "a person can create it there", f"create_{kind}")
    for kind, words in CREATED_KINDS.items()
}


@dataclass(frozen=True, slots=True)
class RecordEntryFacts:
    """The names and codes of the kind's records by id, archived ones too, and the account of a new item.

    `unlisted` says why there may be others that are not listed.
    """

    others: tuple[tuple[str, str], ...]
    account: AccountFact | None = None
    unlisted: Doubt | None = None

    @property
    def accounts(self) -> tuple[AccountFact, ...]:
        """The account, for the rule about accounts."""
        return (self.account,) if self.account else ()


def record_not_allowed(prepared: PreparedWrite, facts: RecordEntryFacts, policy: Policy) -> Finding | None:
    """A chart of items, classes or customers is somebody's order: nothing is added to it unless they said so."""
    kind = prepared.fields["kind"]
    if kind in policy.records.may_create:
        return None
    words = f"the policy does not let a record of kind {clean(kind, 30)} be created"
    return refuse("record.not_allowed", f"{words}; the operator can add it to may_create under [records] there")


def record_exists(prepared: PreparedWrite, facts: RecordEntryFacts, policy: Policy) -> Finding | None:
    """Two records of one name or code are mistaken for each other, and reports are split between them."""
    wanted = {fold(prepared.fields[name]) for name in ("name", "code")} - {""}
    taken = next((record_id for record_id, name in facts.others if fold(name) in wanted), None)
    words = f"the ledger already has a record of this kind with that name or code ({taken})"
    return refuse("record.exists", words) if taken else None


def record_similar(prepared: PreparedWrite, facts: RecordEntryFacts, policy: Policy) -> Finding | None:
    """A nearly identical name or code is often the same thing, spelled otherwise."""
    given, code = prepared.fields["name"], look_of(prepared.fields["code"])
    coded = [name for _, name in facts.others if code and look_of(name) == code]
    near = list(dict.fromkeys([*coded, *alike(given, [name for _, name in facts.others if fold(name) != fold(given)])]))
    if not near:
        return None
    said = ", ".join(quote(name, 60) for name in near[:_NAMED_MAX])
    return ask("record.similar", f"the ledger has records of this kind with similar names: {said}")


def records_unknown(prepared: PreparedWrite, facts: RecordEntryFacts, policy: Policy) -> Finding | None:
    """Where records of the kind may not be listed, the name of a new one may be taken."""
    if facts.unlisted is None:
        return None
    words = f"whether the ledger has a record of this kind with that name or code is not known: {facts.unlisted.words}"
    return ask("ledger.unusable", words)


class CreateRecordWrite(Write[RecordEntryFacts]):
    """`create_record`."""

    tool = "create_record"
    # It books nothing, but every later bill can be booked to it: a person confirms it.
    default_severity = Severity.ASK
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = tuple(_CREATE.values())
    rules: tuple[Rule[RecordEntryFacts], ...] = (
        record_not_allowed,
        record_exists,
        record_similar,
        records_unknown,
        account_not_for_expenses,
    )

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The records of its kind, so that two of one name notice each other."""
        return frozenset({Touched("records", prepared.fields["kind"])})

    def dates(self, prepared: PreparedWrite, seen: RecordEntryFacts) -> Dates:
        """None: such a record has no date."""
        return NO_DATES

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Creating a record of its kind."""
        return (_CREATE[prepared.fields["kind"]],)

    async def prepare(self, request: CreateRecord, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Fixes the new record, its names resolved. Raises `BadInput` for an argument of another kind."""
        for name, kinds in _APPLIES_TO.items():
            if getattr(request, name) and request.kind not in kinds:
                raise BadInput(f"`{name}` applies only to kind={' or '.join(kinds)}")
        for name in ("name", "code"):
            text = getattr(request, name)
            # Hidden characters could create a second record that looks like the first.
            if clean(text, 400) != text:
                raise BadInput(f"`{name}` must be plain, visible text on one line, without leading or trailing spaces")
        account = parent = ""
        if request.account:
            account = (await company.directory.account(request.account)).id
        elif request.kind == "item":
            account = await linked_account("expense") or ""
        if request.parent:
            parent = (await company.directory.one(request.kind, request.parent)).id
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields={
                "kind": request.kind,
                "name": request.name,
                "code": request.code,
                "account": account,
                "parent": parent,
                "type": _ITEM_TYPE if request.kind == "item" else "",
            },
            summary=f"Create the {RecordKind(request.kind).words} {clean(request.name, NAME_CHARACTERS_MAX)}",
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[RecordEntryFacts]:
        """Reads every record of the kind, and the account of a new item."""
        fields = prepared.fields
        known = await company.directory.every(fields["kind"], refresh=True)
        others = tuple(sorted((one.id, clean(name, 200)) for one in known.values() for name in one.names))
        account = await read_account(company, fields["account"]) if fields["account"] else None
        unlisted = await doubt_about(company, RecordKind(fields["kind"]).plural, known.values())
        wanted = {fold(fields["name"]), fold(fields["code"])} - {""}
        # Those whose name may be this one cut are no more the new record than its namesakes.
        like = {one for one, name in others if fold(name) in wanted or Sent("name", fields["name"], name).is_shown}
        texts = ((f"the {name} of the new record", fields[name]) for name in ("name", "code"))
        return Gathered(
            seen=RecordEntryFacts(others, account, unlisted),
            binding={"like": sorted(like), "account": account.binding if account else None},
            before={"like": sorted(like)},
            contents={Touched("records", fields["kind"]): Contents(frozenset(known))},
            vendor=None,
            texts=tuple((where, text) for where, text in texts if text),
            arguments=(),
            names=await names_for(company, [(fields["kind"], fields["parent"])] if fields["parent"] else ()),
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[RecordEntryFacts]) -> Description:
        """Every field of the new record."""
        said = Fields(prepared.fields)
        rows = [
            ("Kind", plain(said.take("kind"))),
            ("Name", exact(said.take("name"))),
            ("Code", exact(said.take("code"))),
            ("Account", account_words(facts.seen.account, said.take("account"))),
            ("Under", names_in(facts.names, said.take("parent"))),
            ("Type", plain(said.take("type") or "none")),
            *said.rest(),
        ]
        known = (("Of this kind in the ledger", str(len({record_id for record_id, _ in facts.seen.others}))),)
        follows = (("Later bills", "Lines of later bills can be booked to it. Nothing is booked now."),)
        return Description(fields=(pairs("Record to create", rows),), known=known, follows=follows)

    async def draft(self, prepared: PreparedWrite, company: Company) -> Draft:
        """The record as Rutter takes it (Rutter docs: Customers, Items, Classes, Departments)."""
        fields = prepared.fields
        name, parent = fields["name"], given(fields["parent"] or None)
        match fields["kind"]:
            case "customer":
                return CustomerCreate(contact_name=name, customer_name=name)
            case "class":
                return ClassCreate(name=name, parent_id=parent)
            case "department":
                return DepartmentCreate(name=name, parent_id=parent)
        return ItemCreate(
            name=name,
            code=given(fields["code"] or None),
            type=fields["type"],
            bill_item=given(ItemSideDraft(account_id=fields["account"]) if fields["account"] else None),
        )

    async def send(
        self, prepared: PreparedWrite, draft: Draft, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Creates the record."""
        collection = _collection(company, prepared.fields["kind"])
        outcome: WriteOutcome[Any] = await collection.create(draft, idempotency_key=key, again=again)
        company.directory.forget()
        return outcome

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """Posted means that the ledger shows the record, under its name or one that Rutter's answer already had."""
        shown = await _collection(company, prepared.fields["kind"]).get(sent.id)
        is_it = shown.label == sent.label or _is_named(shown, prepared)
        return (_record(shown, prepared),) if is_it else ()

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """Every new record of the kind with that name."""
        known: Iterable[Any] = (await company.directory.every(prepared.fields["kind"], refresh=True)).values()
        fresh = [one for one in known if one.id not in before["like"] and _is_named(one, prepared)]
        return tuple(_record(one, prepared) for one in fresh)

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """The new record, among those of its kind."""
        return {Touched("records", prepared.fields["kind"]): record_id}

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job, which names one record under its own kind."""
        outcome: WriteOutcome[Any] = Unknown(job_id, "job_unreadable")
        for kind in CREATED_KINDS:
            outcome = await _collection(company, kind).outcome(job_id)
            if not isinstance(outcome, Unknown):
                break
        return outcome


def _collection(company: Company, kind: str) -> Any:
    return getattr(company.rutter, RecordKind(kind).plural)


def _name_of(shown: LedgerRecord, prepared: PreparedWrite) -> Sent:
    return Sent("name", prepared.fields["name"], shown.label)


def _is_named(shown: LedgerRecord, prepared: PreparedWrite) -> bool:
    return fold(shown.label) == fold(prepared.fields["name"]) or _name_of(shown, prepared).is_shown


def _record(shown: LedgerRecord, prepared: PreparedWrite) -> Record:
    texts = [_name_of(shown, prepared)]
    if prepared.fields["code"]:
        texts.append(Sent("code", prepared.fields["code"], shown.label_code, "number"))
    made = Record(kind=prepared.fields["kind"], id=shown.id, name=clean(shown.label) or None)
    return with_differences(made, differences(texts))
