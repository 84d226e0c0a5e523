"""The shared Rutter client: the only code that sends a request to Rutter. Usable alone; see docs/client.md."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rutter_ap_server.rutter.abilities import Abilities as Abilities
    from rutter_ap_server.rutter.abilities import Support as Support
    from rutter_ap_server.rutter.abilities import abilities_of as abilities_of
    from rutter_ap_server.rutter.client import RutterClient as RutterClient
    from rutter_ap_server.rutter.company import CompanyClient as CompanyClient
    from rutter_ap_server.rutter.credentials import Credentials as Credentials
    from rutter_ap_server.rutter.credentials import Secret as Secret
    from rutter_ap_server.rutter.errors import RutterError as RutterError
    from rutter_ap_server.rutter.filters import above as above
    from rutter_ap_server.rutter.filters import ascending as ascending
    from rutter_ap_server.rutter.filters import contains as contains
    from rutter_ap_server.rutter.filters import descending as descending
    from rutter_ap_server.rutter.filters import equal as equal
    from rutter_ap_server.rutter.models.base import given as given
    from rutter_ap_server.rutter.outcomes import Done as Done
    from rutter_ap_server.rutter.outcomes import Rejected as Rejected
    from rutter_ap_server.rutter.outcomes import Unknown as Unknown
    from rutter_ap_server.rutter.outcomes import WriteOutcome as WriteOutcome
    from rutter_ap_server.rutter.paging import Page as Page
    from rutter_ap_server.rutter.request import PRODUCTION_URL as PRODUCTION_URL
    from rutter_ap_server.rutter.request import SANDBOX_URL as SANDBOX_URL
    from rutter_ap_server.rutter.request import Limits as Limits

# Nothing is imported before it is asked for: a server that starts must not wait for a client it may not need yet.
_HOMES = {
    "Abilities": "abilities",
    "Support": "abilities",
    "abilities_of": "abilities",
    "CompanyClient": "company",
    "Credentials": "credentials",
    "Done": "outcomes",
    "Limits": "request",
    "PRODUCTION_URL": "request",
    "Page": "paging",
    "Rejected": "outcomes",
    "RutterClient": "client",
    "RutterError": "errors",
    "SANDBOX_URL": "request",
    "Secret": "credentials",
    "Unknown": "outcomes",
    "WriteOutcome": "outcomes",
    "above": "filters",
    "ascending": "filters",
    "contains": "filters",
    "descending": "filters",
    "equal": "filters",
    "given": "models.base",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - the one list there is


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
