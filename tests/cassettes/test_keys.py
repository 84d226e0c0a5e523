"""A replay answers a write only under the key it was recorded with: no other, none twice, and never without one."""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import Path

import anyio
import httpx
import pytest
import yaml
from vcr.errors import CannotOverwriteExistingCassetteException

from rutter_ap_server.rutter import Credentials, Done, RutterClient
from rutter_ap_server.rutter.models.vendors import VendorCreate
from support.recording import FOLDER, KEY_HEADER, recorder
from support.sandbox_server import Announced, first_token, sandbox_server

pytestmark = pytest.mark.anyio
ONE, OTHER = (VendorCreate(vendor_name=name, contact_name="Ann", currency_code="USD") for name in ("Acme", "Best"))
NOWHERE: Announced = {
    "base_url": "http://127.0.0.1:9/versioned",
    "client_id": "replayed",
    "client_secret": "replayed",
    "connections": [{"access_token": "replayed"}],
}


@pytest.fixture(scope="module")
def cassettes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One vendor, the same once more under its key, and another vendor; recorded twice, from one day's sandbox."""
    paths = [tmp_path_factory.mktemp("cassettes") / "vendors.yaml" for _ in range(2)]
    for path in paths:
        with sandbox_server(today=date(2026, 11, 20)) as announced:
            anyio.run(_recorded, announced, path)
    return paths


async def _recorded(announced: Announced, path: Path) -> None:
    same, other = str(uuid.uuid4()), str(uuid.uuid4())
    await _saved(path, same, same, other, announced=announced)
    assert same not in path.read_text(encoding="utf-8")


async def _saved(path: Path, *keys: str, announced: Announced | None = None) -> list[str]:
    """The ids of the vendors that the three writes under these keys are answered with; replayed, or recorded anew."""
    rutter = announced or NOWHERE
    credentials = Credentials(rutter["client_id"], rutter["client_secret"])
    ids = []
    async with RutterClient(credentials, base_url=rutter["base_url"]) as client:
        with recorder(record=announced is not None).use_cassette(str(path)):
            for draft, key in zip((ONE, ONE, OTHER), keys, strict=True):
                saved = await client.connection(first_token(rutter)).vendors.create(draft, idempotency_key=key)
                assert isinstance(saved, Done)
                ids.append(saved.record.id)
    return ids


async def test_any_keys_in_the_recorded_places_are_answered(cassettes: list[Path]) -> None:
    first, again, other = await _saved(cassettes[0], "a", "a", "b")
    assert first == again != other


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(("a", "b", "c"), id="another key on the repeat"),
        pytest.param(("a", "a", "a"), id="one key for two writes"),
        pytest.param(("a", "b", "a"), id="keys exchanged"),
    ],
)
async def test_a_key_in_another_place_is_not_answered(cassettes: list[Path], keys: tuple[str, ...]) -> None:
    # The recorder refuses, and to the client that is a connection which broke off: the write is not done.
    with pytest.raises(AssertionError, match="cut_off"):
        await _saved(cassettes[0], *keys)


async def test_no_recorded_write_is_answered_without_its_key() -> None:
    tried = 0
    async with httpx.AsyncClient() as client:
        for cassette in sorted(FOLDER.glob("*.yaml")):
            kept = yaml.load(cassette.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)["interactions"]
            keyed = [one["request"] for one in kept if KEY_HEADER in one["request"]["headers"]]
            with recorder(record=False).use_cassette(str(cassette)):
                for asked in keyed:
                    headers = {name: value for name, (value,) in asked["headers"].items() if name != KEY_HEADER}
                    with pytest.raises(CannotOverwriteExistingCassetteException):
                        await client.request(asked["method"], asked["uri"], content=asked["body"], headers=headers)
                    tried += 1
    assert tried >= 20


async def test_two_recordings_are_the_same_bytes(cassettes: list[Path]) -> None:
    """Though every key was another."""
    once, twice = (path.read_bytes() for path in cassettes)
    assert once == twice
    asked = [one["request"] for one in yaml.load(once, Loader=yaml.CSafeLoader)["interactions"]]
    assert [one["headers"][KEY_HEADER] for one in asked] == [["key-1"], ["key-1"], ["key-2"]]


async def test_reads_made_side_by_side_are_kept_in_one_order(tmp_path: Path) -> None:
    kept = []
    with sandbox_server(today=date(2026, 11, 20)) as announced:
        for order in (("vendors", "accounts", "bills"), ("bills", "vendors", "accounts")):
            path = tmp_path / f"{order[0]}.yaml"
            address, token = announced["base_url"], first_token(announced)
            credentials = (announced["client_id"], announced["client_secret"])
            async with httpx.AsyncClient(auth=credentials, headers={"x-rutter-version": "2024-08-31"}) as client:
                with recorder(record=True).use_cassette(str(path)):
                    for one in order:
                        query = {"access_token": token, "limit": "1"}
                        (await client.get(f"{address}/accounting/{one}", params=query)).raise_for_status()
            kept.append(path.read_bytes())
    assert kept[0] == kept[1]
