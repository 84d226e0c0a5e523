"""The policy: what the operator allows, as a typed file. No file means the default; a broken one stops every write."""

from __future__ import annotations

from rutter_ap_server.guard.policy.codes import CODES, Code
from rutter_ap_server.guard.policy.file import PolicyError, PolicyFile, parse_policy
from rutter_ap_server.guard.policy.model import Policy
from rutter_ap_server.guard.policy.tables import (
    ApproverPolicy,
    Asking,
    CompanyPolicy,
    CurrencyPolicy,
    ProposalPolicy,
    QuietHours,
    RulePolicy,
    VendorPolicy,
)
from rutter_ap_server.guard.policy.windows import WINDOWS, Window

__all__ = [
    "CODES",
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
]
