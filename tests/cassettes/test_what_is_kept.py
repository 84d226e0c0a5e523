"""What cassettes may hold, and that there is one for every tool: no secret, nothing unused, nobody left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from vcr.errors import CannotOverwriteExistingCassetteException

from rutter_ap_tools.catalogue import CATALOGUE
from rutter_sandbox import open_sandbox
from support.recording import FOLDER, HOST, KEY_HEADER, LINK, REDACTED, recorder

TESTS = sorted(Path(__file__).parent.glob("test_*.py"))
_TOKENS = re.compile(r"token|secret|password|api_?key", re.IGNORECASE)
# An amount of money, and its last digit.
_AMOUNT = re.compile(r"(\d+\.\d)(\d)")
_LINKS = {"link_url", "file_url"}
BYTES_MAX = 1_000_000


@pytest.fixture(scope="module")
def secrets() -> list[str]:
    """What opens the practice Rutter."""
    sandbox = open_sandbox()
    opening = [sandbox.client_id, sandbox.client_secret, *(c.access_token for c in sandbox.connections)]
    sandbox.close()
    return opening


def cassettes() -> list[Path]:
    """Every cassette, as they are now: a recording may just have written them."""
    return sorted(FOLDER.glob("*.yaml"))


def test_no_cassette_holds_a_token_a_secret_or_an_authorization(secrets: list[str]) -> None:
    for cassette in cassettes():
        _check(cassette, secrets)


def _check(cassette: Path, secrets: list[str]) -> None:
    text = cassette.read_text(encoding="utf-8")
    assert "uthorization" not in text, cassette.name
    assert re.search(r"\bBasic [A-Za-z0-9+/=]{8,}", text) is None
    assert [secret for secret in secrets if secret in text] == [], cassette.name
    for interaction in _kept(cassette):
        request, response = interaction["request"], interaction["response"]
        address = urlsplit(request["uri"])
        assert address.hostname == HOST
        asked = {name: value for name, (value,) in parse_qs(address.query).items()}
        assert {value for name, value in asked.items() if _TOKENS.search(name)} <= {REDACTED}
        for body in (request["body"], response["body"]["string"]):
            for name, value in _fields(body):
                assert not _TOKENS.search(name) or value in (REDACTED, None), f"{cassette.name}: {name}"
                assert name not in _LINKS or value in (LINK, None), f"{cassette.name}: {name}"


@pytest.mark.anyio
async def test_a_recorded_write_does_not_match_another_amount() -> None:
    """Bodies are part of the match: left out, which is vcrpy's default, 20.02 would be told that 20.01 was booked."""
    tried = set()
    async with httpx.AsyncClient() as client:
        for cassette in cassettes():
            with recorder(record=False).use_cassette(str(cassette)):
                for asked in [one["request"] for one in _kept(cassette) if one["request"]["method"] != "GET"]:
                    method, uri, body = asked["method"], asked["uri"], asked["body"]
                    headers = {name: value for name, (value,) in asked["headers"].items()}
                    if _AMOUNT.search(body or ""):
                        other = _AMOUNT.sub(_another_last_digit, body)
                        with pytest.raises(CannotOverwriteExistingCassetteException):
                            await client.request(method, uri, content=other, headers=headers)
                        tried.add(f"{method} {urlsplit(uri).path.split('/')[3]}")
                    assert (await client.request(method, uri, content=body, headers=headers)).is_success
    credits_ = {"POST bill_credit_memos", "POST bill_credit_applications"}
    assert tried >= {"POST bills", "PATCH bills", "POST bill_payments", *credits_}


def test_every_write_is_kept_with_the_name_of_its_key() -> None:
    """Keys are random: in a cassette they are numbered, so that the same recording is the same bytes."""
    for cassette in cassettes():
        asked = [one["request"] for one in _kept(cassette)]
        wanted = [one["method"] in ("POST", "PATCH") and "/accounting/" in one["uri"] for one in asked]
        assert [KEY_HEADER in one["headers"] for one in asked] == wanted, cassette.name
        keys = dict.fromkeys(key for one in asked for key in one["headers"].get(KEY_HEADER, ()))
        assert list(keys) == [f"key-{number + 1}" for number in range(len(keys))]


def _kept(cassette: Path) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = yaml.load(cassette.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)[
        "interactions"
    ]
    return kept


def _another_last_digit(found: re.Match[str]) -> str:
    return f"{found[1]}{(int(found[2]) + 1) % 10}"


def _fields(body: Any) -> Iterator[tuple[str, Any]]:
    """Every named value of a JSON body, however deep; a file that was downloaded has none."""
    try:
        yield from _walk(json.loads(body or "null"))
    except ValueError:
        assert b"token" not in (body if isinstance(body, bytes) else body.encode())


def _walk(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield name, value
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def test_every_cassette_belongs_to_a_test_and_is_small() -> None:
    recording = re.compile(r"^async def (test_\w+)\(company", re.MULTILINE)
    tests = {name for path in TESTS for name in recording.findall(path.read_text(encoding="utf-8"))}
    assert {cassette.stem for cassette in cassettes()} == tests
    assert {cassette.stem for cassette in cassettes() if cassette.stat().st_size > BYTES_MAX} == set()


@pytest.mark.parametrize("tool", [tool.name for tool in CATALOGUE])
def test_every_tool_has_a_recording_of_its_own(tool: str) -> None:
    assert [cassette for cassette in cassettes() if cassette.stem.startswith(f"test_{tool}_")]
