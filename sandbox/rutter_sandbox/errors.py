"""Refusals: one exception for each kind, and the documented error body."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


class Refusal(Exception):
    """Rutter itself refuses. Nothing is stored, so an Idempotency-Key sent along may be used again."""

    def __init__(self, status: int, error_type: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.code = code
        self.message = message

    def body(self) -> JsonObject:
        return {"error_type": self.error_type, "error_code": self.code, "error_message": self.message}


class PlatformRefusal(Refusal):
    """The accounting platform refuses a request that Rutter accepted; the refusal is the job's stored result."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(450, "PLATFORM_ERROR", code, message)

    def body(self) -> JsonObject:
        metadata = {
            "source": "platform",
            "human_readable": self.message,
            "platform": {"code": self.code, "detail": self.message},
        }
        return super().body() | {"error_metadata": metadata}


def bad_request(message: str, code: str = "INVALID_FIELD") -> Refusal:
    return Refusal(400, "API_REQUEST_ERROR", code, message)


def missing(message: str) -> Refusal:
    return bad_request(message, "MISSING_FIELDS")


def unauthorized(message: str) -> Refusal:
    return Refusal(401, "CONNECTION_ERROR", "INVALID_CREDENTIALS", message)


def not_implemented(message: str) -> Refusal:
    """The refusal for a path, a method or an object that this platform does not have."""
    return Refusal(404, "API_REQUEST_ERROR", "NOT_FOUND", message)


def gone(kind: str) -> Refusal:
    return Refusal(410, "API_REQUEST_ERROR", "OBJECT_NOT_FOUND", f"No {kind} has this id on this connection.")


def connection_refuses(code: str, message: str, status: int = 400) -> Refusal:
    return Refusal(status, "CONNECTION_ERROR", code, message)


def key_conflict() -> Refusal:
    message = "This Idempotency-Key was already accepted with another request."
    return Refusal(409, "API_REQUEST_ERROR", "IDEMPOTENCY_KEY_CONFLICT", message)
