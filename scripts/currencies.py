"""Writes tools/rutter_ap_tools/currencies.py from ISO 4217's own lists, so that no code or exponent is typed by hand.

`--check` writes nothing and fails when the file is not what would be written. The lists in scripts/data/iso4217 are the
maintenance agency's (SIX): list one holds the active codes, list three the withdrawn ones. To renew them, replace both
files and run `make docs`; https://www.six-group.com/en/products-services/financial-information/data-standards.html
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
LISTS = ROOT / "scripts" / "data" / "iso4217"
TARGET = ROOT / "tools" / "rutter_ap_tools" / "currencies.py"

# Books are kept for ten years and more, and a vendor's old bills are compared with every new one.
WITHDRAWN_SINCE = "2014-01"
# List three gives no exponents. Of the codes withdrawn since then these are the ones that did not have two digits.
WITHDRAWN_EXPONENTS = {"BYR": 0}

_HEADER = '''"""Currencies and their digits after the point, from the ISO 4217 lists published on {published}.

Written by scripts/currencies.py: run `make docs` after replacing the lists, and change nothing here.
"""

from __future__ import annotations

from typing import Final

# Active codes. Metals, test codes and others without minor units are left out: no bill is in them.
ACTIVE: Final[dict[str, int]] = {{
{active}
}}

# Codes withdrawn since {since}, with the month: old records can be read and compared, but nothing new is entered.
WITHDRAWN: Final[dict[str, tuple[int, str]]] = {{
{withdrawn}
}}
'''


def main(arguments: list[str]) -> int:
    """Writes or checks."""
    text = module()
    if "--check" in arguments:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{TARGET.relative_to(ROOT)} is not current; run: make docs\n")
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


def module() -> str:
    """The text of the whole module."""
    one, three = (ElementTree.parse(LISTS / f"list-{number}.xml").getroot() for number in ("one", "three"))
    published = {root.attrib["Pblshd"] for root in (one, three)}
    if len(published) != 1:
        raise SystemExit(f"the two lists are of different editions: {', '.join(sorted(published))}")
    active, withdrawn = active_codes(one), withdrawn_codes(three)
    return _HEADER.format(
        published=published.pop(),
        since=WITHDRAWN_SINCE,
        active="\n".join(f'    "{code}": {digits},  # {name}' for code, (digits, name) in sorted(active.items())),
        withdrawn="\n".join(
            f'    "{code}": ({WITHDRAWN_EXPONENTS.get(code, 2)}, "{month}"),  # {name}'
            for code, (month, name) in sorted(withdrawn.items())
            if code not in active
        ),
    )


def active_codes(root: ElementTree.Element) -> dict[str, tuple[int, str]]:
    """Code -> digits and name, of those that have minor units."""
    found = {}
    for entry in root.iter("CcyNtry"):
        code, digits = entry.findtext("Ccy"), entry.findtext("CcyMnrUnts", "")
        if code is not None and digits.isdigit():
            found[code] = (int(digits), _name(entry))
    return found


def withdrawn_codes(root: ElementTree.Element) -> dict[str, tuple[str, str]]:
    """Code -> month and name of its last withdrawal, where that is recent enough."""
    found: dict[str, tuple[str, str]] = {}
    for entry in root.iter("HstrcCcyNtry"):
        code, month = entry.findtext("Ccy"), entry.findtext("WthdrwlDt", "")
        if code is not None and month >= WITHDRAWN_SINCE and month > found.get(code, ("", ""))[0]:
            found[code] = (month, _name(entry))
    return found


def _name(entry: ElementTree.Element) -> str:
    return " ".join(entry.findtext("CcyNm", "").split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
