"""The parties of a payment or credit, as facts: the bill, the vendor and the funding account, read by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import CachedList, account_name, vendor_name
from rutter_ap_server.guard.writes.payees import keys_of
from rutter_ap_server.reads.amounts import ledger_money, require_usable, rounding_words
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_server.rutter.models.accounts import Account
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.vendors import Vendor
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.money import Money
from rutter_ap_tools.text import clean

PAYABLE = ("open", "partially_paid")
FUNDING_TYPES = ("bank", "credit_card")
# Longer than any name or number an accounting platform takes: a person must see how it ends.
NAME_CHARACTERS_MAX = 1000
_ADDRESS_PARTS = ("type", "address1", "address2", "address3", "city", "region", "postal_code", "country")


@dataclass(frozen=True, slots=True)
class BillFact:
    """A bill as the ledger shows it now; `entered` is when it came into the ledger, None if that is not shown.

    `rounded` says which of its amounts were rounded, in words.
    """

    id: str
    number: str
    status: str
    vendor_id: str | None
    total: Money
    due: Money
    issued: date | None = None
    due_on: date | None = None
    entered: datetime | None = None
    rounded: str = ""

    @property
    def binding(self) -> dict[str, Any]:
        """What an approval is bound to."""
        return {
            "id": self.id,
            "number": self.number,
            "status": self.status,
            "vendor": self.vendor_id,
            "total": str(self.total),
            "due": str(self.due),
            "issued": str(self.issued),
            "due_on": str(self.due_on),
        }


@dataclass(frozen=True, slots=True)
class Contents:
    """What the ledger showed of something a write touches: the ids of the records in it, and a bill's balance."""

    ids: frozenset[str]
    total: str = ""
    due: Money | None = None


@dataclass(frozen=True, slots=True)
class VendorFact:
    """A vendor as the ledger shows it now.

    `details` is the hash of everything a fraudster would change, and of what a person would check the vendor by;
    `parts` are the same one by one. `updated_at` is when the ledger says anything of it last changed. `keys` are what
    it is known by, and `twins` the ids of other vendors in the ledger that share one, if they were asked for;
    `all_compared` says that none was left out, and `unlisted` why there may be some that are not listed.
    """

    id: str
    name: str
    status: str
    currencies: tuple[str, ...]
    details: str
    parts: tuple[tuple[str, str], ...] = ()
    shows_bank_account: bool = False
    updated_at: datetime | None = None
    bank_account_end: str = ""
    keys: frozenset[str] = frozenset()
    twins: tuple[str, ...] = ()
    all_compared: bool = True
    unlisted: Doubt | None = None

    @property
    def bank_words(self) -> str:
        """What the ledger shows of the bank account: its last four characters."""
        if not self.shows_bank_account:
            return "bank account not shown by this ledger"
        return f"bank account ending in {self.bank_account_end}" if self.bank_account_end else "no bank account"

    @property
    def binding(self) -> dict[str, Any]:
        """What an approval is bound to."""
        return {"id": self.id, "name": self.name, "status": self.status, "details": self.details}


@dataclass(frozen=True, slots=True)
class AccountFact:
    """A ledger account as it is now."""

    id: str
    name: str
    type: str
    status: str
    currency: str | None

    @property
    def binding(self) -> dict[str, Any]:
        """What an approval is bound to."""
        return {"id": self.id, "name": self.name, "type": self.type, "status": self.status, "currency": self.currency}


def bill_fact(bill: Bill) -> BillFact:
    """Facts of a bill. Raises `LedgerDataError` when it cannot be used."""
    require_usable(bill)
    total = ledger_money(bill.total_amount, bill.currency_code, "bill total")
    due = ledger_money(bill.amount_due, bill.currency_code, "balance due")
    return BillFact(
        id=bill.id,
        number=clean(bill.document_number, NAME_CHARACTERS_MAX),
        status=bill.status,
        vendor_id=bill.vendor_id,
        total=total,
        due=due,
        issued=bill.issue_date.date() if bill.issue_date else None,
        due_on=bill.due_date.date() if bill.due_date else None,
        entered=bill.created_at,
        rounded=rounding_words((("total", bill.total_amount, total), ("balance due", bill.amount_due, due))),
    )


def vendor_fact(vendor: Vendor) -> VendorFact:
    """Facts of a vendor. Raises `LedgerDataError` when a part of it cannot be read."""
    require_usable(vendor)
    addresses = [[getattr(one, part) for part in _ADDRESS_PARTS] for one in vendor.addresses]
    parts = (
        ("name", digest(vendor_name(vendor) or None)),
        ("e-mail", digest(vendor.email)),
        ("bank account number", digest(vendor.bank_account_number)),
        ("addresses", digest(addresses)),
        # An empty one is none: not every platform keeps the two apart.
        ("phone number", digest(vendor.phone or "")),
        ("contact name", digest(vendor.contact_name or "")),
        ("tax number", digest(vendor.tax_number or "")),
        ("registration number", digest(vendor.registration_number or "")),
        ("website", digest(vendor.website or "")),
    )
    return VendorFact(
        id=vendor.id,
        name=clean(vendor_name(vendor), NAME_CHARACTERS_MAX),
        status=vendor.status or "unknown",
        currencies=tuple(vendor.currency_codes),
        details=digest(dict(parts)),
        parts=parts,
        shows_bank_account=vendor.bank_account_number is not None,
        updated_at=vendor.updated_at,
        bank_account_end=clean(vendor.bank_account_number, 60)[-4:],
        keys=keys_of(vendor),
    )


