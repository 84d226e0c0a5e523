"""The lines of a payment run on their way: several at once, those of one vendor in order, each judged as of now.

The vendors' histories and the files on the bills are those the run was authorized on, as long as they are not old. The
bill, the vendor and the account of each line are read when it is authorized, as those of a payment on its own are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from rutter_ap_server.companies.company import Company
from rutter_ap_server.companies.reading import Reading
from rutter_ap_server.companies.together import as_they_are, just_changed
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.base import Batch
from rutter_ap_server.interaction import Interaction
from rutter_ap_server.reads.amounts import LedgerDataError
from rutter_ap_server.rutter.errors import NotFoundUpstream
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import ApError

# No more than the client sends at once.
LINES_AT_ONCE = 8
# After this many in a row that could not be judged or have an unknown outcome, the rest waits.
DOUBTFUL_MAX = 2
# A bill that no longer exists, or has unusable amounts, is no reason for the others to wait.
OF_ONE_BILL = (NotFoundUpstream, LedgerDataError)
# How old what a run was authorized on may be when a line of it is authorized.
RUN_READ_SECONDS_MAX = 60
_READINGS = 3
# A line whose turn comes later than this after it was read is read again.
_TURN_SECONDS_MAX = 2


class Alone:
    """A write on its own: nothing is shared, and it waits for nobody."""

    async def facts_of(self, company: Company) -> Company:
        """The company as its facts are to be read."""
        return company

    def outcome_of(self, company: Company) -> Company:
        """The company as its outcome is to be read: anew at each look."""
        return company.read_once()

    async def turn(self) -> bool:
        """Waits until it may be authorized; False if it waited so long that its facts are to be read again."""
        return True

    def may_leave(self) -> bool:
        """Whether it may still be sent, asked once its turn has come."""
        return True

    def leaves(self) -> None:
        """It is authorized, and is being sent."""

    def answered(self) -> None:
        """It was answered, or will not be sent."""


ALONE = Alone()


class RunReading:
    """What the lines of one run read: lists once for all of them, and single records when each is authorized."""

    def __init__(self, batch: Batch, members: Sequence[PreparedWrite], company: Company, lists: Reading | None) -> None:
        self._batch, self._members, self._company = batch, list(members), company
        self._lists = lists
        self._took_seconds = 0.0
        self._renewing = anyio.Lock()
        self._as_they_are = as_they_are(company.rutter)
        self._under_way: list[Line] = []
        self._just_changed = just_changed(company.rutter, self._all_are_answered)

    async def facts_of(self, company: Company) -> Company:
        """The company with the run's lists, read again when they are old, and single records as they are now."""
        async with self._renewing:
            # Where Rutter is slow, they may be older: they would be read all the time else.
            if self._lists is None or is_old(self._lists, _READINGS * self._took_seconds):
                anew, began = self._company.unread().read_once(), anyio.current_time()
                await anew.ahead(lambda: self._batch.read_ahead(self._members, anew))
                self._lists, self._took_seconds = anew.reading, anyio.current_time() - began
        return company.unread().read_once(self._as_they_are, lists=self._lists)

    def begins(self, line: Line) -> None:
        """A line that will be answered, and then read back; what it needs is read for it alone from now on."""
        self._under_way.append(line)
        self._members = [one for one in self._members if one.bill_id != line.proposal.bill_id]

    async def _all_are_answered(self) -> None:
        """Returns once no line is under way that was not answered: such a one will be read back soon, too."""
        while self._under_way:
            line = self._under_way[0]
            await line.is_answered.wait()
            self._under_way = [one for one in self._under_way if not one.is_answered.is_set()]

    def outcome_of(self, company: Company) -> Company:
        """The company, with records as they are a moment after they were written."""
        return company.unread().read_once(self._just_changed)


def is_old(reading: Reading, seconds_min: float = 0.0) -> bool:
    """Whether a run may not be authorized, nor a line of it, on what was read then; never younger than that."""
    return anyio.current_time() - reading.began > max(RUN_READ_SECONDS_MAX, seconds_min)


