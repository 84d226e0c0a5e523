"""`link_account`: links an account to a role. An existing account is only remembered; a new one is created first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import account_name
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.untrusted import account_argument
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
    approve,
    ask,
    refuse,
)
from rutter_ap_server.guard.writes.parties import (
    FUNDING_TYPES,
    NAME_CHARACTERS_MAX,
    AccountFact,
    Contents,
    account_fact,
)
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    account_words,
    exact,
    pairs,
    plain,
)
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.rutter.models.accounts import Account, AccountCreate, AccountExtras
from rutter_ap_server.rutter.models.base import given
from rutter_ap_server.rutter.outcomes import Done, WriteOutcome
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.accounts import LinkAccount
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import require_active
from rutter_ap_tools.text import clean, fold
from rutter_ap_tools.wire import Named, Record

ROLE_TYPES: dict[str, tuple[str, ...]] = {
    "accounts_payable": ("accounts_payable",),
    "funding": FUNDING_TYPES,
    "expense": ("expense", "other_expense", "cost_of_goods_sold"),
}


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """The account to link as the ledger shows it or, for a new one, existing accounts with its name.

    `unlisted` says why there may be others of that name that are not listed.
    """

    account: AccountFact | None
    namesakes: tuple[str, ...]
    unlisted: Doubt | None = None


def account_wrong_type(prepared: PreparedWrite, facts: LinkFacts, policy: Policy) -> Finding | None:
    """The account's type must fit the role."""
    role = prepared.fields["role"]
    found = facts.account.type if facts.account else prepared.fields["create"]["account_type"]
    if found == "unknown":
        # Sage Intacct does not provide account types without a mapping.
        return approve("account.type_unknown", f"the ledger does not say whether the account can be used for {role}")
    if found not in ROLE_TYPES[role]:
        code = "account.not_a_funding_source" if role == "funding" else "account.wrong_type"
        wanted = " or ".join(ROLE_TYPES[role])
        return refuse(
            code, f"an account for the role {role} must be of type {wanted}, but this one is {clean(found, 40)}"
        )
    return None


def account_inactive(prepared: PreparedWrite, facts: LinkFacts, policy: Policy) -> Finding | None:
    """The account must be active."""
    if facts.account and facts.account.status != "active":
        return refuse("account.inactive", f"the account is {clean(facts.account.status, 40)}")
    return None


def account_exists(prepared: PreparedWrite, facts: LinkFacts, policy: Policy) -> Finding | None:
    """A new account needs a name that is not taken."""
    if facts.account is None and facts.namesakes:
        return refuse("account.exists", f"an account with that name already exists; link {facts.namesakes[0]} instead")
    return None


def accounts_unknown(prepared: PreparedWrite, facts: LinkFacts, policy: Policy) -> Finding | None:
    """Where accounts may not be listed, the name of a new one may be taken."""
    if facts.unlisted is None:
        return None
    words = f"whether an account with that name exists already is not known: {facts.unlisted.words}"
    return ask("ledger.unusable", words)


