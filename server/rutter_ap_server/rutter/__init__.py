"""The shared Rutter client: the only code that sends a request to Rutter. Usable alone; see docs/client.md."""

from __future__ import annotations

from rutter_ap_server.rutter.abilities import Abilities, Support, abilities_of
from rutter_ap_server.rutter.client import RutterClient
from rutter_ap_server.rutter.company import CompanyClient
from rutter_ap_server.rutter.credentials import Credentials, Secret
from rutter_ap_server.rutter.errors import RutterError
from rutter_ap_server.rutter.filters import above, ascending, contains, descending, equal
from rutter_ap_server.rutter.models.base import given
from rutter_ap_server.rutter.outcomes import Done, Rejected, Unknown, WriteOutcome
from rutter_ap_server.rutter.paging import Page
from rutter_ap_server.rutter.request import PRODUCTION_URL, SANDBOX_URL, Limits

__all__ = [
    "PRODUCTION_URL",
    "SANDBOX_URL",
    "Abilities",
    "CompanyClient",
    "Credentials",
    "Done",
    "Limits",
    "Page",
    "Rejected",
    "RutterClient",
    "RutterError",
    "Secret",
    "Support",
    "Unknown",
    "WriteOutcome",
    "abilities_of",
    "above",
    "ascending",
    "contains",
    "descending",
    "equal",
    "given",
]
