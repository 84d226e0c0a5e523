"""The verbs that change the books: create, update, delete, each ending in a `WriteOutcome`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar, get_args

import msgspec

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.errors import InvalidInput, NotFoundUpstream, RutterError
from rutter_ap_server.rutter.ids import checked_key, is_same_id, path_of, quoted_id
from rutter_ap_server.rutter.jobs import Find, Verdicts
from rutter_ap_server.rutter.models.base import Draft
from rutter_ap_server.rutter.outcomes import Done, Rejected, Unknown, WriteOutcome
from rutter_ap_server.rutter.request import Call
from rutter_ap_server.rutter.resources import C, Collection, CompanySession, DeleteResult, R, ResponseMode, U

W = TypeVar("W")


def found_under(
    kind: type[W], one: str, many: str | None = None, *, is_ours: Callable[[W], bool] = lambda _: True
) -> Find[W]:
    """Finds the written objects: the one under the singular key, and those that a platform split it into, each once.

    An object without an id, one that is not `is_ours`, or one that is said not to have succeeded settles nothing.
    """

    def find(members: dict[str, msgspec.Raw]) -> tuple[W, ...]:
        raw = [] if _is_absent(members, one) else [members[one]]
        if many is not None and not _is_absent(members, many):
            raw += wire.decode(members[many], list[msgspec.Raw])
        found: dict[object, W] = {}
        for each in raw:
            record = wire.decode(each, kind)
            if getattr(record, "id", None) == "" or not is_ours(record) or _says_no(members, wire.decode_members(each)):
                raise wire.NotReadable
            found.setdefault(getattr(record, "id", None) or id(record), record)
        return tuple(found.values())

    return find


def _says_no(*each: dict[str, msgspec.Raw]) -> bool:
    return any(bytes(members.get("success", b"null")) not in {b"true", b"null"} for members in each)


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
    quoted_id(job_id, "The job id")
    return await Verdicts(session.exchange, find, on_object=True).of_job(job_id, wait=wait)


def with_mode(body: dict[str, object], mode: ResponseMode | None) -> dict[str, object]:
    """The body, saying how it wants to be answered. Raises `InvalidInput`."""
    if mode is None:
        return body
    if mode not in get_args(ResponseMode):
        raise InvalidInput(f"The response mode must be one of: {', '.join(get_args(ResponseMode))}.")
    return {**body, "response_mode": mode}


class _Writes(Collection[R]):
    def _find(self, record_id: str | None = None) -> Find[R]:
        def is_ours(record: R) -> bool:
            return record_id is None or is_same_id(getattr(record, "id", None), record_id)

        return found_under(self.endpoint.record, self.endpoint.one, self.endpoint.many, is_ours=is_ours)

    async def outcome(self, job_id: str, *, wait: bool = False) -> WriteOutcome[R | DeleteResult]:
        """The outcome of a write, a deletion included, whose job id is known: read once, or followed with `wait`."""

        def find(members: dict[str, msgspec.Raw]) -> tuple[R | DeleteResult, ...]:
            return self._find()(members) or tuple(result for result in deleted(members) if result.success)

        return await outcome_of_job(self._session, job_id, find, wait=wait)

    async def _write(
        self,
        method: str,
        rest: tuple[str, ...],
        draft: Draft,
        *,
        find: Find[R],
        key: str,
        mode: ResponseMode | None,
        again: bool,
    ) -> WriteOutcome[R]:
        if not isinstance(draft, Draft):
            raise InvalidInput(f"What is to be written must be a draft of a {self.endpoint.one.replace('_', ' ')}.")
        return await send_write(
            self._session,
            method,
            self._path(*rest),
            with_mode({self.endpoint.one: draft}, mode),
            idempotency_key=key,
            again=again,
            find=find,
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
        return await self._write(
            "POST", (), draft, find=self._find(), key=idempotency_key, mode=response_mode, again=again
        )


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
        rest, find = (quoted_id(id),), self._find(id)
        return await self._write("PATCH", rest, draft, find=find, key=idempotency_key, mode=response_mode, again=again)


class Deletes(Collection[R]):
    """A kind that can be deleted. Deleting twice is no error: the second result says "not_found"."""

    async def delete(
        self,
        id: str,  # noqa: A002 - Rutter's own name
        *,
        response_mode: ResponseMode | None = None,
    ) -> WriteOutcome[DeleteResult]:
        """Deletes an object. Safe to repeat, and retried here after anything temporary.

        An answer that it was not found, and no success, is believed once a read does not find it either.
        """
        path, session = path_of(*self._path(quoted_id(id))), self._session
        body = wire.encode_body(with_mode({}, response_mode))
        call = Call("DELETE", path, token=session.token, body=body, fence=session.fence)
        outcome, doubt = await session.exchange.send_delete(call)
        verdict = await Verdicts(session.exchange, deleted, on_object=True).of(outcome, doubt=False)
        if isinstance(verdict, Done) and not verdict.record.success and not await self._is_gone(id):
            return Unknown(verdict.job_id, "unreadable_answer")
        if not isinstance(verdict, Rejected):
            return verdict
        error = verdict.error
        if isinstance(error, NotFoundUpstream) and error.status == 410:
            return Done(DeleteResult(code="not_found"), verdict.job_id, error.request_id)
        # There is no key by which a job could be that of an earlier attempt.
        return Unknown(verdict.job_id, "doubtful_retry") if doubt else verdict

    async def _is_gone(self, record_id: str) -> bool:
        try:
            await self._session.read(*self._path(quoted_id(record_id)), on_object=True)
        except NotFoundUpstream:
            return True
        except RutterError:
            pass
        return False


def deleted(members: dict[str, msgspec.Raw]) -> tuple[DeleteResult, ...]:
    """What a deletion answers, if it succeeded, or where it says that there is no such object."""
    # Version 2023-03-14 returns a deleted bill under a key of its own.
    inner = members.get("deleted_bill")
    if inner is not None:
        members = wire.decode_members(inner)
    if "success" not in members:
        return ()
    code = wire.decode(members["code"], str) if "code" in members else None
    success = wire.decode(members["success"], bool)
    return (DeleteResult(code=code, success=success),) if success or code == "not_found" else ()