class LinkAccountWrite(Write[LinkFacts]):
    """`link_account`."""

    tool = "link_account"
    default_severity = Severity.ALLOW
    counts_against_limits = False
    # Linking an account that is already linked changes nothing.
    repeats = Repeats.NOT_LOOKED_FOR
    needs = (
        Need(
            "accounts",
            "create",
            "create an account",
            "a person can create it there, then link it by name",
            "create_account",
        ),
    )
    rules: tuple[Rule[LinkFacts], ...] = (account_wrong_type, account_inactive, account_exists, accounts_unknown)

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The list of accounts, if it adds one, so that two of one name notice each other."""
        return frozenset({Touched("accounts", "")}) if "create" in prepared.fields else frozenset()

    def dates(self, prepared: PreparedWrite, seen: LinkFacts) -> Dates:
        """None: an account has no date."""
        return NO_DATES

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Creating an account; an existing one is only remembered here."""
        return () if "account_id" in prepared.fields else self.needs

    async def prepare(self, request: LinkAccount, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Resolves the account, or fixes the one to create."""
        if bool(request.account) == bool(request.create):
            raise BadInput("give exactly one of `account` and `create`")
        fields: dict[str, Any] = {"role": request.role}
        role = request.role.replace("_", " ")
        if request.create:
            require_active(request.create.currency)
            fields["create"] = request.create.model_dump()
            name = clean(request.create.name, NAME_CHARACTERS_MAX)
            words = f"Create the account {name} and link it as the {role} account"
        else:
            account = await company.directory.account(request.account)
            fields["account_id"] = account.id
            words = f"Link {clean(account_name(account), NAME_CHARACTERS_MAX)} as the {role} account"
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields=fields,
            summary=words,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[LinkFacts]:
        """Reads the account, or checks whether its name is taken."""
        if "account_id" in prepared.fields:
            fact = account_fact(await company.rutter.accounts.get(prepared.fields["account_id"]))
            return Gathered(
                seen=LinkFacts(fact, ()),
                binding={"account": fact.binding},
                before={},
                vendor=None,
                texts=(),
                # It is already in the ledger, so linking it adds nothing, whoever suggested it.
                arguments=(),
                names={},
            )
        accounts = await company.directory.accounts(refresh=True)
        wanted = fold(prepared.fields["create"]["name"])
        namesakes = sorted(a.id for a in accounts.values() if fold(account_name(a)) == wanted)
        return Gathered(
            seen=LinkFacts(None, tuple(namesakes), await doubt_about(company, "accounts", accounts.values())),
            binding={"create": prepared.fields["create"], "namesakes": namesakes},
            before={"accounts": sorted(accounts)},
            contents={Touched("accounts", ""): Contents(frozenset(accounts))},
            vendor=None,
            texts=(),
            arguments=(
                account_argument(prepared.fields["create"]["name"], prepared.fields["create"]["bank_account_number"]),
            ),
            names={},
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[LinkFacts]) -> Description:
        """The role, and the account with every value of a new one."""
        said = Fields(prepared.fields)
        role, account_id, new = said.take("role"), said.take("account_id"), said.take("create") or {}
        account = facts.seen.account
        rows = [("Role", exact(role))]
        if account_id or not new:
            rows.append(("Account", account_words(account, account_id)))
        rows += [(f"New account: {name.replace('_', ' ')}", exact(value)) for name, value in new.items()]
        return Description(
            fields=(pairs("Account to link", [*rows, *said.rest()]),),
            follows=(("Later calls", f"Calls that name no account use it as the {plain(role)} account from then on."),),
        )

    async def draft(self, prepared: PreparedWrite, company: Company) -> Account | AccountCreate:
        """The account to create (Rutter docs: Accounts), or the existing one, for which nothing is sent."""
        if "account_id" in prepared.fields:
            return await company.rutter.accounts.get(prepared.fields["account_id"])
        new = prepared.fields["create"]
        number = new["bank_account_number"]
        return AccountCreate(
            name=new["name"],
            account_type=new["account_type"],
            currency_code=new["currency"],
            nominal_code=given(new["nominal_code"] or None),
            additional_fields=given(AccountExtras(bank_account_number=number) if number else None),
        )

    async def send(
        self, prepared: PreparedWrite, draft: Account | AccountCreate, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Creates the account; for an existing one nothing is sent."""
        if isinstance(draft, Account):
            return Done(draft)
        outcome = await company.rutter.accounts.create(draft, idempotency_key=key, again=again)
        company.directory.forget()
        return outcome

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """Posted means that the ledger shows the account."""
        return (_record(await company.rutter.accounts.get(sent.id), prepared),)

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """Every new account of that name."""
        if "account_id" in prepared.fields:
            return (_record(await company.rutter.accounts.get(prepared.fields["account_id"]), prepared),)
        accounts = await company.directory.accounts(refresh=True)
        wanted = fold(prepared.fields["create"]["name"])
        fresh = [a for a in accounts.values() if a.id not in before["accounts"] and fold(account_name(a)) == wanted]
        return tuple(_record(one, prepared) for one in fresh)

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.accounts.outcome(job_id)

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """A new account, among all of them."""
        return {Touched("accounts", ""): record_id} if "create" in prepared.fields else {}

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """Stores the link, in the transaction that posts it."""
        name = record.account.name if record.account else None
        tx.account_roles.assign(prepared.company_id, prepared.fields["role"], record.id, name or "")


def _record(account: Account, prepared: PreparedWrite) -> Record:
    named = Named(id=account.id, name=clean(account_name(account)) or None)
    return Record(kind="account", id=account.id, account=named, role=prepared.fields["role"])
