"""Jobs: each write is accepted once per Idempotency-Key, runs in one transaction, and keeps its result for replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rutter_sandbox import faults, hooks
from rutter_sandbox.companies import Company, company_by
from rutter_sandbox.database import Database, Transaction
from rutter_sandbox.errors import JsonObject, PlatformRefusal, Refusal, bad_request, gone, key_conflict, not_implemented
from rutter_sandbox.fault_answers import quoted
from rutter_sandbox.jsons import decode, digest, encode
from rutter_sandbox.records import Books
from rutter_sandbox.wire import Call, Response

JOB_HEADER = "X-Rutter-Job-ID"

# An asynchronous job says prequeued when accepted, pending when first asked, and its result from then on.
_POLLS_BEFORE_DONE = 1
_NEVER_DONE = -1

# What the first read of a job ends in.
_FIRST_LOOKS = {faults.JOB_404: 404, faults.JOB_500: 500}

# How version 2023-03-14 tells of what went wrong beside, or instead of, what was written (Rutter docs: Errors).
_ERRORS = [
    {
        "code": 450,
        "description": "The platform could not carry out all of the request.",
        "slug": "platform_error",
        "source": "platform",
    }
]

Run = Callable[[Books], JsonObject]


def mode_of(body: JsonObject) -> str:
    mode = body.get("response_mode", "prefer_sync")
    if mode not in ("prefer_sync", "async"):
        raise bad_request("response_mode must be prefer_sync or async.")
    return str(mode)


def replay(tx: Transaction, call: Call, company: Company, key: str | None, body: Any) -> Response | None:
    """The stored result of the same request, a conflict for another request, or None when the key is new."""
    if key is None:
        return None
    row = tx.sql.execute("SELECT digest, job_id FROM idempotency WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    if row[0] != _request_digest(call, company, body):
        raise key_conflict()
    return _answer_of(tx, call, row[1])


def _request_digest(call: Call, company: Company, body: Any) -> str:
    return digest([call.method, call.path, company.id, body])


def run(books: Books, call: Call, key: str | None, body: Any, mode: str, action: Run) -> Response:
    """Runs an accepted write. A platform refusal rolls the work back and becomes the stored result."""
    job_id = books.tx.new_id()
    books.sql.execute("SAVEPOINT job")
    try:
        status, result = 200, _run_unless_it_must_fail(books, call, action)
    except PlatformRefusal as refusal:
        books.sql.execute("ROLLBACK TO job")
        status, result = refusal.status, refusal.body()
    if call.fault == faults.ERRORS_ALONE:
        books.sql.execute("ROLLBACK TO job")
        status, result = 200, {"errors": _ERRORS}
    elif call.fault == faults.ERRORS_BESIDE and status == 200:
        result = result | {"errors": _ERRORS}
    books.sql.execute("RELEASE job")
    waits = mode == "async" or call.fault in {*_FIRST_LOOKS, faults.JOB_PROCESSING}
    polls = _POLLS_BEFORE_DONE if waits else 0
    polls = _NEVER_DONE if call.fault == faults.JOB_NEVER_ENDS else polls
    _store(books, call, job_id, key, body, status, result, polls)
    if polls == 0:
        _announce(books.tx, books.company, job_id)
        return Response(status, encode(result), {JOB_HEADER: job_id})
    return _async_response(call, job_id, "prequeued")


def _run_unless_it_must_fail(books: Books, call: Call, action: Run) -> JsonObject:
    if call.fault == faults.JOB_FAILS:
        raise PlatformRefusal("PLATFORM_FAILURE", "The platform could not carry out the request.")
    if call.fault == faults.TOKEN_QUOTED:
        raise PlatformRefusal("PLATFORM_FAILURE", f"The platform could not carry out {quoted(call)}.")
    return action(books)


def _store(
    books: Books,
    call: Call,
    job_id: str,
    key: str | None,
    body: Any,
    status: int,
    result: JsonObject,
    polls: int,
) -> None:
    request: JsonObject = {"method": call.method, "url": f"{call.origin}{call.path}", "body": body}
    if key is not None:
        request["idempotency_key"] = key
        values = (key, _request_digest(call, books.company, body), job_id)
        books.sql.execute("INSERT INTO idempotency VALUES (?, ?, ?)", values)
    progress = "processing" if call.fault == faults.JOB_PROCESSING else "pending"
    first_look = _FIRST_LOOKS.get(call.fault, 0)
    row = (
        job_id,
        books.company.number,
        encode(request),
        status,
        encode(result),
        polls,
        progress,
        first_look,
        books.now,
    )
    books.sql.execute("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _async_response(call: Call, job_id: str, status: str) -> Response:
    pending = {"id": job_id, "response_url": f"{call.base_url}/jobs/{job_id}", "status": status}
    return Response(200, encode({"async_response": pending}), {JOB_HEADER: job_id})


def _answer_of(tx: Transaction, call: Call, job_id: str) -> Response:
    query = "SELECT http_status, response, polls_left, progress FROM jobs WHERE id = ?"
    status, response, polls, progress = tx.sql.execute(query, (job_id,)).fetchone()
    if polls != 0:
        return _async_response(call, job_id, progress)
    return Response(status, response, {JOB_HEADER: job_id})


def read_job(database: Database, job_id: str) -> Response:
    """The job's current state. Each read moves an asynchronous job forward, so no clock is needed."""
    with database.reading() as tx:
        job = _job_body(tx, job_id)
        first_look = tx.sql.execute("SELECT first_look FROM jobs WHERE id = ?", (job_id,)).fetchone()[0]
    if first_look:
        with database.writing() as tx:
            tx.sql.execute("UPDATE jobs SET first_look = 0 WHERE id = ?", (job_id,))
        if first_look == 404:
            raise not_implemented("No job has this id.")
        raise Refusal(first_look, "API_ERROR", "INTERNAL_ERROR", "The sandbox was asked to fail in this way.")
    if "response" not in job:
        with database.writing() as tx:
            _move_on(tx, job_id)
    return Response(200, encode(job))


def _move_on(tx: Transaction, job_id: str) -> None:
    moved = tx.sql.execute("UPDATE jobs SET polls_left = polls_left - 1 WHERE id = ? AND polls_left > 0", (job_id,))
    if moved.rowcount and "response" in _job_body(tx, job_id):
        number = tx.sql.execute("SELECT company FROM jobs WHERE id = ?", (job_id,)).fetchone()[0]
        company = company_by(tx.sql, "number", number)
        if company:
            _announce(tx, company, job_id)


def _job_body(tx: Transaction, job_id: str) -> JsonObject:
    query = "SELECT request, http_status, response, polls_left, progress FROM jobs WHERE id = ?"
    row = tx.sql.execute(query, (job_id,)).fetchone()
    if row is None:
        raise gone("job")
    request, status, response, polls, progress = row
    job: JsonObject = {"id": job_id, "status": progress, "request": decode(request)}
    if polls == 0:
        body = decode(response)
        job["status"] = _end_of(status, body)
        job["response"] = {"http_status": status, "body": body}
    return job


def _end_of(status: int, body: JsonObject) -> str:
    if status != 200 or body.keys() == {"errors"}:
        return "failure"
    return "partial_success" if "errors" in body else "success"


def _announce(tx: Transaction, company: Company, job_id: str) -> None:
    hooks.emit(tx, company, "JOB", "JOB_COMPLETED", lambda: {"job": _job_body(tx, job_id)})
