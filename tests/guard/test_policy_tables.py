"""The tables of the policy beyond its tiers: what may be made stricter, who may release, when it is quiet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.cli.main import main
from rutter_ap_server.guard.policy import CODES, Policy, PolicyError, parse_policy
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from support.facts import usd

USD = """
[currencies.USD]
approve_above = "500.00"
two_approvers_above = "5000"
single_limit = "10000"
day_limit = "20000"
vendor_day_limit = "15000"
"""


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (USD + 'week_limit = "1.005"', "USD: an amount in USD has at most 2 decimal places"),
        (USD + "month_limit = 5", "currencies.USD.month_limit must be a decimal in quotes"),
        (USD + 'year_limit = "5"', "currencies.USD.year_limit is not a known field"),
        ('[rules]\nunusual_factor = "0.9"', "unusual_factor must be at least 1"),
        ('[rules]\nunusual_factor = "three"', "unusual_factor must be a decimal in quotes"),
        ("[rules]\nunusual_factor = 3", "rules.unusual_factor must be a string in quotes"),
        ("[rules]\ncooling_days = 0", "rules.cooling_days"),
        ("[rules]\njust_under_percent = 51", "rules.just_under_percent"),
        ('[rules.document_required_above]\nUSD = "1.005"', "USD: an amount in USD has at most 2 decimal places"),
        ('[rules.document_required_above]\nUSX = "1"', "USX: currency must be an ISO 4217 code"),
        ("[rules.document_required_above]\nUSD = 500", "must be a decimal in quotes"),
        ('[rules.severity]\n"bill.similr" = "off"', "bill.similr is not a rule code"),
        (
            '[rules.severity]\n"vendor.changed" = "off"',
            "vendor.changed protects the books and cannot",
        ),
        (
            '[rules.severity]\n"bill.similar" = "ask"',
            "bill.similar is at least approve; rules can only be made stricter",
        ),
        ('[rules.severity]\n"bill.similar" = "never"', "rules.severity.bill.similar"),
        ("[vendors]\nblocked = [3]", "vendors.blocked.0 must be a string in quotes"),
        ('[vendors]\nbanned = ["x"]', "vendors.banned is not a known field"),
        ('[quiet_hours]\nstarts = "22:00"', "quiet_hours: a window needs both starts and ends"),
        ('[quiet_hours]\nstarts = "24:00"\nends = "06:00"', "quiet_hours.starts"),
        ('[quiet_hours]\ndays = ["saturday"]', "quiet_hours.days.0"),
        ('[approvers.Ana]\nmax = {USD = "1.005"}', "USD: an amount in USD has at most 2 decimal places"),
        ('[approvers.Ana]\n[approvers."ANÀ"]', "two of the names are spellings of one name"),
        ('[approvers.Ana]\ntools = ["pay"]', "approvers.Ana.tools.0: pay is not a tool that writes"),
        ('closing_date = "2026-01-31"', "closing_date"),
        ("[companies.c1]\nday_limit = '5'", "companies.c1.day_limit is not a known field"),
        (USD.replace("currencies", "companies.c1.currencies").replace('"5000"', '"1"'), "two_approvers_above is below"),
        ('preparer_may_approve = "no"', "preparer_may_approve"),
    ],
)
def test_a_broken_table_names_its_place(text: str, where: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse_policy(text)

    assert where in error.value.message


@pytest.mark.parametrize("code", sorted(code for code, entry in CODES.items() if entry.may_be_off))
def test_a_rule_that_only_weighs_may_be_switched_off(code: str) -> None:
    policy = parse_policy(f'[rules.severity]\n"{code}" = "off"')

    assert policy.adjusted(Finding(code=code, severity=Severity.APPROVE, message="it")) is None


@pytest.mark.parametrize("code", sorted(code for code, entry in CODES.items() if not entry.may_be_off))
def test_a_rule_that_keeps_the_books_safe_may_not(code: str) -> None:
    with pytest.raises(PolicyError, match="cannot be switched off"):
        parse_policy(f'[rules.severity]\n"{code}" = "off"')


@given(st.sampled_from(sorted(CODES)), st.sampled_from(["ask", "approve", "refuse"]), st.sampled_from(list(Severity)))
def test_no_setting_ever_makes_a_finding_milder(code: str, setting: str, severity: Severity) -> None:
    found = Finding(code=code, severity=severity, message="it")
    try:
        policy = parse_policy(f'[rules.severity]\n"{code}" = "{setting}"')
    except PolicyError:
        assert Severity[setting.upper()] < CODES[code].least
        return

    adjusted = policy.adjusted(found)

    assert adjusted is not None
    assert adjusted.severity is max(severity, Severity[setting.upper()])
    assert (adjusted.code, adjusted.message) == (found.code, found.message)


@pytest.mark.parametrize(
    ("table", "moment", "quiet"),
    [
        ("", "2026-03-07T03:00", False),
        ('starts = "22:00"\nends = "06:00"', "2026-03-04T21:59", False),
        ('starts = "22:00"\nends = "06:00"', "2026-03-04T22:00", True),
        ('starts = "22:00"\nends = "06:00"', "2026-03-05T05:59", True),
        ('starts = "22:00"\nends = "06:00"', "2026-03-05T06:00", False),
        ('starts = "12:00"\nends = "13:00"', "2026-03-05T12:59", True),
        ('starts = "12:00"\nends = "13:00"', "2026-03-05T13:00", False),
        ('starts = "00:00"\nends = "00:00"', "2026-03-05T13:00", True),
        ('days = ["sat", "sun"]', "2026-03-07T00:00", True),
        ('days = ["sat", "sun"]', "2026-03-06T23:59", False),
    ],
)
def test_quiet_hours_hold_up_to_their_edges(table: str, moment: str, quiet: bool) -> None:
    policy = parse_policy(f"[quiet_hours]\n{table}")

    assert policy.quiet_hours.hold(datetime.fromisoformat(moment).replace(tzinfo=UTC)) is quiet


@pytest.mark.parametrize(
    ("name", "blocked", "trusted"),
    [("v1", True, False), ("Evil Corp", True, False), ("ÉVIL  corp", False, False), ("evil corp", True, False)],
)
def test_a_vendor_is_named_by_id_or_by_its_whole_name(name: str, blocked: bool, trusted: bool) -> None:
    vendors = parse_policy(f'[vendors]\nblocked = ["{name}"]\ntrusted = ["{name}", "v1", "Evil Corp"]').vendors

    assert vendors.is_blocked("v1", "Evil Corp") is blocked
    assert vendors.is_trusted("v1", "Evil Corp") is not blocked
    assert vendors.is_blocked("v2", "") is vendors.is_blocked(None, None) is False


APPROVERS = """
[approvers.Ana]
[approvers.Bo]
tools = ["pay_bill"]
max = {USD = "5000.00"}
"""


@pytest.mark.parametrize(
    ("name", "tool", "money", "reason"),
    [
        ("Ana", "pay_bill", usd("999999.00"), None),
        ("ana", "create_bill", None, None),
        ("Bo", "pay_bill", usd("5000.00"), None),
        ("Bo", "pay_bill", usd("5000.01"), "at most 5000.00 USD, but this is 5000.01 USD"),
        ("Bo", "pay_bill", Money.parse("1.00", "EUR"), "does not let Bo release payments in EUR"),
        ("Bo", "create_bill", usd("1.00"), "does not let Bo release create_bill"),
        ("Cy", "pay_bill", usd("1.00"), "does not list Cy"),
    ],
)
def test_an_approver_releases_what_the_policy_lets_them(
    name: str, tool: str, money: Money | None, reason: str | None
) -> None:
    said = parse_policy(APPROVERS).may_release(name, tool, money)

    assert said is None if reason is None else said is not None and reason in said


def test_a_policy_that_names_no_approver_bounds_none() -> None:
    assert Policy().may_release("Cy", "pay_bill", usd("1.00")) is None


def test_a_company_may_have_limits_and_a_closing_date_of_its_own() -> None:
    own = USD.replace("currencies", "companies.c1.currencies").replace("500.00", "50.00")
    policy = parse_policy(f"closing_date = 2026-01-31\n{USD}\n[companies.c1]\nclosing_date = 2026-02-28\n{own}")

    assert str(policy.of("c1").limit("USD", "approve_above")) == "50.00 USD"
    assert str(policy.of("c2").limit("USD", "approve_above")) == "500.00 USD"
    assert [str(policy.of(name).closing_date) for name in ("c1", "c2")] == ["2026-02-28", "2026-01-31"]
    assert policy.of("c2") is policy


def test_every_new_field_is_part_of_the_version() -> None:
    texts = [
        "",
        "closing_date = 2026-01-31",
        "preparer_may_approve = true",
        '[vendors]\nblocked = ["v1"]',
        '[vendors]\ntrusted = ["v1"]',
        '[quiet_hours]\ndays = ["sun"]',
        '[rules.severity]\n"bill.similar" = "refuse"',
        "[rules]\ncooling_days = 15",
        "[approvers.Ana]",
        "[companies.c1]\nclosing_date = 2026-01-31",
    ]

    assert len({parse_policy(text).version for text in texts}) == len(texts)


def test_what_is_shown_can_be_used_as_the_file_itself(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(mode=0o700)
    own = USD.replace("currencies", 'companies."c 1".currencies')
    text = f"""
closing_date = 2026-01-31
preparer_may_approve = true
{USD}week_limit = "30000"
{APPROVERS}{own}
[companies."c 1"]
closing_date = 2026-02-28
[rules.severity]
"bill.similar" = "off"
[quiet_hours]
starts = "22:00"
ends = "06:00"
days = ["sun"]
[vendors]
trusted = ["Acmé"]
"""
    (home / "policy.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("RUTTER_AP_HOME", str(home))

    assert main(["policy", "show"]) == 0

    shown = capsys.readouterr().out
    assert parse_policy(shown).version == parse_policy(text).version
