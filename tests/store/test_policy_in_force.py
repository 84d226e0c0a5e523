"""The policy in force is a fact of the store: it does not loosen by vanishing, and every server on it must agree."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from rutter_ap_server.store.controls import HELD_SECONDS
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.errors import ApError
from support.bench import Bench, a_bench
from support.people import accepts
from support.store_rows import behind_its_back

STRICT = '[tools]\npay_bill = "approve"\n'
LOOSE = '[tools]\npay_bill = "allow"\n'


async def refused(bench: Bench) -> str:
    """The code with which a payment is stopped before anything is judged."""
    with pytest.raises(ApError) as error:
        await bench.pay("NW-2291", "10.00", accepts())
    return error.value.error_code


def with_policy(bench: Bench, text: str, name: str = "other.toml") -> Bench:
    """A second server on the same store, with a policy file of its own."""
    other = bench.another()
    other.app.policy.path = bench.home / name
    other.app.policy.path.write_text(text)
    return other


def unset(bench: Bench) -> None:
    bench.app.policy.path = bench.home / "there-never-was-one.toml"


def dangle(bench: Bench) -> None:
    path = bench.home / "policy.toml"
    path.unlink()
    path.symlink_to("nowhere.toml")


GONE: dict[str, Callable[[Bench], object]] = {
    "removed": lambda bench: (bench.home / "policy.toml").unlink(),
    "a link to nowhere": dangle,
    "another path": unset,
}


@pytest.mark.parametrize("how", GONE)
async def test_a_policy_that_vanishes_stops_every_write(how: str, store_url: str, home: Path) -> None:
    async with a_bench(home, STRICT, store_url) as bench:
        assert (await bench.pay("GR-88", "10.00", accepts())).status == "held"
        GONE[how](bench)

        assert await refused(bench) == "policy.gone"
        restarted = bench.another()
        restarted.app.policy.path = bench.app.policy.path
        assert await refused(restarted) == "policy.gone"
        assert (await bench.backend().read(ListBills())).bills
        assert bench.wire.writes == restarted.wire.writes == []
        await restarted.app.aclose()


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM meta WHERE key LIKE 'policy%'",
        "DELETE FROM meta WHERE key = 'policy'",
        "DELETE FROM meta WHERE key = 'policy_origin'",
        "UPDATE meta SET value = '[\"\", false]' WHERE key = 'policy_origin'",
        "UPDATE meta SET value = 'another' WHERE key = 'policy'",
        "UPDATE meta SET value = 'x' WHERE key = 'policy_origin'",
    ],
)
async def test_a_policy_unsaid_by_hand_is_missed_all_the_same(change: str, store_url: str, home: Path) -> None:
    async with a_bench(home, STRICT, store_url) as bench:
        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "held"
        (home / "policy.toml").unlink()
        behind_its_back(store_url, change.replace("%", "%%") if store_url.startswith("postgres") else change)

        assert await refused(bench) == "policy.gone"
        bench.policy(STRICT)
        assert (await bench.pay("NW-2291", "11.00", accepts())).status == "held"
        assert (await bench.app.store.read(lambda tx: tx.checks.everything())).differences
        assert bench.wire.writes == []


async def test_a_deleted_policy_stays_found_after_another_one(store_url: str, home: Path) -> None:
    async with a_bench(home, STRICT, store_url) as bench:
        await bench.pay("NW-2291", "10.00", accepts())
        behind_its_back(store_url, "DELETE FROM meta WHERE key = 'policy'")
        bench.policy(LOOSE)

        assert (await bench.pay("NW-2291", "11.00", accepts())).status == "posted"
        found = (await bench.app.store.read(lambda tx: tx.checks.everything())).differences
        assert [(one.table, one.key, one.what) for one in found] == [("meta", "policy", "removed")]


async def test_a_policy_is_missed_though_nothing_was_judged_by_it(store_url: str, home: Path) -> None:
    async with a_bench(home, STRICT, store_url) as bench:
        assert (await bench.backend().read(ListBills())).bills
        (home / "policy.toml").unlink()

        assert await refused(bench) == "policy.gone"
        bench.policy(STRICT)
        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "held"


async def test_a_pipe_in_its_place_stops_writes_at_once(store_url: str, home: Path) -> None:
    async with a_bench(home, STRICT, store_url) as bench:
        (home / "policy.toml").unlink()
        os.mkfifo(home / "policy.toml")
        with anyio.fail_after(5):
            assert await refused(bench) == "policy.broken"
            assert (await bench.backend().read(ListBills())).bills


async def test_the_default_is_in_force_again_once_it_is_reset(store_url: str, home: Path) -> None:
    async with a_bench(home, STRICT, store_url) as bench:
        await bench.pay("NW-2291", "10.00")
        (home / "policy.toml").unlink()
        await bench.app.approvals.reset_policy(channel="terminal")

        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "posted"
        kinds = [entry.kind for entry in await bench.app.store.read(lambda tx: list(tx.audit.entries()))]
        assert kinds.count("policy_reset") == 1


async def test_two_servers_with_two_policies_both_stop(store_url: str, home: Path) -> None:
    async with a_bench(home, LOOSE, store_url) as loose:
        assert (await loose.backend().read(ListBills())).bills
        strict = with_policy(loose, STRICT)

        assert [await refused(one) for one in (strict, loose, strict, loose)] == ["policy.differs"] * 4
        assert loose.wire.writes == strict.wire.writes == []
        strict.app.policy.path.write_text(LOOSE)
        assert (await strict.pay("BH-5520", "10.00")).status == "posted"
        assert (await loose.pay("NW-2291", "10.00")).status == "posted"
        await strict.app.aclose()


@pytest.mark.parametrize("stops", [True, False])
async def test_a_server_that_is_gone_does_not_count_for_long(stops: bool, store_url: str, home: Path) -> None:
    async with a_bench(home, STRICT, store_url) as bench:
        gone = with_policy(bench, LOOSE)
        await gone.backend().read(ListBills())
        if stops:
            await gone.app.aclose()
        else:
            assert await refused(bench) == "policy.differs"
            bench.clock.instant += timedelta(seconds=HELD_SECONDS)

        assert (await bench.pay("NW-2291", "10.00", accepts())).status == "held"
        if not stops:
            assert await refused(gone) == "policy.differs"
            await gone.app.aclose()


async def test_one_edited_file_holds_for_all_that_read_it(store_url: str, home: Path) -> None:
    async with a_bench(home, LOOSE, store_url) as bench:
        idle = bench.another()
        assert (await idle.pay("NW-2291", "10.00")).status == "posted"
        bench.policy(STRICT)

        assert (await bench.pay("GR-88", "10.00", accepts())).status == "held"
        assert (await idle.pay("BH-5520", "10.00", accepts())).status == "held"
        changes = await bench.app.store.read(
            lambda tx: [json.loads(e.body) for e in tx.audit.entries() if e.kind == "policy_changed"]
        )
        assert [change["before"] for change in changes] == [None, changes[0]["version"]]
        await idle.app.aclose()


async def test_a_server_that_comes_between_is_seen_at_the_last_look(store_url: str, home: Path) -> None:
    """The release stands, and is sent under the policy that both agree on."""
    async with a_bench(home, "", store_url) as bench:
        other = with_policy(bench, LOOSE)

        async def join_while_facts_are_read() -> None:
            gate = bench.wire.gate(lambda request: request.method == "GET")

            async def join() -> None:
                await gate.reached.wait()
                assert await refused(other) == "policy.differs"
                gate.go.set()

            tasks.start_soon(join)

        async with anyio.create_task_group() as tasks:
            with pytest.raises(ApError) as error:
                await bench.pay("NW-2291", "10.00", accepts(join_while_facts_are_read))
            assert error.value.error_code == "policy.differs"
        assert bench.wire.writes == other.wire.writes == []
        assert [one.state for one in await bench.proposals()] == ["released"]

        await other.app.aclose()
        assert (await bench.pay("NW-2291", "10.00")).status == "posted"
        assert len(bench.wire.payments_sent) == 1


async def test_a_command_acts_under_the_policy_in_force_only(store_url: str, home: Path) -> None:
    async with a_bench(home, STRICT, store_url) as bench:
        await bench.approver("Ana")
        held = await bench.pay("NW-2291", "10.00")
        await bench.app.policy.leave()
        command = with_policy(bench, LOOSE)
        command.app.policy.serves = False

        with pytest.raises(ApError) as error:
            await command.approve(held.proposal_id)
        assert error.value.error_code == "policy.differs"
        command.app.policy.path.write_text(STRICT)
        assert (await command.approve(held.proposal_id)).state == "posted"
        await command.app.aclose()
