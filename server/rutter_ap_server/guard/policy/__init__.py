"""The policy: what the operator allows, as a typed file. No file means the default; a broken one stops every write."""

from __future__ import annotations

from rutter_ap_server.guard.policy.codes import CODES, Code
from rutter_ap_server.guard.policy.currencies import DEFAULT, CurrencyPolicy
from rutter_ap_server.guard.policy.file import PolicyError, parse_policy, read_file
from rutter_ap_server.guard.policy.in_force import PolicyFile
from rutter_ap_server.guard.policy.model import Policy
from rutter_ap_server.guard.policy.tables import (
    ApproverPolicy,
    Asking,
    CompanyPolicy,
    ProposalPolicy,
    QuietHours,
    RulePolicy,
    VendorPolicy,
)
from rutter_ap_server.guard.policy.windows import WINDOWS, Window

__all__ = [
    "CODES",
    "DEFAULT",
    "WINDOWS",
    "ApproverPolicy",
    "Asking",
    "Code",
    "CompanyPolicy",
    "CurrencyPolicy",
    "Policy",
    "PolicyError",
    "PolicyFile",
    "ProposalPolicy",
    "QuietHours",
    "RulePolicy",
    "VendorPolicy",
    "Window",
    "parse_policy",
    "read_file",
]
