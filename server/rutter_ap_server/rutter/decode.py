"""Decodes the outcome of every call that is not a write to the books: into the requested object, or into an error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.credentials import Secret
from rutter_ap_server.rutter.error_map import Refusal, error_for, is_refusal
from rutter_ap_server.rutter.errors import RutterError, UpstreamNonsense, UpstreamUnavailable, WriteOutcomeUnknown
from rutter_ap_server.rutter.exchange import Exchange
from rutter_ap_server.rutter.request import Call, NoAnswer, Outcome, Response

T = TypeVar("T")


async def read(exchange: Exchange, call: Call) -> Response:
    """Sends a read. Raises `RutterError` unless it succeeds."""
    outcome = await exchange.send(call)
    if isinstance(outcome, NoAnswer) or not outcome.is_success or outcome.is_html:
        raise error_of(outcome, on_object=call.on_object)
    return outcome


async def change(exchange: Exchange, call: Call, reading: Callable[[Response], T]) -> T:
    """Sends a change without an idempotency key, again only when it cannot have arrived, and reads its answer.

    Raises `WriteOutcomeUnknown` where it may have been made, an unreadable success included; else `RutterError`.
    """
    outcome, _ = await exchange.send_write(call)
    if isinstance(outcome, Response) and outcome.is_success and not outcome.is_html:
        with suppress(UpstreamNonsense):
            return reading(outcome)
    elif isinstance(outcome, Response) and is_refusal(outcome.status):
        raise error_of(outcome, on_object=call.on_object)
    raise WriteOutcomeUnknown(
        "The request was sent to Rutter, but no response says whether it was carried out.",
        status=outcome.status if isinstance(outcome, Response) else None,
        request_id=outcome.request_id if isinstance(outcome, Response) else None,
    )


def read_body(response: Response, kind: type[T]) -> T:
    """The whole body as one object. Raises `UpstreamNonsense`."""
    try:
        return wire.decode(response.body, kind)
    except wire.NotReadable:
        pass
    raise nonsense(response)


def read_list(response: Response, key: str, kind: type[T], *, usable: bool = False) -> tuple[T, ...]:
    """Every object under a plural key, where there are no pages; `usable` as above. Raises `UpstreamNonsense`."""
    decode = wire.decode_usable if usable else wire.decode
    try:
        return tuple(decode(raw, kind) for raw in wire.decode_envelope(response.body, key).items)
    except wire.NotReadable:
        pass
    raise nonsense(response)


def read_key(response: Response, key: str, kind: type[T], *, usable: bool = False) -> T:
    """The object under a key of the body; `usable` if it may have `trouble`. Raises `UpstreamNonsense`."""
    try:
        raw = wire.decode_members(response.body).get(key)
        if raw is not None:
            return (wire.decode_usable if usable else wire.decode)(raw, kind)
    except wire.NotReadable:
        pass
    raise nonsense(response)


def usable(response: Response, token: Secret) -> Secret:
    """A token that can be sent; an empty one is none. Raises `UpstreamNonsense`."""
    if not token.reveal().strip():
        raise nonsense(response)
    return token


class _Success(msgspec.Struct):
    success: bool


def read_success(response: Response) -> None:
    """Checks that the body says success. Raises `UpstreamNonsense`."""
    try:
        if wire.decode(response.body, _Success).success:
            return
    except wire.NotReadable:
        pass
    raise nonsense(response)


def error_of(outcome: Outcome, *, on_object: bool) -> RutterError:
    """The error for an exchange without a usable response, for calls that cannot have changed anything."""
    if isinstance(outcome, Response):
        return error_for(
            Refusal(
                status=outcome.status,
                body=outcome.body,
                request_id=outcome.request_id,
                retry_after_seconds=outcome.retry_after_seconds,
                is_html=outcome.is_html,
                on_object=on_object,
            )
        )
    if outcome.error is not None:
        return outcome.error
    if outcome.reason == "too_large":
        return UpstreamNonsense("Rutter's response is larger than the limit.", code="upstream_too_large")
    if outcome.reason == "not_readable":
        return UpstreamNonsense("Rutter's response could not be decompressed.")
    words = {
        "busy": "Too many requests to Rutter were waiting.",
        "not_reachable": "Rutter could not be reached.",
        "proxy_refused": "The proxy refused the way to Rutter.",
        "timeout": "Rutter did not respond in time.",
    }
    return UpstreamUnavailable(words.get(outcome.reason, "The connection to Rutter was interrupted."))


def nonsense(response: Response | None = None) -> UpstreamNonsense:
    """The error for a success whose body is not what Rutter documents."""
    reference = f" (request {response.request_id})" if response and response.request_id else ""
    return UpstreamNonsense(
        f"Rutter's answer is not of the documented shape{reference}.",
        status=response.status if response else None,
        request_id=response.request_id if response else None,
    )
