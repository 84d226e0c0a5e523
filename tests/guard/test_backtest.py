"""A policy against the past: each payment judged as of its day, on what had been paid until then."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from rutter_ap_server.cli.main import main
from rutter_ap_server.guard.policy import Policy, parse_policy
from rutter_ap_server.guard.reports.backtest import Backtest, PastPayment, backtest
from rutter_ap_tools.findings import Severity
from support.bench import START, a_bench

STRICT = """
[currencies.USD]
approve_above = "500"
two_approvers_above = "5000"
single_limit = "7000"
day_limit = "7000"
month_limit = "9000"
vendor_day_limit = "7000"
"""


def of_vendor(found: Backtest, name: str) -> list[PastPayment]:
    return [payment for payment in found.payments if payment.vendor_name == name]


def codes(payment: PastPayment) -> list[str]:
    return [finding.code for finding in payment.findings]


async def test_only_the_first_payment_to_a_vendor_was_to_a_new_one(home: Path) -> None:
    async with a_bench(home) as bench:
        found = await backtest(bench.company, Policy(), 3660)

        first, *later = of_vendor(found, "Northwind Utilities")
        assert codes(first) == ["vendor.first_payment", "policy.ask"]
        assert [codes(payment) for payment in later] == [["policy.ask"]] * len(later)
        assert len(later) == 5
        days = [payment.on for payment in found.payments]
        assert days == sorted(days)
        assert sum(found.totals.values()) == len(found.payments)
        assert (found.left_out, bench.wire.writes, await bench.proposals()) == ((), [], [])


async def test_a_stricter_policy_shows_what_it_would_have_stopped(home: Path) -> None:
    async with a_bench(home) as bench:
        found = await backtest(bench.company, parse_policy(STRICT), 3660)

        assert [(payment.money.text, codes(payment)[:-1]) for payment in of_vendor(found, "Fjord Timber AS")] == [
            ("4820.00", ["amount.approver", "vendor.first_payment"]),
            (
                "7350.00",
                [
                    "amount.over_day_limit",
                    "amount.over_month_limit",
                    "amount.over_single_limit",
                    "amount.over_vendor_limit",
                    "amount.two_approvers",
                ],
            ),
            ("6115.00", ["amount.two_approvers"]),
            ("5990.00", ["amount.two_approvers"]),
            ("2400.00", ["amount.approver"]),
        ]
        refused = [payment for payment in found.payments if payment.verdict is Severity.REFUSE]
        assert {payment.money.text for payment in refused} > {"7350.00"}
        assert all("amount.over_month_limit" in codes(payment) for payment in refused)
        assert found.totals["refuse"] == len(refused)


async def test_a_backtest_reaches_back_as_far_as_it_was_asked(home: Path) -> None:
    async with a_bench(home) as bench:
        everything = await backtest(bench.company, Policy(), 3660)
        recent = await backtest(bench.company, Policy(), 60)

        assert recent.since == START.date() - timedelta(days=60)
        assert [p for p in everything.payments if p.on >= recent.since] == list(recent.payments)
        assert 0 < len(recent.payments) < len(everything.payments)


async def test_a_backtest_ignores_todays_closing_date_and_hours(home: Path) -> None:
    async with a_bench(home) as bench:
        plain = await backtest(bench.company, Policy(), 3660)
        closed = await backtest(
            bench.company, parse_policy('closing_date = 2026-03-01\n[quiet_hours]\ndays = ["mon", "tue", "wed"]'), 3660
        )

        assert closed.payments == plain.payments


def test_the_command_answers_a_table_or_json_of_one_shape(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUTTER_AP_HOME", str(home))
    file = tmp_path / "stricter.toml"
    file.write_text(STRICT)

    assert main(["policy", "backtest", str(file), "--days", "365", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {
        "company",
        "environment",
        "policy_version",
        "since",
        "totals",
        "payments",
        "left_out",
        "not_judged",
    }
    assert set(told["totals"]) == {"allow", "ask", "approve", "refuse"}
    assert set(told["payments"][0]) == {"id", "date", "vendor", "amount", "verdict", "findings"}
    assert told["policy_version"] == parse_policy(STRICT).version

    assert main(["policy", "backtest"]) == 0
    words = capsys.readouterr().out
    assert " payments since " in words
    assert "Not judged" in words

    file.write_text("a = ")
    assert main(["policy", "backtest", str(file)]) == 1
    assert main(["policy", "backtest", str(tmp_path / "none.toml")]) == 1
