"""A platform that refuses what it has booked, before a ledger that lags: what is booked counts, and is paid once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from rutter_ap_server.guard.own_writes import LAG_MAX
from rutter_ap_tools.credits import ApplyCredit
from rutter_ap_tools.errors import Refused
from rutter_ap_tools.records import CREATED_KINDS, CreateRecord, RecordKind
from rutter_ap_tools.vendors import SaveVendor
from rutter_ap_tools.wire import WriteArguments
from support.bench import Bench, a_bench, codes
from support.lagging import photographed, up_to_date

ALLOW = '[tools]\npay_bill = "allow"\n'


async def refused_and_unseen(bench: Bench) -> str:
    """A payment that the platform refused and booked; the ledger did not show it while it was looked for."""
    bill = await bench.bill("NW-2291")
    bench.wire.faults, bench.wire.read_faults = ["turned down after"], {f"/bills/{bill.id}": "stale_read"}
    with pytest.raises(Refused, match="rejected"):
        await bench.pay("NW-2291", "100.00")
    (failed,) = [one for one in await bench.proposals() if one.state == "failed"]
    # It may be booked, and counts until the ledger would show it.
    assert await bench.spent() == "100.00"
    return failed.id


async def test_what_was_refused_and_is_booked_counts_once_it_shows(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal_id = await refused_and_unseen(bench)
        bench.wire.read_faults = {}
        await bench.app.recover()

        found = await bench.proposal(proposal_id)
        assert (found.state, codes(found)[0], await bench.spent()) == ("posted", "ledger.booked_after_all", "100.00")


async def test_paying_again_before_it_shows_needs_a_person(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        await refused_and_unseen(bench)

        again = await bench.pay("NW-2291", "200.00")
        assert (again.status, "payment.doubted" in codes(again)) == ("held", True)


async def test_paying_again_once_it_shows_is_a_repeat(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        proposal_id = await refused_and_unseen(bench)
        bench.wire.read_faults = {}

        again = await bench.pay("NW-2291", "200.00")
        assert (again.status, "payment.repeat" in codes(again)) == ("held", True)
        assert (await bench.proposal(proposal_id)).state == "posted"
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


async def test_a_plain_refusal_is_forgotten_after_the_lag(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["turned down"]
        with pytest.raises(Refused, match="rejected"):
            await bench.pay("NW-2291", "100.00")
        assert "payment.doubted" in codes(await bench.pay("NW-2291", "90.00"))

        bench.clock.instant += LAG_MAX + timedelta(seconds=1)
        await bench.app.recover()
        assert await bench.spent() == "0.00"
        assert (await bench.pay("NW-2291", "90.00")).status == "posted"


def refuses_until_synced(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """What Rutter answers before the first sync has finished."""
    if request.url.params.get("force_fetch") == "true":
        return response
    refusal = {"error_type": "CONNECTION_ERROR", "error_code": "PRODUCT_NOT_READY", "error_message": "syncing"}
    return httpx.Response(400, json=refusal, request=request)


async def test_a_refusal_is_not_forgotten_while_the_first_sync_runs(home: Path) -> None:
    """What is not in the ledger then may only not have come in yet."""
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["turned down"]
        with pytest.raises(Refused, match="rejected"):
            await bench.pay("NW-2291", "100.00")
        bench.clock.instant += LAG_MAX + timedelta(seconds=1)
        bench.company.rutter.first_sync.is_bypassed, bench.wire.answers = True, refuses_until_synced
        await bench.app.recover()
        assert await bench.spent() == "100.00"


async def during_the_first_sync(bench: Bench) -> str | None:
    """A payment of 100.00 that is held there, whatever the policy allows."""
    await bench.approver("Ana")
    bench.company.rutter.first_sync.is_bypassed, bench.wire.answers = True, refuses_until_synced
    held = await bench.pay("NW-2291", "100.00")
    assert (held.status, "ledger.incomplete" in codes(held)) == ("held", True)
    return held.proposal_id


async def test_nothing_is_sent_again_while_the_first_sync_runs(home: Path) -> None:
    """A payment that somebody entered in the meantime may only not have come in yet."""
    async with a_bench(home, ALLOW) as bench:
        bill = await bench.bill("NW-2291")
        held = await during_the_first_sync(bench)
        bench.wire.faults = ["lost before"]
        lost = await bench.approve(held)
        await bench.pay_by_hand("NW-2291", "100.00")
        bench.wire.read_faults = {f"/bills/{bill.id}": "stale_read"}
        await bench.app.recover()

        assert ((await bench.proposal(lost.id)).state, len(bench.wire.payments_sent)) == ("unknown", 1)
        attempt = await bench.app.store.read(lambda tx: tx.attempts.last(lost.id))
        assert attempt is not None
        assert "first sync" in (attempt.reason or "")
        bench.wire.read_faults = {}
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


@pytest.mark.parametrize(("is_synced", "spent"), [(True, "0.00"), (False, "100.00")])
async def test_a_failed_job_frees_nothing_while_the_first_sync_runs(home: Path, is_synced: bool, spent: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        held = await during_the_first_sync(bench)
        if is_synced:
            bench.wire.answers, bench.company = lambda _, response: response, replace(bench.company)
        bench.wire.write_fault = "job_fails"
        assert (await bench.approve(held)).state == "failed"
        assert await bench.spent() == spent


ANY = f"[records]\nmay_create = {list(CREATED_KINDS)}\n" + (
    '[tools]\ncreate_record = "allow"\nsave_vendor = "allow"\n[rules.severity]\n"platform.undocumented" = "off"\n'
)


@pytest.mark.parametrize(
    ("wanted", "lists"),
    [
        *(
            (CreateRecord.model_validate({"kind": kind, "name": "Brand New"}), RecordKind(kind).plural)
            for kind in CREATED_KINDS
        ),
        (SaveVendor(name="Brand New", currency="USD"), "vendors"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_what_was_refused_is_not_added_again_unasked(home: Path, wanted: WriteArguments, lists: str) -> None:
    """The platform refused it, and created it all the same; its list lags, and a new key would create another one."""
    async with a_bench(home, ANY) as bench:
        start = await photographed(bench, f"/{lists}")
        await bench.submit(wanted.model_copy(update={"dry_run": True}))
        start()
        bench.wire.faults = ["turned down after"]
        with pytest.raises(Refused, match="rejected"):
            await bench.submit(wanted)

        again = await bench.submit(wanted)
        assert (again.status, codes(again)) == ("held", ["write.repeat"])
        assert len(bench.wire.writes) == 1
        up_to_date(bench)
        with pytest.raises(Refused):
            await bench.submit(wanted)


async def test_a_credit_that_was_refused_is_not_applied_again_unasked(home: Path) -> None:
    async with a_bench(home, '[tools]\napply_credit = "allow"\n') as bench:
        bill = await bench.bill("INV-1051")
        memos = [one async for one in bench.company.rutter.bill_credit_memos.walk()]
        credit = next(one for one in memos if one.document_number == "CM-0117")
        wanted = ApplyCredit(credit_id=credit.id, bill_id=bill.id, amount="40.00")
        start = await photographed(bench, f"/bills/{bill.id}", f"/bill_credit_memos/{credit.id}")
        await bench.submit(wanted.model_copy(update={"dry_run": True}))
        start()
        bench.wire.faults = ["turned down after"]
        with pytest.raises(Refused, match="rejected"):
            await bench.submit(wanted)

        again = await bench.submit(wanted)
        assert (again.status, "write.repeat" in codes(again)) == ("held", True)
        up_to_date(bench)
        assert sum(one.allocated_amount for one in (await bench.bill("INV-1051")).linked_credit_memos) == Decimal(40)
