"""What the client's tests send, and the job that Rutter makes of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import httpx

from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate
from support.scripted_upstream import answer

NEW_BILL = BillCreate(
    vendor_id="v-1",
    issue_date=date(2024, 1, 2),
    currency_code="USD",
    line_items=(BillLineDraft(account_id="a-1", total_amount=Decimal("1234567890123456.78")),),
)
NEW_PAYMENT = BillPaymentCreate(
    account_id="a-1",
    transaction_date=date(2024, 1, 3),
    linked_bills=(AllocationDraft(id="b-1", allocated_amount=Decimal("3.10")),),
)
RUNNING = {"async_response": {"id": "job-1", "response_url": "https://rutter.test/jobs/job-1", "status": "pending"}}


def job(status: str, http_status: int | None = None, body: object = None) -> httpx.Response:
    """The state of the job job-1, with the response it ended in if there is one."""
    flat: dict[str, object] = {"id": "job-1", "status": status, "request": {"method": "POST", "url": "https://x/"}}
    if http_status is not None:
        flat["response"] = {"http_status": http_status, "body": body}
    return answer(200, flat)
