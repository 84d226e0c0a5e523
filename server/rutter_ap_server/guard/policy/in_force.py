"""Which policy is in force: a fact of the store, so that it does not loosen by vanishing, nor differ by server.

Whoever may write puts what it reads in force, and notes in the store that it holds it. A file that was in force and is
gone stops every write, after a restart too, until it is back or the operator goes back to the default on purpose.

Servers on one store must hold one policy. What counts is what each would judge its next write by, and each reads its
file again for every write. So those that read one path on one machine hold what any of them read last: an edit holds
for all of them at once, and an idle one never blocks the others by what it read before. What a server elsewhere reads
only it can say. It says so anew every few seconds, and whoever has said nothing for `HELD_SECONDS` is gone. While
two say different things nothing is written, and the rule `policy.differs` looks once more where a write is authorized.
A command at a terminal is no server: it acts under what is in force and never replaces it by a file of its own.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rutter_ap_server.guard.policy.file import PolicyError, read_file
from rutter_ap_server.guard.policy.model import Policy
from rutter_ap_server.store.controls import Held, InForce
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_tools.errors import ApError

T = TypeVar("T")
# The default of a store from before it was noted whether a file was in force.
_DEFAULT_BEFORE = "fb80777cfdc9cfd22709211dad80072f0079824db98f4923d6fdd28115fa1124"


class PolicyGone(PolicyError):
    """The policy file that was in force is missing: nothing is written until it is back."""

    code = "policy.gone"
    default_next_step = (
        "The operator puts the file back, mounts its folder, or sets RUTTER_AP_POLICY as it was. "
        "`rutter-ap policy reset` goes back to the built-in default on purpose. Reads still work."
    )


class ReadOnly(PolicyError):
    """This process may only read, so it judges no write, and no policy of its own counts for one."""

    code = "policy.read_only"
    default_next_step = "Decide it where RUTTER_AP_READ_ONLY is not set. Reads still work."


class PolicyDiffers(PolicyError):
    """Processes that share the store hold different policies: nothing is written until they agree."""

    code = "policy.differs"
    default_next_step = (
        "The operator gives all of them one policy file, or stops the others; one that was killed is forgotten after "
        "three minutes. `rutter-ap doctor` says which is in force. Reads still work."
    )


@dataclass(slots=True)
class PolicyFile:
    """The policy of one process: where it is read from, and the store that knows what is in force.

    It is read again for every write, so that a change takes effect at once. `may_write` is false for a process that
    only reads, and `serves` for a command.
    """

    path: Path
    store: Store
    named: bool = False
    may_write: bool = True
    serves: bool = True
    _holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    _holds: bool = False

    async def read(self) -> Policy:
        """The policy to judge a write by, which is put in force.

        Raises `PolicyError` for a file that cannot be used, that was in force and is gone, or that was named and does
        not exist, and while another process on the store holds another policy. A process that only reads has none.
        """
        if not self.may_write:
            raise ReadOnly("RUTTER_AP_READ_ONLY is set, so nothing is written from here")
        try:
            found = await read_file(self.path)
        except PolicyError:
            await self.leave()
            raise
        self._holds = True
        if await self.store.read(lambda tx: self._stands(tx, found)):
            return found or Policy()
        error = await self.store.write(lambda tx: self._take(tx, found))
        if error is not None:
            raise error
        return found or Policy()

    async def look(self) -> Policy:
        """The policy for showing it: nothing is noted. Raises `PolicyError` unless it could be judged by."""
        return await self.look_with(lambda tx, policy: policy)

    async def look_with(self, work: Callable[[Tx, Policy], T]) -> T:
        """What `work` finds in one transaction with the policy as `look` gives it."""
        found = await read_file(self.path)

        def look(tx: Tx) -> T:
            error = self._missing(tx.controls.policy_in_force(), found)
            if error is not None:
                raise error
            return work(tx, found or Policy())

        return await self.store.read(look)

    async def others(self) -> list[str]:
        """Other policies that count besides the one read here, each with where it is read."""
        version, place = (await read_file(self.path) or Policy()).version, self._place()

        def look(tx: Tx) -> list[str]:
            before = tx.controls.policy_in_force()
            counted = {(one.version, one.place) for one in (*tx.controls.policies_held().values(), before) if one}
            return sorted(f"{its[:8]}, of {at}" for its, at in counted if its != version and at not in ("", place))

        return await self.store.read(look)

    async def note(self) -> None:
        """Puts the file in force before anything is judged, so that it is missed from the first call on."""
        if self.may_write and not self._holds:
            with suppress(ApError):
                await self.read()

    async def leave(self) -> None:
        """Notes that this process holds no policy any more."""
        if self._holds:
            with suppress(ApError):
                await self.store.write(lambda tx: tx.controls.let_policy_go(self._holder))
            self._holds = False

    def _stands(self, tx: Tx, found: Policy | None) -> bool:
        """Whether `_take` would change nothing and find nothing wrong, as for most writes."""
        before, held = tx.controls.policy_in_force(), tx.controls.policies_held()
        version, place = (found or Policy()).version, self._place()
        return (
            before is not None
            and (before.version, before.from_file) == (version, found is not None)
            and self._missing(before, found) is None
            and all(one.version == version for one in held.values())
            and tx.controls.holds_policy(self._holder, place)
        )

    def _take(self, tx: Tx, found: Policy | None) -> PolicyError | None:
        """Notes what this process holds, and puts it in force unless others hold another; else says what is wrong."""
        before, held = tx.controls.policy_in_force(), tx.controls.policies_held()
        gone = self._missing(before, found)
        if gone is not None:
            tx.controls.let_policy_go(self._holder)
            return gone
        version, place = (found or Policy()).version, self._place()
        is_new = before is None or before.version != version
        if before is not None and is_new and not self.serves and place not in _places(before, held):
            return PolicyDiffers(f"this command reads policy {version[:8]}, but {before.version[:8]} is in force")
        tx.controls.hold_policy(self._holder, version, place)
        others = {one.version for one in held.values() if one.place != place} - {version}
        if others:
            shown = ", ".join(sorted(other[:8] for other in others))
            return PolicyDiffers(f"this server reads policy {version[:8]}, but others on its store hold {shown}")
        from_file = found is not None
        if before is None or is_new or before.from_file != from_file:
            tx.controls.put_policy_in_force(InForce(version, place, from_file))
        if is_new:
            was = before.version if before else None
            tx.audit.append("policy_changed", actor="operator", version=version, before=was, from_file=from_file)
        return None

    def _missing(self, before: InForce | None, found: Policy | None) -> PolicyError | None:
        # A file that lost all its values, or its lines but for comments, says no more than one that is gone.
        if found is not None and (before is None or before.version == found.version or found.model_fields_set):
            return None
        if before is not None and before.from_file is not False and before.version != _DEFAULT_BEFORE:
            return PolicyGone("the policy file that was in force is gone, or sets nothing any more")
        if found is None and self.named:
            return PolicyError("RUTTER_AP_POLICY names a file that does not exist, or is empty")
        return None

    def _place(self) -> str:
        """The file by its machine and path. Containers may show different files under one name and path."""
        try:
            mounts = Path("/proc/self/ns/mnt").stat().st_ino
        except OSError:
            mounts = 0
        return f"{socket.gethostname()}/{mounts}:{self.path.absolute()}"


def _places(before: InForce, held: dict[str, Held]) -> set[str]:
    return {before.place, *(one.place for one in held.values())}
