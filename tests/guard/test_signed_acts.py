"""Signed acts, sign-ins and codes: what each ticket, key and code is good for, and how often, in the store alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyotp import TOTP

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard import codes
from rutter_ap_server.guard.passkeys import Site, WrongAssertion, challenge_of
from rutter_ap_server.guard.signed_acts import (
    TICKET_SECONDS,
    Signed,
    ask_to_sign,
    check_sign_in,
    check_signed,
    take,
    take_signed,
)
from rutter_ap_server.store.approvers import Approver
from rutter_ap_server.store.engine import Store
from rutter_ap_server.store.passkeys import NewPasskey, id_of
from rutter_ap_server.store.secrets import SecretBox, new_key
from support.authenticator import Authenticator, to_text

SITE = Site("http://localhost:8765", "localhost")
FORM = {"digest": "d", "facts": "f"}


def person(store: Store, name: str = "Dana") -> Approver:
    approver_id = store.write_now(lambda tx: tx.approvers.add(name, "a hash"))
    return next(one for one in store.read_now(lambda tx: tx.approvers.active()) if one.id == approver_id)


def known(store: Store, approver: Approver, **options: Any) -> Authenticator:
    """A passkey of that approver."""
    key = Authenticator(SITE.origin, **options)
    new = NewPasskey(to_text(key.id), to_text(key.public_key), key.rp_id, "aaguid", False, 0)
    assert store.write_now(lambda tx: tx.passkeys.add(approver.id, new))
    return key


def signed(store: Store, approver: Approver, key: Authenticator, **different: Any) -> Signed:
    """What the approver was asked for and signed."""
    ticket = store.write_now(lambda tx: ask_to_sign(tx, "release", "p", FORM, approver))
    asked = Signed("release", "p", FORM, approver, ticket, "", SITE)
    answer = json.dumps(key.signs(challenge_of(asked.decision.as_json)))
    return replace(asked, **{"answer": answer, **different})


def is_taken(store: Store, given: Signed) -> bool:
    return store.write_now(lambda tx: take_signed(tx, given))


def refused(store: Store, given: Signed) -> str:
    with pytest.raises(WrongAssertion) as error:
        store.write_now(lambda tx: check_signed(tx, given))
    return str(error.value)


@pytest.mark.parametrize("kind", ["ES256", "Ed25519"])
def test_what_was_signed_is_kept_whole(store: Store, kind: str) -> None:
    dana = person(store)
    key = known(store, dana, kind=kind)
    given = signed(store, dana, key)
    assert store.write_now(lambda tx: take_signed(tx, given))
    kept = store.write_now(lambda tx: check_signed(tx, given))
    answer = json.loads(given.answer)["response"]
    assert kept == {
        "decision": {
            "v": "rutter-ap/decision/1",
            "act": "release",
            "about": "p",
            "form": FORM,
            "approver_id": dana.id,
            "approver": "Dana",
            "at": given.ticket.partition(".")[2],
            "nonce": given.ticket.partition(".")[0],
        },
        "origin": SITE.origin,
        "rp_id": "localhost",
        "credential_id": to_text(key.id),
        "public_key": to_text(key.public_key),
        "aaguid": "aaguid",
        "is_backed_up": False,
        "sign_count": [0, 1],
        "client_data": answer["clientDataJSON"],
        "authenticator_data": answer["authenticatorData"],
        "signature": answer["signature"],
    }
    (passkey,) = store.read_now(lambda tx: tx.passkeys.active())
    assert (passkey.sign_count, passkey.used_at) == (1, store.read_now(lambda tx: tx.now))


def test_a_ticket_is_taken_once_and_for_its_act_alone(store: Store) -> None:
    dana, sam = person(store), person(store, "Sam")
    key = known(store, dana)
    for different in ({"act": "decline"}, {"about": "q"}, {"form": {**FORM, "digest": "e"}}, {"approver": sam}):
        given = signed(store, dana, key)
        assert not is_taken(store, replace(given, **different))
        assert not is_taken(store, given)
    given = signed(store, dana, key)
    assert is_taken(store, given)
    assert not is_taken(store, given)


def test_a_ticket_is_good_for_five_minutes(store: Store, clock: FixedClock) -> None:
    dana = person(store)
    key = known(store, dana)
    given = [signed(store, dana, key), signed(store, dana, key)]
    clock.instant += timedelta(seconds=TICKET_SECONDS - 1)
    assert store.write_now(lambda tx: take_signed(tx, given[0]))
    clock.instant += timedelta(seconds=1)
    assert not store.write_now(lambda tx: take_signed(tx, given[1]))
    store.write_now(lambda tx: tx.tickets.issue("sign_in", "", seconds=1))
    assert not store.read_now(lambda tx: tx.tickets.about("decision", given[1].decision.nonce))


def test_a_ticket_of_one_kind_is_none_of_another(store: Store) -> None:
    ticket = store.write_now(lambda tx: tx.tickets.issue("sign_in", "x", seconds=60))
    assert not store.write_now(lambda tx: take(tx, "passkey", ticket))
    assert store.write_now(lambda tx: take(tx, "sign_in", ticket))
    assert not store.write_now(lambda tx: take(tx, "sign_in", ticket))


def test_only_its_owner_signs_with_a_passkey(store: Store) -> None:
    dana, sam = person(store), person(store, "Sam")
    danas = known(store, dana)
    assert refused(store, signed(store, sam, danas)) == "the passkey is somebody else's"


def test_a_passkey_nobody_has_or_of_another_desk_signs_nothing(store: Store) -> None:
    dana = person(store)
    unknown = Authenticator(SITE.origin)
    elsewhere = known(store, dana, rp_id="ap.example.com")
    mine = known(store, dana)
    words = "it is no passkey of an approver here"
    assert refused(store, signed(store, dana, unknown)) == words
    assert refused(store, signed(store, dana, elsewhere)) == words
    store.write_now(lambda tx: tx.passkeys.remove(id_of(to_text(mine.id))))
    assert refused(store, signed(store, dana, mine)) == words


@pytest.mark.parametrize(
    ("before", "after", "is_taken"),
    [(0, 0, True), (0, 1, True), (1, 2, True), (1, 1, False), (2, 1, False), (1, 0, False)],
)
def test_a_counter_that_does_not_grow_is_a_copy(store: Store, before: int, after: int, is_taken: bool) -> None:
    dana = person(store)
    key = known(store, dana, counts=False)
    (passkey,) = store.read_now(lambda tx: tx.passkeys.active())
    store.write_now(lambda tx: tx.passkeys.used(passkey.id, before))
    key.count = after
    given = signed(store, dana, key)
    if is_taken:
        assert store.write_now(lambda tx: check_signed(tx, given))["sign_count"] == [before, after]
    else:
        assert refused(store, given) == "it was used before, or there is a copy of it"


def test_a_sign_in_names_whose_passkey_it_is(store: Store) -> None:
    dana, sam = person(store), person(store, "Sam")
    known(store, dana)
    key = known(store, sam)
    answer = json.dumps(key.signs(challenge_of({"act": "sign_in", "nonce": "t"})))
    assert store.write_now(lambda tx: check_sign_in(tx, "t", answer, SITE)).approver_id == sam.id
    with pytest.raises(WrongAssertion, match="another challenge"):
        store.write_now(lambda tx: check_sign_in(tx, "u", answer, SITE))


def test_a_secret_stands_in_no_repr(store: Store) -> None:
    dana = person(store)
    given = signed(store, dana, known(store, dana))
    assert given.ticket not in repr(given)
    assert given.answer not in repr(given)


def test_one_passkey_is_added_once_and_removed_for_good(store: Store) -> None:
    dana, sam = person(store), person(store, "Sam")
    key = known(store, dana)
    new = NewPasskey(to_text(key.id), to_text(key.public_key), "localhost", "aaguid", False, 0)
    assert not store.write_now(lambda tx: tx.passkeys.add(sam.id, new))
    assert store.write_now(lambda tx: tx.passkeys.remove(new.id))
    assert not store.write_now(lambda tx: tx.passkeys.remove(new.id))
    assert not store.write_now(lambda tx: tx.passkeys.add(dana.id, new))
    assert store.read_now(lambda tx: tx.passkeys.active()) == []


def test_all_passkeys_of_one_approver_go_with_them(store: Store) -> None:
    dana, sam = person(store), person(store, "Sam")
    known(store, dana)
    known(store, dana)
    kept = known(store, sam)
    store.write_now(lambda tx: tx.passkeys.remove_all_of(dana.id))
    assert [one.credential_id for one in store.read_now(lambda tx: tx.passkeys.active())] == [to_text(kept.id)]


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox([new_key()])


def set_up(store: Store, box: SecretBox, approver: Approver) -> tuple[TOTP, str]:
    given = store.write_now(lambda tx: codes.begin(tx, box, approver))
    return TOTP(given.secret.reveal()), given.ticket


def fresh(store: Store, approver: Approver) -> Approver:
    return next(one for one in store.read_now(lambda tx: tx.approvers.active()) if one.id == approver.id)


def accepted(store: Store, box: SecretBox | None, approver: Approver, code: str) -> bool:
    return store.write_now(lambda tx: codes.accept(tx, box, fresh(store, approver), code))


def test_codes_are_on_once_the_first_is_confirmed(store: Store, clock: FixedClock, box: SecretBox) -> None:
    dana, sam = person(store), person(store, "Sam")
    totp, ticket = set_up(store, box, dana)
    first = totp.at(clock.now())
    assert accepted(store, box, dana, "")
    assert not store.write_now(lambda tx: codes.confirm(tx, box, sam, ticket, first))
    # It was taken by that.
    assert not store.write_now(lambda tx: codes.confirm(tx, box, dana, ticket, first))
    totp, ticket = set_up(store, box, dana)
    assert not store.write_now(lambda tx: codes.confirm(tx, box, dana, ticket, "000000"))
    totp, ticket = set_up(store, box, dana)
    clock.instant += timedelta(seconds=codes.SETUP_SECONDS)
    assert not store.write_now(lambda tx: codes.confirm(tx, box, dana, ticket, totp.at(clock.now())))
    totp, ticket = set_up(store, box, dana)
    clock.instant += timedelta(seconds=codes.SETUP_SECONDS - 1)
    assert store.write_now(lambda tx: codes.confirm(tx, box, dana, ticket, totp.at(clock.now())))
    assert not accepted(store, box, dana, "")


def test_a_code_is_good_once_and_for_a_minute_around(store: Store, clock: FixedClock, box: SecretBox) -> None:
    dana = person(store)
    totp, ticket = set_up(store, box, dana)
    store.write_now(lambda tx: codes.confirm(tx, box, dana, ticket, totp.at(clock.now())))
    assert not accepted(store, box, dana, totp.at(clock.now()))
    clock.instant += timedelta(minutes=5)
    for steps, is_good in (
        (-2, False),
        (2, False),
        (-1, True),
        (-1, False),
        (0, True),
        (-1, False),
        (1, True),
        (0, False),
    ):
        assert accepted(store, box, dana, totp.at(clock.now(), counter_offset=steps)) is is_good, steps
    clock.instant += timedelta(minutes=5)
    code = totp.at(clock.now())
    assert not accepted(store, None, dana, code)
    assert accepted(store, box, dana, f" {code[:3]} {code[3:]} ")
    for odd in ("\ud800", "１２３４５６", "x" * 10_000):
        assert not accepted(store, box, dana, odd)


def test_codes_are_turned_off_whole(store: Store, clock: FixedClock, box: SecretBox) -> None:
    dana = person(store)
    totp, ticket = set_up(store, box, dana)
    store.write_now(lambda tx: codes.confirm(tx, box, dana, ticket, totp.at(clock.now())))
    assert store.read_now(lambda tx: tx.secrets.names()) == [(dana.id, "codes")]
    store.write_now(lambda tx: codes.turn_off(tx, dana.id))
    assert store.read_now(lambda tx: tx.secrets.names()) == []
    assert accepted(store, box, dana, "")


def test_a_code_whose_secret_is_gone_is_never_right(store: Store, clock: FixedClock, box: SecretBox) -> None:
    dana = person(store)
    totp, ticket = set_up(store, box, dana)
    store.write_now(lambda tx: codes.confirm(tx, box, dana, ticket, totp.at(clock.now())))
    store.write_now(lambda tx: tx.secrets.delete(dana.id, "codes"))
    clock.instant += timedelta(minutes=5)
    assert not accepted(store, box, dana, totp.at(clock.now()))


def test_an_app_is_told_whose_codes_they_are(store: Store, box: SecretBox) -> None:
    dana = person(store, "Dana Reyes")
    given = store.write_now(lambda tx: codes.begin(tx, box, dana))
    assert given.address.reveal().startswith("otpauth://totp/rutter-ap%20approvals:Dana%20Reyes?")
    assert given.secret.reveal() in given.address.reveal()
    assert given.secret.reveal() not in repr(given)
