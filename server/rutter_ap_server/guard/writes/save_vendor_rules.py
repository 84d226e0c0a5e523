"""The rules of entering or changing a vendor: no second one of a name, and no payee changed on one person's word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Rule, approve, ask, refuse
from rutter_ap_tools.findings import Finding
from rutter_ap_tools.text import fold, quote

# Words that tell a company's form, or nothing: with or without them it is one name.
_FORMS = """
ab ag and as bv co company corp corporation gmbh inc incorporated limited llc llp ltd nv oy plc sa sarl srl the und
"""
_CLOSE = 0.85
_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class VendorEntryFacts:
    """What the ledger shows about a vendor to enter or change.

    `others` are the other vendors by id and name. Of a vendor to change, `differing` are the parts that would change,
    `is_shown` says that there are none, and `addresses_moved` that its addresses are not what they were when the change
    was proposed.
    """

    others: tuple[tuple[str, str], ...]
    differing: tuple[str, ...]
    is_shown: bool
    addresses_moved: bool


def no_change(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """Somebody may have made the change meanwhile."""
    if facts.is_shown:
        return refuse("write.no_change", "the ledger shows all of this already")
    return None


def vendor_exists(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """Two vendors of one name get one bill paid twice, and nobody can say which is the right one."""
    wanted = fold(prepared.fields["changes"].get("name"))
    for vendor_id, name in facts.others:
        if wanted and fold(name) == wanted:
            return refuse("vendor.exists", f"a vendor of that name is in the ledger already, as {vendor_id}")
    return None


def vendor_similar(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """A name that is almost another's is the same vendor twice, or somebody who wants to be taken for it."""
    wanted = fold(prepared.fields["changes"].get("name"))
    names = {name for _, name in facts.others if fold(name) != wanted}
    near = alike(wanted, names) if wanted else []
    if not near:
        return None
    said = ", ".join(quote(name, 60) for name in near)
    return ask("vendor.similar", f"the ledger has vendors of a similar name: {said}")


def vendor_details(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """By a new e-mail, phone or address payees are hijacked: whoever writes to the vendor then writes to the thief.

    A phone number most of all, since it is what an approver would call to find out.
    """
    changed = [part for part in facts.differing if part != "currency"]
    if not changed:
        return None
    words = f"this changes the vendor's {' and '.join(changed)}"
    return approve("vendor.details", f"{words}: ask the vendor, on a number you knew before, whether it is so")


def vendor_moved(prepared: PreparedWrite, facts: VendorEntryFacts, policy: Policy) -> Finding | None:
    """Addresses are replaced as a whole, so that a change made meanwhile would be lost."""
    if facts.addresses_moved:
        return refuse("vendor.moved", "the vendor's addresses changed since this was proposed: propose it anew")
    return None


def alike(name: str, names: Iterable[str]) -> list[str]:
    """At most three of the names that a person could take for that one."""
    by_plain: dict[str, str] = {}
    for other in sorted(names):
        by_plain.setdefault(_plain(other), other)
    by_plain.pop("", None)
    plain = _plain(name)
    words = set(plain.split())
    within = [one for one in by_plain if words and (words <= set(one.split()) or set(one.split()) <= words)]
    close = get_close_matches(plain, by_plain, n=_NAMED_MAX, cutoff=_CLOSE)
    return [by_plain[one] for one in dict.fromkeys([*close, *within])][:_NAMED_MAX]


def _plain(name: str) -> str:
    """A name's own words, without what only tells a company's form."""
    words = re.findall(r"[^\W_]+", fold(name))
    return " ".join([word for word in words if word not in _FORMS.split()] or words)


RULES: tuple[Rule[VendorEntryFacts], ...] = (no_change, vendor_exists, vendor_similar, vendor_details, vendor_moved)
