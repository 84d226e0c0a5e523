"""What is said about a write is what is known of it: done, refused, or unknown."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import httpx
import pytest

from rutter_ap_server.rutter import Done, Rejected, Unknown, WriteOutcome, errors
from rutter_ap_server.rutter.models.bills import Bill, BillCreate, BillLineDraft
from rutter_ap_server.rutter.models.payments import BillPayment
from rutter_ap_tools.errors import BadInput
from support.scripted_upstream import TOKEN, FakeTime, Scripted, answer, bill, client_for, refusal
from support.scripted_writes import NEW_BILL, NEW_PAYMENT, RUNNING, job


async def create(script: Scripted, time: FakeTime | None = None) -> WriteOutcome[Bill]:
    async with client_for(script, time) as client:
        return await client.connection(TOKEN).bills.create(NEW_BILL, idempotency_key="key-1")


async def test_a_create_sends_exact_numbers_the_callers_key_no_nulls() -> None:
    script = Scripted(answer(200, {"bill": bill()}, x_rutter_job_id="job-1", x_rutter_request_id="req-1"))
    outcome = await create(script)
    assert isinstance(outcome, Done)
    assert (outcome.record.id, outcome.job_id, outcome.request_id) == ("b-1", "job-1", "req-1")
    assert outcome.record.amount_due == Decimal("9.34")
    request = script.requests[0]
    assert request.headers["idempotency-key"] == "key-1"
    assert request.headers["x-rutter-version"] == "2024-08-31"
    assert request.url.params["access_token"] == TOKEN
    assert script.bodies[0] == (
        b'{"bill":{"vendor_id":"v-1","issue_date":"2024-01-02T00:00:00.000Z","currency_code":"USD",'
        b'"line_items":[{"account_id":"a-1","total_amount":1234567890123456.78}]}}'
    )


async def test_a_job_is_polled_after_one_two_then_every_five_seconds() -> None:
    time = FakeTime()
    script = Scripted(
        answer(200, RUNNING), *[job("pending")] * 3, job("success", 200, {"bill": bill("b-9", amount_due=0.10)})
    )
    outcome = await create(script, time)
    assert isinstance(outcome, Done)
    assert (outcome.record.id, outcome.record.amount_due, outcome.job_id) == ("b-9", Decimal("0.10"), "job-1")
    assert time.slept == [1.0, 2.0, 5.0, 5.0]
    assert "access_token" not in script.requests[1].url.params


async def test_a_job_that_does_not_end_in_time_is_unknown_with_its_id() -> None:
    time = FakeTime()
    outcome = await create(Scripted(answer(200, RUNNING), *[job("prequeued")] * 40), time)
    assert outcome == Unknown("job-1", "still_running")
    assert sum(time.slept) <= 90


async def test_a_job_that_failed_at_the_platform_is_refused() -> None:
    body = {"error_type": "PLATFORM_ERROR", "error_code": "X", "error_message": "Period closed"}
    outcome = await create(Scripted(answer(200, RUNNING), job("failure", 450, body)))
    assert isinstance(outcome, Rejected)
    assert isinstance(outcome.error, errors.PlatformRejected)
    assert outcome.error.untrusted_detail == "Period closed"
    assert "closed" not in str(outcome.error)
    assert outcome.job_id == "job-1"


async def test_a_job_that_cannot_be_read_leaves_the_write_unknown() -> None:
    outcome = await create(Scripted(answer(200, RUNNING), *[refusal(404)] * 30))
    assert outcome == Unknown("job-1", "job_unreadable")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.CredentialsRejected),
        (404, errors.NotSupportedHere),
        (409, errors.Conflict),
        (410, errors.NotFoundUpstream),
        (422, errors.BadRequest),
        (450, errors.PlatformRejected),
    ],
)
async def test_a_known_refusal_is_not_repeated(status: int, kind: type[errors.RutterError]) -> None:
    outcome = await create(Scripted(refusal(status)))
    assert isinstance(outcome, Rejected)
    assert type(outcome.error) is kind


@pytest.mark.parametrize("status", [429, 452])
async def test_a_rate_limit_is_repeated_under_the_same_key(status: int) -> None:
    time = FakeTime()
    script = Scripted(refusal(status, retry_after="7"), answer(200, {"bill": bill()}))
    outcome = await create(script, time)
    assert isinstance(outcome, Done)
    assert time.slept == [7.0]
    assert [request.headers["idempotency-key"] for request in script.requests] == ["key-1", "key-1"]
    assert script.bodies[0] == script.bodies[1]


async def test_a_stored_rate_limit_is_not_retried_under_its_key() -> None:
    """The key would only replay it."""
    outcome = await create(Scripted(refusal(452, x_rutter_job_id="job-1")))
    assert isinstance(outcome, Rejected)
    assert isinstance(outcome.error, errors.PlatformRateLimited)


async def test_server_errors_are_retried_under_one_key_then_unknown() -> None:
    script = Scripted(refusal(500), refusal(502), refusal(503))
    assert await create(script) == Unknown(None, "server_error")
    assert {request.headers["idempotency-key"] for request in script.requests} == {"key-1"}


async def test_a_server_error_with_a_job_is_settled_by_the_job() -> None:
    script = Scripted(refusal(500, x_rutter_job_id="job-1"), job("success", 200, {"bill": bill()}))
    assert isinstance(await create(script), Done)
    assert script.paths == ["POST /versioned/accounting/bills", "GET /versioned/jobs/job-1"]


async def test_a_refusal_after_a_server_error_is_unknown() -> None:
    """The first attempt may have worked."""
    assert await create(Scripted(refusal(502), refusal(400))) == Unknown(None, "doubtful_retry")


async def test_a_stored_refusal_after_a_server_error_is_known() -> None:
    outcome = await create(Scripted(refusal(502), refusal(450, x_rutter_job_id="job-1")))
    assert isinstance(outcome, Rejected)


AT_THE_DOOR: list[httpx.Response] = [
    refusal(400, "NEEDS_UPDATE"),
    refusal(400),
    refusal(401),
    refusal(404),
    refusal(409),
    refusal(409, x_rutter_job_id="job-1"),
    refusal(450),
    httpx.Response(302),
]


@pytest.mark.parametrize("refused", AT_THE_DOOR, ids=lambda each: str(each.status_code))
async def test_a_retry_turned_away_says_nothing_of_the_first_attempt(refused: httpx.Response) -> None:
    async with client_for(Scripted(refused)) as client:
        outcome = await client.connection(TOKEN).bills.create(NEW_BILL, idempotency_key="key-1", again=True)
    assert outcome == Unknown(None, "doubtful_retry")


async def test_a_retry_that_cannot_leave_is_unknown_and_not_raised() -> None:
    async with client_for(Scripted(*[httpx.ConnectError("x")] * 3)) as client:
        outcome = await client.connection(TOKEN).bill_payments.void("p-1", idempotency_key="key-1", again=True)
    assert outcome == Unknown(None, "doubtful_retry")


async def test_a_repeat_believes_what_is_stored_of_the_first_attempt() -> None:
    async with client_for(
        Scripted(answer(200, {"bill": bill()}, x_rutter_job_id="j"), refusal(450, x_rutter_job_id="j"))
    ) as client:
        bills = client.connection(TOKEN).bills
        assert isinstance(await bills.create(NEW_BILL, idempotency_key="key-1", again=True), Done)
        assert isinstance(await bills.create(NEW_BILL, idempotency_key="key-1", again=True), Rejected)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (httpx.ReadTimeout("x"), "timeout"),
        (httpx.WriteTimeout("x"), "timeout"),
        (httpx.ReadError("x"), "cut_off"),
        (httpx.RemoteProtocolError("x"), "cut_off"),
    ],
)
async def test_a_write_sent_without_a_reply_is_unknown_and_not_retried(failure: Exception, reason: str) -> None:
    outcome = await create(Scripted(failure))
    assert isinstance(outcome, Unknown)
    assert (outcome.job_id, outcome.reason) == (None, reason)


async def test_a_write_that_never_left_raises_after_a_few_attempts() -> None:
    script = Scripted(*[httpx.ConnectError("x")] * 3)
    with pytest.raises(errors.UpstreamUnavailable):
        await create(script)
    assert len(script.requests) == 3


async def test_a_write_that_may_have_left_does_not_raise_on_its_retry() -> None:
    """The first attempt may have left; that the retry cannot leave says nothing about it."""
    outcome = await create(Scripted(refusal(502), *[httpx.ConnectError("x")] * 2))
    assert outcome == Unknown(None, "doubtful_retry")


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"bill":', b"<html>ok</html>", b'{"bill":{"id":"b-1"}}', b"\xff\xfe"]
)
async def test_a_success_that_cannot_be_read_is_unknown(body: bytes) -> None:
    outcome = await create(Scripted(httpx.Response(200, content=body)))
    assert outcome == Unknown(None, "unreadable_answer")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    script = Scripted(httpx.Response(status, headers={"location": "https://elsewhere.test/"}))
    outcome = await create(script)
    assert isinstance(outcome, Rejected)
    assert isinstance(outcome.error, errors.UpstreamNonsense)
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [303, 451, 453, 499])
async def test_a_status_that_is_not_documented_leaves_a_write_unknown(status: int) -> None:
    outcome = await create(Scripted(httpx.Response(status)))
    assert outcome == Unknown(None, "undocumented_status")


async def test_older_errors_in_a_success_are_a_refusal() -> None:
    errors_body = {"errors": [{"code": 1, "description": "Period closed", "source": "platform"}]}
    outcome = await create(Scripted(answer(200, errors_body)))
    assert isinstance(outcome, Rejected)
    assert outcome.error.untrusted_detail == "Period closed"


async def test_a_payment_that_xero_split_is_done_with_all_its_parts() -> None:
    parts = [{"id": f"p-{n}", "currency_code": "USD", "linked_bills": []} for n in (1, 2)]
    async with client_for(Scripted(answer(200, {"bill_payments": parts}))) as client:
        outcome: WriteOutcome[BillPayment] = await client.connection(TOKEN).bill_payments.create(
            NEW_PAYMENT, idempotency_key="key-1"
        )
    assert isinstance(outcome, Done)
    assert [payment.id for payment in outcome.records] == ["p-1", "p-2"]


async def test_a_payment_is_voided_by_a_patch() -> None:
    script = Scripted(answer(200, {"bill_payment": {"id": "p-1", "currency_code": "USD", "status": "void"}}))
    async with client_for(script) as client:
        await client.connection(TOKEN).bill_payments.void("p-1", idempotency_key="key-2")
    assert script.paths == ["PATCH /versioned/accounting/bill_payments/p-1"]
    assert json.loads(script.bodies[0]) == {"bill_payment": {"status": "void"}}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"code": "deleted", "success": True}, 200, "deleted"),
        ({"code": "not_found", "success": True}, 200, "not_found"),
        ({"code": "not_found", "success": False}, 200, "not_found"),
        ({"deleted_bill": {"code": "deleted", "success": True}}, 200, "deleted"),
        ({"error_code": "X"}, 410, "not_found"),
    ],
)
async def test_deleting_is_done_whether_it_was_there_or_not(body: object, status: int, code: str) -> None:
    async with client_for(Scripted(httpx.ReadTimeout("x"), answer(status, body), refusal(410))) as client:
        outcome = await client.connection(TOKEN).bills.delete("b-1")
    assert isinstance(outcome, Done)
    assert outcome.record.code == code


async def test_a_delete_that_stays_without_an_answer_is_unknown() -> None:
    async with client_for(Scripted(httpx.ReadTimeout("x"), *[httpx.ConnectError("x")] * 3)) as client:
        assert isinstance(await client.connection(TOKEN).bills.delete("b-1"), Unknown)


async def test_the_outcome_of_a_job_can_be_asked_for_later() -> None:
    script = Scripted(job("pending"), job("success", 200, {"bill": bill()}))
    async with client_for(script) as client:
        bills = client.connection(TOKEN).bills
        assert await bills.outcome("job-1") == Unknown("job-1", "still_running")
        assert isinstance(await bills.outcome("job-1"), Done)


@pytest.mark.parametrize("key", ["", "  ", "k" * 101, "a\r\nb", "ключ"])
async def test_a_bad_key_is_refused_before_anything_is_sent(key: str) -> None:
    script = Scripted()
    async with client_for(script) as client:
        with pytest.raises(BadInput):
            await client.connection(TOKEN).bills.create(NEW_BILL, idempotency_key=key)
    assert script.requests == []


@pytest.mark.parametrize("amount", [1.5, None, Decimal("NaN"), Decimal("Infinity"), Decimal("1E+99")])
async def test_an_inexact_amount_is_refused_before_sending(amount: object) -> None:
    script = Scripted()
    draft = BillCreate(
        vendor_id="v-1",
        issue_date=date(2024, 1, 2),
        currency_code="USD",
        line_items=(BillLineDraft(total_amount=amount),),  # type: ignore[arg-type]
    )
    async with client_for(script) as client:
        with pytest.raises(BadInput):
            await client.connection(TOKEN).bills.create(draft, idempotency_key="key-1")
    assert script.requests == []
