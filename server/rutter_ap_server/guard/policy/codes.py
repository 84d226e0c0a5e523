"""Every rule code, its minimum severity, and whether an operator may switch it off."""

from __future__ import annotations

from dataclasses import dataclass

from rutter_ap_tools.findings import Severity


@dataclass(frozen=True, slots=True)
class Code:
    """A policy may raise any code above `least`; only one with `may_be_off` can be switched off."""

    least: Severity
    may_be_off: bool = False


_REFUSED = """
account.exists account.inactive account.not_a_funding_source account.wrong_type amount.not_positive amount.over_balance
amount.over_day_limit amount.over_month_limit amount.over_single_limit amount.over_vendor_limit amount.over_week_limit
bill.closed_period bill.in_flight bill.moved bill.not_draft bill.not_payable bill.settled bill.void clock.skewed
credit.moved credit.not_applied credit.not_open credit.other_vendor credit.over_balance credit.over_remaining
currency.mismatch freeze.active ledger.behind payment.moved payment.void platform.unsupported policy.differs
record.exists record.not_allowed tax.changed tax.inactive vendor.blocked vendor.exists vendor.mismatch vendor.moved
write.no_change
"""
# An unknown fact, a new or changed payee, a repeat, anything suspicious: never to be switched off.
_APPROVED = """
account.type_unknown amount.approver amount.no_tier amount.two_approvers argument.from_text bill.booked_differently
bill.identity_changed bill.no_document bill.payments_unknown bill.total_differs credit.booked_differently
credit.total_differs currency.unknown ledger.booked_after_all ledger.incomplete ledger.two_records payment.doubted
payment.repeat payment.settles_more proposal.declined run.many_lines text.suspicious vendor.archived vendor.changed
vendor.details vendor.first_payment vendor.history_unknown vendor.in_flight
"""
# Signals that are not proof, and rules that apply only if the operator sets them up.
_OPTIONAL = """
amount.just_under_limit amount.unusual_for_vendor bill.distant_date bill.future_dated bill.lines_do_not_add_up
bill.similar credit.not_yet_issued credit.similar document.mismatch document.reused payment.before_bill
payment.future_dated payment.other_year payment.quiet_hours
"""

CODES: dict[str, Code] = (
    dict.fromkeys(_REFUSED.split(), Code(Severity.REFUSE))
    | dict.fromkeys(_APPROVED.split(), Code(Severity.APPROVE))
    | dict.fromkeys(_OPTIONAL.split(), Code(Severity.APPROVE, may_be_off=True))
    # A duplicate already in the ledger is for a person to judge; a new one is refused.
    | {
        "bill.duplicate": Code(Severity.APPROVE),
        "credit.duplicate": Code(Severity.APPROVE),
        "bill.due_date_moved": Code(Severity.ASK, may_be_off=True),
        "bill.issue_date_moved": Code(Severity.ASK, may_be_off=True),
        "bill.lines_replaced": Code(Severity.ASK),
        "bill.status_moved": Code(Severity.ASK),
        "bill.overlap": Code(Severity.ASK, may_be_off=True),
        "bill.total_unchecked": Code(Severity.ASK, may_be_off=True),
        "credit.available": Code(Severity.ASK, may_be_off=True),
        "credit.unknown": Code(Severity.ASK, may_be_off=True),
        "credit.total_unchecked": Code(Severity.ASK, may_be_off=True),
        "document.unreadable": Code(Severity.ASK, may_be_off=True),
        "ledger.unusable": Code(Severity.ASK),
        "platform.condition": Code(Severity.ASK, may_be_off=True),
        "platform.undocumented": Code(Severity.ASK, may_be_off=True),
        "record.similar": Code(Severity.ASK),
        # What a posted write says of its texts in the ledger: nothing is left to release.
        "text.differs": Code(Severity.ASK),
        "text.tidied": Code(Severity.ALLOW),
        "vendor.similar": Code(Severity.ASK),
        "vendor.unverified": Code(Severity.ASK),
        "write.repeat": Code(Severity.ASK),
    }
)
