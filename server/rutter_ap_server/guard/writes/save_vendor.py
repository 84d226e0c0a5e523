"""`save_vendor`: creates a vendor, or changes its name and contact details; never how it is paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.directory import vendor_name
from rutter_ap_server.guard.prepared import PreparedWrite, prepare
from rutter_ap_server.guard.writes.base import (
    NO_DATES,
    Dates,
    Facts,
    Gathered,
    LinkedAccount,
    Need,
    Repeats,
    Touched,
    Write,
)
from rutter_ap_server.guard.writes.parties import NAME_CHARACTERS_MAX, Contents, changed_parts, vendor_fact
from rutter_ap_server.guard.writes.payees import email_keys, keys_of, name_key
from rutter_ap_server.guard.writes.readback import Difference, Kind, Sent, differences, with_differences
from rutter_ap_server.guard.writes.save_vendor_rules import RULES, VendorEntryFacts
from rutter_ap_server.guard.writes.wording import (
    Description,
    Fields,
    columns,
    exact,
    named,
    pairs,
    payee_words,
)
from rutter_ap_server.reads.doubts import doubt_about
from rutter_ap_server.rutter.models.base import Address, AddressDraft, given
from rutter_ap_server.rutter.models.vendors import Vendor, VendorCreate, VendorUpdate
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_server.store.canonical import digest
from rutter_ap_server.store.engine import Tx
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.findings import Severity
from rutter_ap_tools.money import require_active
from rutter_ap_tools.text import clean, fold, normal_number, quote
from rutter_ap_tools.vendors import SaveVendor
from rutter_ap_tools.wire import Named, Record

_PLAIN = ("name", "currency", "email", "phone")
# The parts of an address: our argument name and Rutter's field (Rutter docs: Vendors).
_ADDRESS = {
    "street": "address1",
    "city": "city",
    "region": "region",
    "postal_code": "postal_code",
    "country": "country",
}
_PARTS = ("address1", "address2", "address3", "city", "country", "postal_code", "region")
_BILLING = "billing"
_INSTEAD = "a person can change it there"
_CREATE = Need("vendors", "create", "create a vendor", "a person can create it there", "create_vendor")
_UPDATE = Need("vendors", "update", "change a vendor", _INSTEAD, "update_vendor")
_SET_ADDRESS = Need("vendors", "set_address", "change the address of a vendor", _INSTEAD, "change_vendor_address")


class SaveVendorWrite(Write[VendorEntryFacts]):
    """`save_vendor`."""

    tool = "save_vendor"
    # Fake vendors are how payments for nothing begin, so a person confirms every new one.
    default_severity = Severity.ASK
    counts_against_limits = False
    repeats = Repeats.SAME_REQUEST
    needs = (_CREATE, _UPDATE, _SET_ADDRESS)
    rules = RULES

    def touches(self, prepared: PreparedWrite) -> frozenset[Touched]:
        """The vendor, and its new name among all vendors, so that two vendors with one name notice each other."""
        vendor_id, name = prepared.fields["vendor_id"], prepared.fields["changes"].get("name")
        of_vendor = {Touched("vendor", vendor_id)} if vendor_id else set()
        return frozenset(of_vendor | ({Touched("vendors", normal_number(name) or fold(name))} if name else set()))

    def dates(self, prepared: PreparedWrite, seen: VendorEntryFacts) -> Dates:
        """None: a vendor has no date."""
        return NO_DATES

    def needed(self, prepared: PreparedWrite) -> tuple[Need, ...]:
        """Creating a vendor, or changing one and its address."""
        if not prepared.fields["vendor_id"]:
            return (_CREATE,)
        return (_UPDATE, _SET_ADDRESS) if "address" in prepared.fields["changes"] else (_UPDATE,)

    async def prepare(self, request: SaveVendor, company: Company, linked_account: LinkedAccount) -> PreparedWrite:
        """Fixes the new vendor, or the changes to one and the addresses it will have."""
        changes = _changes(request)
        if not request.vendor_id:
            return self._new(changes, company)
        vendor = await company.rutter.vendors.get((await company.directory.vendor(request.vendor_id)).id)
        if not changes:
            raise BadInput("no changes were given", code="write.no_change")
        differing = _differing(vendor, changes)
        if not differing:
            raise BadInput(
                "the vendor already has all of these values",
                code="write.no_change",
                next_step="There is nothing to change. Nothing was written.",
            )
        fields: dict[str, Any] = {"vendor_id": vendor.id, "changes": changes}
        if "address" in changes:
            # Sent in full, because Rutter replaces the list: unchanged addresses are sent as they are.
            fields["addresses"] = _with(vendor.addresses, changes["address"])
            fields["addresses_were"] = digest(_plain_addresses(vendor.addresses))
        name = clean(vendor_name(vendor), NAME_CHARACTERS_MAX)
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields=fields,
            summary=f"Update vendor {name}: {'; '.join(_words(changes, differing))}",
            vendor_id=vendor.id,
            vendor_name=name,
        )

    def _new(self, changes: dict[str, Any], company: Company) -> PreparedWrite:
        if not changes.get("name") or not changes.get("currency"):
            raise BadInput("a new vendor needs `name` and `currency`; to change a vendor, pass its `vendor_id`")
        fields: dict[str, Any] = {"vendor_id": "", "changes": changes}
        if "address" in changes:
            fields["addresses"] = _with((), changes["address"])
        name = clean(changes["name"], NAME_CHARACTERS_MAX)
        words = _words(changes, [part for part in changes if part not in ("name", "currency")])
        return prepare(
            tool=self.tool,
            company_id=company.ledger_id,
            connection_id=company.id,
            fields=fields,
            summary=f"Create vendor {name}, billing in {changes['currency']}{''.join(f'; {one}' for one in words)}",
            vendor_name=name,
        )

    async def gather(self, prepared: PreparedWrite, company: Company) -> Gathered[VendorEntryFacts]:
        """Reads every vendor's name and, for a change, the vendor itself.

        The current details of a vendor to change are remembered before the change, so that a payment soon afterwards
        notices it.
        """
        changes, vendor_id = prepared.fields["changes"], prepared.fields["vendor_id"]
        known = await company.directory.vendors(refresh=True) if {"name", "email"} & changes.keys() else {}
        unlisted = await doubt_about(company, "vendors", known.values())
        shared = email_keys(changes.get("email")) | {name_key(changes.get("name"))}
        twins = tuple(sorted(one.id for one in known.values() if one.id != vendor_id and keys_of(one) & shared))
        others = tuple(
            sorted((one.id, clean(name, 200)) for one in known.values() if one.id != vendor_id for name in one.names)
        )
        texts = tuple((f"the vendor's {name}", changes[name]) for name in ("name", "email") if name in changes)
        if not vendor_id:
            namesakes = sorted({one for one, name in others if fold(name) == fold(changes["name"])})
            # With those whose name may be this one cut: none of them is the new vendor.
            like = sorted(
                {one for one, name in others if one in namesakes or _sent("name", changes["name"], name).is_shown}
            )
            return Gathered(
                seen=VendorEntryFacts(
                    others=others,
                    differing=(),
                    is_shown=False,
                    addresses_moved=False,
                    now={},
                    twins=twins,
                    unlisted=unlisted,
                ),
                binding={"namesakes": namesakes},
                before={"namesakes": like},
                contents={Touched("vendors", ""): Contents(frozenset(known))},
                # There is no payee with that name yet.
                vendor=None,
                texts=texts,
                arguments=(),
                names={},
            )
        raw = await company.rutter.vendors.get(vendor_id)
        vendor = vendor_fact(raw)
        differing = _differing(raw, changes)
        were = prepared.fields.get("addresses_were")
        now = [raw.phone or "", sorted(raw.currency_codes), sorted(differing)]
        return Gathered(
            seen=VendorEntryFacts(
                others=others,
                differing=tuple(differing),
                is_shown=not differing,
                addresses_moved=were is not None and were != digest(_plain_addresses(raw.addresses)),
                now=_values(raw),
                twins=twins,
                unlisted=unlisted,
            ),
            binding={"vendor": vendor.binding, "now": now},
            before={"vendor": vendor.details, "now": now},
            vendor=vendor,
            texts=texts,
            arguments=(),
            names={},
        )

    def describe(self, prepared: PreparedWrite, facts: Facts[VendorEntryFacts]) -> Description:
        """Each new value with the one it replaces, and the addresses exactly as they will be."""
        seen, said = facts.seen, Fields(prepared.fields)
        changes, vendor_id = said.take("changes") or {}, said.take("vendor_id")
        parts = {name: value for name, value in changes.items() if name != "address"}
        address = changes.get("address", {})
        values = [
            *((name, exact(seen.now.get(name)), exact(value)) for name, value in parts.items()),
            *((f"address: {name}", exact(seen.now.get(name)), exact(value)) for name, value in address.items()),
        ]
        after = said.take("addresses") or []
        whole = [("; ".join(f"{key} {exact(value)}" for key, value in one.items()),) for one in after]
        vendor = payee_words(facts.vendor, vendor_id, prepared.vendor_name) if vendor_id else "a new vendor"
        rows = [("Vendor", vendor)]
        were = said.take("addresses_were")
        if were:
            rows.append(("Addresses replaced, by their SHA-256", named(None, were)))
        sections = [
            pairs("Vendor to change" if vendor_id else "Vendor to create", [*rows, *said.rest()]),
            columns("New values", ("field", "now", "afterwards"), values),
        ]
        if whole:
            sections.append(columns("All addresses afterwards", ("address",), whole))
        stays = [name for name in ("name", "currency", "email", "phone", "address") if name not in changes]
        if vendor_id:
            sections.append(pairs("Unchanged", [("Stays as it is", ", ".join(["bank account", *stays]))]))
        return Description(
            fields=tuple(sections),
            follows=(("Payments", "Bank details are never changed here; a later payment notices this change."),),
        )

    async def draft(self, prepared: PreparedWrite, company: Company) -> VendorUpdate | VendorCreate:
        """The new vendor, or the changes to one (Rutter docs: Vendors)."""
        changes = prepared.fields["changes"]
        addresses = given(tuple(AddressDraft(**one) for one in prepared.fields.get("addresses", ())) or None)
        email, phone = given(changes.get("email")), given(changes.get("phone"))
        if prepared.fields["vendor_id"]:
            return VendorUpdate(
                vendor_name=given(changes.get("name")),
                currency_code=given(changes.get("currency")),
                email=email,
                phone=phone,
                addresses=addresses,
            )
        return VendorCreate(
            contact_name=changes["name"],
            vendor_name=changes["name"],
            currency_code=changes["currency"],
            email=email,
            phone=phone,
            addresses=addresses,
        )

    async def send(
        self, prepared: PreparedWrite, draft: VendorUpdate | VendorCreate, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        """Creates or changes the vendor."""
        vendors = company.rutter.vendors
        outcome: WriteOutcome[Any]
        if isinstance(draft, VendorUpdate):
            outcome = await vendors.update(prepared.fields["vendor_id"], draft, idempotency_key=key, again=again)
        else:
            outcome = await vendors.create(draft, idempotency_key=key, again=again)
        company.directory.forget()
        return outcome

    async def read_back(
        self, prepared: PreparedWrite, company: Company, sent: Any, before: dict[str, Any]
    ) -> tuple[Record, ...]:
        """Posted means that the ledger shows the new vendor, or the changes, its texts as Rutter's answer has them."""
        vendor = await company.rutter.vendors.get(prepared.fields["vendor_id"] or sent.id)
        shown = _seen(vendor, prepared, sent if sent.id == vendor.id else None)
        return (shown,) if shown is not None else ()

    async def find(self, prepared: PreparedWrite, company: Company, before: dict[str, Any]) -> tuple[Record, ...]:
        """The vendor if it shows all changes; for a new one, every such vendor that did not exist before."""
        if prepared.fields["vendor_id"]:
            vendor = await company.rutter.vendors.get(prepared.fields["vendor_id"])
            was = (before["vendor"], before["now"][:2])
            is_as_before = was == (vendor_fact(vendor).details, [vendor.phone or "", sorted(vendor.currency_codes)])
            known = [] if is_as_before else [vendor]
        else:
            vendors = (await company.directory.vendors(refresh=True)).values()
            known = [one for one in vendors if one.id not in before["namesakes"]]
        found = (_seen(one, prepared, None) for one in known)
        return tuple(one for one in found if one is not None)

    def leaves(self, prepared: PreparedWrite, record_id: str) -> Mapping[Touched, str]:
        """A new vendor, among all of them."""
        return {} if prepared.fields["vendor_id"] else {Touched("vendors", ""): record_id}

    def on_posted(self, tx: Tx, prepared: PreparedWrite, record: Record) -> None:
        """Remembers what a vendor became, so that payments notice the change also while the ledger lags behind it.

        What it was before is known from the judgement. Where the ledger keeps a value in another form than was sent,
        what it then shows is one more change.
        """
        seen = tx.observations.sightings(prepared.company_id, record.id)
        if not prepared.fields["vendor_id"] or not seen:
            return
        parts = dict(seen[-1].parts) | changed_parts(prepared.fields["changes"], prepared.fields.get("addresses"))
        tx.observations.record_sighting(prepared.company_id, record.id, digest(parts), parts)

    async def outcome_of_job(self, company: Company, job_id: str) -> WriteOutcome[Any]:
        """The outcome of Rutter's job."""
        return await company.rutter.vendors.outcome(job_id)


