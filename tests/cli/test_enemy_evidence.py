"""Whoever changes what an evidence file says and makes every hash agree has no file that holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.guard.reports.evidence import gather_evidence
from rutter_ap_server.guard.reports.proofs import check_evidence, seal
from rutter_ap_server.store.canonical import canonical, digest
from support.authenticator import Authenticator
from support.desk import HOST, LARGE_BILL, an_empty_desk
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
        bills = [(await desk.bill(number))["id"] for number in ("BH-5520", "NW-2304")]
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


def test_what_is_forged_here_held_before(gathered: dict[str, Evidence]) -> None:
    assert [check_evidence(gathered[name]).holds for name in ("paid", "line", "large")] == [True, True, False]


def test_a_run_that_nobody_changed_holds(gathered: dict[str, Evidence]) -> None:
    """Breaks: evidence proves by itself who released what; the untouched file of a whole run is said to be forged."""
    proof = check_evidence(gathered["run"])
    assert proof.problems == ()
    assert proof.holds


def another_payee_and_amount(line: Evidence) -> None:
    proposal = line["proposal"]
    proposal["summary"] = "pay 99,000.00 USD to Mallory Ltd"
    proposal["amount"] = {"amount": "99000.00", "currency": "USD"}
    proposal["intent"] = {"amount": "99000.00", "vendor": "Mallory Ltd"}


def another_proposal_of_that_run(line: Evidence) -> None:
    """A payment that nobody released borrows the release of a run."""
    another_payee_and_amount(line)
    line["proposal"]["id"] = "00000000-0000-4000-8000-000000000000"
    line["proposal"]["tool"] = "update_vendor"
    line["audit"] = []


@pytest.mark.parametrize("forge", [another_payee_and_amount, another_proposal_of_that_run])
def test_a_line_of_a_run_is_one_that_was_shown(
    gathered: dict[str, Evidence], forge: Callable[[Evidence], None]
) -> None:
    """Breaks: the file proves who released exactly what; of a line of a run nothing is compared with the statement."""
    forged = deepcopy(gathered["line"])
    forge(forged)
    assert not check_evidence(resealed(forged)).holds


def test_a_release_that_is_left_out_is_missed(gathered: dict[str, Evidence]) -> None:
    """Breaks: a file with a release that is not signed does not hold; without that release it does, for 1 of 2."""
    forged = deepcopy(gathered["large"])
    assert forged["proposal"]["approvals_needed"] == 2
    forged["approvals"] = [one for one in forged["approvals"] if one["approver"] == "Dana"]
    forged["releases"] = [one for one in forged["releases"] if one["actor"] == "Dana"]
    forged["audit"] = [one for one in forged["audit"] if one["actor"] != "Sam"]
    assert not check_evidence(resealed(forged)).holds


def other_fields(paid: Evidence) -> None:
    paid["proposal"]["intent"] = {"amount": "99000.00", "vendor_id": "mallory"}


def another_amount(paid: Evidence) -> None:
    paid["proposal"]["amount"] = {"amount": "99000.00", "currency": "USD"}


def practice_books(paid: Evidence) -> None:
    paid["proposal"]["environment"] = "production"


def another_company(paid: Evidence) -> None:
    paid["proposal"]["company"]["name"] = "Mallory Ltd"


@pytest.mark.parametrize("forge", [other_fields, another_amount, practice_books, another_company])
def test_the_proposal_is_the_one_that_was_shown(
    gathered: dict[str, Evidence], forge: Callable[[Evidence], None]
) -> None:
    """Breaks: `proofs.py` says whoever changes a part of it must forge the signature; only the summary is compared."""
    forged = deepcopy(gathered["paid"])
    forge(forged)
    assert not check_evidence(resealed(forged)).holds


def test_one_release_is_not_told_twice(gathered: dict[str, Evidence]) -> None:
    """Breaks: one signature counts for one release; told twice it makes two signed releases."""
    forged = deepcopy(gathered["paid"])
    forged["approvals"] *= 2
    forged["proposal"]["approvals_needed"] = 2
    assert not check_evidence(resealed(forged)).holds


def test_it_was_released_when_it_was_released(gathered: dict[str, Evidence]) -> None:
    """Breaks: the time that a file tells beside a signed release is taken from what nobody signed or hashed."""
    forged = deepcopy(gathered["paid"])
    forged["approvals"][0]["at"] = "2001-01-01T00:00:00+00:00"
    assert not check_evidence(resealed(forged)).holds


@pytest.mark.parametrize("sections", [[]], ids=["none"])
def test_a_statement_of_nothing_is_no_fault(gathered: dict[str, Evidence], sections: list[Any]) -> None:
    """Breaks: what is no evidence proves nothing and is said so; this file ends the command with an error of ours."""
    forged = deepcopy(gathered["paid"])
    forged["shown_to_approvers"][0] = {"digest": digest(sections), "sections": sections}
    assert not check_evidence(resealed(forged)).holds
