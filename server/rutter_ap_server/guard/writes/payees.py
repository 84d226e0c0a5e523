"""Who a vendor is, whatever its record is called: two records that share a key are one vendor."""

from __future__ import annotations

import re
from functools import lru_cache

from rutter_ap_server.rutter.models.vendors import Vendor
from rutter_ap_server.store.canonical import digest
from rutter_ap_tools.names import payee_look, plain_letters
from rutter_ap_tools.numbers import number_key

# Shorter ones are entered to fill a field, and so is one character again and again.
_IDENTIFIER_CHARACTERS_MIN = 5
_KEYS_CACHED_MAX = 50_000


def keys_of(vendor: Vendor) -> frozenset[str]:
    """What the vendor is known by: its names, tax number, e-mail addresses and bank account, as hashes."""
    return _keys(
        (vendor.label, vendor.display_name),
        vendor.tax_number or "",
        vendor.email or "",
        vendor.bank_account_number or "",
    )


def name_key(name: str | None) -> str | None:
    """The key of a name; None for one without letters or digits."""
    look = payee_look(name)
    return _key("name", look) if look else None


def email_keys(email: str | None) -> frozenset[str]:
    """The key of each address; one that stands for none, such as none@none.com, has no key."""
    found = set()
    for address in re.split(r"[\s,;<>]+", plain_letters(email)):
        local, at, host = address.partition("@")
        local = local.partition("+")[0]
        if at and host and number_key(local) and local not in ("noreply", "no-reply", "donotreply"):
            found.add(_key("e-mail", f"{local}@{host}"))
    return frozenset(found)


@lru_cache(maxsize=_KEYS_CACHED_MAX)
def _keys(names: tuple[str | None, ...], tax_number: str, email: str, bank_account: str) -> frozenset[str]:
    found = {name_key(name) for name in names}
    for kind, value in (("tax", tax_number), ("bank", bank_account)):
        plain = re.sub(r"[\W_]+", "", plain_letters(value))
        if len(plain) >= _IDENTIFIER_CHARACTERS_MIN and len(set(plain)) > 1 and number_key(plain):
            found.add(_key(kind, plain))
    return frozenset({key for key in found if key is not None} | email_keys(email))


def _key(kind: str, value: str) -> str:
    return f"{kind}:{digest(value)}"
