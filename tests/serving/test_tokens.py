"""Tokens are checked against the issuer's own keys; everything that is not right about one makes it none."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from rutter_ap_server.http.keys import AGAIN_SECONDS, KEPT_SECONDS, IssuerKeys
from rutter_ap_server.http.tokens import Tokens
from support.issuer import Issuer, Key, running_issuer

US = "https://ap.example.com/mcp"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as found:
        yield found


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def passing() -> Time:
    return Time()


@pytest.fixture
async def tokens(issuer: Issuer, passing: Time) -> AsyncIterator[Tokens]:
    async with httpx.AsyncClient() as client:
        yield Tokens(IssuerKeys(issuer.address, client, passing), issuer=issuer.address, resource=US)


def by_hand(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def with_our_public_key_as_secret(issuer: Issuer) -> str:
    """A public key is known to all, so that a token "signed" with it as a shared secret proves nothing."""
    pem = (
        issuer.keys[0]
        .private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    header = {"alg": "HS256", "typ": "at+jwt", "kid": "first"}
    signed = by_hand(header, issuer.claims(US))[:-1]
    return (
        f"{signed}.{jwt.utils.base64url_encode(jwt.get_algorithm_by_name('HS256').sign(signed.encode(), pem)).decode()}"
    )


BAD: dict[str, Callable[[Issuer], str]] = {
    "empty": lambda issuer: "",
    "no token": lambda issuer: "secret",
    "three empty parts": lambda issuer: "..",
    "far too long": lambda issuer: "a" * 10_000,
    "expired": lambda issuer: issuer.token(US, exp=int(time.time()) - 60),
    "without an end": lambda issuer: issuer.token(US, exp=None),
    "not yet valid": lambda issuer: issuer.token(US, nbf=int(time.time()) + 120),
    "issued in the future": lambda issuer: issuer.token(US, iat=int(time.time()) + 120),
    "for another audience": lambda issuer: issuer.token("https://other.example.com/mcp"),
    "for an audience that begins with ours": lambda issuer: issuer.token(US + "/admin"),
    "for nobody": lambda issuer: issuer.token(US, aud=None),
    "of another issuer": lambda issuer: issuer.token(US, iss="https://elsewhere.example.com"),
    "of nobody": lambda issuer: issuer.token(US, iss=None),
    "about nobody": lambda issuer: issuer.token(US, sub=None),
    "about a number": lambda issuer: issuer.token(US, sub=7),
    "an ID token": lambda issuer: issuer.token("claude", typ="JWT", scope=None),
    "of another type": lambda issuer: issuer.token(US, typ="logout+jwt"),
    "signed by an unknown key": lambda issuer: issuer.token(US, key=Key("stranger")),
    "signed by another key of that name": lambda issuer: issuer.token(US, key=Key("first")),
    "with another payload": lambda issuer: ".".join(
        (issuer.token(US).split(".")[0], issuer.token(US, sub="ana").split(".")[1], issuer.token(US).split(".")[2])
    ),
    "unsigned": lambda issuer: by_hand({"alg": "none", "typ": "at+jwt", "kid": "first"}, issuer.claims(US)),
    "signed with what everybody knows": with_our_public_key_as_secret,
    "with a key of its own": lambda issuer: by_hand(
        {"alg": "ES256", "typ": "at+jwt", "jwk": Key("own").public}, issuer.claims(US), b"x" * 64
    ),
    "with a header deeper than any parser": lambda issuer: (
        base64.urlsafe_b64encode(b"[" * 5000).rstrip(b"=").decode() + ".e30.eA"
    ),
    "with a header of no text": lambda issuer: base64.urlsafe_b64encode(b"\xff\xfe").decode() + ".e30.eA",
    "with a list for a key": lambda issuer: by_hand({"alg": "ES256", "kid": ["first"]}, issuer.claims(US)),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_token_is_none(what: str, issuer: Issuer, tokens: Tokens) -> None:
    assert await tokens.verify_token(issuer.token(US)) is not None
    assert await tokens.verify_token(BAD[what](issuer)) is None


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT"])
async def test_a_good_token_says_who_and_what(typ: str, issuer: Issuer, tokens: Tokens) -> None:
    found = await tokens.verify_token(issuer.token(US, typ=typ, aud=["https://other.example.com", US]))
    assert found is not None
    assert (found.subject, found.client_id, found.resource) == ("dana", "claude", US)
    assert found.scopes == ["ap:read", "ap:write", "ap:pay"]
    assert found.claims == {"iss": issuer.address, "sub": "dana"}


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ({"scope": None}, []),
        ({"scope": 7}, []),
        ({"scope": None, "scp": ["ap:read", 3]}, ["ap:read"]),
        ({"scope": None, "scp": "ap:read ap:pay"}, ["ap:read", "ap:pay"]),
    ],
)
async def test_scopes_of_any_shape(said: dict[str, Any], scopes: list[str], issuer: Issuer, tokens: Tokens) -> None:
    found = await tokens.verify_token(issuer.token(US, **said))
    assert found is not None
    assert found.scopes == scopes


async def test_a_new_key_is_found_and_strange_ones_are_no_flood(issuer: Issuer, tokens: Tokens, passing: Time) -> None:
    assert await tokens.verify_token(issuer.token(US)) is not None
    issuer.keys.append(Key("second"))
    for number in range(20):
        assert await tokens.verify_token(issuer.token(US, key=Key(f"strange {number}"))) is None
    assert issuer.asked == 1
    passing.now += AGAIN_SECONDS
    assert await tokens.verify_token(issuer.token(US)) is not None
    assert issuer.asked == 2


async def test_one_question_for_all_that_ask_at_once(issuer: Issuer, tokens: Tokens) -> None:
    found = []

    async def verify() -> None:
        found.append(await tokens.verify_token(issuer.token(US)))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(verify)
    assert all(found)
    assert issuer.asked == 1


async def test_an_issuer_out_of_reach_is_trusted_for_a_day(issuer: Issuer, tokens: Tokens, passing: Time) -> None:
    assert await tokens.verify_token(issuer.token(US)) is not None
    issuer.is_down = True
    passing.now += KEPT_SECONDS - 1
    assert await tokens.verify_token(issuer.token(US)) is not None
    passing.now += 1
    assert await tokens.verify_token(issuer.token(US)) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example.com"},
        {"jwks_uri": "http://keys.example.com/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
        {"jwks_uri": None},
        {"jwks_uri": "http://127.0.0.1:99999999/keys"},
        {"jwks_uri": "http://[::1/keys"},
    ],
)
async def test_metadata_that_leads_elsewhere_is_not_followed(
    metadata: dict[str, Any], issuer: Issuer, tokens: Tokens
) -> None:
    issuer.metadata = metadata
    assert await tokens.verify_token(issuer.token(US)) is None
    assert issuer.asked == 0


async def test_a_set_with_strange_keys_still_has_the_good_one(issuer: Issuer, tokens: Tokens) -> None:
    own = issuer.keys[0].public
    issuer.strange = [
        7,
        None,
        {"kid": "first"},
        {"kty": 7, "kid": "first"},
        {"kty": "RSA", "kid": "first", "n": 5, "e": []},
        own | {"crv": "P-999"},
        {key: value for key, value in own.items() if key != "kid"},
        Key("first").public | {"use": "enc"},
    ]
    assert await tokens.verify_token(issuer.token(US)) is not None


async def test_a_shared_secret_among_the_keys_proves_nothing(issuer: Issuer, tokens: Tokens) -> None:
    """Whoever reads the set could sign with it, whatever algorithm the token says."""
    secret = b"s" * 32
    encoded = jwt.utils.base64url_encode(secret).decode()
    issuer.strange = [{"kty": "oct", "kid": "shared", "use": "sig", "alg": "HS256", "k": encoded}]
    for algorithm in ("ES256", "HS256"):
        signed = by_hand({"alg": algorithm, "typ": "at+jwt", "kid": "shared"}, issuer.claims(US))[:-1]
        signature = jwt.get_algorithm_by_name("HS256").sign(signed.encode(), secret)
        assert await tokens.verify_token(f"{signed}.{jwt.utils.base64url_encode(signature).decode()}") is None
    assert await tokens.verify_token(issuer.token(US)) is not None


async def test_a_withdrawn_key_opens_nothing_once_keys_are_renewed(issuer: Issuer, passing: Time) -> None:
    async with httpx.AsyncClient() as client:
        keys = IssuerKeys(issuer.address, client, passing)
        tokens = Tokens(keys, issuer=issuer.address, resource=US)
        stolen = issuer.token(US)
        assert await tokens.verify_token(stolen) is not None
        issuer.keys = [Key("second")]
        await keys.renew()
        assert await tokens.verify_token(stolen) is None
        assert await tokens.verify_token(issuer.token(US)) is not None
