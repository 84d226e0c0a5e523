"""A statement shows all that is written: nothing of it can change without every form of the statement changing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.gathering import BatchFacts
from rutter_ap_server.guard.judge import assess, fingerprint_of
from rutter_ap_server.guard.policy import Policy
from rutter_ap_server.guard.statement import judged_sections, statement_of, stored_sections
from rutter_ap_server.guard.writes.base import Batch, Facts, MemberWords
from rutter_ap_server.guard.writes.registry import WRITES, proposed_by
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_tools.statement import Statement
from rutter_ap_tools.text import clean
from support.facts import usd
from support.full_writes import FULL, Full
from support.renderings import assert_whole, at, leaves, lists, renderings, visible
from support.store_rows import START, a_proposal

EVERY = st.sampled_from(sorted(FULL))
# A field that an amount is worked out from takes only amounts, and a run's lines are prepared as payments.
AMOUNTS = ("amount",)
OF_A_RUN = ("currency", "date")
INVISIBLE = ("\u200b", "\u202e", "\u2060", "\ufe0f", "\u3164", "\U000e0041")
_LONG = "All of it was delivered. " * 40


@pytest.fixture(scope="module", autouse=True)
def screen_of_80_columns() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "dumb")
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path_factory.mktemp('statements') / 'ap.db'}", FixedClock(START))
    yield opened
    opened.close()


def stated(full: Full, store: Store) -> tuple[str, Proposal, Statement]:
    """The fingerprint of a write, and its statement, with a summary that says nothing of its fields."""
    prepared, facts, write = full.prepared, full.facts, proposed_by(full.tool)
    if isinstance(write, Batch):
        assert isinstance(facts, BatchFacts)
        members = zip(write.members(prepared), facts.members, strict=True)
        words = write.describe(prepared, [MemberWords(one, known, (), None) for one, known in members])
        fingerprint = store.read_now(lambda tx: assess(tx, write, prepared, facts, Policy())).fingerprint
    else:
        assert isinstance(facts, Facts)
        words = write.describe(prepared, facts)
        fingerprint = fingerprint_of(prepared, facts, words)
    sections = stored_sections(judged_sections(words, (), ("a check",), ()))
    proposal = a_proposal(id="p1", tool=full.tool, fields={}, money=None, bill_id=None, sections=sections)
    return fingerprint, proposal, store.read_now(lambda tx: statement_of(tx, proposal, Policy()))


def assert_told_apart(before: Full, after: Full, store: Store) -> None:
    """Whoever reads one form of the statement sees that it is another write."""
    (was, proposal, old), (now, _, new) = stated(before, store), stated(after, store)
    assert was != now
    assert old.digest != new.digest
    shown = renderings(proposal, new)
    for form, text in renderings(proposal, old).items():
        assert visible(text) != visible(shown[form]), form
        assert all(clean(one, 1_000_000) == " ".join(one.split()) for one in shown[form].split("\n")), form


def other_texts(value: str) -> st.SearchStrategy[str]:
    """Texts that are not this one, many of them hard to tell from it."""
    place = st.integers(0, len(value))
    hidden = st.builds(lambda n, mark: value[:n] + mark + value[n:], place, st.sampled_from(INVISIBLE))
    spaced = st.builds(lambda n: value[:n] + "  " + value[n:], place)
    same = st.sampled_from([value.swapcase(), value + " ", " " + value, value + "\n", f"‹{value}›", "", f"{value}…"])
    return st.one_of(hidden, spaced, same, st.text(max_size=60)).filter(lambda one: one != value)


def other_values(full: Full, path: tuple[Any, ...], value: Any) -> st.SearchStrategy[Any]:
    """Values of the same kind that are not this one."""
    name = next((key for key in reversed(path) if isinstance(key, str)), "")
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int):
        return st.integers(0, 10**6).filter(lambda one: one != value)
    if name in AMOUNTS and ("lines" in path or full.tool == "propose_payment_run"):
        return (
            st.integers(1, 10**9)
            .map(lambda cents: usd(f"{cents // 100}.{cents % 100:02}").text)
            .filter(lambda one: one != value)
        )
    if full.tool == "propose_payment_run" and name == "currency":
        return st.sampled_from(["EUR", "CAD", "GBP"])
    if name.endswith("date") and full.tool == "propose_payment_run" and "lines" not in path:
        return st.dates(date(2020, 1, 1)).map(str).filter(lambda one: one != value)
    return other_texts(str(value))


def with_value(full: Full, path: tuple[Any, ...], value: Any) -> Full:
    def put(fields: dict[str, Any]) -> None:
        at(fields, path[:-1])[path[-1]] = value

    return full.written(put)


@st.composite
def another_leaf(draw: st.DrawFn) -> tuple[Full, Full]:
    """A write, and the same with one value changed."""
    full = FULL[draw(EVERY)]
    path, value = draw(st.sampled_from(list(leaves(full.fields))))
    return full, with_value(full, path, draw(other_values(full, path, value)))


def test_no_write_is_missing_here() -> None:
    assert {full.tool for full in FULL.values()} == {write.tool for write in WRITES} | {"propose_payment_run"}


@settings(max_examples=100)
@given(another_leaf())
def test_no_value_changes_unseen(store: Store, pair: tuple[Full, Full]) -> None:
    assert_told_apart(*pair, store)


@pytest.mark.parametrize("name", sorted(FULL))
def test_each_value_shows_a_sign_no_eye_sees(store: Store, name: str) -> None:
    full = FULL[name]
    for path, value in leaves(full.fields):
        kinds = [value + "\u200b", value + " ", value.swapcase()] if isinstance(value, str) else []
        for other in kinds:
            ours = path[-1] in AMOUNTS or (full.tool == "propose_payment_run" and path[-1] in OF_A_RUN)
            if other != value and not ours:
                assert_told_apart(full, with_value(full, path, other), store)


@pytest.mark.parametrize("name", sorted(FULL))
def test_a_long_text_is_shown_to_its_last_character(store: Store, name: str) -> None:
    for path, value in leaves(FULL[name].fields):
        if isinstance(value, str) and path[-1] not in (*AMOUNTS, *OF_A_RUN):
            one, two = (with_value(FULL[name], path, f"{_LONG[:999]}{end}") for end in "ab")
            assert_told_apart(one, two, store)
            assert_whole(*stated(one, store)[1:])


@settings(max_examples=40)
@given(another_leaf())
def test_every_cell_is_whole_in_every_form(store: Store, pair: tuple[Full, Full]) -> None:
    for full in pair:
        _, proposal, statement = stated(full, store)
        assert_whole(proposal, statement)


@pytest.mark.parametrize("name", sorted(FULL))
def test_nothing_is_shortened_or_counted_instead(store: Store, name: str) -> None:
    _, proposal, statement = stated(FULL[name], store)
    forms = renderings(proposal, statement)
    assert len(forms) > 1
    for text in forms.values():
        assert "…" not in text
        assert "..." not in text
        assert " more" not in text


@pytest.mark.parametrize("name", sorted(FULL))
def test_an_item_more_less_or_elsewhere_shows(store: Store, name: str) -> None:
    full = FULL[name]
    for path in lists(full.fields):
        if path[0] == "was" or (path[0] == "allocations" and len(path) > 1):
            # A pair, which is not a list of things.
            continue
        whole = at(full.fields, path)
        kept = [whole[:-1]] if len(whole) > 1 else []
        turned = [] if full.tool == "propose_payment_run" or len(whole) < 2 else [whole[::-1]]
        for other in (*kept, *turned, [*whole, whole[-1]]):
            assert_told_apart(full, with_value(full, path, other), store)


@pytest.mark.parametrize("name", sorted(FULL))
@pytest.mark.parametrize("value", ["a\u200bb", ["x", "y"], {"inner": "z"}, 7, True])
def test_a_field_nobody_put_into_words_still_shows(store: Store, name: str, value: Any) -> None:
    full = FULL[name]
    assert_told_apart(full, full.written(lambda fields: fields.update(brand_new=value)), store)
    for path, one in leaves(full.fields):
        if len(path) > 1 and isinstance(path[-1], str) and path[0] != "expected" and one != value:
            inside = with_value(full, (*path[:-1], "brand_new"), value)
            assert_told_apart(full, inside, store)


def other_facts(seen: Any, **parts: Mapping[str, Any]) -> Iterator[Any]:
    """The facts with one value of one part changed."""
    for part, values in parts.items():
        for name, value in values.items():
            yield replace(seen, **{part: replace(getattr(seen, part), **{name: value})})


BILL = {"number": "INV-9", "status": "void", "total": usd("1.00"), "issued": date(2026, 1, 9), "due_on": None}
VENDOR = {"name": "Northwind Utilitles", "bank_account_end": "4322"}
ACCOUNT = {"name": "Savings", "type": "credit_card", "currency": "EUR"}


# Nothing of what these see is another record's: what they show is in their fields, or has a test of its own.
SEE_NO_PARTY = {"link_account: a new one", "save_vendor", "save_vendor: a new one", "void_payment"}


@pytest.mark.parametrize(
    "name", sorted(name for name, full in FULL.items() if full.seen is not None and name not in SEE_NO_PARTY)
)
def test_no_fact_that_is_shown_changes_unseen(store: Store, name: str) -> None:
    full = FULL[name]
    shown: dict[str, dict[str, Any]] = {"bill": BILL, "vendor": VENDOR, "account": ACCOUNT, "payable_account": ACCOUNT}
    parts: dict[str, Mapping[str, Any]] = {
        part: values
        for part, values in shown.items()
        if getattr(full.seen, part, None) is not None and not isinstance(getattr(full.seen, part), str)
    }
    others = list(other_facts(full.seen, **parts))
    assert others
    for seen in others:
        assert_told_apart(full, replace(full, seen=seen), store)


def test_what_a_ledger_shows_of_each_bill_of_a_void_shows(store: Store) -> None:
    full = FULL["void_payment"]
    for name, value in BILL.items():
        bills = (full.seen.bills[0], replace(full.seen.bills[1], **{name: value}))
        assert_told_apart(full, replace(full, seen=replace(full.seen, bills=bills)), store)
    for changed in ({"paid_on": date(2026, 2, 21)}, {"settles_more": ()}):
        assert_told_apart(full, replace(full, seen=replace(full.seen, **changed)), store)
