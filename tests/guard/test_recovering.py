"""Whatever is lost on the way, a payment is made once, counts until it is known not to be, and is found again."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import httpx
import pytest

from rutter_ap_server.guard.approvals import NotReleased
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.authorize import KEY_KEPT_SURELY
from rutter_ap_server.guard.lease import LEASE_SECONDS
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.accounts import LinkAccount, NewAccount
from rutter_ap_tools.attachments import AttachFile
from rutter_ap_tools.bills import CreateBill, NewBillLine
from rutter_ap_tools.credits import ApplyCredit
from rutter_ap_tools.errors import ApError, Refused
from rutter_ap_tools.proposals import GetProposal
from support.bench import PASSCODE, Bench, PowerCut, a_bench, codes
from support.pdfs import invoice
from support.people import accepts
from support.refusals import refused_for

ALLOW = '[tools]\npay_bill = "allow"\n'
CARRIED_OUT = ["lost after", "cut off after", "unreadable after"]


@pytest.mark.parametrize("fault", CARRIED_OUT)
async def test_a_lost_reply_is_found_and_the_payment_made_once(home: Path, fault: str) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = [fault]
        result = await bench.pay("NW-2291", "100.00")

        assert result.status == "unknown"
        assert "Do not send it again" in result.next_step
        assert await bench.spent() == "100.00"
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        again = await bench.pay("NW-2291", "100.00")
        assert (again.status, again.proposal_id) == ("unknown", result.proposal_id)

        await bench.app.recover()
        found = await bench.proposal(result.proposal_id)
        assert (found.state, found.record is not None) == ("posted", True)
        assert bench.wire.payments_sent == [result.proposal_id]
        assert await bench.spent() == "100.00"
        await bench.app.recover()
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


async def test_a_lost_request_is_sent_once_more_under_its_key(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        result = await bench.pay("NW-2291", "100.00")
        assert (result.status, await bench.paid("NW-2291"), await bench.spent()) == ("unknown", [], "100.00")

        await bench.app.recover()

        assert (await bench.proposal(result.proposal_id)).state == "posted"
        assert bench.wire.payments_sent == [result.proposal_id] * 2
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        assert await bench.spent() == "100.00"


async def test_server_errors_are_retried_under_one_key_and_paid_once(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["error after"]
        result = await bench.pay("NW-2291", "100.00")

        assert result.status == "posted"
        assert set(bench.wire.payments_sent) == {result.proposal_id}
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


async def test_asking_for_a_proposal_finds_out_what_became_of_it(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost after"]
        result = await bench.pay("NW-2291", "100.00")
        answer = await bench.backend().read(GetProposal(proposal_id=result.proposal_id or ""))

        assert (answer.proposal.state, answer.next_step) == ("posted", "Done: the ledger shows it.")


async def test_asking_while_rutter_is_out_of_reach_says_what_is_known(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost after"]
        result = await bench.pay("NW-2291", "100.00")
        bench.wire.is_down = True
        answer = await bench.backend().read(GetProposal(proposal_id=result.proposal_id or ""))

        assert (answer.proposal.state, await bench.spent()) == ("unknown", "100.00")


async def test_an_unknown_payment_blocks_others_of_its_bill(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        await bench.pay("NW-2291", "100.00")

        with pytest.raises(Refused) as refused:
            await bench.pay("NW-2291", "50.00")
        assert refused.value.findings[0].code == "bill.in_flight"
        assert len(bench.wire.payments_sent) == 1


async def test_a_payment_entered_by_hand_is_taken_for_ours(home: Path) -> None:
    """It was entered while the outcome of ours was unknown, and ours is not sent again."""
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        result = await bench.pay("NW-2291", "100.00")
        by_hand = await bench.pay_by_hand("NW-2291", "100.00")

        await bench.app.recover()
        found = await bench.proposal(result.proposal_id)
        assert (found.state, (found.record or {})["id"]) == ("posted", by_hand)
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        assert len(bench.wire.payments_sent) == 1


async def test_a_payment_that_was_there_before_is_never_taken_for_ours(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        by_hand = await bench.pay_by_hand("NW-2291", "100.00")
        bench.policy("")
        await bench.approver("Ana")
        result = await bench.pay("NW-2291", "100.00")
        bench.wire.faults = ["lost before"]
        assert (await bench.approve(result.proposal_id)).state == "unknown"

        await bench.app.recover()
        found = await bench.proposal(result.proposal_id)
        assert (found.state, (found.record or {})["id"] == by_hand) == ("posted", False)
        assert await bench.paid("NW-2291") == [Decimal("100.00")] * 2


async def test_a_bill_changed_meanwhile_leaves_the_outcome_to_a_person(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        result = await bench.pay("NW-2291", "100.00")
        await bench.pay_by_hand("NW-2291", "50.00")
        await bench.approver("Ana")
        for _ in range(3):
            await bench.app.recover()
        assert (await bench.proposal(result.proposal_id)).state == "unknown"
        assert (len(bench.wire.payments_sent), await bench.spent()) == (1, "100.00")

        async def resolve(outcome: str) -> str:
            resolved = await bench.app.approvals.settle_by_hand(
                result.proposal_id or "",
                outcome,
                by=Proof("Ana", PASSCODE),
                channel="terminal",
                company=bench.company,
            )
            return resolved.state

        with pytest.raises(NotReleased, match="does not show it"):
            await resolve("posted")
        assert await resolve("failed") == "failed"
        assert await bench.spent() == "0.00"
        with refused_for("approval.not_waiting"):
            await resolve("failed")
        assert await bench.paid("NW-2291") == [Decimal("50.00")]


async def test_two_payments_that_could_be_ours_are_left_to_a_person(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost after"]
        result = await bench.pay("NW-2291", "100.00")
        await bench.pay_by_hand("NW-2291", "100.00")

        await bench.app.recover()
        assert (await bench.proposal(result.proposal_id)).state == "unknown"
        assert len(bench.wire.payments_sent) == 1


async def test_a_key_that_rutter_may_have_forgotten_is_not_used_again(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before"]
        result = await bench.pay("NW-2291", "100.00")
        bench.clock.instant += KEY_KEPT_SURELY

        await bench.app.recover()
        assert (await bench.proposal(result.proposal_id)).state == "unknown"
        assert len(bench.wire.payments_sent) == 1


async def test_a_freeze_lets_recovery_look_but_not_send(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before", "lost after"]
        unsent = await bench.pay("NW-2291", "100.00")
        sent = await bench.pay("BH-5520", "49.00")
        await bench.app.store.write(lambda tx: tx.controls.freeze("Ana"))
        await bench.app.recover()

        assert (await bench.proposal(unsent.proposal_id)).state == "unknown"
        assert (await bench.proposal(sent.proposal_id)).state == "posted"
        assert len(bench.wire.payments_sent) == 2


async def test_a_loss_while_recovering_stays_unknown_and_pays_once(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = ["lost before", "lost before", "lost after"]
        result = await bench.pay("NW-2291", "100.00")
        states = []
        for _ in range(4):
            await bench.app.recover()
            states.append((await bench.proposal(result.proposal_id)).state)

        assert states == ["unknown", "unknown", "posted", "posted"]
        assert bench.wire.payments_sent == [result.proposal_id] * 3
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


async def test_a_process_ended_before_its_attempt_sent_nothing(
    home: Path,
) -> None:
    """It ended between its claim and its attempt; another process pays."""
    async with a_bench(home) as bench:

        async def ends() -> None:
            bench.wire.is_down = True

        with refused_for("rutter_unavailable"):
            await bench.pay("NW-2291", "100.00", accepts(ends))
        bench.wire.is_down = False
        [released] = await bench.proposals()
        assert await bench.app.store.write(lambda tx: tx.proposals.claim(released.id, "a process that is gone", 120))

        other = bench.another()
        await other.app.recover()
        assert (await bench.proposal(released.id)).state == "dispatching"
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
        await other.app.recover()
        assert (await bench.proposal(released.id)).state == "released"
        await other.app.recover()
        assert (await bench.proposal(released.id)).state == "posted"
        assert (bench.wire.payments_sent, other.wire.payments_sent) == ([], [released.id])
        await other.app.aclose()


@pytest.mark.parametrize(("cut", "sent_again"), [("power cut before", 1), ("power cut after", 0)])
async def test_a_process_ended_while_sending_leaves_a_trace_to_follow(home: Path, cut: str, sent_again: int) -> None:
    async with a_bench(home, ALLOW) as bench:
        bench.wire.faults = [cut]
        with pytest.raises(PowerCut):
            await bench.pay("NW-2291", "100.00")
        [open_one] = await bench.proposals()
        assert (open_one.state, await bench.spent()) == ("dispatching", "100.00")

        other = bench.another()
        await other.app.recover()
        assert (await bench.proposal(open_one.id)).state == "dispatching"
        bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
        await other.app.recover()
        assert (await bench.proposal(open_one.id)).state == "posted"
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        assert other.wire.payments_sent == [open_one.id] * sent_again
        await other.app.aclose()


async def test_a_process_whose_claim_was_taken_over_sends_nothing(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        other = bench.another()
        slow = bench.wire.gate(lambda request: "/accounts/" in request.url.path)
        results: list[str] = []

        async def pay() -> None:
            results.append((await bench.pay("NW-2291", "100.00")).status)

        # The first reading is what it is prepared and judged by, the second the one before sending.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pay)
            await slow.reached.wait()
            after = bench.wire.gate(lambda request: "/accounts/" in request.url.path)
            slow.go.set()
            slow = after
            await slow.reached.wait()
            [claimed] = await bench.proposals()
            assert claimed.state == "dispatching"
            bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
            await other.app.recover()
            # The other one has taken it over and is just sending it when the slow one comes to the same place.
            leaving = other.wire.gate(lambda request: request.method == "POST")
            tasks.start_soon(other.app.recover)
            await leaving.reached.wait()
            slow.go.set()
            with anyio.fail_after(20):
                while not results:
                    await anyio.lowlevel.checkpoint()
            assert (await bench.proposal(claimed.id)).state == "dispatching"
            leaving.go.set()

        assert results == ["unknown"]
        assert (await bench.proposal(claimed.id)).state == "posted"
        assert (bench.wire.payments_sent, other.wire.payments_sent) == ([], [claimed.id])
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        await other.app.aclose()


async def test_a_request_that_outlasts_its_lease_still_pays_once(home: Path) -> None:
    """The slow request and the one sent in its place make one payment."""
    async with a_bench(home, ALLOW) as bench:
        other = bench.another()
        leaving = bench.wire.gate(lambda request: request.method == "POST")
        results: list[str] = []

        async def pay() -> None:
            results.append((await bench.pay("NW-2291", "100.00")).status)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pay)
            await leaving.reached.wait()
            bench.clock.instant += timedelta(seconds=LEASE_SECONDS + 1)
            await other.app.recover()
            leaving.go.set()

        [posted] = await bench.proposals()
        assert (posted.state, results) == ("posted", ["posted"])
        assert (bench.wire.payments_sent, other.wire.payments_sent) == ([posted.id], [posted.id])
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        assert await bench.spent() == "100.00"
        await other.app.aclose()


async def test_many_processes_that_recover_at_once_send_one_payment(home: Path) -> None:
    async with a_bench(home) as bench:

        async def ends() -> None:
            bench.wire.is_down = True

        with refused_for("rutter_unavailable"):
            await bench.pay("NW-2291", "100.00", accepts(ends))
        others = [bench.another() for _ in range(4)]
        async with anyio.create_task_group() as tasks:
            for other in others:
                tasks.start_soon(other.app.recover)
        assert sum(len(other.wire.payments_sent) for other in others) == 1
        assert await others[0].paid("NW-2291") == [Decimal("100.00")]
        for other in others:
            await other.app.aclose()


async def test_a_cancelled_call_still_records_its_payment(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        leaving = bench.wire.gate(lambda request: request.method == "POST")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.pay, "NW-2291", "100.00")
            await leaving.reached.wait()
            tasks.cancel_scope.cancel()
            leaving.go.set()

        [posted] = await bench.proposals()
        assert posted.state == "posted"
        assert await bench.paid("NW-2291") == [Decimal("100.00")]
        await bench.app.dispatcher.idle()


async def test_a_credit_lost_on_the_way_back_is_found_on_its_bill(home: Path) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("INV-1051")
        [credit] = [c async for c in bench.company.rutter.bill_credit_memos.walk() if c.document_number == "CM-0117"]
        bench.wire.faults = ["lost after"]
        intent = ApplyCredit(credit_id=credit.id, bill_id=bill.id)
        result = await bench.submit(intent)
        assert (result.status, (await bench.bill("INV-1051")).amount_due) == ("unknown", Decimal("125.00"))

        await bench.app.recover()
        assert (await bench.proposal(result.proposal_id)).state == "posted"
        assert (await bench.bill("INV-1051")).amount_due == Decimal("125.00")
        assert len(bench.wire.writes) == 1
        with pytest.raises(Refused) as refused:
            await bench.submit(intent.model_copy(update={"amount": "1.00"}))
        assert "credit.over_remaining" in [f.code for f in refused.value.findings]


@pytest.mark.parametrize("fault", ["lost after", "lost before"])
async def test_a_bill_whose_entry_was_lost_is_entered_once(home: Path, fault: str) -> None:
    async with a_bench(home) as bench:
        intent = CreateBill(
            vendor="Acme Office Supply",
            issue_date="2026-03-01",
            currency="USD",
            document_number="INV-2001",
            lines=[NewBillLine(amount="80.07", account="Office Supplies")],
        )
        bench.wire.faults = [fault]
        result = await bench.submit(intent)
        assert result.status == "unknown"

        await bench.app.recover()
        assert (await bench.proposal(result.proposal_id)).state == "posted"
        assert (await bench.bill("INV-2001")).total_amount == Decimal("80.07")
        with pytest.raises(Refused) as refused:
            await bench.submit(intent.model_copy(update={"document_number": "inv 2001", "memo": "again"}))
        assert refused.value.findings[0].code == "bill.duplicate"


async def test_one_bill_entered_twice_at_once_is_entered_once(home: Path) -> None:
    async with a_bench(home) as bench:
        intent = CreateBill(
            vendor="Acme Office Supply",
            issue_date="2026-03-01",
            currency="USD",
            document_number="INV-2001",
            lines=[NewBillLine(amount="80.07", account="Office Supplies")],
        )

        async def enter(memo: str) -> None:
            with suppress(Refused):
                await bench.submit(intent.model_copy(update={"memo": memo}))

        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(enter, f"memo {number}")
        await bench.app.recover()
        assert (await bench.bill("INV-2001")).total_amount == Decimal("80.07")
        assert [path for path, _ in bench.wire.writes] == ["/versioned/accounting/bills"]


async def test_a_new_account_lost_on_the_way_back_is_found_and_linked(home: Path) -> None:
    async with a_bench(home) as bench:
        new = NewAccount(name="Vendor Payments", account_type="bank", currency="USD")
        bench.wire.faults = ["lost after"]
        result = await bench.submit(LinkAccount(role="funding", create=new))
        assert result.status == "unknown"
        await bench.app.recover()

        posted = await bench.proposal(result.proposal_id)
        company = bench.company.id
        link = await bench.app.store.read(lambda tx: tx.account_roles.find(company, "funding"))
        assert link is not None
        assert (posted.state, link.account_name) == ("posted", "Vendor Payments")
        assert len(bench.wire.writes) == 1


async def test_a_file_lost_on_the_way_back_is_attached_once(home: Path) -> None:
    async with a_bench(home) as bench:
        (home / "invoice.pdf").write_bytes(invoice("2026-03-01"))
        bill = await bench.bill("NW-2291")
        bench.wire.faults = ["lost after"]
        result = await bench.submit(AttachFile(bill_id=bill.id, path="invoice.pdf"))
        assert result.status == "unknown"
        await bench.app.recover()

        assert (await bench.proposal(result.proposal_id)).state == "posted"
        assert [a.file_name for a in await bench.company.rutter.attachments.list(bill.id)] == ["invoice.pdf"]
        assert len(bench.wire.writes) == 1


async def test_a_file_that_changed_since_it_was_judged_is_not_attached(home: Path) -> None:
    async with a_bench(home, '[tools]\nattach_file = "ask"') as bench:
        file = home / "invoice.pdf"
        file.write_bytes(b"%PDF-1.7 an invoice")
        bill = await bench.bill("NW-2291")

        async def swaps() -> None:
            file.write_bytes(b"%PDF-1.7 another one")

        with pytest.raises(Refused, match="changed since it was proposed"):
            await bench.submit(AttachFile(bill_id=bill.id, path="invoice.pdf"), accepts(swaps))
        assert bench.wire.writes == []


async def test_a_credit_that_is_open_is_a_reason_to_ask_before_paying(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        result = await bench.pay("INV-1051")

        assert (result.status, result.verdict, codes(result)) == ("held", "ask", ["credit.available"])


async def _released_while_rutter_was_down(bench: Bench) -> Proposal:
    """A payment that a person released, and that could not leave at once; Rutter is well again."""

    async def rutter_goes_down() -> None:
        bench.wire.is_down = True

    with refused_for("rutter_unavailable"):
        await bench.pay("NW-2291", "100.00", accepts(rutter_goes_down))
    bench.wire.is_down = False
    [released] = await bench.proposals()
    assert released.state == "released"
    return released


async def test_a_call_overtaken_by_recovery_waits_for_it(home: Path) -> None:
    async with a_bench(home) as bench:
        released = await _released_while_rutter_was_down(bench)
        leaving = bench.wire.gate(lambda request: request.method == "POST")
        states: list[str] = []

        async def the_call_goes_on() -> None:
            states.append((await bench.app.dispatcher.dispatch(released.id, bench.company)).state)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.app.recover)
            await leaving.reached.wait()
            tasks.start_soon(the_call_goes_on)
            await anyio.wait_all_tasks_blocked()
            leaving.go.set()

        assert states == ["posted"]
        assert bench.wire.payments_sent == [released.id]
        assert await bench.paid("NW-2291") == [Decimal("100.00")]


def unreachable(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """What was on its way when Rutter went down."""
    raise httpx.ConnectError("nobody answers")


async def test_a_call_that_waited_in_vain_tries_for_itself(home: Path) -> None:
    async with a_bench(home) as bench:
        released = await _released_while_rutter_was_down(bench)
        looking = bench.wire.gate(lambda request: request.method == "GET")
        errors: list[ApError] = []

        async def the_call_goes_on() -> None:
            try:
                await bench.app.dispatcher.dispatch(released.id, bench.company)
            except ApError as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.app.recover)
            await looking.reached.wait()
            tasks.start_soon(the_call_goes_on)
            await anyio.wait_all_tasks_blocked()
            bench.wire.is_down, answers = True, bench.wire.answers
            bench.wire.answers = unreachable
            looking.go.set()

        assert [error.error_code for error in errors] == ["rutter_unavailable"]
        bench.wire.is_down, bench.wire.answers = False, answers
        assert (await bench.proposal(released.id)).state == "released"
        await bench.app.recover()
        assert (await bench.proposal(released.id)).state == "posted"
        assert bench.wire.payments_sent == [released.id]