def _changes(request: SaveVendor) -> dict[str, Any]:
    """The given values, checked: hidden characters could create a second vendor that looks like the first."""
    changes: dict[str, Any] = {name: getattr(request, name) for name in _PLAIN if getattr(request, name)}
    address = {theirs: getattr(request, ours) for ours, theirs in _ADDRESS.items() if getattr(request, ours)}
    for name, text in (*changes.items(), *address.items()):
        if clean(text, 400) != text:
            raise BadInput(f"`{name}` must be plain, visible text on one line, without leading or trailing spaces")
    if "currency" in changes:
        require_active(changes["currency"])
    local, at, host = changes.get("email", "a@b").partition("@")
    if not (local and at and host) or " " in local + host or "@" in host:
        raise BadInput("`email` must be a single email address, such as billing@example.com")
    return changes | ({"address": address} if address else {})


def _differing(vendor: Vendor, changes: dict[str, Any]) -> list[str]:
    """The parts in which the vendor differs from the new values."""
    shown = {"name": vendor_name(vendor), "email": vendor.email, "phone": vendor.phone}
    found: list[str] = [
        name for name in ("name", "email", "phone") if name in changes and (shown[name] or "") != changes[name]
    ]
    if "currency" in changes and changes["currency"] not in vendor.currency_codes:
        found.append("currency")
    if "address" in changes:
        home = _home(vendor.addresses)
        at_home = vendor.addresses[home] if home is not None else Address()
        if any((getattr(at_home, part) or "") != text for part, text in changes["address"].items()):
            found.append("address")
    return found


