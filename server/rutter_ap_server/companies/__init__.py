"""Connected companies: which there are, how they are doing, and how one is connected. Start with `connecting.py`."""

from __future__ import annotations

from rutter_ap_server.companies.connecting import ConnectFlow
from rutter_ap_server.companies.onboarding import Onboarding
from rutter_ap_server.companies.saved_connections import ConnectionRepository

__all__ = ["ConnectFlow", "ConnectionRepository", "Onboarding"]
