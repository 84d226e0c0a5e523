"""The doctor: what is right, what is wrong, what to do. Read `examine.py` first."""

from __future__ import annotations

from rutter_ap_server.cli.doctor.check import Check
from rutter_ap_server.cli.doctor.examine import examine, report

__all__ = ["Check", "examine", "report"]
