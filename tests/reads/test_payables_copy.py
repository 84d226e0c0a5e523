"""The copy of a large ledger's payables: it always says what reading every bill says, and costs what has changed."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.companies.company import CompanyIdentity
from rutter_ap_server.guard import guard as guard_room
from rutter_ap_server.reads import mirror
from rutter_ap_server.reads.mirror import BillMirror
from rutter_ap_server.rutter.models.bills import Bill
from rutter_ap_server.store.bill_mirror import mirrored_bills
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_tools.payables import SUMMARIZE_PAYABLES, PayablesSummary
from support.mirrored import Large, enter, figures, large, move_due_date, pay
from support.practice_company import NOON
from support.spoiled import spoil

pytestmark = pytest.mark.anyio
PLATFORMS = ("QUICKBOOKS", "XERO", "NETSUITE", "SAGE_INTACCT")
BILLS = "GET /versioned/accounting/bills"


def at(books: Large, **later: float) -> Large:
    """The same at a later time by our clock."""
    return replace(books, company=replace(books.company, clock=FixedClock(NOON + timedelta(**later))))


async def agrees(books: Large, **query: Any) -> PayablesSummary:
    """The summary, which must be that of all bills read anew."""
    found = await books.summary(**query)
    assert figures(found) == figures(await books.fresh(**query))
    return found


def counted(found: PayablesSummary) -> int:
    return sum(one.bills for one in found.currencies)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_copy_says_what_all_bills_say_and_how_old_it_is(platform: str, tmp_path: Path) -> None:
    async with large(tmp_path, platform) as books:
        found = await agrees(books)
        assert found.complete is True
        assert found.currencies
        said = "Summed from the copy kept here: with every change up to 2026-11-20 12:00 UTC; each unpaid bill was last"
        assert f"{said} read at or after 2026-11-20 12:00 UTC." in found.notes
        untold = [note for note in found.notes if note.startswith("Rutter does not say which bills")]
        assert bool(untold) is (platform == "SAGE_INTACCT")
        for vendor in {bill.vendor_id or "" for bill in await books.unpaid()}:
            await agrees(books, vendor=vendor)
        await agrees(books, as_of="2026-12-24", days=200, limit=2)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_call_after_which_nothing_changed_is_three_requests(platform: str, tmp_path: Path) -> None:
    async with large(tmp_path, platform) as books:
        await books.summary()
        before = await books.store.read(lambda tx: tx.bill_mirrors.get(books.company.id))
        books.wire._objects_max = 500
        books.wire.asked.clear()
        await books.summary()
        assert Counter(books.wire.asked) == {
            BILLS: 1,
            "GET /versioned/events": 1,
            "GET /versioned/accounting/bill_credit_memos": 1,
        }
        # Nor is anything written: other writers need not wait.
        assert await books.store.read(lambda tx: tx.bill_mirrors.get(books.company.id)) == before


async def test_a_small_ledger_is_read_directly_and_leaves_no_copy(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        books.wire._objects_max = 500
        found = await agrees(books)
        assert found.notes == []
        assert await books.store.read(lambda tx: tx.bill_mirrors.get(books.company.id)) is None


Step = tuple[str, int, int]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["pay_half", "pay_all", "void", "delete", "enter", "move", "draft", "spoil", "odd_status", "repair", "look"]
        ),
        st.integers(min_value=0, max_value=30),
        st.integers(min_value=1, max_value=5000),
    ),
    min_size=1,
    max_size=8,
)


@dataclass
class History:
    """What is done to the books, one step after the other."""

    books: Large
    payments: list[str] = field(default_factory=list)
    spoiled: dict[str, str] = field(default_factory=dict)

    async def step(self, what: str, which: int, cents: int) -> None:
        """One change; what a platform does not offer is refused, and changes nothing."""
        company, books = self.books.company, self.books
        bills = [b async for b in company.rutter.bills.walk()]
        unpaid = [b for b in bills if b.status in ("open", "partially_paid") and b.amount_due and not b.trouble]
        if not unpaid:
            return
        bill = unpaid[which % len(unpaid)]
        due = bill.amount_due or Decimal(0)
        if what == "pay_half":
            self.payments += await pay(company, bill, (due / 2).quantize(Decimal("0.01")) or due)
        elif what == "pay_all":
            self.payments += await pay(company, bill, due)
        elif what == "void" and self.payments and company.platform in ("QUICKBOOKS", "NETSUITE"):
            await company.rutter.bill_payments.void(self.payments.pop(), idempotency_key=f"void-{which}-{cents}")
        elif what == "delete":
            await company.rutter.bills.delete(bill.id)
        elif what == "enter":
            await enter(company, bill, Decimal(cents) / 100, f"NEW-{which}")
        elif what == "move":
            await move_due_date(company, bill, datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=which * 3))
        elif what in ("draft", "odd_status"):
            self._touch(bill, status="draft" if what == "draft" else "unknown")
        elif what == "spoil":
            self.spoiled[bill.id] = str(bill.total_amount)
            self._touch(bill, total_amount="json:1.235")
        elif what == "repair" and self.spoiled:
            bill_id, total = self.spoiled.popitem()
            found = next((b for b in bills if b.id == bill_id), None)
            if found is not None:
                self._touch(found, total_amount=f"json:{total}")
        elif what == "look":
            await books.summary()

    def _touch(self, bill: Bill, **changes: Any) -> None:
        """Changes what Rutter shows of a bill, as of a moment after every other."""
        with self.books.sandbox._database.writing() as tx:
            now = tx.now
        spoil(self.books.sandbox, bill.id, updated_at=now, last_synced_at=now, **changes)
        self.books.sql("UPDATE objects SET updated_at = ?, last_synced_at = ? WHERE id = ?", now, now, bill.id)
        if "status" in changes:
            self.books.sql("UPDATE objects SET status = ? WHERE id = ?", changes["status"], bill.id)


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "NETSUITE", "XERO", "SAGE_INTACCT"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STEPS)
def test_whatever_happens_a_copy_says_what_all_bills_say(platform: str, tmp_path: Path, steps: list[Step]) -> None:
    async def run(folder: Path) -> None:
        async with large(folder, platform) as books:
            await books.summary()
            # The copy stays in use once it is there.
            books.wire._objects_max = 500
            history = History(books)
            for step in steps:
                await history.step(*step)
            await agrees(books)

    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        anyio.run(run, Path(folder))


async def test_a_filling_in_pieces_says_so_until_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_READING_SECONDS", 0)
    async with large(tmp_path) as books:
        seen = []
        for _ in range(60):
            found = await books.summary()
            seen.append(counted(found))
            if found.complete:
                break
            assert "INCOMPLETE: the figures below are too low." in SUMMARIZE_PAYABLES.render(found)
            (note,) = [note for note in found.notes if "call again to go on" in note]
            assert note.startswith(f"{seen[-1]} unpaid bills were read so far")
        assert len(seen) > 5
        assert seen == sorted(seen)
        assert figures(found) == figures(await books.fresh())


async def test_one_vendor_need_not_wait_for_the_filling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_READING_SECONDS", 0)
    async with large(tmp_path) as books:
        assert not (await books.summary()).complete
        for bill in await books.unpaid():
            assert (await agrees(books, vendor=bill.vendor_id)).complete


class Cut(BaseException):
    """The power goes."""


class FailingStore(Store):
    """A store whose writer dies at its nth transaction, before or after it is durable."""

    left: int = 0
    after: bool = False

    async def write(self, work: Callable[[Tx], Any]) -> Any:
        """Writes until the power goes."""
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Cut
        done = await super().write(work)
        if self.left == 0:
            raise Cut
        return done


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("platform", ["QUICKBOOKS", "SAGE_INTACCT"])
async def test_a_power_cut_at_any_write_never_passes_for_whole(platform: str, after: bool, tmp_path: Path) -> None:
    async with large(tmp_path, platform) as books:
        expected = figures(await books.fresh())
        cuts = 0
        for nth in range(1, 60):
            home = tmp_path / f"cut-{nth}"
            home.mkdir()
            url = f"sqlite:///{shutil.copy(tmp_path / books.store_file, home / 'ap.db')}"
            failing = FailingStore(url, books.company.clock)
            failing.left, failing.after = nth, after
            try:
                await replace(books, store=failing).summary()
            except BaseExceptionGroup:
                cuts += 1
            finally:
                failing.close()
            again = Store(url, books.company.clock)
            before = await again.read(lambda tx: tx.bill_mirrors.get(books.company.id))
            found = await replace(books, store=again).summary()
            again.close()
            assert found.complete
            assert figures(found) == expected
            if failing.left > 0:
                break
            assert after or before is None or before.whole_at is None
        assert cuts >= 5


async def test_a_call_cut_at_any_request_leaves_a_copy_that_goes_on(tmp_path: Path) -> None:
    class Cable(httpx.AsyncBaseTransport):
        left = 0

        def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
            self.inner = inner

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            Cable.left -= 1
            if Cable.left == 0:
                raise Cut
            return await self.inner.handle_async_request(request)

    async with large(tmp_path, over=Cable) as books:
        expected = figures(await books.fresh())
        for nth in range(1, 60):
            Cable.left = nth
            try:
                found = await books.summary()
                break
            except BaseExceptionGroup:
                # Cut in one of two requests at once.
                pass
            Cable.left = 0
            assert figures(await books.summary()) == expected
            await books.store.write(_emptied)
        assert nth > 10
        assert figures(found) == expected


def _emptied(tx: Tx) -> None:
    connection: Any = tx.bill_mirrors._connection
    connection.exec_driver_sql("DELETE FROM bill_mirrors")
    connection.exec_driver_sql("DELETE FROM mirrored_bills")


async def test_a_deletion_nobody_told_of_is_found_within_a_day(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        whole = await books.summary()
        gone = (await books.unpaid())[0]
        books.sql("DELETE FROM objects WHERE id = ?", gone.id)
        assert counted(await at(books, hours=23).summary()) == counted(whole)
        later = at(books, hours=25)
        found = await later.summary()
        assert counted(found) == counted(whole) - 1
        assert figures(found) == figures(await later.fresh())


async def test_a_daily_reading_in_pieces_leaves_the_copy_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with large(tmp_path) as books:
        await books.summary()
        monkeypatch.setattr(mirror, "_READING_SECONDS", 0)
        later = at(books, hours=25)
        gone, paid = (await books.unpaid())[:2]
        books.sql("DELETE FROM objects WHERE id = ?", gone.id)
        seen = []
        for number in range(40):
            found = await later.summary()
            assert found.complete
            seen.append(counted(found))
            if number == 3:
                await pay(later.company, paid, paid.amount_due or Decimal(0))
        assert seen[0] == seen[-1] + 2
        assert figures(found) == figures(await later.fresh())


@pytest.mark.parametrize("platform", ["QUICKBOOKS", "SAGE_INTACCT"])
async def test_stamps_that_go_back_begin_the_copy_anew(platform: str, tmp_path: Path) -> None:
    async with large(tmp_path, platform) as books:
        await books.summary()
        bill = (await books.unpaid())[0]
        # Restored from a backup: what was paid is open again, with the stamps of then.
        old = "2026-08-01T00:00:00.000Z"
        for one in [b async for b in books.company.rutter.bills.walk()]:
            spoil(books.sandbox, one.id, last_synced_at=old)
        books.sql("UPDATE objects SET last_synced_at = ?", old)
        spoil(books.sandbox, bill.id, total_amount="json:77.00", amount_due="json:77.00")
        found = await agrees(books)
        assert found.complete


async def test_one_bill_with_an_earlier_stamp_begins_the_copy_anew(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        await enter(books.company, (await books.unpaid())[0], Decimal(5), "LAST")
        await books.summary()
        newest = max([b async for b in books.company.rutter.bills.walk()], key=lambda b: b.last_synced_at or NOON)
        assert newest.last_synced_at
        earlier = f"{newest.last_synced_at - timedelta(seconds=2):%Y-%m-%dT%H:%M:%S}.000Z"
        spoil(books.sandbox, newest.id, last_synced_at=earlier, amount_due="json:3.00")
        books.sql("UPDATE objects SET last_synced_at = ? WHERE id = ?", earlier, newest.id)
        await agrees(books)


async def test_without_deletion_events_it_is_said_and_read_again(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        books.wire.missing = {"events"}
        found = await agrees(books)
        untold = (
            "Rutter does not say which bills of this company are deleted: one deleted since then may still be counted."
        )
        assert found.notes[-1] == untold
        gone = (await books.unpaid())[0]
        books.sql("DELETE FROM objects WHERE id = ?", gone.id)
        assert figures(await at(books, hours=5).summary()) == figures(found)
        later = at(books, hours=7)
        assert figures(await later.summary()) == figures(await later.fresh()) != figures(found)


async def test_a_deletion_that_names_no_bill_has_all_read_again(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        await books.summary()
        books.wire.replaced = {b'"data":{"id"': b'"data":{"of"'}
        await books.company.rutter.bills.delete((await books.unpaid())[0].id)
        await agrees(books)
        books.wire.asked.clear()
        await agrees(books)
        assert books.wire.asked[:3].count(BILLS) == 1


async def test_another_connection_to_the_ledger_begins_anew(tmp_path: Path) -> None:
    async with large(tmp_path) as books, large(tmp_path, "NETSUITE") as other:
        await books.summary()
        same_ledger = replace(other.company.identity, ledger_id=books.company.id)
        moved = replace(other, company=replace(other.company, identity=same_ledger), store=books.store)
        found = await agrees(moved)
        assert found.complete
        ids = {bill.id for bill in await other.unpaid()}
        assert await books.store.read(_kept_unpaid) == ids


async def test_a_connection_that_leads_elsewhere_drops_its_copy(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        await books.summary()
        elsewhere = replace(books.company, identity=replace(books.company.identity, ledger_id="another"))
        await agrees(replace(books, company=elsewhere))
        assert await books.store.read(lambda tx: tx.bill_mirrors.get(books.company.id)) is None
        assert await books.store.read(lambda tx: tx.bill_mirrors.count(books.company.id)) == 0


async def test_two_ledgers_in_one_store_stay_apart(tmp_path: Path) -> None:
    async with large(tmp_path) as books, large(tmp_path, "NETSUITE") as other:
        beside = replace(other, store=books.store)
        for one in (books, beside, books):
            await agrees(one)
        await books.company.rutter.bills.delete((await books.unpaid())[0].id)
        await agrees(beside)
        await agrees(books)


def _kept_unpaid(tx: Tx) -> set[str]:
    connection: Any = tx.bill_mirrors._connection
    rows = connection.execute(mirrored_bills.select().where(mirrored_bills.c.status != "paid"))
    return {row.bill_id for row in rows}


async def test_two_calls_at_once_fill_one_copy(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        found: list[PayablesSummary] = []

        async def call() -> None:
            found.append(await books.summary())

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(call)
        expected = figures(await books.fresh())
        assert [figures(one) for one in found] == [expected] * 3


async def test_an_unusable_bill_of_the_copy_is_named_as_always(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        bill = (await books.unpaid())[0]
        spoil(books.sandbox, bill.id, total_amount="json:1.235")
        for _ in range(2):
            found = await agrees(books)
            assert found.complete is False
            named = [note for note in found.notes if note.startswith(f"Bill {bill.id} (")]
            assert ["was left out: the ledger's total of 1.235 is not valid" in note for note in named] == [True]


async def test_amounts_a_platform_computed_in_floats_are_said(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        bill = (await books.unpaid())[0]
        spoil(books.sandbox, bill.id, amount_due=f"json:{bill.amount_due}000000001")
        found = await agrees(books)
        assert any("000000001 read as" in note for note in found.notes)
        assert figures(await books.summary()) == figures(found)


async def test_during_a_first_sync_no_copy_passes_for_whole(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        books.company.rutter.first_sync.is_bypassed = True
        await books.summary()
        # As if a read of this call had been refused and forced.
        books.company.rutter.first_sync.reads += 1
        found = await books.summary()
        assert found.company.note is not None
        state = await books.store.read(lambda tx: tx.bill_mirrors.get(books.company.id))
        assert state is not None
        assert state.whole_at is None


async def test_a_cursor_that_is_refused_starts_that_part_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_READING_SECONDS", 0)
    async with large(tmp_path) as books:
        await books.summary()
        state = await books.store.read(lambda tx: tx.bill_mirrors.get(books.company.id))
        assert state is not None
        await books.store.write(lambda tx: tx.bill_mirrors.advance(state, replace(state, cursor="too old")))
        monkeypatch.setattr(mirror, "_READING_SECONDS", 60)
        assert (await agrees(books)).complete


async def test_bills_that_somebody_says_have_changed_are_read(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        await books.summary()
        paid, gone, new = (await books.unpaid())[:3]
        await pay(books.company, paid, paid.amount_due or Decimal(0))
        await books.company.rutter.bills.delete(gone.id)
        copy = BillMirror(books.store, books.company)
        await copy.bills_changed([paid.id, gone.id, new.id, paid.id])
        kept = await books.store.read(_kept_unpaid)
        assert paid.id not in kept
        # Only a deletion that Rutter lists is believed.
        assert gone.id in kept
        await agrees(books)


async def test_a_copy_edited_by_hand_is_not_summed(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        await books.summary()

        def edit(tx: Tx) -> None:
            connection: Any = tx.bill_mirrors._connection
            connection.exec_driver_sql("UPDATE mirrored_bills SET due = 'a lot'")

        await books.store.write(edit)
        assert figures(await books.summary()) == figures(await books.fresh())


def test_nothing_that_judges_a_write_reads_the_copy() -> None:
    guard = Path(guard_room.__file__).parent
    modules = [path for path in guard.parent.rglob("*.py") if path.is_relative_to(guard)]
    assert len(modules) > 50
    named = {path.name for path in modules if "mirror" in path.read_text(encoding="utf-8")}
    assert named == set()


async def test_without_its_ledger_known_a_company_is_read_directly(tmp_path: Path) -> None:
    async with large(tmp_path) as books:
        identity = CompanyIdentity(books.company.id, "x", "QUICKBOOKS", "embedded", ledger_id="")
        nobody = replace(books, company=replace(books.company, identity=identity))
        assert figures(await nobody.summary()) == figures(await nobody.fresh())
