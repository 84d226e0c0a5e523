"""Passkeys: what is taken as made or signed by one, and that a well-kept library takes and refuses the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException

from rutter_ap_server.guard.passkeys import (
    Site,
    WrongAssertion,
    challenge_of,
    check_assertion,
    check_new_passkey,
    fingerprint_of,
)
from support.authenticator import IS_BACKED_UP, MAY_BE_BACKED_UP, PRESENT, VERIFIED, Authenticator, to_bytes, to_text

SITE = Site("http://localhost:8765", "localhost")
CHALLENGE = challenge_of({"act": "release", "nonce": "n"})
ALGORITHMS = [COSEAlgorithmIdentifier(one) for one in (-7, -8, -257)]
KINDS = pytest.mark.parametrize("kind", ["ES256", "Ed25519"])
Answer = dict[str, Any]
Change = Callable[[Answer], None]


def a_key(kind: str = "ES256", **options: Any) -> Authenticator:
    return Authenticator(SITE.origin, kind=kind, **options)


def library_takes_new(answer: Answer) -> bool:
    """Whether py_webauthn takes it, with user verification required."""
    try:
        verify_registration_response(
            credential=deepcopy(answer),
            expected_challenge=to_bytes(CHALLENGE),
            expected_rp_id=SITE.rp_id,
            expected_origin=SITE.origin,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, IndexError):
        return False
    return True


def library_takes(answer: Answer, made: Answer) -> bool:
    known = verify_registration_response(
        credential=deepcopy(made),
        expected_challenge=to_bytes(CHALLENGE),
        expected_rp_id=SITE.rp_id,
        expected_origin=SITE.origin,
        supported_pub_key_algs=ALGORITHMS,
    )
    try:
        verify_authentication_response(
            credential=deepcopy(answer),
            expected_challenge=to_bytes(CHALLENGE),
            expected_rp_id=SITE.rp_id,
            expected_origin=SITE.origin,
            credential_public_key=known.credential_public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, IndexError):
        return False
    return True


def we_take_new(answer: Answer) -> bool:
    try:
        check_new_passkey(json.dumps(answer), challenge=CHALLENGE, site=SITE)
    except WrongAssertion:
        return False
    return True


def we_take(answer: Answer, key: Authenticator) -> bool:
    try:
        check_assertion(json.dumps(answer), challenge=CHALLENGE, site=SITE, public_key=to_text(key.public_key))
    except WrongAssertion:
        return False
    return True


@KINDS
def test_what_an_authenticator_made_and_signed_is_taken(kind: str) -> None:
    key = a_key(kind, flags=PRESENT | VERIFIED | MAY_BE_BACKED_UP | IS_BACKED_UP)
    made = key.makes(CHALLENGE)
    new = check_new_passkey(json.dumps(made), challenge=CHALLENGE, site=SITE)
    assert (new.credential_id, new.public_key, new.rp_id) == (to_text(key.id), to_text(key.public_key), "localhost")
    assert new.is_backed_up
    signed = key.signs(CHALLENGE)
    found = check_assertion(json.dumps(signed), challenge=CHALLENGE, site=SITE, public_key=new.public_key)
    assert (found.sign_count, found.is_backed_up) == (1, True)
    assert library_takes_new(made)
    assert library_takes(signed, made)


@KINDS
@pytest.mark.parametrize(
    ("options", "client"),
    [
        ({"flags": PRESENT}, {}),
        ({"flags": VERIFIED}, {}),
        ({"flags": 0}, {}),
        ({"rp_id": "evil.example"}, {}),
        ({}, {"origin": "http://localhost:8766"}),
        ({}, {"origin": "https://localhost:8765"}),
        ({}, {"challenge": challenge_of({"act": "decline", "nonce": "n"})}),
        ({}, {"type": "webauthn.create.not"}),
    ],
    ids=str,
)
def test_what_is_of_another_place_act_or_person_is_refused(kind: str, options: Answer, client: Answer) -> None:
    key = a_key(kind)
    made = key.makes(CHALLENGE)
    for name, value in options.items():
        setattr(key, name, value)
    signed, again = key.signs(CHALLENGE, **client), key.makes(CHALLENGE, **client)
    assert not we_take(signed, key)
    assert not library_takes(signed, made)
    assert not we_take_new(again)
    assert not library_takes_new(again)


@pytest.mark.parametrize("client", [{"crossOrigin": True}, {"topOrigin": "https://evil.example"}], ids=str)
def test_what_was_made_in_a_frame_is_refused(client: Answer) -> None:
    key = a_key()
    assert not we_take(key.signs(CHALLENGE, **client), key)


def test_a_backup_that_cannot_be_is_refused() -> None:
    key = a_key(flags=PRESENT | VERIFIED | IS_BACKED_UP)
    assert not we_take(key.signs(CHALLENGE), key)


@KINDS
@given(place=st.integers(0, 2**16), bit=st.integers(0, 7), part=st.sampled_from(["authenticatorData", "signature"]))
def test_no_bit_of_an_answer_may_differ(kind: str, place: int, bit: int, part: str) -> None:
    key = a_key(kind)
    made, signed = key.makes(CHALLENGE), key.signs(CHALLENGE)
    raw = bytearray(to_bytes(signed["response"][part]))
    raw[place % len(raw)] ^= 1 << bit
    signed["response"][part] = to_text(bytes(raw))
    assert not we_take(signed, key)
    assert not library_takes(signed, made)


@given(place=st.integers(0, 2**16), bit=st.integers(0, 7))
def test_no_bit_of_what_the_browser_said_may_differ(place: int, bit: int) -> None:
    key = a_key()
    signed = key.signs(CHALLENGE)
    raw = bytearray(to_bytes(signed["response"]["clientDataJSON"]))
    raw[place % len(raw)] ^= 1 << bit
    signed["response"]["clientDataJSON"] = to_text(bytes(raw))
    assert not we_take(signed, key)


def test_a_key_that_the_authenticator_did_not_name_is_refused() -> None:
    made, other = a_key().makes(CHALLENGE), a_key()
    made["response"]["publicKey"] = to_text(other.public_key)
    assert not we_take_new(made)


def test_a_credential_under_another_id_is_refused() -> None:
    made = a_key().makes(CHALLENGE)
    made["id"] = made["rawId"] = to_text(b"another")
    assert not we_take_new(made)


def spki(key: Any) -> str:
    return to_text(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize(
    "public_key",
    [
        spki(ec.generate_private_key(ec.SECP384R1())),
        spki(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        to_text(b"no key"),
        "!",
    ],
    ids=["another curve", "a short key", "no key", "no text"],
)
def test_a_weak_or_unknown_key_is_refused(public_key: str) -> None:
    signed = json.dumps(a_key().signs(CHALLENGE))
    with pytest.raises(WrongAssertion):
        check_assertion(signed, challenge=CHALLENGE, site=SITE, public_key=public_key)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"id": 1}',
        '{"id": "a"}',
        '{"id": "YQ", "response": []}',
        '{"id": "YQ", "response": {}}',
        '{"id": "YQ", "response": {"clientDataJSON": "YQ", "authenticatorData": "", "signature": ""}}',
        "[" * 15_000,
        " " * 30_000,
    ],
)
def test_whatever_a_form_brings_is_refused_in_words(answer: str) -> None:
    with pytest.raises(WrongAssertion):
        check_assertion(answer, challenge=CHALLENGE, site=SITE, public_key=to_text(a_key().public_key))
    with pytest.raises(WrongAssertion):
        check_new_passkey(answer, challenge=CHALLENGE, site=SITE)


def test_a_fingerprint_can_be_compared_by_people() -> None:
    key = a_key()
    shown = fingerprint_of(to_text(key.public_key))
    assert [len(part) for part in shown.split("-")] == [4] * 8
    assert shown != fingerprint_of(to_text(a_key().public_key))