def _values(vendor: Vendor) -> dict[str, str]:
    """A vendor's present values by part; those of its billing address by Rutter's names."""
    home = _home(vendor.addresses)
    at_home = _plain_addresses(vendor.addresses)[home] if home is not None else {}
    plain = {
        "name": vendor_name(vendor),
        "currency": ", ".join(vendor.currency_codes),
        "email": vendor.email,
        "phone": vendor.phone,
    }
    return {name: text for name, text in plain.items() if text} | at_home


def _home(addresses: Sequence[Address]) -> int | None:
    """The index of the billing address, or of the only address."""
    billing = next((n for n, one in enumerate(addresses) if (one.type or "").lower() == _BILLING), None)
    return billing if billing is not None else 0 if len(addresses) == 1 else None


def _with(addresses: Sequence[Address], parts: dict[str, str]) -> list[dict[str, str]]:
    """All addresses as they will be: the billing address changed or added, the others unchanged."""
    plain, home = _plain_addresses(addresses), _home(addresses)
    if home is None:
        return [*plain, {"type": _BILLING} | parts]
    return [one | parts if n == home else one for n, one in enumerate(plain)]


def _plain_addresses(addresses: Sequence[Address]) -> list[dict[str, str]]:
    """Addresses as they are sent: missing parts are omitted, because Rutter rejects a null."""
    return [
        {"type": one.type or "unknown"} | {part: getattr(one, part) for part in _PARTS if getattr(one, part)}
        for one in addresses
    ]


