"""The rules for creating or changing a vendor: no duplicate names, and no changed payee without an approver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, approve, ask, refuse
from rutter_ap_server.rutter.abilities import Doubt
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.names import company_words, look_of
from rutter_ap_tools.text import fold, quote

_CLOSE = 0.85
_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class VendorEntryFacts:
    """What the ledger shows about a vendor to create or change.

    `others` are the other vendors by id and each of their names. For a vendor to change, `differing` are the parts that
    would change, `is_shown` is True if there are none, and `addresses_moved` if its addresses have changed since the
    proposal. `now` are its present values, as text by part; empty for a new vendor. `twins` are the ids of the others
    that would be the same vendor: by what its name looks like, or by its e-mail. `unlisted` says why there may be
    others that are not listed.
    """

    others: tuple[tuple[str, str], ...]
    differing: tuple[str, ...]
    is_shown: bool
    addresses_moved: bool
    now: dict[str, str]
    twins: tuple[str, ...] = ()
    unlisted: Doubt | None = None


def no_change(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """Someone may have made the change in the meantime."""
    if facts.is_shown:
        return refuse("write.no_change", "the ledger already shows all of these values")
    return None


def vendor_exists(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """Two vendors with the same name lead to double payments and confusion."""
    wanted = fold(prepared.fields["changes"].get("name"))
    for vendor_id, name in facts.others:
        if wanted and fold(name) == wanted:
            return refuse("vendor.exists", f"the ledger already has a vendor with that name ({vendor_id})")
    return None


def vendor_similar(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """A nearly identical name, or the same e-mail, is the same vendor twice, or someone impersonating it."""
    given = prepared.fields["changes"].get("name") or ""
    wanted = fold(given)
    others = [(vendor_id, name) for vendor_id, name in facts.others if fold(name) != wanted]
    twins = [name for vendor_id, name in others if vendor_id in facts.twins]
    near = list(dict.fromkeys([*twins, *(alike(given, [name for _, name in others]) if wanted else ())]))[:_NAMED_MAX]
    if not near:
        return None
    said = ", ".join(quote(name, 60) for name in near)
    return ask("vendor.similar", f"the ledger has vendors with similar names or the same e-mail: {said}")


def vendors_unknown(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """Where vendors may not be listed, the ledger may have this one already."""
    if facts.unlisted is None or not {"name", "email"} & prepared.fields["changes"].keys():
        return None
    words = f"whether the ledger has another vendor with this name or e-mail is not known: {facts.unlisted.words}"
    return ask("vendor.unverified", words)


def vendor_details(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """Fraudsters take over payees by changing the email, phone or address, so that messages reach them instead.

    A phone number most of all, because an approver would call it to check.
    """
    changed = [part for part in facts.differing if part != "currency"]
    if not changed:
        return None
    words = f"this changes the vendor's {' and '.join(changed)}"
    return approve("vendor.details", f"{words}; confirm it with the vendor, using contact details you already had")


def vendor_moved(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """Addresses are replaced as a whole, so a change made in the meantime would be lost."""
    if facts.addresses_moved:
        return refuse("vendor.moved", "the vendor's addresses have changed since this was proposed; propose it again")
    return None


def alike(name: str, names: Iterable[str]) -> list[str]:
    """At most three names that a person could confuse with this one."""
    by_plain: dict[str, str] = {}
    every = sorted(names)
    for other in every:
        by_plain.setdefault(_plain(other), other)
    by_plain.pop("", None)
    plain, look = _plain(name), look_of(name)
    drawn_so = [one for one in every if look and look_of(one) == look]
    words = set(plain.split())
    within = [one for one in by_plain if words and (words <= set(one.split()) or set(one.split()) <= words)]
    close = get_close_matches(plain, by_plain, n=_NAMED_MAX, cutoff=_CLOSE)
    return list(dict.fromkeys([*drawn_so, *(by_plain[one] for one in (*close, *within))]))[:_NAMED_MAX]


def _plain(name: str) -> str:
    """The words of a name, without legal forms."""
    return " ".join(company_words(name))


RULES: tuple[Rule[VendorEntryFacts], ...] = (
    no_change,
    vendor_exists,
    vendor_similar,
    vendors_unknown,
    vendor_details,
    vendor_moved,
)
