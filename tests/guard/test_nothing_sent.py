"""What is known when a sending raises: only the exchange may say that nothing left; all else is an open outcome."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.companies.company import Company
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.writes.pay_bill import PayBillWrite
from rutter_ap_server.rutter.errors import BadRequest, NothingSent, UpstreamUnavailable
from rutter_ap_server.rutter.outcomes import WriteOutcome
from rutter_ap_tools.errors import ApError, RetryError
from support.bench import Bench, PowerCut, a_bench

ALLOW = '[tools]\npay_bill = "allow"\n'
SERVER = Path(__file__).parents[2] / "server" / "rutter_ap_server"


class Raising(PayBillWrite):
    """A payment whose sending raises, as a client with a bug would."""

    def __init__(self, error: Exception, *, while_drafting: bool = False) -> None:
        self.error, self.while_drafting = error, while_drafting

    async def draft(self, prepared: PreparedWrite, company: Company) -> Any:
        if self.while_drafting:
            raise self.error
        return await super().draft(prepared, company)

    async def send(
        self, prepared: PreparedWrite, draft: Any, company: Company, key: str, *, again: bool
    ) -> WriteOutcome[Any]:
        raise self.error


async def became(bench: Bench, write: PayBillWrite, *, again: bool = False) -> tuple[str, bool]:
    """The state of a payment that was sent so, and whether its amount still counts against the limits."""
    bench.wire.faults = ["power cut before"]
    with pytest.raises(PowerCut):
        await bench.pay("NW-2291")
    # Authorised, reserved and journalled: the next thing is the request.
    (proposal,) = await bench.proposals()
    assert proposal.state == "dispatching"
    assert proposal.lease_owner is not None
    lease = bench.app.dispatcher.lease_on(proposal.id)
    assert await bench.app.store.write(lambda tx: lease.take_over(tx, proposal.lease_owner))
    before = {"payments": [], "due": "684.20"}
    settled = await bench.app.dispatcher.send(
        write, PreparedWrite.of(proposal), bench.company, lease, await bench.app.policy.read(), before, again=again
    )
    return settled.state, await bench.spent() == "684.20"


@pytest.mark.parametrize(
    "error",
    [UpstreamUnavailable("gone"), BadRequest("no"), RetryError("later"), ApError("it"), ValueError("x"), OSError("x")],
    ids=lambda error: type(error).__name__,
)
async def test_any_other_error_leaves_the_outcome_open(home: Path, error: Exception) -> None:
    async with a_bench(home, ALLOW) as bench:
        assert await became(bench, Raising(error)) == ("unknown", True)


async def test_what_never_left_failed_and_frees_its_amount(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        assert await became(bench, Raising(NothingSent("not reached"))) == ("failed", False)


async def test_what_cannot_be_drafted_never_left(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        assert await became(bench, Raising(BadRequest("no"), while_drafting=True)) == ("failed", False)


async def test_a_bug_while_drafting_leaves_the_outcome_open(home: Path) -> None:
    async with a_bench(home, ALLOW) as bench:
        assert await became(bench, Raising(ValueError("x"), while_drafting=True)) == ("unknown", True)


@pytest.mark.parametrize("while_drafting", [False, True])
async def test_a_resend_that_does_not_leave_stays_open(home: Path, while_drafting: bool) -> None:
    async with a_bench(home, ALLOW) as bench:
        write = Raising(NothingSent("not reached"), while_drafting=while_drafting)
        assert await became(bench, write, again=True) == ("unknown", True)


def test_only_the_exchange_says_that_nothing_was_sent() -> None:
    raising = [
        path.relative_to(SERVER).as_posix()
        for path in SERVER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NothingSent"
    ]
    assert raising == ["rutter/exchange.py"]