@dataclass(eq=False)
class Line(Alone):
    """A line of a run: sent after `before`, the one before it of the same vendor, was answered."""

    proposal: Proposal
    reads: RunReading
    before: Line | None
    has_begun: bool = False
    has_left: anyio.Event = field(default_factory=anyio.Event)
    is_answered: anyio.Event = field(default_factory=anyio.Event)
    must_stop: Callable[[], bool] = lambda: False
    changed: Callable[[], None] = lambda: None

    @property
    def may_begin(self) -> bool:
        """Whether it may be read for: the one before it is read too, and the one before that is on its way."""
        if self.before is None or self.before.has_left.is_set():
            return True
        return self.before.has_begun and (self.before.before is None or self.before.before.has_left.is_set())

    def begins(self, must_stop: Callable[[], bool], changed: Callable[[], None]) -> None:
        """It is read for, and sent when its turn comes, unless the run must stop by then; `changed` is told of both."""
        self.has_begun, self.must_stop, self.changed = True, must_stop, changed
        self.reads.begins(self)

    async def facts_of(self, company: Company) -> Company:
        return await self.reads.facts_of(company)

    def outcome_of(self, company: Company) -> Company:
        return self.reads.outcome_of(company)

    async def turn(self) -> bool:
        if self.before is None:
            return True
        began = anyio.current_time()
        await self.before.is_answered.wait()
        return anyio.current_time() - began <= _TURN_SECONDS_MAX

    def may_leave(self) -> bool:
        # Who waited for nobody was on its way beside the others.
        return self.before is None or not self.must_stop()

    def leaves(self) -> None:
        self.has_left.set()
        self.changed()

    def answered(self) -> None:
        self.has_left.set()
        self.is_answered.set()
        self.changed()


def lines_of(proposals: Sequence[Proposal], reads: RunReading) -> list[Line]:
    """The lines that are released, in the run's order, each after the one before it of the same vendor."""
    last: dict[str | None, Line] = {}
    found = []
    for one in proposals:
        if one.state == State.RELEASED:
            line = Line(one, reads, last.get(one.vendor_id))
            last[one.vendor_id] = line
            found.append(line)
    return found


class RunSending:
    """Sends lines with `send`; after each, `may_go_on` says whether others may follow, and before, `is_stopping`.

    The first goes alone: what is wrong with all of them shows there, at the cost of one. While the last outcome is in
    doubt no other begins beside it, and after some in a row that are, none does, nor is any sent that waited for
    one of its vendor: they stay released for later.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        send: Callable[[Line], Awaitable[Proposal]],
        may_go_on: Callable[[], Awaitable[bool]],
        is_stopping: Callable[[], bool],
        interaction: Interaction,
        *,
        done: int,
    ) -> None:
        self._waiting = list(lines)
        self._send, self._interaction = send, interaction
        self._may_go_on, self._is_stopping = may_go_on, is_stopping
        self._done, self._total = done, done + len(lines)
        self._under_way = 0
        self._is_clear = False
        self._doubtful_in_a_row = 0
        self._is_over = False
        self._changed = anyio.Event()
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Returns once every line that was begun has its outcome."""
        await self._report()
        async with anyio.create_task_group() as tasks:
            while self._waiting and not self._must_stop:
                line = self._next()
                if line is None:
                    await self._changed.wait()
                    continue
                self._waiting.remove(line)
                line.begins(self._holds_back, self._wake)
                self._under_way += 1
                tasks.start_soon(self._one, line)
        if self._failure is not None:
            raise self._failure

    @property
    def _must_stop(self) -> bool:
        return self._is_over or self._is_stopping() or self._doubtful_in_a_row >= DOUBTFUL_MAX

    def _holds_back(self) -> bool:
        """Whether a line that has begun stays behind. Then all that follow do, so that none overtakes it."""
        self._is_over = self._must_stop
        return self._is_over

    def _next(self) -> Line | None:
        """The first that may begin now; if there is none, `_changed` is set once there may be."""
        self._changed = anyio.Event()
        if self._under_way >= (LINES_AT_ONCE if self._is_clear else 1):
            return None
        return next((one for one in self._waiting if one.may_begin), None)

    def _wake(self) -> None:
        self._changed.set()

    async def _one(self, line: Line) -> None:
        try:
            try:
                await self._sent(line)
            finally:
                self._under_way -= 1
                self._done += 1
                line.answered()
            await self._report()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001 - raised outside the group, once the others have their outcome
            self._failure, self._is_over = self._failure or error, True

    async def _sent(self, line: Line) -> None:
        try:
            outcome = await self._send(line)
            if outcome.state != State.RELEASED:
                self._is_clear = outcome.state != State.UNKNOWN
                self._doubtful_in_a_row = 0 if self._is_clear else self._doubtful_in_a_row + 1
        except OF_ONE_BILL:
            # It says nothing of the others, either way.
            self._doubtful_in_a_row = 0
        except ApError:
            self._is_clear = False
            self._doubtful_in_a_row += 1
        if not await self._may_go_on():
            self._is_over = True

    async def _report(self) -> None:
        # The caller may have gone in the meantime; what was released is paid all the same.
        with suppress(Exception):
            await self._interaction.report_progress(self._done, self._total, f"{self._done} of {self._total} payments")
