"""The accounting platforms by the short names our tables use, and what differs between all their collections."""

from __future__ import annotations

from typing import Final

_PLATFORMS: Final = {
    "BC": "DYNAMICS365",
    "EX": "EXACTONLINE",
    "FA": "FREEAGENT",
    "FB": "FRESHBOOKS",
    "KF": "KASHFLOW",
    "MB": "MONEYBIRD",
    "NS": "NETSUITE",
    "QBD": "QUICKBOOKS_DESKTOP",
    "QBO": "QUICKBOOKS",
    "SBC": "SAGE_BUSINESS_CLOUD",
    "SI": "SAGE_INTACCT",
    "SI2": "SAGE_INTACCT_V2",
    "TA": "TALLY",
    "WA": "WAVE",
    "X": "XERO",
    "ZB": "ZOHOBOOKS",
}


def named(short: str) -> frozenset[str]:
    """The platforms with those short names, such as "QBO X"."""
    return frozenset(_PLATFORMS[key] for key in short.split())


PLATFORMS: Final = frozenset(_PLATFORMS.values())
_IGNORES_FILTERS: Final = named("SI SBC")
_SHOWS_CLOSING_DATE: Final = named("QBO")


def ignores_filters(platform: str) -> bool:
    """Whether the platform ignores filters and sorts (Rutter docs: Filtering Objects)."""
    return platform.upper() in _IGNORES_FILTERS


def shows_closing_date(platform: str) -> bool:
    """Whether the company's record has a closing date (Rutter docs: Company Info)."""
    return platform in _SHOWS_CLOSING_DATE
