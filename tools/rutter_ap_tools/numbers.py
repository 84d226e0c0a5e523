"""Numbers of documents, compared: which spellings are one number, and which are no number at all."""

from __future__ import annotations

import re
from functools import lru_cache

from rutter_ap_tools.names import plain_letters, read_alike

KEY_CHARACTERS_MAX = 200
# A payment is held against all bills of its vendor, again at each judgement.
_KEYS_CACHED_MAX = 20_000

# What people and machines write where there is no number, and the words that only announce one.
_WORDS = """
na nan nil no non none nothing null void blank empty missing unknown unk pending open tbd tba tbc undefined
unspecified notapplicable notavailable notgiven notprovided nonumber noinvoice noinvoicenumber withoutnumber
ohne ohnenummer keine kein sans sansnumero aucun aucune neant sin sinnumero ninguno ninguna senza nessuno nessuna
geen onbekend brak inget ingen ingenting sem semnumero nenhum unbekannt inconnu desconocido sconosciuto
invoice invoices inv bill number num nr nro rechnung facture factura fattura fatura faktura faktuur
"""
_NO_NUMBER = frozenset(_WORDS.split())


@lru_cache(maxsize=_KEYS_CACHED_MAX)
def number_key(number: str | None) -> str:
    """The number for comparison: two with one key are one number. Empty if it is none, such as "N/A" or "000".

    Case, leading zeros, look-alike letters and punctuation do not count, but what stands between two digits keeps them
    apart: 1-12 is 1/12 and 01.12, not 11-2.
    """
    text = plain_letters(number)
    text = re.sub(r"((?<=\d)[\W_]+(?=\d))|[\W_]+", lambda found: "-" if found[1] else "", text)
    joined = text.replace("-", "")
    if joined in _NO_NUMBER or not joined.strip("0") or not joined.strip("x"):
        return ""
    return read_alike(re.sub(r"(?<!\d)0+(?=\d)", "", text))[:KEY_CHARACTERS_MAX]


def digits_of(number: str | None) -> str:
    """The longest run of digits that every spelling of the number has, to search for it; empty if it has none."""
    runs = [run.lstrip("0") for run in re.findall(r"[0-9]+", number or "")]
    return max(runs, key=len, default="")
