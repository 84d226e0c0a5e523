"""Explaining a write: the rules that fire, its verdict, how far each limit is, and that nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rutter_ap_server.cli.main import main
from rutter_ap_server.guard.reports.explain import Explanation, explain_proposal, explain_request
from rutter_ap_tools.payments import PayBill
from support.bench import a_bench, codes
from support.people import accepts

LIMITS = """
[tools]
pay_bill = "allow"
[currencies.USD]
approve_above = "1000"
two_approvers_above = "1000"
single_limit = "1000"
day_limit = "900.00"
week_limit = "900.00"
vendor_day_limit = "800.00"
"""


def limits(told: Explanation) -> list[tuple[str, str, str, str]]:
    return [(state.window.limit, state.spent.text, state.reserved.text, state.left.text) for state in told.windows]


async def test_an_explanation_says_what_is_spent_reserved_and_left(home: Path) -> None:
    async with a_bench(home, LIMITS) as bench:
        assert (await bench.pay("BH-5520", "249.00")).status == "posted"
        bench.wire.faults = ["lost after"]
        assert (await bench.pay("AP-310", "560.75")).status in ("unknown", "posted")
        bill = await bench.bill("NW-2291")
        intent = PayBill(bill_id=bill.id, account="Operating Checking")

        told = await explain_request(bench.app.store, await bench.app.policy.look(), intent, bench.company)

        unsettled = "560.75" if (await bench.proposals())[0].state == "unknown" else "0.00"
        spent = "249.00" if unsettled == "560.75" else "809.75"
        assert limits(told) == [
            ("day_limit", spent, unsettled, "90.25"),
            ("week_limit", spent, unsettled, "90.25"),
            ("month_limit", spent, unsettled, "1999190.25"),
            ("vendor_day_limit", "0.00", "0.00", "800.00"),
            ("vendor_month_limit", "0.00", "0.00", "1000000.00"),
        ]
        assert [f.code for f in told.judgement.findings] == ["amount.over_day_limit", "amount.over_week_limit"]
        assert "90.25 USD is left" in told.judgement.findings[0].message


async def test_explaining_writes_nothing_anywhere(home: Path) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("BH-5533")
        before = await bench.app.store.read(lambda tx: len(list(tx.audit.entries())))
        intent = PayBill(bill_id=bill.id, account="Operating Checking")

        told = await explain_request(bench.app.store, await bench.app.policy.look(), intent, bench.company)

        assert [f.code for f in told.judgement.findings] == [
            "amount.unusual_for_vendor",
            "argument.from_text",
            "text.suspicious",
            "policy.ask",
        ]
        assert (await bench.proposals(), bench.wire.writes) == ([], [])
        assert await bench.app.store.read(lambda tx: len(list(tx.audit.entries()))) == before
        company = bench.company.id
        assert await bench.app.store.read(lambda tx: tx.observations.sightings(company, bill.vendor_id or "")) == ()


async def test_a_proposal_is_explained_as_it_would_be_judged_now(home: Path) -> None:
    async with a_bench(home) as bench:
        held = await bench.pay("NW-2291")
        bench.policy('[vendors]\nblocked = ["Northwind Utilities"]')
        proposal = await bench.proposal(held.proposal_id)

        told = await explain_proposal(bench.app.store, await bench.app.policy.look(), proposal, bench.company)

        assert codes(held) == ["policy.ask"]
        assert [f.code for f in told.judgement.findings] == ["vendor.blocked", "policy.ask"]
        assert (await bench.proposal(held.proposal_id)).findings == proposal.findings


async def test_a_dry_run_tells_of_every_limit_it_would_break(home: Path) -> None:
    async with a_bench(home, LIMITS.replace("900.00", "600.00").replace("800.00", "600.00")) as bench:
        tried = await bench.pay("NW-2291", dry_run=True)

        assert codes(tried) == ["amount.over_day_limit", "amount.over_vendor_limit", "amount.over_week_limit"]
        assert (tried.verdict, bench.wire.writes) == ("refuse", [])


async def test_week_and_month_limits_hold_and_wait_for_time_to_pass(home: Path) -> None:
    policy = LIMITS.replace('week_limit = "900.00"', 'week_limit = "900.00"\nmonth_limit = "700.00"')
    async with a_bench(home, policy) as bench:
        assert (await bench.pay("BH-5520", "249.00")).status == "posted"

        held = await bench.pay("NW-2291", "684.20", accepts())

        assert (held.status, codes(held)[0]) == ("held", "amount.over_day_limit")
        bench.policy(policy.replace('day_limit = "900.00"', 'day_limit = "90000"').replace("900.00", "90000"))
        assert codes(await bench.pay("NW-2291", "684.20"))[0] == "amount.over_month_limit"


def test_the_command_explains_in_words_and_in_json(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUTTER_AP_HOME", str(home))
    assert main(["policy", "explain", "link_account", "--argument", "role=funding", "--argument", "account=Sales"]) == 0
    words = capsys.readouterr().out
    assert "verdict: refuse" in words
    assert "[account.not_a_funding_source]" in words
    assert "limits" not in words

    arguments = ["--argument", "vendor=Granite Repairs", "--argument", "issue_date=2026-03-01"]
    arguments += ["--argument", "currency=USD", "--argument", 'lines=[{"amount": "10.50", "account": "Repairs"}]']
    assert main(["policy", "explain", "create_bill", *arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"company", "environment", "tool", "summary", "verdict", "approvals_needed", "findings"} <= set(told)
    assert (told["tool"], told["limits"]) == ("create_bill", [])
    assert "10.50 USD" in told["summary"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["pay_bill", "--proposal", "abc"],
        ["list_bills"],
        ["pay_bill", "--argument", "bill_id"],
        ["pay_bill", "--argument", "bill=1"],
        ["create_bill", "--argument", "lines=[{"],
        ["--proposal", "no-such-proposal"],
    ],
)
def test_what_cannot_be_explained_is_said(
    home: Path, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUTTER_AP_HOME", str(home))

    assert main(["policy", "explain", *words]) == 1
    assert capsys.readouterr().err.startswith(("bad_input", "not_found"))
