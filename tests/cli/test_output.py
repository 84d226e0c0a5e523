"""What people read at the terminal: aligned tables, amounts with separators, errors with what to do next."""

from __future__ import annotations

import pytest

from rutter_ap_server.cli.output import money, report_error, table
from rutter_ap_server.settings import SettingsError
from rutter_ap_tools.errors import Ambiguous, ApError, BadInput, OperatorError, Refused
from rutter_ap_tools.findings import Finding, Severity
from rutter_ap_tools.money import Money
from rutter_ap_tools.people import for_people


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Pay 1234.50 USD to 5678 Corp", "Pay 1,234.50 USD to 5678 Corp"),
        ("684.20 USD, 31250.00 USD of 1000000.00 USD", "684.20 USD, 31,250.00 USD of 1,000,000.00 USD"),
        ("1,234.50 USD", "1,234.50 USD"),
        ("12345 JPY and 12345.678 KWD", "12,345 JPY and 12,345.678 KWD"),
        # Numbers that are no amounts: without the currency's decimals, or before a word that is no currency.
        ("invoice 20261107 USD", "invoice 20261107 USD"),
        ("12345.00 ABC", "12345.00 ABC"),
        ("1.2345.00 USD", "1.2345.00 USD"),
    ],
)
def test_amounts_in_sentences_get_separators(text: str, shown: str) -> None:
    assert for_people(text) == shown


def test_money_is_written_as_in_sentences() -> None:
    for text, currency in (("1234567.80", "USD"), ("1234567", "JPY"), ("5.00", "EUR")):
        amount = Money.parse(text, currency)
        assert money(amount) == for_people(f"{amount.text} {currency}")


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    table([("a", "1.00", "x"), ("bcd", "1,000.00", "")], right=[1])
    assert capsys.readouterr().out == "a        1.00  x\nbcd  1,000.00\n"
    table([])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (
            BadInput("limit must be positive"),
            [
                "bad_input: limit must be positive",
                "Next: Correct it and run the command again. Nothing was changed.",
            ],
        ),
        (
            Refused("it was refused", findings=[Finding(code="a.b", severity=Severity.REFUSE, message="1000.00 USD")]),
            ["refused: it was refused", "  refused: 1,000.00 USD [a.b]", "Next: Nothing was written."],
        ),
        (
            Ambiguous("several are called so", candidates=[("v1", "Acme"), ("v2", "Acme Ltd")]),
            [
                "ambiguous: several are called so",
                "  v1  Acme",
                "  v2  Acme Ltd",
                "Next: Run the command again with the id of the one you mean.",
            ],
        ),
        (OperatorError("no key"), ["not_configured: no key", "Next: Run `rutter-ap doctor`."]),
        (SettingsError("X is missing", next_step="Set it."), ["settings: X is missing", "Next: Set it."]),
        (ApError("it broke"), ["error: it broke"]),
    ],
    ids=["bad input", "refused", "ambiguous", "operator", "settings", "no step"],
)
def test_an_error_says_what_to_do(error: ApError, lines: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    report_error(error)
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", lines)
