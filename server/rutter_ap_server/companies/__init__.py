"""Linking companies and keeping them. Read `flow.py` first."""

from __future__ import annotations

from rutter_ap_server.companies.connecting import ConnectFlow
from rutter_ap_server.companies.onboarding import Onboarding
from rutter_ap_server.companies.saved_connections import ConnectionRepository

__all__ = ["ConnectFlow", "ConnectionRepository", "Onboarding"]
