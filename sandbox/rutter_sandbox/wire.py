"""Requests and responses as plain values, so that everything between them is a function."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from rutter_sandbox.errors import JsonObject, Refusal, bad_request, unauthorized
from rutter_sandbox.jsons import encode

API_VERSION = "2024-08-31"
KEY_MAX = 100
JSON_TYPE = "application/json"
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret-not-for-production"  # noqa: S105 - it opens nothing but this sandbox


@dataclass(slots=True)
class Call:
    """One HTTP request. `path` is decoded; `query` and `headers` keep the first of repeated names."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    origin: str
    fault: str = ""

    @property
    def segments(self) -> list[str]:
        return self.path.strip("/").split("/")

    @property
    def base_url(self) -> str:
        return f"{self.origin}/versioned"


@dataclass(slots=True)
class Response:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


def ok(body: JsonObject | list[JsonObject]) -> Response:
    return Response(200, encode(body))


def refused(refusal: Refusal) -> Response:
    return Response(refusal.status, encode(refusal.body()))


def query_of(raw: bytes) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        query.setdefault(name, value)
    return query


def authenticate(call: Call) -> None:
    """Checks Basic credentials in constant time; anything else is the documented 401."""
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        given = b""
    if not secrets.compare_digest(given, f"{CLIENT_ID}:{CLIENT_SECRET}".encode()):
        raise unauthorized("The client id and secret are missing or wrong.")


def require_version(call: Call) -> None:
    version = call.headers.get("x-rutter-version")
    if version is None:
        raise bad_request("The X-Rutter-Version header is required.", "MISSING_VERSION")
    if version != API_VERSION:
        raise bad_request(f"This sandbox speaks X-Rutter-Version {API_VERSION} only.", "UNKNOWN_VERSION")


def truth_of(call: Call, name: str) -> bool:
    """A query parameter that is `true` or `false` as text."""
    value = call.query.get(name, "false")
    if value not in {"true", "false"}:
        raise bad_request(f"{name} must be true or false.")
    return value == "true"


def wants_platform_data(call: Call) -> bool:
    value = call.query.get("expand")
    if value not in {None, "platform_data"}:
        raise bad_request("expand takes platform_data only.")
    return value is not None


def idempotency_key(call: Call) -> str | None:
    """The key of a POST or PATCH. Other methods are safe to repeat and ignore it."""
    key = call.headers.get("idempotency-key")
    if key is None or call.method not in {"POST", "PATCH"}:
        return None
    if not 1 <= len(key) <= KEY_MAX:
        raise bad_request(f"An Idempotency-Key has 1 to {KEY_MAX} characters.")
    return key
