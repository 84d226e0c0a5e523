"""The policy: missing means the default, broken names its place and stops all, and its version is its content."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from rutter_ap_server.guard.policy import Policy, PolicyError, parse_policy, read_file
from rutter_ap_server.guard.writes.registry import default_severities
from rutter_ap_tools.errors import Who
from rutter_ap_tools.findings import Severity

USD = """
[currencies.USD]
approve_above = "500.00"
two_approvers_above = "5000"
single_limit = "10000"
day_limit = "20000"
vendor_day_limit = "15000"
"""


def broken(text: str) -> str:
    with pytest.raises(PolicyError) as error:
        parse_policy(text)
    assert (error.value.error_code, error.value.who) == ("policy.broken", Who.OPERATOR)
    return error.value.message


async def test_the_default_asks_and_needs_an_approver_above_a_thousand(tmp_path: Path) -> None:
    assert await read_file(tmp_path / "policy.toml") is None
    policy = Policy()
    assert policy == parse_policy("")
    defaults = default_severities()
    assert {tool for tool, word in defaults.items() if word == "approve"} == {"delete_bill", "void_payment"}
    assert defaults["pay_bill"] == defaults["propose_payment_run"] == defaults["save_vendor"] == "ask"
    names = ("approve_above", "two_approvers_above", "single_limit", "day_limit", "vendor_day_limit")
    assert [str(policy.limit("USD", name)) for name in names] == [
        "1000.00 USD",
        "25000.00 USD",
        "100000.00 USD",
        "100000.00 USD",
        "50000.00 USD",
    ]
    assert str(policy.limit("JPY", "approve_above")) == "0 JPY"
    assert (policy.asking.timeout_seconds, policy.asking.valid_seconds) == (120, 600)
    assert (policy.proposals.expire_hours, policy.proposals.repeat_days) == (72, 30)


def test_what_the_file_says_applies_and_the_rest_is_default() -> None:
    policy = parse_policy(USD + '[tools]\ncreate_bill = "approve"\n')

    assert str(policy.limit("USD", "approve_above")) == "500.00 USD"
    assert str(policy.limit("EUR", "approve_above")) == "0.00 EUR"
    assert (policy.asks_of("create_bill"), policy.asks_of("pay_bill")) == (Severity.APPROVE, None)


def test_a_limit_is_read_in_its_currencys_own_digits() -> None:
    policy = parse_policy(USD.replace("USD", "KWD").replace("500.00", "500.125"))

    assert str(policy.limit("KWD", "approve_above")) == "500.125 KWD"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[currencies\n", "line 1"),
        ("a = 1\n\nb = = 2", "line 3"),
        ('a = "\x00"', "line 1"),
        ("[tools]\npay_bill = 'ask'\npay_bill = 'allow'\n", "line 3"),
        ("[tools]\npay_bil = 'refuse'", "tools.pay_bil is not a known field"),
        ("single_limit = '5'", "single_limit is not a known field"),
        ("[currencies.USD]\napprove_abov = '1'", "currencies.USD.approve_abov is not a known field"),
        ("[currencies.USD]\napprove_above = '1000000000000.01'", "USD: an amount of more than 1000000000000"),
        ("[currencies.default]\nday_limit = '-1'", "default: an amount must be a decimal string"),
        ("[currencies.default]\nday_limit = 'NaN'", "default: an amount must be a decimal string"),
        ("[currencies.default]\nday_limit = '9999999999999'", "default: an amount of more than"),
        (USD.replace('"500.00"', "500.00"), "currencies.USD.approve_above must be a decimal in quotes"),
        (USD.replace('"500.00"', "500"), "currencies.USD.approve_above must be a decimal in quotes"),
        (USD.replace('"500.00"', "true"), "currencies.USD.approve_above must be a decimal in quotes"),
        (USD.replace('"500.00"', '"-1"'), "USD: an amount must be a decimal string"),
        (USD.replace('"500.00"', '"1e3"'), "USD: an amount must be a decimal string"),
        (USD.replace('"500.00"', '""'), "USD: an amount must be a decimal string"),
        (USD.replace('"500.00"', '"1.005"'), "USD: an amount in USD has at most 2 decimal places"),
        (USD.replace("USD", "JPY").replace("500.00", "500.50"), "JPY: an amount in JPY has at most 0 decimal places"),
        (USD.replace("USD", "usd"), "usd: currency must be an ISO 4217 code"),
        (USD.replace("USD", "ZZZ"), "ZZZ: currency must be an ISO 4217 code"),
        (USD.replace('"5000"', '"499.99"'), "USD: two_approvers_above is below approve_above"),
        ("[tools]\npay_bill = 'sometimes'", "tools.pay_bill: Input should be 'allow', 'ask', 'approve' or 'refuse'"),
        ("[tools]\npay_bill = 3", "tools.pay_bill"),
        ("tools = 'allow'", "tools"),
        ("[asking]\ntimeout_seconds = 0", "asking.timeout_seconds"),
        ("[asking]\ntimeout_seconds = '120'", "asking.timeout_seconds"),
        ("[asking]\nvalid_seconds = 3601", "asking.valid_seconds"),
        ("[proposals]\nexpire_hours = 0", "proposals.expire_hours"),
        ("[proposals]\nexpire_hours = 1.5", "proposals.expire_hours"),
        ("[proposals]\ndeclined_hours = 0", "proposals.declined_hours"),
        ("[proposals]\nrepeat_days = -1", "proposals.repeat_days"),
        ("[proposals]\nrepeat_days = 0", "proposals.repeat_days"),
        ("[rules]\ntier_vendor_hours = 0", "rules.tier_vendor_hours"),
        ("[rules]\nuntrusted_days = 0", "rules.untrusted_days"),
        ('[vendors]\nblocked = ["  "]', "vendors: one of the names is empty"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = " + "[" * 5000, "not valid TOML"),
        ("[proposals]\nrepeat_days = inf", "proposals.repeat_days"),
    ],
)
def test_a_broken_policy_names_the_line_or_the_field(text: str, where: str) -> None:
    assert where in broken(text)


def test_every_problem_is_named_at_once_with_names_cleaned() -> None:
    message = broken('[tools]\nfoo = 1\nbar = 2\n"a\\u202eb" = 3\n')

    assert all(f"tools.{name} is not a known field" in message for name in ("foo", "bar", "ab"))
    assert message.isprintable()


def test_equal_tiers_are_fine_since_two_approvers_cover_one() -> None:
    assert parse_policy(USD.replace('"5000"', '"500.00"')).limit("USD", "two_approvers_above") is not None


def test_the_version_depends_on_content_not_on_spelling() -> None:
    shuffled = "\n".join(sorted(line for line in USD.splitlines() if "=" in line))

    assert parse_policy(USD).version == parse_policy("# a comment\n[currencies.USD]\n" + shuffled).version
    assert parse_policy("").version == Policy().version
    assert len(Policy().version) == 64


def test_the_version_changes_with_whatever_the_policy_says() -> None:
    texts = [
        "",
        USD,
        USD.replace("500.00", "500.01"),
        '[tools]\npay_bill = "approve"',
        "[asking]\ntimeout_seconds = 119",
        "[asking]\nvalid_seconds = 599",
        "[asking]\nin_card = true",
        "[proposals]\nrepeat_days = 31",
    ]

    assert len({parse_policy(text).version for text in texts}) == len(texts)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
async def test_an_unreadable_file_is_broken_and_never_missing(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "policy.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(PolicyError, match="the policy file exists but"):
        await read_file(path)


async def test_a_pipe_a_device_or_a_flood_is_refused_at_once(tmp_path: Path) -> None:
    pipe, flood = tmp_path / "pipe.toml", tmp_path / "flood.toml"
    os.mkfifo(pipe)
    flood.write_text("# " + "x" * 1024 * 1024)
    link = tmp_path / "link.toml"
    link.symlink_to(pipe)
    with anyio.fail_after(5):
        for path in (pipe, link, Path("/dev/zero"), Path("/dev/null")):
            with pytest.raises(PolicyError, match="not a regular file"):
                await read_file(path)
        with pytest.raises(PolicyError, match="larger than 1024 KB"):
            await read_file(flood)


async def test_a_link_to_a_policy_is_read_as_the_policy(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text(USD)
    link = tmp_path / "policy.toml"
    link.symlink_to("real.toml")

    assert await read_file(link) == parse_policy(USD)
