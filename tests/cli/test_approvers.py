"""Approvers from a terminal: who is asked for what, in which order, and never as an argument."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.real_terminal import RealTerminal
from support.terminal import Terminal

DANAS, SAMS, NEW = "a long enough passcode", "another long passcode", "a third long passcode"


def lines(*passcodes: str) -> str:
    return "\n".join(passcodes)


def names(rutter_ap: Terminal) -> list[str]:
    return [one["name"] for one in rutter_ap("approvers", "list", "--json").json]


def test_the_second_approver_is_added_with_the_firsts_passcode(rutter_ap: Terminal) -> None:
    assert rutter_ap("approvers", "add", "Dana", typed=DANAS).status == 0
    alone = rutter_ap("approvers", "add", "Sam", typed=lines(SAMS, SAMS))
    assert (alone.status, "approval.wrong_passcode" in alone.err) == (1, True)
    assert names(rutter_ap) == ["Dana"]

    assert rutter_ap("approvers", "add", "Sam", typed=lines(DANAS, SAMS)).status == 0

    listed = rutter_ap("approvers", "list", "--json").json
    assert [one["name"] for one in listed] == ["Dana", "Sam"]
    assert len({one["id"] for one in listed}) == 2
    several = rutter_ap("approvers", "add", "Kim", typed=lines(DANAS, NEW))
    assert (several.status, "--as and your name" in several.err) == (1, True)
    assert rutter_ap("approvers", "add", "Kim", "--as", "sam", typed=lines(SAMS, NEW)).status == 0


def test_an_existing_name_says_how_to_change_its_passcode(rutter_ap: Terminal) -> None:
    rutter_ap("approvers", "add", "Dana Reyes", typed=DANAS)
    again = rutter_ap("approvers", "add", "dana reyes", typed=lines(DANAS, NEW))
    assert (again.status, "approver.exists" in again.err) == (1, True)
    assert 'rutter-ap approvers passcode "dana reyes"' in again.err

    changed = rutter_ap("approvers", "passcode", "dana reyes", typed=lines(DANAS, NEW))

    assert changed.status == 0, changed.err
    assert rutter_ap("approvers", "remove", "Dana Reyes", typed=DANAS).status == 1
    assert rutter_ap("approvers", "remove", "Dana Reyes", typed=NEW).status == 0
    assert names(rutter_ap) == []


def test_a_lost_passcode_is_changed_by_another_approver(rutter_ap: Terminal) -> None:
    rutter_ap("approvers", "add", "Dana", typed=DANAS)
    rutter_ap("approvers", "add", "Sam", typed=lines(DANAS, SAMS))
    own = rutter_ap("approvers", "passcode", "Sam", typed=lines(DANAS, NEW))
    assert (own.status, "approval.wrong_passcode" in own.err) == (1, True)
    same = rutter_ap("approvers", "passcode", "Sam", "--as", "Dana", typed=lines(DANAS, DANAS))
    assert (same.status, "approver.passcode_in_use" in same.err) == (1, True)
    assert DANAS not in same.out + same.err

    assert rutter_ap("approvers", "passcode", "Sam", "--as", "Dana", typed=lines(DANAS, NEW)).status == 0
    assert rutter_ap("approvers", "remove", "Sam", "--as", "Sam", typed=NEW).status == 0


def test_anybody_may_freeze_and_only_an_approver_unfreezes(rutter_ap: Terminal) -> None:
    rutter_ap("approvers", "add", "Dana", typed=DANAS)
    assert rutter_ap("freeze").status == 0
    for typed, code in (("", "input.ended"), ("not the passcode", "approval.wrong_passcode")):
        refused = rutter_ap("unfreeze", typed=typed)
        assert (refused.status, code in refused.err) == (1, True)

    assert rutter_ap("unfreeze", "--as", "DANA", typed=DANAS).status == 0

    last = json.loads(rutter_ap("audit", "export").out.splitlines()[-1])
    dana = rutter_ap("approvers", "list", "--json").json[0]["id"]
    assert (last["kind"], last["actor"]) == ("unfrozen", "Dana")
    assert last["body"] == {"approver_id": dana, "channel": "terminal"}


@pytest.mark.parametrize("words", [("add", "Sam"), ("passcode", "Dana"), ("remove", "Dana")])
def test_without_a_passcode_nothing_about_approvers_changes(words: tuple[str, str], rutter_ap: Terminal) -> None:
    rutter_ap("approvers", "add", "Dana", typed=DANAS)
    before = rutter_ap("approvers", "list", "--json").json

    assert rutter_ap("approvers", *words, typed="").status == 1

    assert rutter_ap("approvers", "list", "--json").json == before


def test_at_a_real_terminal_the_new_passcode_is_asked_for_twice(home: Path, rutter_ap: Terminal) -> None:
    rutter_ap("approvers", "add", "Dana", typed=DANAS)
    with RealTerminal(home, "approvers", "passcode", "Dana") as terminal:
        for prompt, typed in (("Passcode for Dana: ", DANAS), ("New passcode: ", NEW), ("Repeat the passcode: ", NEW)):
            terminal.until(prompt)
            terminal.type(f"{typed}\n")
        assert terminal.ended() == 0
    assert DANAS not in terminal.shown
    assert NEW not in terminal.shown
    assert rutter_ap("approvers", "remove", "Dana", typed=NEW).status == 0
