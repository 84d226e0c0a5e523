"""Linking companies and keeping them. Read `flow.py` first."""

from __future__ import annotations

from rutter_ap_server.companies.connecting import Linking
from rutter_ap_server.companies.onboarding import Joining
from rutter_ap_server.companies.saved_connections import Keeping

__all__ = ["Joining", "Keeping", "Linking"]
