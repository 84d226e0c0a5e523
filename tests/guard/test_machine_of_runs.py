"""The same machine with runs in it: two processes, people, faults and time in any order, and many bills at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from guard import test_machine as machine
from guard.test_machine import BILLS, PayingIsSafe, answers, faults, which
from guard.test_payment_runs import run_of
from rutter_ap_server.guard.authorize import LEASE_SECONDS
from rutter_ap_server.interaction import Reply
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import IN_FLIGHT_STATES
from rutter_ap_tools.errors import ApError
from rutter_ap_tools.money import Money
from support.bench import Answering, PowerCut

# One approver is enough for any run that the day's limit lets through.
POLICY = machine.POLICY.replace('two_approvers_above = "1000"', 'two_approvers_above = "1500"')
parts_of_a_run = st.lists(st.sampled_from(BILLS), min_size=1, max_size=3, unique=True)


class RunsAreSafe(PayingIsSafe):
    """What holds of payments holds whether they are proposed alone or together."""

    def __init__(self) -> None:
        super().__init__()
        (self.home / "policy.toml").write_text(POLICY)

    def runs(self) -> list[Proposal]:
        """Every run that was proposed."""
        return [p for p in self.run(self.world.observer.proposals()) if p.tool == "propose_payment_run"]

    def lines(self, run: Proposal) -> list[Proposal]:
        """The payments of a run."""
        return self.run(self.world.observer.app.store.read(lambda tx: tx.proposals.of_run(run.id)))

    @rule(process=which, numbers=parts_of_a_run, memo=st.sampled_from(["", "again"]), answer=answers, faults=faults)
    def propose_run(self, process: int, numbers: list[str], memo: str, answer: Reply, faults: list[str]) -> None:
        """An assistant asks for a run."""
        bench = self.processes[process]
        bench.wire.faults = list(faults)
        with suppress(ApError, PowerCut):
            self.run(run_of(bench, *numbers, interaction=Answering(answer), memo=memo))
        bench.wire.faults = []

    @invariant()
    def a_run_says_of_its_lines_what_is_so(self) -> None:
        """Its receipt is what they paid; while one of them is open it is, too."""
        for run in self.runs():
            lines = self.lines(run)
            if run.state in ("held", "released", "refused", "declined", "expired"):
                assert lines == []
            if run.state in ("posted", "failed"):
                assert not [line for line in lines if line.run_id is None]
                paid = Money.total((p.money for p in lines if p.state == "posted" and p.money), "USD")
                shown = (run.record or {}).get("amount", {}).get("amount", "0.00")
                assert shown == paid.text

    def teardown(self) -> None:
        """Once everything works again no run is left half done, but where a person has to tell."""
        try:
            self.clock.instant += timedelta(seconds=LEASE_SECONDS + 3601)
            self.world.observer.app.store.write_now(machine._unfreeze)
            for bench in self.processes:
                bench.wire.is_down, bench.wire.faults = False, []
            for _ in range(4):
                for bench in self.processes:
                    with suppress(ApError):
                        self.run(bench.app.recover())
            self.a_run_says_of_its_lines_what_is_so()
            for run in self.runs():
                in_flight = [line for line in self.lines(run) if line.state in IN_FLIGHT_STATES]
                assert run.state not in IN_FLIGHT_STATES or in_flight, "a run is open though none of its lines is"
        finally:
            super().teardown()


RunsAreSafe.TestCase.settings = settings(
    max_examples=20, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRunsAreSafe = RunsAreSafe.TestCase
