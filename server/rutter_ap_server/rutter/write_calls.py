"""The verbs that change the books: create, update, delete, each ending in a `WriteOutcome`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.ids import checked_key, path_of, quoted_id
from rutter_ap_server.rutter.jobs import Find, Verdicts
from rutter_ap_server.rutter.models.base import Draft
from rutter_ap_server.rutter.outcomes import Done, WriteOutcome
from rutter_ap_server.rutter.request import Call, NoAnswer
from rutter_ap_server.rutter.resources import C, Collection, CompanySession, DeleteResult, R, ResponseMode, U

W = TypeVar("W")


def found_under(kind: type[W], one: str, many: str | None = None) -> Find[W]:
    """Finds the written objects: the one under the singular key, and those that a platform split it into, each once."""

    def find(members: dict[str, msgspec.Raw]) -> tuple[W, ...]:
        raw = [] if _is_absent(members, one) else [members[one]]
        if many is not None and not _is_absent(members, many):
            raw += wire.decode(members[many], list[msgspec.Raw])
        found: dict[object, W] = {}
        for record in (wire.decode(each, kind) for each in raw):
            found.setdefault(getattr(record, "id", None) or id(record), record)
        # What says itself that it did not succeed was not written.
        return tuple(record for record in found.values() if getattr(record, "success", True))

    return find


def _is_absent(members: dict[str, msgspec.Raw], key: str) -> bool:
    return key not in members or bytes(members[key]) == b"null"


async def send_write(
    session: CompanySession,
    method: str,
    segments: tuple[str, ...],
    body: Mapping[str, object],
    *,
    idempotency_key: str,
    again: bool,
    find: Find[W],
    on_object: bool,
) -> WriteOutcome[W]:
    """One POST or PATCH under the caller's key, followed to its end. Raises `NothingSent` when it did not leave."""
    call = Call(
        method,
        path_of(*segments),
        token=session.token,
        body=wire.encode_body(body),
        idempotency_key=checked_key(idempotency_key),
        fence=session.fence,
    )
    outcome, doubt = await session.exchange.send_write(call, in_doubt=again)
    return await Verdicts(session.exchange, find, on_object=on_object).of(outcome, doubt=doubt)


async def outcome_of_job(session: CompanySession, job_id: str, find: Find[W], *, wait: bool) -> WriteOutcome[W]:
    """The outcome of an earlier write by its job: read once, or followed to its end with `wait`."""
    return await Verdicts(session.exchange, find, on_object=True).of_job(job_id, wait=wait)


class _Writes(Collection[R]):
    def _find(self) -> Find[R]:
        return found_under(self.endpoint.record, self.endpoint.one, self.endpoint.many)

    async def outcome(self, job_id: str, *, wait: bool = False) -> WriteOutcome[R | DeleteResult]:
        """The outcome of a write, a deletion included, whose job id is known: read once, or followed with `wait`."""

        def find(members: dict[str, msgspec.Raw]) -> tuple[R | DeleteResult, ...]:
            return self._find()(members) or deleted(members)

        return await outcome_of_job(self._session, job_id, find, wait=wait)

    async def _write(
        self, method: str, rest: tuple[str, ...], draft: Draft, *, key: str, mode: ResponseMode | None, again: bool
    ) -> WriteOutcome[R]:
        body: dict[str, object] = {self.endpoint.one: draft}
        if mode is not None:
            body["response_mode"] = mode
        return await send_write(
            self._session,
            method,
            self._path(*rest),
            body,
            idempotency_key=key,
            again=again,
            find=self._find(),
            on_object=bool(rest),
        )


class Creates(_Writes[R], Generic[R, C]):
    """A kind that can be created."""

    async def create(
        self, draft: C, *, idempotency_key: str, again: bool = False, response_mode: ResponseMode | None = None
    ) -> WriteOutcome[R]:
        """Creates an object. Never raises for its outcome; raises `NothingSent` when it did not leave.

        The same key with the same content always returns the first result, success or refusal. Say `again`
        when an earlier call under this key ended in `Unknown`: then only what Rutter stored of that one is believed;
        a call that cannot leave, or is refused before it is looked at, is `Unknown` too.
        """
        return await self._write("POST", (), draft, key=idempotency_key, mode=response_mode, again=again)


class Updates(_Writes[R], Generic[R, U]):
    """A kind that can be changed. Fields left out of the draft keep their values; arrays are replaced as a whole."""

    async def update(
        self,
        id: str,  # noqa: A002 - Rutter's own name
        draft: U,
        *,
        idempotency_key: str,
        again: bool = False,
        response_mode: ResponseMode | None = None,
    ) -> WriteOutcome[R]:
        """Changes an object. Never raises for its outcome; raises `NothingSent` when it did not leave.

        `again`: an earlier call under this key ended in `Unknown` (see `create`).
        """
        rest = (quoted_id(id),)
        return await self._write("PATCH", rest, draft, key=idempotency_key, mode=response_mode, again=again)


class Deletes(Collection[R]):
    """A kind that can be deleted. Deleting twice is no error: the second result says "not_found"."""

    async def delete(
        self,
        id: str,  # noqa: A002 - Rutter's own name
        *,
        response_mode: ResponseMode | None = None,
    ) -> WriteOutcome[DeleteResult]:
        """Deletes an object. Safe to repeat, and retried here after anything temporary."""
        path, session = path_of(*self._path(quoted_id(id))), self._session
        body = wire.encode_body({} if response_mode is None else {"response_mode": response_mode})
        call = Call("DELETE", path, token=session.token, body=body, fence=session.fence)
        outcome, doubt = await self._session.exchange.send_delete(call)
        if not isinstance(outcome, NoAnswer) and outcome.status == 410:
            return Done(DeleteResult(code="not_found"), outcome.job_id, outcome.request_id)
        return await Verdicts(self._session.exchange, deleted, on_object=True).of(outcome, doubt=doubt)


def deleted(members: dict[str, msgspec.Raw]) -> tuple[DeleteResult, ...]:
    """What a deletion answers, if it succeeded; already gone is the desired result, whatever `success` says."""
    # Version 2023-03-14 returns a deleted bill under a key of its own.
    inner = members.get("deleted_bill")
    if inner is not None:
        members = wire.decode_members(inner)
    if "success" not in members:
        return ()
    code = wire.decode(members["code"], str) if "code" in members else None
    success = wire.decode(members["success"], bool)
    return (DeleteResult(code=code, success=success),) if success or code == "not_found" else ()
