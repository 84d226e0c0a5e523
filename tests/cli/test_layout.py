"""Text in columns: nothing is lost, an amount is never broken, and no character can do anything to a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from rutter_ap_server.cli.layout import cell, pairs, rows_of, visible, wrapped
from rutter_ap_tools.money import Money

ID = "6cc4d9fd-dc7c-52d6-b24d-4a1091f2deba"
WORDS = st.text(alphabet="aé 日本:[]/1,.‹›\u0301", max_size=80)
AMOUNTS = st.integers(min_value=0, max_value=10**12).map(lambda cents: Money.parse(f"{cents / 100:.2f}", "USD").grouped)


@given(text=WORDS, columns=st.integers(min_value=4, max_value=40))
def test_wrapping_loses_nothing_and_always_fits(text: str, columns: int) -> None:
    lines = wrapped(text, columns)
    assert all(cell_len(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=5), words=WORDS, columns=st.integers(min_value=70, max_value=150))
def test_no_amount_is_ever_broken_in_any_layout(amounts: list[str], words: str, columns: int) -> None:
    rows = [[cell(f"{amount} paid"), cell(amount), cell(words), cell(f"{words} {amount}")] for amount in amounts]
    lines = [
        *(one.plain for one in rows_of(["what", "amount", "payee", "limit"], rows, columns)),
        *(one.plain for one in pairs([("Amount", cell(f"{words} {amount}")) for amount in amounts], columns)),
    ]
    assert all(cell_len(line) <= columns for line in lines)
    for amount in set(amounts):
        assert sum(line.count(amount) for line in lines) >= 4 * amounts.count(amount)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x07", "a\\u001b[31mb\\u0007"),
        ("a\nReleased by: Dana", "a\\u000aReleased by: Dana"),
        ("safe\u202egpj", "safe\\u202egpj"),
        ("[bold]x[/] :smile: 日本 Ёж", "[bold]x[/] :smile: 日本 Ёж"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    (line,) = pairs([("Memo", cell(text))], 80)
    assert line.plain == f"  Memo  {shown}"


def test_an_id_goes_below_only_where_it_must_be_ours() -> None:
    (value, own) = pairs([("Payee", cell(f"Acme ({ID}), no bank account"))], 80)
    assert (value.plain, own.plain) == ("  Payee  Acme, no bank account", f"         id {ID}")
    (marked, own) = pairs([("Payee", cell(f"‹Acme ({ID})› ({ID})"))], 200)
    assert (marked.plain, own.plain) == (f"  Payee  ‹Acme ({ID})›", f"         id {ID}")
    for text in (f"Acme ({ID}) ({ID})", f"‹Acme ({ID})›"):
        assert [line.plain for line in pairs([("Payee", cell(text))], None)] == [f"  Payee  {text}"]


def test_amounts_align_right_and_narrow_tables_become_blocks() -> None:
    rows = [[cell("5.00 USD"), cell("Acme " * 30)], [cell("1,250.00 USD"), cell("Bo")]]
    wide = [line.plain for line in rows_of(["amount", "payee"], rows, 200)]
    assert [line[:14] for line in wide] == ["        amount", "      5.00 USD", "  1,250.00 USD"]
    narrow = [line.plain for line in rows_of(["amount", "payee"], rows, 40)]
    assert narrow[0].startswith("      5.00 USD  payee: Acme")
    assert narrow[-1] == "  1,250.00 USD  payee: Bo"
