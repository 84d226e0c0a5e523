"""Whoever changes what was released in an evidence file, and makes every hash agree, has no file that holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.guard.passkeys import Site, challenge_of
from rutter_ap_server.guard.reports.evidence import gather_evidence
from rutter_ap_server.guard.reports.proofs import check_evidence, seal
from rutter_ap_server.guard.signed_acts import Signed, ask_to_sign
from rutter_ap_server.store.canonical import canonical, digest
from support.authenticator import Authenticator
from support.desk import BILL, HOST, LARGE_BILL, an_empty_desk
from support.serving import PASSCODE, done

ORIGIN = f"http://{HOST}"
Evidence = dict[str, Any]


async def _gathered(home: Path) -> dict[str, Evidence]:
    """A line of a run, a payment by one person, and one by two: each released with passkeys, the second of two not."""
    key, sams = Authenticator(ORIGIN), Authenticator(ORIGIN)
    async with an_empty_desk(home) as desk, desk.visited() as dana, desk.visited() as sam:
        secret = await Enrolment(desk.app.approvals).invite_first()
        await dana.enrols(str(secret), key, "Dana")
        await dana.signs_in_with(key)
        await dana.opens("/approvals/passkeys")
        await dana.signs("/passkeys/invite", key, name="Sam")
        await sam.enrols(dana.text.partition("/approvals/enrol/")[2].split()[0], sams, passcode=PASSCODE)
        await sam.signs_in("Sam", PASSCODE)
        paid, large = await desk.held(), await desk.held(LARGE_BILL)
        # The first is paid on its own before the run is released, and so is no line of it then.
        bills = [(await desk.bill(number))["id"] for number in (BILL, "BH-5520", "NW-2304")]
        run = (await done(desk.client, "propose_payment_run", bill_ids=bills))["proposal_id"]
        for proposal_id in (paid, run):
            await dana.opens(f"/approvals/{proposal_id}")
            await dana.signs("/release", key)
        await dana.opens(f"/approvals/{large}")
        await dana.signs("/release", key, amount="27350.00")
        await sam.opens(f"/approvals/{large}")
        await sam.sends("/release", passcode=PASSCODE, amount="27350.00")
        line = (await desk.app.store.read(lambda tx: tx.proposals.of_run(run)))[0]
        found = {"paid": await desk.app.proposal(paid), "large": await desk.app.proposal(large), "line": line}
        found["run"] = await desk.app.proposal(run)
        assert {one.state for one in found.values()} == {"posted"}
        every = {
            name: await gather_evidence(desk.app.store, one, await desk.app.company_of(one))
            for name, one in found.items()
        }
    whole: dict[str, Evidence] = json.loads(json.dumps(every, default=str))
    return whole


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    return anyio.run(_gathered, tmp_path_factory.mktemp("home"))


def resealed(evidence: Evidence) -> Evidence:
    """Every hash that needs no passkey agrees again, and entries follow each other."""
    for part in ("releases", "enrolments", "audit"):
        for entry in evidence[part]:
            rows = [] if entry["rows"] is None else [entry["rows"]]
            names = ("seq", "at", "kind", "actor", "proposal_id")
            entry["hash"] = digest(
                [*(entry[name] for name in names), canonical(entry["body"]), entry["previous"], *rows]
            )
    evidence["sha256"] = seal(evidence)
    return evidence


def assert_forged(evidence: Evidence, forge: Callable[[Evidence], None]) -> None:
    forged = deepcopy(evidence)
    forge(forged)
    assert not check_evidence(resealed(forged)).holds


def test_what_nobody_changed_holds(gathered: dict[str, Evidence]) -> None:
    for name in ("paid", "line", "run"):
        proof = check_evidence(gathered[name])
        assert (name, proof.problems, proof.holds) == (name, (), True)
        assert check_evidence(resealed(deepcopy(gathered[name]))).holds
    assert [check_evidence(gathered["large"]).problems, check_evidence(gathered["large"]).unsigned] == [(), ("Sam",)]


def test_it_says_what_was_released_as_it_was_shown(gathered: dict[str, Evidence]) -> None:
    (one,) = check_evidence(gathered["line"]).signed
    said = dict(one.released)
    assert said["Action"].startswith("Pay 3 bills totaling ")
    assert said["Company"].startswith("Harbor & Pine Ltd (")
    assert said["Environment"] == "embedded: the practice company, not real books"
    assert said["Payment"].startswith("249.00 USD to ‹Brightline Hosting› (")
    assert gathered["line"]["proposal"]["intent"]["bill_id"] in said["Payment"]


def another_payee_and_amount(line: Evidence) -> None:
    proposal = line["proposal"]
    proposal["summary"] = "pay 99,000.00 USD to Mallory Ltd"
    proposal["amount"] = {"amount": "99000.00", "currency": "USD"}
    proposal["intent"] = {"amount": "99000.00", "vendor": "Mallory Ltd"}


def another_write(line: Evidence) -> None:
    """A proposal that nobody released borrows the release of a run."""
    line["proposal"]["id"] = "00000000-0000-4000-8000-000000000000"
    line["proposal"]["tool"] = "update_vendor"
    line["audit"] = []


def the_payment_that_was_left_out(line: Evidence) -> None:
    """The bill that was paid before the run was released: the statement says that it will not be paid."""
    run, proposal = line["run"], line["proposal"]
    (said,) = (one for one in run["intent"]["lines"] if one["number"] == BILL)
    proposal["intent"] |= {name: said[name] for name in ("amount", "bill_id", "vendor_id")}
    proposal["amount"]["amount"] = said["amount"]
    proposal["summary"] = (
        f"Pay {said['amount']} USD to {said['vendor_name']} for bill {BILL} from {run['intent']['account_name']}, "
        f"dated {run['intent']['date']}"
    )


def and_in_the_run_too(line: Evidence) -> None:
    for one in (line["proposal"]["intent"], *line["run"]["intent"]["lines"]):
        one["vendor_id"] = "mallory"


def another_run(line: Evidence) -> None:
    line["proposal"]["run_id"] = line["run"]["id"] = "00000000-0000-4000-8000-000000000000"


def no_run(line: Evidence) -> None:
    line["run"] = None


def more_facts_of_the_run(line: Evidence) -> None:
    line["run"]["approvals"][0]["covers"].append("bill.duplicate")


def no_release_of_the_run(line: Evidence) -> None:
    line["run"]["approvals"] = []


@pytest.mark.parametrize(
    "forge",
    [
        another_payee_and_amount,
        another_write,
        the_payment_that_was_left_out,
        and_in_the_run_too,
        another_run,
        no_run,
        more_facts_of_the_run,
        no_release_of_the_run,
    ],
)
def test_a_line_of_a_run_is_one_that_was_shown(
    gathered: dict[str, Evidence], forge: Callable[[Evidence], None]
) -> None:
    assert_forged(gathered["line"], forge)


def test_what_was_left_out_of_a_run_is_told_so(gathered: dict[str, Evidence]) -> None:
    forged = deepcopy(gathered["line"])
    the_payment_that_was_left_out(forged)
    assert check_evidence(resealed(forged)).problems == (
        "a signature proves nothing: the run that was released does not pay this bill",
    )


def test_a_release_that_is_left_out_is_missed(gathered: dict[str, Evidence]) -> None:
    """One of the two it needed; how many that were is what both signed."""

    def without_sam(large: Evidence) -> None:
        large["approvals"] = [one for one in large["approvals"] if one["approver"] == "Dana"]
        large["releases"] = [one for one in large["releases"] if one["actor"] == "Dana"]
        large["audit"] = [one for one in large["audit"] if one["actor"] != "Sam"]
        large["proposal"]["approvals_needed"] = 1

    assert_forged(gathered["large"], without_sam)


def test_one_release_is_not_told_twice(gathered: dict[str, Evidence]) -> None:
    def twice(evidence: Evidence) -> None:
        evidence["approvals"] *= 2

    for name in ("paid", "line", "run"):
        assert_forged(gathered[name], twice)


def parts(proposal: Evidence) -> Iterator[tuple[Evidence, str]]:
    """Everything that a file says was written, and in whose books."""
    yield from ((proposal, name) for name in ("id", "tool", "summary", "environment"))
    yield from ((proposal[name], one) for name in ("company", "amount", "intent") for one in proposal[name])


@pytest.mark.parametrize("name", ["paid", "line", "run"])
def test_the_write_is_the_one_that_was_shown(gathered: dict[str, Evidence], name: str) -> None:
    count = len(list(parts(gathered[name]["proposal"])))
    assert count > 12
    for at in range(count):
        changed, gone = deepcopy(gathered[name]), deepcopy(gathered[name])
        (within, part), (within_gone, _) = (list(parts(one["proposal"]))[at] for one in (changed, gone))
        within[part] = "another"
        del within_gone[part]
        # The id of a line was given when its run was opened, after the release.
        is_known_later = name == "line" and part == "id" and within is changed["proposal"]
        if not is_known_later:
            assert not check_evidence(resealed(changed)).holds, part
        assert not check_evidence(resealed(gone)).holds, part


def test_the_time_of_a_release_is_signed(gathered: dict[str, Evidence]) -> None:
    for name in ("paid", "line"):
        (one,) = check_evidence(gathered[name]).signed
        assert one.at == gathered[name]["releases"][0]["body"]["signature"]["decision"]["at"]

        def before_it_was_asked(evidence: Evidence) -> None:
            evidence["approvals"][0]["at"] = "2001-01-01T00:00:00+00:00"

        def another_time(evidence: Evidence) -> None:
            evidence["releases"][0]["body"]["signature"]["decision"]["at"] = "2001-01-01T00:00:00.000000Z"

        assert_forged(gathered[name], before_it_was_asked)
        assert_forged(gathered[name], another_time)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a file: what it is in, and its name or number there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for at, one in inner:
        yield value, at
        yield from places(one)


@pytest.mark.parametrize("put", [None, [], 1e999, "\ud800"], ids=repr)
def test_nothing_that_a_file_holds_is_a_fault(gathered: dict[str, Evidence], put: Any) -> None:
    """What nobody signed may be changed so; but no error ends the check."""
    file = gathered["line"] | {"audit": [], "statement": [], "bill_now": None}
    for at in range(len(list(places(file)))):
        forged = deepcopy(file)
        within, place = list(places(forged))[at]
        within[place] = put
        forged["sha256"] = seal(forged)
        assert isinstance(check_evidence(forged).holds, bool)


def test_a_statement_of_nothing_is_no_fault(gathered: dict[str, Evidence]) -> None:
    forged = deepcopy(gathered["paid"])
    forged["shown_to_approvers"][0] = {"digest": digest([]), "sections": []}
    assert not check_evidence(resealed(forged)).holds


async def test_a_finding_that_went_before_the_release(home: Path) -> None:
    """What was signed is what was shown, and so is what the release covers, even if less was found a moment later."""
    site, key = Site(ORIGIN, "localhost"), Authenticator(ORIGIN)
    async with an_empty_desk(home) as desk, desk.visited() as dana:
        secret = await Enrolment(desk.app.approvals).invite_first()
        await dana.enrols(str(secret), key, "Dana")
        store, approvals, proposal_id = desk.app.store, desk.app.approvals, await desk.held()
        other = await desk.held(amount="100.00")
        company = await desk.app.company_of(await desk.app.proposal(proposal_id))
        assert company is not None
        seen = await approvals.preview(proposal_id, company)
        assert "bill.overlap" in {one.code for one in seen.proposal.findings}
        form = {"digest": seen.statement.digest, "facts": seen.facts}
        (who,) = await store.read(lambda tx: tx.approvers.active())
        ticket = await store.write(lambda tx: ask_to_sign(tx, "release", proposal_id, form, who))
        asked = Signed("release", proposal_id, form, who, ticket, "", site)
        answer = json.dumps(key.signs(challenge_of(asked.decision.as_json)))
        await approvals.withdraw(other, channel="terminal")
        released = await approvals.approve(seen, company, by=replace(asked, answer=answer), channel="desk")
        assert (released.state, "bill.overlap" in {one.code for one in released.findings}) == ("posted", False)
        evidence = await gather_evidence(store, released, company)
    assert any(one.startswith("bill.overlap") for one in evidence["approvals"][0]["covers"])
    assert check_evidence(json.loads(json.dumps(evidence, default=str))).holds
