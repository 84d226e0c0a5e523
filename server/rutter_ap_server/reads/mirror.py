"""Keeps the store's copy of a ledger's payables current, so that a summary costs what changed and not what there is.

It is filled once, page by page: what a page showed and where the next one begins are one transaction, so that a filling
that was cut off goes on, and is never taken for whole. Then each call reads what Rutter has synced since the latest
stamp it knows, and what was deleted. Once a day every unpaid bill is read again, and what is not shown then is dropped.

Whoever moves the copy on must have seen it as it is: of two calls at once, one begins again from what the other did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from weakref import WeakKeyDictionary

import anyio

from rutter_ap_server.at_once import both
from rutter_ap_server.clock import stamp, unstamp
from rutter_ap_server.companies.company import Company
from rutter_ap_server.reads.amounts import LedgerDataError
from rutter_ap_server.reads.kept_bills import id_of, kept, owed_of, stamp_of
from rutter_ap_server.reads.owed import Payables
from rutter_ap_server.rutter.errors import BadRequest, NotFoundUpstream, NotSupportedHere, UpstreamNonsense, WalkTooLong
from rutter_ap_server.rutter.filters import Filter, above, ascending, descending, equal
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.rutter.models.events import Event
from rutter_ap_server.rutter.paging import PAGE_OBJECTS_MAX
from rutter_ap_server.rutter.platforms import ignores_filters, named
from rutter_ap_server.store.bill_mirror import Mirror, MirroredBill, Overtaken
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_tools.errors import BadInput, RetryError

RECENT_DAYS = 90
RECENT_PAGES_MAX = 10
# Rutter may show a change later than its stamp says, and its machines need not agree on the time.
_OVERLAP = timedelta(minutes=5)
# After that long nothing with an earlier stamp is expected any more.
_SETTLED = timedelta(hours=1)
_READ_AGAIN = timedelta(hours=24)
# Where nobody tells of deletions, only reading every bill again finds them.
_READ_AGAIN_UNTOLD = timedelta(hours=6)
# A client waits for a minute: what is not read by then is read by the next call.
_READING_SECONDS = 20.0
# More changes than that, and reading what is unpaid is quicker.
_CHANGES_PAGES_MAX = 20
_LEG_PAGES_MAX = 2_000
_TRIES_MAX = 6
_TOLD_IDS_MAX = 50
_LATEST_ASKED = 50
# Rutter docs: Monitoring deleted objects.
_TELLS_OF_DELETIONS = named("NS QBO X")
_STATUSES = ("paid", "open", "partially_paid", "unknown")


# The last sums of each store, by the copy as it was: another version of it, whoever made it, is summed anew.
_Asked = tuple[Mirror | None, date, str | None, str | None]
_SUMMED: WeakKeyDictionary[Store, dict[_Asked, Payables]] = WeakKeyDictionary()
_SUMMED_MAX = 8


class NoCopy(Exception):
    """Nothing can be copied: Rutter shows no bill with a stamp by which changes could be followed."""


class _Untrue(Exception):
    """The copy cannot be what the ledger has: it is begun anew."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How current the copy is. `whole`: every unpaid bill was read, the last time from `read_at` on.

    `as_of` is when the changes were asked for, `bills` how many are there while it is not whole. `told`: Rutter says
    which bills were deleted. `paid_whole`: the bills paid lately are all there.
    """

    whole: bool
    as_of: datetime
    read_at: datetime | None = None
    told: bool = True
    paid_whole: bool = True
    bills: int = 0


class _Seen:
    """What is kept of the bills that were read, and their stamps, by id. Of two copies of one the later counts."""

    def __init__(self, paid_since: str, filters: bool) -> None:
        self._paid_since = paid_since
        self._filters = filters
        self.bills: dict[str, MirroredBill | None] = {}
        self.stamps: dict[str, str] = {}

    def add(self, bill: Bill) -> None:
        """Keeps what counts of a bill, which is None for most."""
        key = id_of(bill)
        self.bills[key] = kept(bill, self._paid_since, filters=self._filters)
        self.stamps[key] = stamp_of(bill)


class BillMirror:
    """The copy of one company's payables. Raises `StoreError` while the ledger's id, or the store, is not known."""

    def __init__(self, store: Store, company: Company) -> None:
        self._store = store
        self._company = company
        self._ledger_id = company.ledger_id
        self._filters = not ignores_filters(company.platform)
        self._legs = len(_STATUSES) if self._filters else 1
        self._tells = company.platform.upper() in _TELLS_OF_DELETIONS

    async def exists(self, *, whole: bool = False) -> bool:
        """Whether a copy was begun, or even made whole once."""
        found = await self._load()
        return found is not None and (not whole or found.whole_at is not None)

    async def bring_up_to_date(self) -> Freshness:
        """Fills the copy or adds what has changed, within bounds of time. Raises `RutterError` and `NoCopy`."""
        until = anyio.current_time() + _READING_SECONDS
        is_untrue, tries_left = False, _TRIES_MAX
        while tries_left:
            try:
                if is_untrue:
                    is_untrue = False
                    await self._begin()
                return await self._current(until)
            except Overtaken:
                # Whoever did has moved it on.
                tries_left -= anyio.current_time() >= until
            except _Untrue:
                is_untrue = True
                tries_left -= 1
        raise RetryError(
            "another call is reading the same ledger", code="call.too_long", next_step="Try again in a minute."
        )

    async def payables(self, as_of: date, vendor_id: str | None, *, compare_paid: bool) -> Payables:
        """What is owed by the copy, to one vendor or all; one vendor's bills in memory at a time."""
        paid_since = stamp(recent_since(self._company.clock.today())) if compare_paid else None
        summed = _SUMMED.setdefault(self._store, {})

        def read(tx: Tx) -> Payables:
            asked = (tx.bill_mirrors.get(self._ledger_id), as_of, vendor_id, paid_since)
            if asked in summed:
                return summed[asked].copy()
            found = Payables(as_of)
            rows = tx.bill_mirrors.by_vendor(self._ledger_id, vendor_id, paid_since)
            for _, theirs in groupby(rows, key=lambda row: row.vendor_id):
                _add(theirs, found)
            while len(summed) >= _SUMMED_MAX:
                summed.pop(next(iter(summed)), None)
            summed[asked] = found
            return found.copy()

        try:
            return await self._store.read(read)
        except (BadInput, ValueError):
            # Changed by hand, perhaps.
            raise StoreError("the store could not be read or written") from None

    async def bills_changed(self, bill_ids: Iterable[str]) -> None:
        """Reads bills again that somebody says have changed, as a webhook would; of very many the next call learns.

        One that is not found is left as it is: that it was deleted is only believed when Rutter lists its deletion.
        """
        mirror = await self._load()
        if mirror is None:
            return
        seen = self._nothing_seen()
        for bill_id in list(dict.fromkeys(bill_ids))[:_TOLD_IDS_MAX]:
            with suppress(NotFoundUpstream, NotSupportedHere):
                seen.add(await self._company.rutter.bills.get(bill_id))
        try:
            await self._store.write(lambda tx: self._put(tx, mirror, mirror, seen.bills))
        except Overtaken:
            # Whoever moved it on reads what has changed as well.
            return

    async def _current(self, until: float) -> Freshness:
        mirror = await self._load() or await self._begin()
        told, as_of = True, self._company.clock.now()
        while True:
            if mirror.leg is None and self._is_older(mirror, _READ_AGAIN if told else _READ_AGAIN_UNTOLD):
                mirror = await self._moved(mirror, self._read_anew(mirror))
            mirror = await self._read_on(mirror, until)
            if mirror.whole_at is None and mirror.leg != self._legs:
                bills = await self._store.read(lambda tx: tx.bill_mirrors.count(self._ledger_id))
                return Freshness(whole=False, as_of=as_of, bills=bills)
            as_of = self._company.clock.now()
            was, (mirror, told) = mirror, await self._follow(mirror)
            is_late = anyio.current_time() >= until
            is_old = mirror.leg is None and self._is_older(mirror, _READ_AGAIN if told else _READ_AGAIN_UNTOLD)
            if is_late or not (is_old or (mirror.leg == 0 and was.leg != 0 and mirror.whole_at is not None)):
                break
        read_at = unstamp(mirror.whole_at) if mirror.whole_at else as_of
        return Freshness(whole=True, as_of=as_of, read_at=read_at, told=told, paid_whole=mirror.paid_whole)

    async def _load(self) -> Mirror | None:
        """The copy as far as it has come; None where there is none, or where it is another connection's.

        Every connection has ids of its own for the same bills.
        """
        found = await self._store.read(lambda tx: tx.bill_mirrors.get(self._ledger_id))
        if found is None or found.connection_id != self._company.id:
            return None
        try:
            for text in filter(None, (found.newest, found.events_since, found.began_at, found.whole_at)):
                unstamp(text)
        except ValueError:
            return None
        return found

    async def _begin(self) -> Mirror:
        """A new copy, empty, that follows the changes from now on."""
        before = await self._store.read(lambda tx: tx.bill_mirrors.get(self._ledger_id))
        sort = descending("last_synced_at") if self._filters else None
        seen = self._nothing_seen()
        for bill in (await self._company.rutter.bills.list(sort=sort, limit=_LATEST_ASKED)).items:
            seen.add(bill)
        newest, newest_id = self._newest(seen.stamps, "", None)
        if not newest:
            raise NoCopy
        mirror = Mirror(
            ledger_id=self._ledger_id,
            connection_id=self._company.id,
            version=before.version + 1 if before else 1,
            reading=before.reading + 1 if before else 1,
            began_at=stamp(self._company.clock.now()),
            leg=0,
            cursor=None,
            pages=0,
            paid_whole=False,
            whole_at=None,
            newest=newest,
            newest_id=newest_id,
            events_since=newest,
        )
        return await self._store.write(lambda tx: tx.bill_mirrors.start(mirror, before))

    def _read_anew(self, mirror: Mirror) -> Mirror:
        """The copy about to read every unpaid bill again; meanwhile it is as whole as it was."""
        began_at = stamp(self._company.clock.now())
        return replace(mirror, reading=mirror.reading + 1, began_at=began_at, leg=0, cursor=None, pages=0)

    def _is_older(self, mirror: Mirror, age: timedelta) -> bool:
        if mirror.whole_at is None:
            return False
        return not timedelta(0) <= self._company.clock.now() - unstamp(mirror.whole_at) < age

    async def _moved(self, before: Mirror, after: Mirror) -> Mirror:
        return await self._store.write(lambda tx: tx.bill_mirrors.advance(before, after))

    async def _read_on(self, mirror: Mirror, until: float) -> Mirror:
        """Goes on with a reading of every unpaid bill until it ends or the time is up; a page at least."""
        while mirror.leg is not None and mirror.leg < self._legs:
            mirror = await self._read_page(mirror, mirror.leg)
            if anyio.current_time() >= until:
                break
        return mirror

    async def _read_page(self, mirror: Mirror, leg: int) -> Mirror:
        status = _STATUSES[leg] if self._filters else ""
        sort = ascending("last_synced_at") if self._filters else None
        chosen = self._of_status(status, mirror) if self._filters else None
        try:
            page = await self._company.rutter.bills.list(
                filter=chosen, sort=sort, cursor=mirror.cursor, limit=PAGE_OBJECTS_MAX
            )
        except BadRequest:
            if mirror.cursor is None:
                raise
            # The cursor is too old, perhaps: this part is read from its beginning.
            return await self._moved(mirror, replace(mirror, cursor=None, pages=0))
        cursor, pages = page.next_cursor or None, mirror.pages + 1
        if cursor is not None and cursor == mirror.cursor:
            raise UpstreamNonsense(
                "Rutter sent a cursor a second time; the walk would not end.", code="cursor_repeated"
            )
        if pages > _LEG_PAGES_MAX:
            raise WalkTooLong(f"There are more than {_LEG_PAGES_MAX} pages.")
        is_enough = status == "paid" and pages >= RECENT_PAGES_MAX
        if cursor is not None and not is_enough:
            after = replace(mirror, cursor=cursor, pages=pages)
        else:
            paid_whole = cursor is None if status == "paid" else mirror.paid_whole or not self._filters
            after = replace(mirror, leg=leg + 1, cursor=None, pages=0, paid_whole=paid_whole)
        seen = self._nothing_seen()
        for bill in page.items:
            seen.add(bill)
        return await self._store.write(lambda tx: self._put(tx, mirror, after, seen.bills))

    def _of_status(self, status: str, mirror: Mirror) -> Filter:
        chosen = equal("status", status)
        if status != "paid":
            return chosen
        # By the day on which the reading began, because a cursor belongs to one filter.
        return chosen & above("updated_at", recent_since(unstamp(mirror.began_at).date()))

    def _nothing_seen(self) -> _Seen:
        return _Seen(stamp(recent_since(self._company.clock.today())), self._filters)

    def _put(self, tx: Tx, before: Mirror, after: Mirror, seen: dict[str, MirroredBill | None]) -> Mirror:
        moved = tx.bill_mirrors.advance(before, after)
        bills = [bill for bill in seen.values() if bill is not None]
        # A page belongs to the reading that asked for it, which may have ended with it.
        tx.bill_mirrors.put(replace(moved, reading=before.reading), bills, [one for one in seen if seen[one] is None])
        return moved

    async def _follow(self, mirror: Mirror) -> tuple[Mirror, bool]:
        """The copy with what has changed and what was deleted, and whether Rutter tells of deletions."""
        seen, (events, told) = await both(lambda: self._changes(mirror), lambda: self._deletions(mirror))
        deleted = {event.object_id: stamp_of(event) for event in events if event.object_id}
        asked = seen.bills.keys() | deleted.keys()
        if mirror.newest_id is not None and mirror.newest_id not in asked:
            # What had the latest stamp has an earlier one now, or is gone and nobody said so.
            raise _Untrue
        stored = await self._store.read(lambda tx: tx.bill_mirrors.stored(self._ledger_id, asked))
        if any(known.last_synced_at > seen.stamps.get(one, "") != "" for one, known in stored.items()):
            raise _Untrue
        after = self._after(mirror, seen, events, deleted)
        for one, deleted_at in deleted.items():
            shown = max(seen.stamps.get(one, ""), stored[one].last_synced_at if one in stored else "")
            # A bill with a later stamp was brought back.
            if not deleted_at or deleted_at >= shown:
                seen.bills[one] = None
        news = {one: bill for one, bill in seen.bills.items() if bill != stored.get(one)}
        if news or after != mirror:
            mirror = await self._store.write(lambda tx: self._apply(tx, mirror, after, news))
        return mirror, told

    def _after(self, mirror: Mirror, seen: _Seen, events: list[Event], deleted: dict[str, str]) -> Mirror:
        """How far the copy has come with these changes."""
        newest, newest_id = self._newest(seen.stamps, mirror.newest, mirror.newest_id)
        if newest_id in deleted and newest_id not in seen.bills:
            newest_id = None
        told = {str(at): stamp_of(event) for at, event in enumerate(events)}
        events_since, _ = self._newest(told, mirror.events_since, None)
        after = replace(mirror, newest=newest, newest_id=newest_id, events_since=events_since)
        if mirror.leg == self._legs:
            after = replace(after, leg=None, whole_at=mirror.began_at)
        if self._company.is_incomplete:
            # More may be coming in than the stamps tell.
            return replace(self._read_anew(after), whole_at=None)
        if any(event.object_id is None and stamp_of(event) > mirror.events_since for event in events):
            # Which bill it was is not said: only what is read from now on does not show it.
            return self._read_anew(after)
        return after

    def _apply(self, tx: Tx, before: Mirror, after: Mirror, news: dict[str, MirroredBill | None]) -> Mirror:
        moved = self._put(tx, before, after, news)
        if before.leg == self._legs and after.whole_at == before.began_at:
            tx.bill_mirrors.sweep(before)
        return moved

    async def _changes(self, mirror: Mirror) -> _Seen:
        since = self._from(mirror.newest)
        bills = self._company.rutter.bills
        if self._filters:
            newer = above("last_synced_at", since)
            walk = bills.walk(filter=newer, sort=ascending("last_synced_at"), pages_max=_CHANGES_PAGES_MAX)
        else:
            walk = bills.walk(last_synced_at_min=since, pages_max=_CHANGES_PAGES_MAX)
        seen = self._nothing_seen()
        try:
            async for bill in walk:
                seen.add(bill)
        except WalkTooLong:
            raise _Untrue from None
        return seen

    async def _deletions(self, mirror: Mirror) -> tuple[list[Event], bool]:
        """The deletions of bills since the last one known, and whether there would be any."""
        walk = self._company.rutter.walk_events(
            resources=["BILL"], last_synced_at_min=self._from(mirror.events_since), pages_max=_CHANGES_PAGES_MAX
        )
        try:
            events = [event async for event in walk]
        except WalkTooLong:
            raise _Untrue from None
        except (NotSupportedHere, NotFoundUpstream, BadRequest):
            return [], False
        whose = [event for event in events if event.resource.upper() == "BILL"]
        # Of one without a stamp nobody can say whether it is new.
        is_clear = all(event.object_id or event.last_synced_at for event in whose)
        return whose, self._tells and is_clear

    def _from(self, known: str) -> datetime:
        """From which stamp on to ask: the latest once more, and for a while what came shortly before it."""
        newest, (least, _) = unstamp(known), self._their_time()
        is_settled = least is not None and least - newest > _SETTLED
        return newest - (timedelta(seconds=1) if is_settled else _OVERLAP)

    def _their_time(self) -> tuple[datetime | None, datetime | None]:
        """The earliest and the latest that it is by Rutter's time; None while that is not known."""
        now = datetime.now(UTC)
        apart = self._company.rutter.time.difference(now)
        if apart is None:
            return None, None
        return now - timedelta(seconds=apart.most), now - timedelta(seconds=apart.least)

    def _newest(self, stamps: Mapping[str, str], newest: str, newest_id: str | None) -> tuple[str, str | None]:
        """The latest stamp and what has it. One from the future would hide every change until then."""
        _, most = self._their_time()
        limit = stamp(most + _OVERLAP) if most is not None else "9"
        for one, shown in stamps.items():
            if shown and newest <= shown <= limit:
                newest, newest_id = shown, one
        return newest, newest_id


def recent_since(day: date) -> datetime:
    """From which change on a paid bill is compared with unpaid ones."""
    return datetime.combine(day - timedelta(days=RECENT_DAYS), time(), tzinfo=UTC)


def _add(rows: Iterable[MirroredBill], found: Payables) -> None:
    """Adds the bills of one vendor."""
    usable = []
    for row in rows:
        if row.trouble:
            bill = Bill(id=row.bill_id, document_number=row.number, currency_code="", status=row.status)
            found.set_aside(bill, LedgerDataError(row.trouble))
            continue
        if row.rounded:
            found.note_rounding(row.bill_id, row.rounded)
        usable.append(owed_of(row))
    found.add_vendor(usable)