def _words(changes: dict[str, Any], parts: Sequence[str]) -> list[str]:
    """The new values, for people; the approver must see the exact values."""
    said = []
    for part in parts:
        text = ", ".join(changes[part].values()) if part == "address" else changes[part]
        said.append(f"{part} {quote(text, 2 * NAME_CHARACTERS_MAX)}")
    return said


def _texts(vendor: Vendor, changes: dict[str, Any]) -> list[Sent]:
    """Every text that was sent, with what this vendor shows of it."""
    home = _home(vendor.addresses)
    at_home = vendor.addresses[home] if home is not None else Address()
    shown = {"name": vendor_name(vendor), "email": vendor.email, "phone": vendor.phone}
    plain = [_sent(name, changes[name], shown[name]) for name in ("name", "email", "phone") if name in changes]
    return plain + [_sent(part, text, getattr(at_home, part)) for part, text in changes.get("address", {}).items()]


_KINDS: dict[str, Kind] = {"email": "code", "phone": "phone", "country": "code"}


def _sent(name: str, text: str, shown: str | None) -> Sent:
    return Sent({"email": "e-mail"}.get(name, name.replace("_", " ")), text, shown, _KINDS.get(name, "text"))


def _seen(vendor: Vendor, prepared: PreparedWrite, answered: Vendor | None) -> Record | None:
    """The record, if this vendor is what was to be written, and how its texts differ.

    A new one is recognised by its name, since not every platform keeps all other values; for a change every value must
    match. A text beyond what platforms are known to change counts if Rutter's own answer, `answered`, says the same.
    """
    changes = prepared.fields["changes"]
    texts, said = _texts(vendor, changes), _texts(answered, changes) if answered is not None else []
    proved = {one.field for one, other in zip(texts, said, strict=False) if one.shown == other.shown}
    is_new = not prepared.fields["vendor_id"]
    if is_new and not (fold(vendor_name(vendor)) == fold(changes["name"]) or texts[0].is_shown or "name" in proved):
        return None
    has_currency = "currency" not in changes or changes["currency"] in vendor.currency_codes
    if not is_new and not (has_currency and all(one.is_shown or one.field in proved for one in texts)):
        return None
    found = differences(texts)
    if not has_currency:
        codes = ", ".join(vendor.currency_codes) or "none"
        found.append(Difference(f"the ledger shows the currency {quote(codes)}, not {changes['currency']}", False))
    return with_differences(_record(vendor), found)


def _record(vendor: Vendor) -> Record:
    return Record(kind="vendor", id=vendor.id, vendor=Named(id=vendor.id, name=clean(vendor_name(vendor)) or None))