def changed_parts(changes: Mapping[str, Any], addresses: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """The parts of a vendor, as in its fact, that such a change gives new values."""
    new = {
        part: digest(changes[name])
        for name, part in (("name", "name"), ("email", "e-mail"), ("phone", "phone number"))
        if name in changes
    }
    if addresses is not None:
        new["addresses"] = digest([[one.get(part) for part in _ADDRESS_PARTS] for one in addresses])
    return new


def account_fact(account: Account) -> AccountFact:
    """Facts of an account. Raises `LedgerDataError` when a part of it cannot be read."""
    require_usable(account)
    return AccountFact(
        id=account.id,
        name=clean(account_name(account), NAME_CHARACTERS_MAX),
        type=account.account_type,
        status=account.status or "unknown",
        currency=account.currency_code,
    )


async def ledger_bill(company: Company, bill_id: str) -> Bill:
    """Reads the bill, with all that the ledger shows of it."""
    bill: Bill = await company.record("bills", bill_id)
    return bill


async def read_bill(company: Company, bill_id: str) -> BillFact:
    """Reads the bill."""
    return bill_fact(await ledger_bill(company, bill_id))


async def read_vendor(company: Company, vendor_id: str) -> VendorFact:
    """Reads the vendor."""
    return vendor_fact(await company.record("vendors", vendor_id))


async def read_payee(company: Company, vendor_id: str) -> VendorFact:
    """Reads the vendor, and which other vendors of the ledger are the same one."""
    vendor = await read_vendor(company, vendor_id)
    listed = await company.directory.cached_list("vendor")
    unlisted = await doubt_about(company, "vendors", listed.by_id.values())
    twins = await twins_of(company, vendor_id, vendor.keys, listed)
    return replace(vendor, twins=twins, all_compared=listed.whole, unlisted=unlisted)


async def twins_of(company: Company, vendor_id: str, keys: frozenset[str], listed: CachedList) -> tuple[str, ...]:
    """The ids of other vendors that share a key."""

    async def by_key() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in listed.by_id.values():
            for key in keys_of(one):
                found.setdefault(key, []).append(one.id)
        return found

    # Made once for all payments of a run.
    ids_by_key = await company.once(("vendors by key", listed.read_at), by_key)
    return tuple(sorted({one for key in keys for one in ids_by_key.get(key, ()) if one != vendor_id}))


async def read_account(company: Company, account_id: str) -> AccountFact:
    """Reads the account."""
    return account_fact(await company.record("accounts", account_id))


def bill_texts(bill: Bill) -> tuple[tuple[str, str], ...]:
    """What outsiders wrote on a bill, each text with a phrase for its place."""
    name = bill_words(bill_fact(bill))
    lines = (line.description for line in bill.line_items)
    texts = ((f"the memo of {name}", bill.memo), *((f"a line of {name}", words) for words in lines))
    reference = bill.additional_fields.reference if bill.additional_fields else None
    named = ((f"the number of {name}", bill.document_number), (f"the reference of {name}", reference))
    return tuple((where, text) for where, text in (*texts, *named) if text)


def midnight(day: str) -> datetime:
    """A calendar day as Rutter writes it: midnight UTC."""
    try:
        return datetime.combine(datetime.fromisoformat(day).date(), time(), tzinfo=UTC)
    except ValueError:
        raise BadInput("a date must be written YYYY-MM-DD") from None


def bill_words(bill: BillFact) -> str:
    """How a bill is named to people: by its number, or its id if it has none."""
    return f"bill {bill.number}" if bill.number else f"bill {bill.id}"


def links_of(bill: Bill) -> dict[str, Any]:
    """The balance due on a bill, and what settled it by payment or credit id; amounts as exact strings."""
    require_usable(bill)
    linked: dict[str, Decimal] = {}
    for link in (*bill.linked_payments, *bill.linked_credit_memos):
        linked[link.id or ""] = linked.get(link.id or "", Decimal(0)) + link.allocated_amount
    currency = bill.currency_code
    return {
        "due": ledger_money(bill.amount_due, currency, "balance due").text,
        "linked": {key: ledger_money(one, currency, "amount on the bill").text for key, one in sorted(linked.items())},
    }


def has_let_go(bill: Bill, was: dict[str, Any], source_id: str) -> bool:
    """Whether that payment or credit is gone from the bill and the balance due grew by exactly its amount.

    `was` is the earlier result of `links_of`. Other payments and credits applied in the meantime do not matter.
    """
    now = links_of(bill)
    if Decimal(now["linked"].get(source_id, "0")):
        return False
    before, after = (sum(map(Decimal, links["linked"].values()), Decimal(0)) for links in (was, now))
    return Decimal(now["due"]) - Decimal(was["due"]) == before - after


def bill_contents(raw: Bill) -> Contents:
    """What a bill shows of the payments and credits on it, and its balance."""
    ids = (link.id for link in (*raw.linked_payments, *raw.linked_credit_memos))
    fact = bill_fact(raw)
    return Contents(frozenset(one for one in ids if one), fact.total.text, fact.due)
