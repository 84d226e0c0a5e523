"""What each answer to a write says of it, whichever part of the answer is missing, odd or null."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import anyio
import httpx
import pytest

from rutter_ap_server.rutter import CompanyClient, Done, Limits, Rejected, Unknown, WriteOutcome, errors
from rutter_ap_server.rutter.errors import NothingSent
from rutter_ap_server.rutter.jobs import read_job
from rutter_ap_server.rutter.models.bills import Bill, BillUpdate
from rutter_ap_server.rutter.models.credits import BillCreditApplicationCreate, BillCreditUnapplicationCreate
from rutter_ap_server.rutter.models.payments import AllocationDraft
from rutter_ap_server.rutter.outcomes import UnknownReason
from rutter_ap_server.rutter.resources import DeleteResult
from support.scripted_upstream import TOKEN, FakeTime, Scripted, answer, bill, client_for, refusal
from support.scripted_writes import NEW_BILL, NEW_PAYMENT, RUNNING, job

Answer = httpx.Response | Exception
# More than the looks at a job before its time is up.
LOOKS = 30
NEW_APPLICATION = BillCreditApplicationCreate(
    bill_credit_memo_id="m-1",
    vendor_id="v-1",
    transaction_date=date(2026, 2, 1),
    currency_code="USD",
    linked_bills=(AllocationDraft(id="b-1", allocated_amount=Decimal("1.01")),),
)
NEW_UNAPPLICATION = BillCreditUnapplicationCreate(bill_credit_memo_id="m-1", bill_id="b-1")
Call = Callable[[CompanyClient], Awaitable[WriteOutcome[Any]]]


async def create(books: CompanyClient) -> WriteOutcome[Any]:
    return await books.bills.create(NEW_BILL, idempotency_key="key-1", response_mode="prefer_sync")


async def update(books: CompanyClient) -> WriteOutcome[Any]:
    return await books.bills.update("b-1", BillUpdate(memo="m"), idempotency_key="key-2", response_mode="async")


async def delete(books: CompanyClient) -> WriteOutcome[Any]:
    return await books.bills.delete("b-1")


WRITES = (create, update, delete)


async def of(write: Call, *answers: Answer, time: FakeTime | None = None, **limits: Any) -> WriteOutcome[Any]:
    async with client_for(Scripted(*answers), time, Limits(**limits)) as client:
        return await write(client.connection(TOKEN))


async def of_job(*answers: Answer, wait: bool = False, time: FakeTime | None = None, **limits: Any) -> Any:
    async with client_for(Scripted(*answers), time, Limits(**limits)) as client:
        return await client.connection(TOKEN).bills.outcome("job-1", wait=wait)


@pytest.mark.parametrize("write", WRITES)
async def test_every_change_carries_the_token_and_asks_its_fence(write: Call) -> None:
    may_leave = True

    async def fence() -> bool:
        return may_leave

    script = Scripted(answer(200, {"bill": bill(), "success": True}))
    async with client_for(script) as client:
        books = client.connection(TOKEN).fenced(fence)
        assert isinstance(await write(books), Done)
        may_leave = False
        with pytest.raises(NothingSent):
            await write(books)
    [request] = script.requests
    assert request.url.params["access_token"] == TOKEN


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (create, errors.NotSupportedHere),
        (update, errors.NotFoundUpstream),
        (delete, errors.NotFoundUpstream),
    ],
)
async def test_a_404_means_the_record_only_where_one_is_named(write: Call, kind: type[errors.RutterError]) -> None:
    outcome = await of(write, refusal(404, x_rutter_job_id="j"))
    assert isinstance(outcome, Rejected)
    assert (type(outcome.error), outcome.job_id) == (kind, "j")


async def test_a_change_says_how_it_wants_to_be_answered() -> None:
    script = Scripted(*[answer(200, {"bill": bill()})] * 3)
    async with client_for(script) as client:
        books = client.connection(TOKEN)
        await create(books)
        await update(books)
        await books.bills.update("b-1", BillUpdate(memo="m"), idempotency_key="key-3")
    assert b'"response_mode":"prefer_sync"' in script.bodies[0]
    assert script.bodies[1:] == [b'{"bill":{"memo":"m"},"response_mode":"async"}', b'{"bill":{"memo":"m"}}']
    assert script.paths[1] == "PATCH /versioned/accounting/bills/b-1"
    assert [one.headers["idempotency-key"] for one in script.requests] == ["key-1", "key-2", "key-3"]


@pytest.mark.parametrize("write", [create, update])
async def test_a_repeat_believes_only_what_is_stored(write: Call) -> None:
    async def again(books: CompanyClient) -> WriteOutcome[Bill]:
        if write is create:
            return await books.bills.create(NEW_BILL, idempotency_key="k", again=True)
        return await books.bills.update("b-1", BillUpdate(memo="m"), idempotency_key="k", again=True)

    assert await of(again, refusal(422)) == Unknown(None, "doubtful_retry")
    assert isinstance(await of(write, refusal(422)), Rejected)


P1, P2 = [{"id": name, "currency_code": "USD", "linked_bills": list[str]()} for name in ("p-1", "p-2")]


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"bill_payment": P1}, ["p-1"]),
        ({"bill_payment": P1, "bill_payments": [P2]}, ["p-1", "p-2"]),
        ({"bill_payment": P1, "bill_payments": [P1, P2]}, ["p-1", "p-2"]),
        ({"bill_payment": None, "bill_payments": [P1, P2]}, ["p-1", "p-2"]),
        ({"bill_payments": None}, None),
        ({"bill_payments": []}, None),
        ({"bill_payments": [P1, {}]}, None),
        ({"bill_payments": [P1, None]}, None),
    ],
)
async def test_what_was_written_is_found_under_one_key_or_many(body: Any, ids: list[str] | None) -> None:
    async with client_for(
        Scripted(answer(200, body, x_rutter_job_id="j", x_rutter_request_id="r"), *[refusal(404)] * LOOKS)
    ) as client:
        outcome = await client.connection(TOKEN).bill_payments.create(NEW_PAYMENT, idempotency_key="key-1")
    if ids is None:
        assert outcome == Unknown("j", "job_unreadable")
    else:
        assert isinstance(outcome, Done)
        assert ([one.id for one in outcome.records], outcome.record.id) == (ids, ids[0])
        assert (outcome.job_id, outcome.request_id) == ("j", "r")


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ({"success": True}, DeleteResult(None, True)),
        ({"success": True, "code": "deleted"}, DeleteResult("deleted", True)),
        ({"deleted_bill": {"success": True, "code": "deleted"}}, DeleteResult("deleted", True)),
        ({"deleted_bill": {"success": False, "code": "deleted"}}, None),
        ({"success": False, "code": "busy"}, None),
        ({"success": False}, None),
        ({"code": "deleted"}, None),
        ({"success": "yes"}, None),
        ({"success": True, "code": 7}, None),
        ({}, None),
    ],
)
async def test_a_deletion_is_done_only_if_the_answer_says_so(body: Any, result: DeleteResult | None) -> None:
    outcome = await of(delete, answer(200, body))
    if result is None:
        assert outcome == Unknown(None, "unreadable_answer")
    else:
        assert isinstance(outcome, Done)
        assert outcome.record == result


async def test_what_was_gone_before_is_deleted() -> None:
    outcome = await of(delete, refusal(410, x_rutter_job_id="j", x_rutter_request_id="r"))
    assert outcome == Done(DeleteResult(code="not_found", success=True), "j", "r")


async def test_a_deletion_refused_after_a_doubtful_one_is_unknown() -> None:
    assert await of(delete, refusal(503), refusal(400)) == Unknown(None, "doubtful_retry")
    assert isinstance(await of(delete, refusal(429), refusal(400)), Rejected)


KNOWN = (301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 409, 411, 413, 414, 415, 422, 431, 450, 501)


@pytest.mark.parametrize("status", KNOWN)
async def test_each_status_that_says_no_is_a_refusal(status: int) -> None:
    outcome = await of(create, refusal(status, x_rutter_request_id="r"))
    assert isinstance(outcome, Rejected)
    assert (outcome.error.status, outcome.error.request_id, outcome.job_id) == (status, "r", None)


@pytest.mark.parametrize("status", [300, 303, 304, 305, 306, 309, 406, 408, 412, 451, 453, 499])
async def test_a_status_that_says_neither_leaves_it_unknown(status: int) -> None:
    assert await of(create, refusal(status)) == Unknown(None, "undocumented_status")


@pytest.mark.parametrize("status", [500, 502, 599])
async def test_a_server_error_leaves_it_unknown(status: int) -> None:
    assert await of(create, refusal(status), write_attempts_max=1) == Unknown(None, "server_error")


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (httpx.ReadTimeout("x"), "timeout"),
        (httpx.ReadError("x"), "cut_off"),
        (httpx.Response(200, content=b"x" * 99), "unreadable_answer"),
        (httpx.Response(200, headers={"content-encoding": "br"}, stream=httpx.ByteStream(b"{}")), "unreadable_answer"),
    ],
)
async def test_what_was_sent_without_an_answer_says_why(answered: Answer, reason: str) -> None:
    outcome = await of(create, answered, body_bytes_max=50)
    assert isinstance(outcome, Unknown)
    assert (outcome.job_id, outcome.reason) == (None, reason)


@pytest.mark.parametrize(
    ("ticket", "job_id"),
    [
        ({"id": "job-1"}, "job-1"),
        ({"id": "job-1", "status": "pending"}, "job-1"),
        ({"id": "a b"}, None),
        ({"id": 7}, None),
        ({}, None),
        (None, None),
        ("job-1", None),
    ],
)
async def test_a_job_is_followed_if_its_id_can_be_read(ticket: Any, job_id: str | None) -> None:
    outcome = await of(create, answer(200, {"async_response": ticket}), job("success", 200, {"bill": bill("b-9")}))
    if job_id is None:
        assert outcome == Unknown(None, "unreadable_answer")
    else:
        assert isinstance(outcome, Done)
        assert (outcome.record.id, outcome.job_id, outcome.request_id) == ("b-9", job_id, None)


@pytest.mark.parametrize("names", [("bill",), ("bills",), ("bill", "bills")])
async def test_what_is_null_hides_no_job(names: tuple[str, ...]) -> None:
    body = dict.fromkeys(names) | RUNNING
    assert isinstance(await of(create, answer(200, body), job("success", 200, {"bill": bill()})), Done)


async def test_an_object_counts_before_its_job_and_that_before_errors() -> None:
    assert isinstance(await of(create, answer(200, {"bill": bill()} | RUNNING)), Done)
    running = RUNNING | {"error_code": "X"}
    assert isinstance(await of(create, answer(200, running), job("success", 200, {"bill": bill()})), Done)
    said = await of(create, answer(200, {"error_code": "X"}, x_rutter_job_id="j"))
    assert isinstance(said, Rejected)
    assert said.job_id == "j"
    assert await of(create, answer(200, {"error_code": None})) == Unknown(None, "unreadable_answer")
    assert isinstance(await of(create, answer(299, {"bill": bill()})), Done)


ERRORS: list[dict[str, Any]] = [
    {"errors": [{"code": 450, "description": "The second bill is closed.", "source": "platform"}]},
    {"error_code": "PLATFORM_ERROR", "error_message": "The second bill is closed."},
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("in_its_job", [False, True])
async def test_what_is_written_beside_an_error_is_not_done(error: dict[str, Any], in_its_job: bool) -> None:
    body = {"bill": bill()} | error
    answers = [answer(200, RUNNING), job("success", 200, body)] if in_its_job else [answer(200, body)]
    assert await of(create, *answers) == Unknown("job-1" if in_its_job else None, "partly_refused")

    refused = await of(create, answer(200, error))
    assert isinstance(refused, Rejected)
    assert isinstance(await of(create, answer(200, {"bill": bill(), "errors": [], "error_code": None})), Done)


@pytest.mark.parametrize(
    ("state", "status", "body", "reason"),
    [
        ("failure", 200, {"bill": bill()}, "job_unreadable"),
        ("success", 450, {"error_code": "X"}, "job_unreadable"),
        ("partial_success", 200, {"bill": bill()}, "partly_refused"),
        ("partial_success", 450, {"error_code": "X"}, "partly_refused"),
    ],
)
async def test_a_job_that_contradicts_itself_settles_nothing(
    state: str, status: int, body: dict[str, Any], reason: UnknownReason
) -> None:
    assert await of_job(job(state, status, body)) == Unknown("job-1", reason)


@pytest.mark.parametrize("state", ["processing", "queued_at_platform", ""])
async def test_a_job_in_a_state_of_another_name_is_followed(state: str) -> None:
    time, done = FakeTime(), job("success", 200, {"bill": bill()})
    assert isinstance(await of_job(job(state), job(state), done, wait=True, time=time), Done)
    assert time.slept == [1.0, 2.0, 5.0]
    assert await of_job(job(state)) == Unknown("job-1", "still_running")
    # Once there is a response, it has ended, whatever that state is called.
    assert isinstance(await of_job(job(state, 200, {"bill": bill()})), Done)


@pytest.mark.parametrize("first", [refusal(404), refusal(410), httpx.Response(200, content=b"<"), refusal(429)])
async def test_a_job_that_cannot_be_read_yet_is_looked_at_again(first: httpx.Response) -> None:
    looks = [first] * 4 if first.status_code in {200, 429} else [first]
    assert isinstance(await of_job(*looks, job("success", 200, {"bill": bill()}), wait=True), Done)


@pytest.mark.parametrize("status", [400, 401])
async def test_a_job_that_may_not_be_read_is_not_asked_for_again(status: int) -> None:
    assert await of_job(refusal(status), wait=True) == Unknown("job-1", "job_unreadable")


async def test_following_a_job_ends_in_time_however_long_a_look_takes() -> None:
    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/jobs/job-1"):
                await anyio.sleep_forever()
            return answer(200, RUNNING)

    limits = Limits(job_wait_seconds=1.2)
    started = anyio.current_time()
    async with client_for(Hanging(), limits=limits) as client:
        assert await create(client.connection(TOKEN)) == Unknown("job-1", "still_running")
    assert anyio.current_time() - started < 3


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"success": True, "code": "deleted"}, Done(DeleteResult("deleted", True), "job-1", None)),
        ({"success": False, "code": "busy"}, Unknown("job-1", "unreadable_answer")),
    ],
)
async def test_the_outcome_of_a_deletion_is_known_by_its_job(said: Any, outcome: WriteOutcome[Any]) -> None:
    found = await of_job(job("success", 200, said))
    assert replace(found, records=()) == outcome if isinstance(found, Done) else found == outcome


APPLIED = {"bill_credit_application": {"success": True}}
TAKEN_BACK = {"bill_credit_unapplication": {"id": "u-1", "success": True}}
UPLOADED = {"attachment": {"id": "a-1", "file_name": "invoice.pdf"}}


@pytest.mark.parametrize("kind", ["bill_credit_applications", "attachments"])
@pytest.mark.parametrize("said", [APPLIED, TAKEN_BACK, UPLOADED])
async def test_the_outcome_of_every_other_write_is_known_by_its_job(kind: str, said: Any) -> None:
    async with client_for(Scripted(job("success", 200, said))) as client:
        found = await getattr(client.connection(TOKEN), kind).outcome("job-1")
    fits = (kind == "attachments") == (said is UPLOADED)
    assert isinstance(found, Done) if fits else found == Unknown("job-1", "unreadable_answer")


@pytest.mark.parametrize("verb", ["apply", "unapply"])
@pytest.mark.parametrize(("success", "done"), [(True, True), (False, False)])
async def test_a_credit_is_applied_only_if_the_answer_says_so(verb: str, success: bool, done: bool) -> None:
    said = {f"bill_credit_{'un' if verb == 'unapply' else ''}application": {"success": success}}
    async with client_for(Scripted(answer(200, said))) as client:
        credits_of = client.connection(TOKEN).bill_credit_applications
        if verb == "apply":
            outcome: WriteOutcome[Any] = await credits_of.apply(NEW_APPLICATION, idempotency_key="k")
        else:
            outcome = await credits_of.unapply(NEW_UNAPPLICATION, idempotency_key="k")
    assert isinstance(outcome, Done) if done else outcome == Unknown(None, "unreadable_answer")


async def test_a_deletion_says_how_it_wants_to_be_answered() -> None:
    script = Scripted(*[answer(200, {"success": True})] * 3)
    async with client_for(script) as client:
        bills = client.connection(TOKEN).bills
        await bills.delete("b-1")
        await bills.delete("b-1", response_mode="async")
        await bills.delete("b-1", response_mode="prefer_sync")
    assert script.bodies == [b"{}", b'{"response_mode":"async"}', b'{"response_mode":"prefer_sync"}']


@pytest.mark.parametrize(
    "body",
    [b'{"error_message": "\xff"}', b'{"error_code": 1e999999}', b'{"errors": ' + b"[" * 5000 + b"]" * 5000 + b"}"],
)
async def test_an_error_that_cannot_be_read_leaves_it_unknown(body: bytes) -> None:
    assert await of(create, httpx.Response(200, content=body)) == Unknown(None, "unreadable_answer")


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (job("success"), Unknown("job-1", "job_unreadable")),
        (job("failure", 500, {}), Unknown("job-1", "server_error")),
        (job("success", 200, {}), Unknown("job-1", "unreadable_answer")),
        (job("success", 200, RUNNING), Unknown("job-1", "still_running")),
        (job("partial_success", 303, {}), Unknown("job-1", "undocumented_status")),
    ],
)
async def test_a_job_that_ended_in_nothing_known_is_unknown(
    answered: httpx.Response, expected: Unknown, wait: bool
) -> None:
    assert await of_job(answered, wait=wait) == expected


async def test_the_refusal_of_a_job_is_about_the_record() -> None:
    outcome = await of_job(job("failure", 404, {"error_code": "X"}))
    assert isinstance(outcome, Rejected)
    assert (type(outcome.error), outcome.error.request_id, outcome.job_id) == (errors.NotFoundUpstream, None, "job-1")


async def test_a_job_is_read_once_or_followed() -> None:
    time = FakeTime()
    assert await of_job(job("pending"), time=time) == Unknown("job-1", "still_running")
    assert time.slept == []
    assert isinstance(await of_job(job("pending"), job("success", 200, {"bill": bill()}), wait=True, time=time), Done)
    assert time.slept == [1.0, 2.0]


@pytest.mark.parametrize(
    ("seconds", "pauses"), [(0.5, []), (1.0, [1.0]), (2.9, [1.0]), (3.0, [1.0, 2.0]), (13.0, [1.0, 2.0, 5.0, 5.0])]
)
async def test_a_job_is_followed_up_to_the_last_second(seconds: float, pauses: list[float]) -> None:
    time = FakeTime()
    outcome = await of_job(*[job("pending")] * 9, wait=True, time=time, job_wait_seconds=seconds)
    assert (outcome, time.slept) == (Unknown("job-1", "still_running"), pauses)


async def test_following_a_job_ends_even_if_the_clock_stands_still() -> None:
    class Standing(FakeTime):
        async def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)

    time = Standing()
    assert await of_job(*[job("pending")] * 9, wait=True, time=time, job_wait_seconds=5.5)
    assert time.slept == [1.0, 2.0, 5.0, 5.0, 5.0, 5.0]


async def test_a_job_nobody_knows_is_not_found() -> None:
    async with client_for(Scripted(refusal(404))) as client:
        with pytest.raises(errors.NotFoundUpstream):
            await read_job(client.connection(TOKEN)._session.exchange, "job-1")
