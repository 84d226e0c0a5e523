"""The `/accounting/…` routes: finds the company, checks what its platform supports, and runs the call."""

from __future__ import annotations

from typing import Any

from rutter_sandbox import attachments, jobs, payments, reads, shape_tables, stale, vendor_credits
from rutter_sandbox.companies import Company, company_by
from rutter_sandbox.database import Database, Transaction
from rutter_sandbox.errors import JsonObject, bad_request, connection_refuses, missing, not_implemented, unauthorized
from rutter_sandbox.faults import NO_EXTENSION_404, SUCCESS_FALSE
from rutter_sandbox.jobs import Run
from rutter_sandbox.jsons import decode
from rutter_sandbox.kinds import APPLICATIONS_ON, ATTACHMENTS_ON, KINDS_BY_PLURAL, Kind
from rutter_sandbox.operations import OPERATIONS
from rutter_sandbox.records import Books
from rutter_sandbox.shapes import checked
from rutter_sandbox.tidying import tidied
from rutter_sandbox.wire import Call, Response, idempotency_key, truth_of


def company_of(tx: Transaction, call: Call) -> Company:
    """The company behind the access token, whatever its state."""
    token = call.query.get("access_token")
    if not token:
        raise missing("The access_token query parameter is required.")
    company = company_by(tx.sql, "access_token", token)
    if company is None or not company.platform:
        raise unauthorized("No connection has this access token.")
    return company


def open_books(tx: Transaction, call: Call) -> Books:
    """The books behind the access token. Refuses when the connection's state does not allow reads."""
    company = reachable_company_of(tx, call)
    if company.status == "not_ready" and not truth_of(call, "force_fetch"):
        raise connection_refuses("PRODUCT_NOT_READY", "The first sync of this connection is not finished.")
    return Books(tx, company)


def reachable_company_of(tx: Transaction, call: Call) -> Company:
    """The company behind the access token. Refuses when its platform may not be called."""
    company = company_of(tx, call)
    if company.status == "disabled":
        raise connection_refuses("CONNECTION_DISABLED", "The connection is disabled.")
    if company.status == "needs_reauth":
        raise connection_refuses("NEEDS_UPDATE", "The user must sign in to the platform again.")
    return company


def handle(database: Database, call: Call, rest: list[str]) -> Response:
    """Handles a call to `/accounting/<rest>`."""
    if call.method == "GET":
        if call.fault == "stale_read" or (call.fault == "stale_list" and len(rest) == 1):
            return _read_stale(database, call, rest)
        with database.reading() as tx:
            return _read(open_books(tx, call), call, rest)
    if call.method in {"POST", "PATCH", "DELETE"}:
        with database.writing() as tx:
            tx.fault = call.fault
            return _write(open_books(tx, call), call, rest)
    raise _no_such_endpoint()


def _read_stale(database: Database, call: Call, rest: list[str]) -> Response:
    with database.discarding() as tx:
        books = open_books(tx, call)
        stale.take_back_last_write(books)
        return _read(books, call, rest)


def _no_such_endpoint() -> Exception:
    return not_implemented("No such endpoint.")


def _refuse_unsupported(books: Books, platforms: frozenset[str]) -> None:
    if books.company.platform not in platforms:
        raise not_implemented(f"This is not supported on {books.company.platform}.")


def _needs_extension(books: Books, kind: Kind) -> bool:
    """Whether this needs Rutter's extension in Business Central, and it is not installed there."""
    return kind.name == payments.KIND and not books.company.payments_shown


def _refuse_unread(books: Books, call: Call, kind: Kind) -> None:
    """Refuses what the platform does not show. Without the extension a list of payments is empty, or not there."""
    not_there = _needs_extension(books, kind) and call.fault == NO_EXTENSION_404
    _refuse_unsupported(books, frozenset() if not_there else kind.read)


def _refuse_unwritten(books: Books, kind: Kind, platforms: frozenset[str]) -> None:
    _refuse_unsupported(books, frozenset() if _needs_extension(books, kind) else platforms)


def _read(books: Books, call: Call, rest: list[str]) -> Response:
    match rest:
        case ["company_info"]:
            return reads.read_company_info(books, call)
        case ["bills", bill_id, "attachments"]:
            _refuse_unsupported(books, ATTACHMENTS_ON)
            return attachments.list_attachments(books, call, bill_id)
        case ["bills", bill_id, "attachments", attachment_id, "file"]:
            _refuse_unsupported(books, ATTACHMENTS_ON)
            return attachments.download(books, call, bill_id, attachment_id)
        case [plural] if plural in KINDS_BY_PLURAL:
            kind = KINDS_BY_PLURAL[plural]
            _refuse_unread(books, call, kind)
            return reads.list_objects(books, call, kind)
        case [plural, record_id] if plural in KINDS_BY_PLURAL and record_id:
            kind = KINDS_BY_PLURAL[plural]
            _refuse_unread(books, call, kind)
            return reads.read_object(books, call, kind, record_id)
    raise _no_such_endpoint()


