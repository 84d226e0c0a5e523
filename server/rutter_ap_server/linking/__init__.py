"""Linking companies and keeping them. Read `flow.py` first."""

from __future__ import annotations

from rutter_ap_server.linking.flow import Linking
from rutter_ap_server.linking.joining import Joining
from rutter_ap_server.linking.keeping import Keeping

__all__ = ["Joining", "Keeping", "Linking"]
