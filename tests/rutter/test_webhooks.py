"""Webhooks: the signature over the raw bytes, the event behind them, and a key to know it again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rutter_ap_server.rutter import Secret
from rutter_ap_server.rutter.webhooks import is_genuine, read_event, sign
from rutter_ap_tools.errors import BadInput

BODY = b'{"type":"CONNECTION"}'
SIGNATURE = "sha256=w3+kU9B6cDiSTOoxfRjDQdcjSt70abbLrXE2N8DME34="


def test_the_known_signature_is_made_and_accepted() -> None:
    assert sign(BODY, "secret") == SIGNATURE
    assert is_genuine(BODY, SIGNATURE, Secret("secret"))


@pytest.mark.parametrize(
    ("body", "header", "secret"),
    [
        (BODY + b" ", SIGNATURE, "secret"),
        (BODY, SIGNATURE, "other"),
        (BODY, SIGNATURE.removeprefix("sha256="), "secret"),
        (BODY, SIGNATURE[:-1], "secret"),
        (BODY, SIGNATURE.lower(), "secret"),
        (BODY, "sha256=", "secret"),
        (BODY, "", "secret"),
        (BODY, None, "secret"),
        (BODY, "sha256=ü", "secret"),
        (BODY, sign(BODY, ""), ""),
    ],
)
def test_anything_else_is_not_genuine(body: bytes, header: str | None, secret: str) -> None:
    assert not is_genuine(body, header, secret)


def event(**fields: Any) -> bytes:
    base = {"type": "BILL", "code": "BILL_UPDATED", "connection_id": "c-1", "access_token": "token-1"}
    return json.dumps(base | fields).encode()


def test_an_event_tells_what_it_is_about_and_hides_its_token() -> None:
    read = read_event(event(bill={"id": "b-1", "updated_at": "2024-01-01T00:00:00.000Z", "amount_due": 1.1}))
    assert (read.type, read.code, read.connection_id, read.object_id) == ("BILL", "BILL_UPDATED", "c-1", "b-1")
    assert read.access_token == Secret("token-1")
    assert "token-1" not in repr(read)


def test_a_job_tells_its_id_and_state() -> None:
    job = {"id": "job-1", "status": "success", "request": {}, "response": {"http_status": 200}}
    read = read_event(json.dumps({"type": "JOB", "code": "JOB_COMPLETED", "job": job}).encode())
    assert (read.object_id, read.state, read.connection_id, read.access_token) == ("job-1", "success", None, None)


def test_a_redelivery_has_the_same_key_and_a_change_another() -> None:
    first = {"id": "b-1", "updated_at": "2024-01-01T00:00:00.000Z", "memo": "a"}
    again = {"memo": "a", "updated_at": "2024-01-01T00:00:00.000Z", "id": "b-1"}
    later = first | {"updated_at": "2024-01-02T00:00:00.000Z"}
    keys = [read_event(event(bill=each)).key for each in (first, again, later)]
    assert keys[0] == keys[1] != keys[2]
    assert read_event(event(bill=first, connection_id="c-2")).key != keys[0]
    assert read_event(event(bill=first, code="BILL_DELETED")).key != keys[0]


@pytest.mark.parametrize("extra", [{}, {"bill": {"id": "b-1"}}, {"bill": "b-1"}, {"bill": {"id": 7}}, {"bill": None}])
def test_events_that_nothing_tells_apart_are_never_joined(extra: dict[str, Any]) -> None:
    body = event(**extra)
    assert len({read_event(body).key for _ in range(5)}) == 5


@pytest.mark.parametrize(
    "code",
    ["INCREMENTAL_SYNC_COMPLETED", "CONNECTION_NEEDS_UPDATE", "CONNECTION_UPDATED", "CONNECTION_DISABLED"],
)
def test_the_next_event_of_a_connection_is_heard(code: str) -> None:
    body = event(type="CONNECTION", code=code)
    assert read_event(body).key != read_event(body).key


def test_two_changes_within_one_second_are_two_events() -> None:
    first = {"id": "b-1", "updated_at": "2024-01-01T00:00:00Z", "amount_due": 10.10}
    keys = {read_event(event(bill=first | change)).key for change in ({}, {"amount_due": 10.11}, {"memo": "x"})}
    assert len(keys) == 3


@pytest.mark.parametrize("about", [{"bill": "b-1"}, {"entity": {"id": "b-1"}}, {"bill": {"id": "b-1"}}])
def test_an_event_names_its_object_however_it_is_written(about: dict[str, Any]) -> None:
    kind = "BILL" if "bill" in about else "VERSIONED_ENTITY"
    assert read_event(event(type=kind, **about)).object_id == "b-1"


def test_unknown_types_and_fields_are_read() -> None:
    assert read_event(event(type="COMET", code="COMET_SEEN", comet={"id": "x"}, other=[1])).object_id == "x"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'{"type":1,"code":"A"}', b"{", b'{"x":"' + b"a" * 2**20])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput):
        read_event(body)


SEEN = {"id": "b-1", "updated_at": "2024-01-01T00:00:00.000Z", "amount_due": 1.5}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"bill": SEEN}, {"bill": SEEN | {"amount_due": "1.5"}}),
        ({"bill": SEEN, "event_id": "1"}, {"bill": SEEN, "event_id": "2"}),
        (
            {"bill": SEEN, "code": "A\0c-1", "connection_id": "x"},
            {"bill": SEEN, "code": "A", "connection_id": "c-1\0x"},
        ),
    ],
)
def test_events_that_differ_anywhere_are_two(one: dict[str, Any], other: dict[str, Any]) -> None:
    keys = [read_event(event(**each)).key for each in (one, other, one)]
    assert keys[0] == keys[2] != keys[1]


def test_a_redelivery_under_a_new_token_is_the_same_event() -> None:
    assert read_event(event(bill=SEEN)).key == read_event(event(bill=SEEN, access_token="token-2")).key


@pytest.mark.parametrize("number", [b"1e99999999999999999999", b"9" * 10_000])
def test_a_number_beyond_all_numbers_is_no_error(number: bytes) -> None:
    body = event(bill=SEEN).replace(b"1.5", number)
    read = read_event(body)
    assert (read.object_id, read.key) == ("b-1", read_event(body).key)


@pytest.mark.parametrize("odd", [{"status": 7}, {"updated_at": 1704067200000}, {"last_synced_at": {}}])
def test_an_odd_field_does_not_hide_the_object(odd: dict[str, Any]) -> None:
    read = read_event(event(bill=SEEN | odd))
    assert (read.object_id, read.state, read.key) == ("b-1", None, read_event(event(bill=SEEN | odd)).key)


def test_no_token_is_taken_for_an_object() -> None:
    body = b'{"type":"ACCESS_TOKEN","code":"X","access_token":"token-1"}'
    assert read_event(body).object_id is None
    assert read_event(event(bill={"id": " "})).object_id is None