def _write(books: Books, call: Call, rest: list[str]) -> Response:
    key, body = idempotency_key(call), body_of(call)
    known = jobs.replay(books.tx, call, books.company, key, body)
    if known is not None:
        return known
    action, always_sync = _action(books, call, rest, body)
    mode = "prefer_sync" if always_sync else jobs.mode_of(body)
    return jobs.run(books, call, key, body, mode, action)


def body_of(call: Call) -> JsonObject:
    """The JSON object that was sent. Only a DELETE may come without one."""
    if not call.body and call.method == "DELETE":
        return {}
    try:
        body: Any = decode(call.body)
    except ValueError:
        raise bad_request("The body is not JSON.", "INVALID_JSON") from None
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.", "INVALID_JSON")
    return body


def _action(books: Books, call: Call, rest: list[str], body: JsonObject) -> tuple[Run, bool]:
    """Checks the request. Returns the write to run, and whether it is always synchronous."""
    match call.method, rest:
        case "POST", ["bill_credit_applications"]:
            _refuse_unsupported(books, APPLICATIONS_ON)
            given = _given(books, body, "bill_credit_application", shape_tables.CREATE_BILL_CREDIT_APPLICATION)
            return lambda books: {"bill_credit_application": vendor_credits.apply_credit(books, given)}, False
        case "POST", ["bill_credit_applications", "unapply"]:
            _refuse_unsupported(books, APPLICATIONS_ON)
            shape = shape_tables.CREATE_BILL_CREDIT_UNAPPLICATION
            given = _given(books, body, "bill_credit_unapplication", shape)
            return lambda books: {"bill_credit_unapplication": vendor_credits.unapply_credit(books, given)}, True
        case "POST", ["bills", bill_id, "attachments"]:
            _refuse_unsupported(books, ATTACHMENTS_ON)
            return _attachment(books, call, bill_id, body), True
        case "POST", [plural] if plural in KINDS_BY_PLURAL:
            return _create(books, KINDS_BY_PLURAL[plural], body), False
        case "PATCH", [plural, record_id] if plural in KINDS_BY_PLURAL:
            return _update(books, KINDS_BY_PLURAL[plural], record_id, body), False
        case "DELETE", [plural, record_id] if plural in KINDS_BY_PLURAL:
            return _delete(books, KINDS_BY_PLURAL[plural], record_id), False
    raise _no_such_endpoint()


def _given(books: Books, body: JsonObject, name: str, shape: Any) -> JsonObject:
    if name not in body:
        raise missing(f"{name} is required.")
    return _kept(books, checked(shape, body[name], name, books.exists))


def _kept(books: Books, given: JsonObject) -> JsonObject:
    """What is written of a request: its texts as they were sent, unless a fault says otherwise."""
    kept: JsonObject = tidied(given) if books.tx.fault == "tidied_texts" else given
    return kept


def _attachment(books: Books, call: Call, bill_id: str, body: JsonObject) -> Run:
    bill = books.get("bill", bill_id)
    given = _kept(books, checked(shape_tables.ATTACHMENT, body, "body", books.exists))
    content = attachments.content_of(given)

    def run(books: Books) -> JsonObject:
        attachment = attachments.attach(books, bill, given["file_name"], content)
        return {"attachment": attachments.shown(call, attachment)}

    return run


def _create(books: Books, kind: Kind, body: JsonObject) -> Run:
    operations = OPERATIONS.get(kind.name)
    if operations is None or operations.create is None or operations.create_shape is None:
        raise _no_such_endpoint()
    _refuse_unwritten(books, kind, kind.create)
    create, given = operations.create, _given(books, body, kind.name, operations.create_shape)
    return lambda books: create(books, given)


def _update(books: Books, kind: Kind, record_id: str, body: JsonObject) -> Run:
    operations = OPERATIONS.get(kind.name)
    if operations is None or operations.update is None or operations.update_shape is None:
        raise _no_such_endpoint()
    _refuse_unwritten(books, kind, kind.update)
    update, record = operations.update, books.get(kind.name, record_id)
    given = _given(books, body, kind.name, operations.update_shape)
    return lambda books: update(books, record, given)


def _delete(books: Books, kind: Kind, record_id: str) -> Run:
    """Deletes an object. A missing object is no error, so that a DELETE may be repeated."""
    operations = OPERATIONS.get(kind.name)
    if operations is None or operations.delete is None:
        raise _no_such_endpoint()
    _refuse_unwritten(books, kind, kind.delete)
    delete, record = operations.delete, books.find(kind.name, record_id)

    def run(books: Books) -> JsonObject:
        if record is None:
            return {"code": "not_found", "success": False}
        if books.tx.fault == SUCCESS_FALSE:
            return {"code": "deleted", "success": False}
        delete(books, record)
        return {"code": "deleted", "success": True}

    return run
