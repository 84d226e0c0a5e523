"""Every JSON example Rutter prints is read, keeps every field, and is written back equal."""

from __future__ import annotations

import types
import typing
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.models.base import Draft, Part, Record, decode_exact
from rutter_ap_server.rutter.models.bills import Bill, BillCreate, BillUpdate
from rutter_ap_server.rutter.models.payments import BillPayment, BillPaymentCreate, BillPaymentUpdate
from rutter_ap_server.rutter.resources import DeleteResult
from support.rutter_reference import printed_examples

KINDS: dict[str, tuple[type[Record], type[Draft], type[Draft]]] = {
    "bill": (Bill, BillCreate, BillUpdate),
    "bill_payment": (BillPayment, BillPaymentCreate, BillPaymentUpdate),
}
NUMBERS_SENT_AS_STRINGS = {"currency_rate"}


def comparable(value: Any, name: str = "") -> Any:
    """A value without what does not matter: nulls and empty lists say the same as a missing key."""
    if isinstance(value, Part):
        value = dict(zip(value.__struct_encode_fields__, msgspec.structs.astuple(value), strict=True))
    if isinstance(value, dict):
        kept = {key: comparable(part, key) for key, part in value.items()}
        return {key: part for key, part in kept.items() if part is not None and part != []}
    if isinstance(value, list | tuple):
        return [comparable(part) for part in value]
    if isinstance(value, datetime):
        return wire.instant_text(value)
    if isinstance(value, int) or name in NUMBERS_SENT_AS_STRINGS:
        return Decimal(value)
    return value


def draft_of(kind: Any, value: Any) -> Any:
    """A draft from plain JSON, as a caller would write it by hand."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        kind = typing.get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Draft):
        hints = typing.get_type_hints(kind)
        return kind(**{name: draft_of(hints[name], part) for name, part in value.items()})
    if isinstance(value, list):
        return tuple(draft_of(typing.get_args(kind)[0], part) for part in value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    return Decimal(value) if kind is Decimal else value


def check_record(kind: type[Record], raw: bytes) -> None:
    record = wire.decode(raw, kind)
    assert record.raw == raw
    assert comparable(record) | comparable(record.extra) == comparable(decode_exact(raw))
    assert set(record.extra) <= {"platform_data"}
    assert record.platform_data == decode_exact(raw).get("platform_data")


def check_draft(kind: type[Draft], key: str, raw: bytes) -> None:
    draft = draft_of(kind, decode_exact(raw))
    assert comparable(decode_exact(wire.encode_body({key: draft}))) == comparable({key: decode_exact(raw)})


def check(example: bytes) -> str:
    """Reads one example as what it is, and says what that was."""
    members = wire.decode_members(example)
    for one, (record, create, update) in KINDS.items():
        if one in members:
            raw = bytes(members[one])
            names = set(decode_exact(raw))
            if "id" in names:
                check_record(record, raw)
                return f"{one} read"
            kind = create if "linked_bills" in names or "line_items" in names else update
            check_draft(kind, one, raw)
            return f"{one} {kind.__name__}"
        if f"{one}s" in members:
            envelope = wire.decode_envelope(example, f"{one}s")
            assert isinstance(envelope.items, list)
            for item in envelope.items:
                check_record(record, bytes(item))
            assert envelope.next_cursor
            assert envelope.connection is not None
            assert (envelope.connection.platform, bool(envelope.connection.org_id)) == ("NETSUITE", True)
            return f"{one}s list"
    if "linked_bills" in members:
        check_record(BillPayment, example)
        return "bill_payment bare"
    assert set(members) == {"code", "success"}
    assert wire.decode(example, DeleteResult) == DeleteResult(code="deleted", success=True)
    return "delete"


def test_every_printed_example_is_read_and_written_back_equal() -> None:
    seen = [check(example) for example in printed_examples()]
    assert len(seen) >= 14
    assert set(seen) == {
        "bill read",
        "bill BillCreate",
        "bill BillUpdate",
        "bills list",
        "bill_payment bare",
        "bill_payment read",
        "bill_payment BillPaymentCreate",
        "bill_payment BillPaymentUpdate",
        "bill_payments list",
        "delete",
    }
