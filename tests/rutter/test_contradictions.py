"""An answer that contradicts itself, or is that of another object, settles nothing: neither done nor refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from rutter_ap_server.rutter import CompanyClient, Done, Limits, Rejected, RutterClient, Unknown, WriteOutcome, errors
from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_server.rutter.resources import DeleteResult
from support.scripted_upstream import TOKEN, Scripted, answer, bill, client_for, page, refusal
from support.scripted_writes import NEW_BILL, NEW_PAYMENT, RUNNING, job

Write = Callable[[CompanyClient], Awaitable[WriteOutcome[Any]]]
UNREADABLE = Unknown(None, "unreadable_answer")
BESIDE = Unknown(None, "partly_refused")


async def create(books: CompanyClient) -> WriteOutcome[Any]:
    return await books.bills.create(NEW_BILL, idempotency_key="key-1")


async def update(books: CompanyClient) -> WriteOutcome[Any]:
    return await books.bills.update("b-1", BillUpdate(memo="m"), idempotency_key="key-2")


async def delete(books: CompanyClient) -> WriteOutcome[Any]:
    return await books.bills.delete("b-1")


async def upload(books: CompanyClient) -> WriteOutcome[Any]:
    return await books.attachments.upload("b-1", "invoice.pdf", b"%PDF", idempotency_key="key-3")


async def pay(books: CompanyClient) -> WriteOutcome[Any]:
    return await books.bill_payments.create(NEW_PAYMENT, idempotency_key="key-4")


async def of(write: Write, *answers: httpx.Response | Exception, **limits: Any) -> WriteOutcome[Any]:
    async with client_for(Scripted(*answers), limits=Limits(**limits)) as client:
        return await write(client.connection(TOKEN))


FILE = {"id": "a-1", "file_name": "invoice.pdf"}


@pytest.mark.parametrize(
    ("write", "body", "expected"),
    [
        (update, {"bill": bill("b-2")}, UNREADABLE),
        (update, {"bills": [bill("b-1"), bill("b-2")]}, UNREADABLE),
        (create, {"bill": bill("")}, UNREADABLE),
        (create, {"bill": bill(), "success": False}, UNREADABLE),
        (create, {"bill": bill(success=False)}, UNREADABLE),
        (create, {"bill": bill(success="no")}, UNREADABLE),
        (create, {"bill": bill(linked_payments=None)}, UNREADABLE),
        (create, {"bill": bill(), "success": False, "error_code": "X"}, UNREADABLE),
        (create, {"bill": bill(), "error_message": "It was not booked."}, BESIDE),
        (create, {"bill": bill(), "async_response": {"id": 7}}, UNREADABLE),
        (create, {"async_response": {"id": 7}, "error_code": "X"}, UNREADABLE),
        (create, {"async_response": "job-1", "error_code": "X"}, UNREADABLE),
        (upload, {"attachment": FILE | {"attached_to_id": "b-2"}}, UNREADABLE),
        (pay, {"bill_payments": []}, UNREADABLE),
        (pay, {"bill_payment": None}, UNREADABLE),
    ],
)
async def test_an_answer_that_contradicts_the_write_leaves_it_unknown(
    write: Write, body: Any, expected: Unknown
) -> None:
    assert await of(write, answer(200, body)) == expected


@pytest.mark.parametrize(
    ("write", "body"),
    [
        (update, {"bill": bill("B-1")}),
        (create, {"bill": bill(success=None), "success": True}),
        (upload, {"attachment": FILE | {"attached_to_id": "b-1"}}),
        (upload, {"attachment": FILE}),
    ],
)
async def test_an_answer_that_agrees_with_the_write_is_done(write: Write, body: Any) -> None:
    assert isinstance(await of(write, answer(200, body)), Done)


@pytest.mark.parametrize("state", ["failure", "partial_success", "FAILED"])
async def test_an_object_whose_job_has_failed_is_not_done(state: str) -> None:
    ticket = {"async_response": {"id": "job-1", "status": state}}
    assert await of(create, answer(200, {"bill": bill()} | ticket)) == Unknown("job-1", "partly_refused")


async def test_an_error_beside_an_object_outweighs_its_job() -> None:
    first = answer(200, {"bill": bill(), "errors": [{"code": 450}]}, x_rutter_job_id="job-1")
    assert await of(create, first, job("success", 200, {"bill": bill()})) == Unknown("job-1", "partly_refused")


@pytest.mark.parametrize(
    ("state", "status", "body"),
    [
        *((state, 200, {"bill": bill()}) for state in ("FAILURE", "failed", "error", "cancelled", "unsuccessful")),
        ("SUCCESS", 450, {"error_code": "X"}),
    ],
)
async def test_a_state_that_says_the_contrary_settles_nothing(state: str, status: int, body: Any) -> None:
    assert await of(create, answer(200, RUNNING), job(state, status, body)) == Unknown("job-1", "job_unreadable")


async def test_the_job_of_another_write_is_not_ours() -> None:
    answers = [job("success", 200, {"bill": bill()})] * 2
    async with client_for(Scripted(*answers)) as client:
        assert await client.connection(TOKEN).bills.outcome("job-9") == Unknown("job-9", "job_unreadable")
        with pytest.raises(errors.UpstreamNonsense):
            await client.job("job-9")


GONE = DeleteResult("not_found", False)


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (refusal(410), Done(GONE, records=(GONE,))),
        (refusal(404), Done(GONE, records=(GONE,))),
        (answer(200, {"bill": bill()}), UNREADABLE),
        (refusal(401), UNREADABLE),
    ],
)
async def test_what_is_said_not_to_be_there_is_looked_for(
    then: httpx.Response, expected: WriteOutcome[DeleteResult]
) -> None:
    assert await of(delete, answer(200, {"success": False, "code": "not_found"}), then) == expected


async def test_a_job_that_finds_nothing_to_delete_is_no_refusal() -> None:
    gone = job("failure", 410, {"error_code": "X"})
    assert await of(delete, answer(200, RUNNING), gone) == Done(DeleteResult("not_found"), "job-1")


@pytest.mark.parametrize(
    "answered",
    [httpx.Response(410, text="<html>", headers={"content-type": "text/html"}), refusal(410, "NEEDS_UPDATE")],
)
async def test_a_410_that_is_about_something_else_deletes_nothing(answered: httpx.Response) -> None:
    assert isinstance(await of(delete, answered), Rejected)


@pytest.mark.parametrize(
    "answers",
    [
        [refusal(408), *[httpx.ConnectError("x")] * 3],
        [refusal(408), refusal(400)],
        [refusal(503), refusal(404)],
    ],
)
async def test_a_deletion_in_doubt_is_neither_refused_nor_unsent(answers: list[Any]) -> None:
    assert await of(delete, *answers) == Unknown(None, "doubtful_retry")


async def test_without_a_key_a_job_says_nothing_of_the_first_attempt() -> None:
    assert await of(delete, refusal(503), refusal(404, x_rutter_job_id="j")) == Unknown("j", "doubtful_retry")
    failed = job("failure", 450, {"error_code": "X"})
    assert await of(delete, refusal(503), answer(200, RUNNING), failed) == Unknown("job-1", "doubtful_retry")


Ask = Callable[[RutterClient], Awaitable[object]]


@pytest.mark.parametrize(
    ("ask", "body", "error"),
    [
        (lambda client: client.connection(TOKEN).bills.get("b-9"), {"bill": bill()}, errors.UpstreamNonsense),
        (lambda client: client.webhook_config("w-9"), {"id": "w-1", "url": "u"}, errors.UpstreamNonsense),
        (
            lambda client: client.connections.rename("c-9", "n"),
            {"connection": {"id": "c-1", "access_token": "t"}},
            errors.WriteOutcomeUnknown,
        ),
        (
            lambda client: client.connections.create(),
            {"connection": {"id": "c-1", "access_token": ""}},
            errors.WriteOutcomeUnknown,
        ),
        (
            lambda client: client.connection(TOKEN).rotate_token(),
            {"new_access_token": " "},
            errors.WriteOutcomeUnknown,
        ),
        (
            lambda client: client.exchange_public_token("public-1"),
            {"connection_id": "c-1", "access_token": ""},
            errors.WriteOutcomeUnknown,
        ),
        (lambda client: client.connection(TOKEN).bills.list(), page([]) | {"error_code": "X"}, errors.UpstreamNonsense),
        (
            lambda client: client.connection(TOKEN).attachments.list("b-1"),
            {"attachments": [], "errors": [{"code": 1}]},
            errors.UpstreamNonsense,
        ),
        (lambda client: client.connection(TOKEN).bills.list(), page([], "x" * 5000), errors.UpstreamNonsense),
    ],
)
async def test_what_is_of_another_object_or_an_error_is_no_answer(
    ask: Ask, body: Any, error: type[errors.RutterError]
) -> None:
    async with client_for(Scripted(answer(200, body))) as client:
        with pytest.raises(error):
            await ask(client)


@pytest.mark.parametrize("said", [b"null", b"{}", b'""', b"0", b"false"])
async def test_webhook_configurations_that_are_no_list_are_never_none(said: bytes) -> None:
    async with client_for(Scripted(httpx.Response(200, content=said))) as client:
        with pytest.raises(errors.UpstreamNonsense):
            await client.webhook_configs()


@pytest.mark.parametrize("said", [None, {}, "", 0, False])
@pytest.mark.parametrize("name", ["linked_payments", "linked_credit_memos", "linked_purchase_orders", "line_items"])
async def test_links_that_are_no_list_are_trouble_and_not_none(name: str, said: Any) -> None:
    odd = bill(**{name: said})
    async with client_for(Scripted(answer(200, {"bill": odd}), answer(200, page([odd])))) as client:
        books = client.connection(TOKEN)
        found = [await books.bills.get("b-1"), *(await books.bills.list()).items]
    assert {each.trouble for each in found} == {f"its {name.replace('_', ' ')} cannot be read"}


async def test_only_the_list_that_is_documented_to_be_null_may_be() -> None:
    entry = {"id": "c-1", "platform": "XERO", "unavailable_objects": None}
    async with client_for(Scripted(answer(200, {"connection": entry}))) as client:
        assert (await client.connection(TOKEN).detail()).unavailable_objects == ()
