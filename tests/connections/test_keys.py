"""Keys for stored tokens: in the settings or in the home, rotated without losing one, and clear about a wrong one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rutter_ap_server.settings import SettingsError, read_settings
from rutter_ap_server.store.secrets import new_key
from support.connect_flow import in_books, in_store, link_company, listed
from support.postgres import running_postgres
from support.serving import done, failed, serving

pytestmark = pytest.mark.anyio
FIRST = "Harbor & Pine Ltd"


def keys(*given: str) -> dict[str, str]:
    return {"RUTTER_AP_SECRET_KEYS": ",".join(given)}


def a_key() -> str:
    return new_key().reveal()


def test_wrong_keys_are_named_by_their_place_and_never_told() -> None:
    wrong = {"2": "a passphrase 4711", "4": a_key()[:-2], "5": ""}
    given = [a_key(), wrong["2"], a_key(), wrong["4"], wrong["5"]]
    with pytest.raises(SettingsError) as error:
        read_settings(keys(*given))
    assert "keys 2, 4, 5 of 5" in error.value.message
    assert all(key not in error.value.message for key in given if key)
    with pytest.raises(SettingsError, match="key 1 of 1"):
        read_settings(keys("4711"))


def test_keys_are_masked_and_may_be_separated_by_spaces() -> None:
    given = [a_key(), a_key()]
    settings = read_settings({"RUTTER_AP_SECRET_KEYS": f" {given[0]} , {given[1]} "})
    assert [key.reveal() for key in settings.secret_keys] == given
    assert all(key not in repr(settings) for key in given)
    assert read_settings({}).secret_keys == ()


async def test_without_configured_keys_the_home_gets_one_for_its_owner(home: Path) -> None:
    async with serving(home) as (client, _):
        await done(client, "list_bills")
        assert not (home / "secret.key").exists(), "nobody needs it yet"
        await link_company(client)
    assert stat.S_IMODE((home / "secret.key").stat().st_mode) == 0o600


async def test_a_wrong_key_is_an_error_of_that_company_only(home: Path) -> None:
    right, wrong = a_key(), a_key()
    async with serving(home, environ=keys(right)) as (client, _):
        await link_company(client)
    assert not (home / "secret.key").exists()
    async with serving(home, environ=keys(wrong)) as (client, _):
        error = await failed(client, "list_bills", company="Second")
        assert (error["code"], error["who"]) == ("store", "operator")
        assert "cannot be decrypted" in error["message"]
        assert "RUTTER_AP_SECRET_KEYS" in error["next_step"]
        assert (await done(client, "list_bills", company=FIRST))["bills"]
        rows = await listed(client)
        assert (rows["Second"]["health"], rows[FIRST]["health"]) == ("unknown", "active")
        assert (await failed(client, "connect_ledger", connection_id="Second"))["code"] == "store"
        assert right not in str(rows) + str(error)
        assert wrong not in str(rows) + str(error)
    async with serving(home, environ=keys(wrong, right)) as (client, _):
        assert (await done(client, "list_bills", company="Second"))["bills"]


async def test_after_sealing_anew_the_old_key_can_go(home: Path) -> None:
    old, new = a_key(), a_key()
    async with serving(home, environ=keys(old)) as (client, _):
        await link_company(client)
        await done(client, "connect_ledger", name="Third")
    before = in_store(home, "SELECT sealed FROM secrets")
    async with serving(home, environ=keys(new, old)) as (_, app):
        assert await app.connect_flow.connections.reseal(actor="test") == 3
    assert not set(before) & set(in_store(home, "SELECT sealed FROM secrets"))
    async with serving(home, environ=keys(new)) as (client, _):
        assert (await done(client, "list_bills", company="Second"))["bills"]
        assert (await done(client, "connect_ledger", name="Third"))["status"] == "waiting"


async def test_going_over_to_keys_in_the_settings_locks_nothing_away(home: Path) -> None:
    async with serving(home) as (client, _):
        await link_company(client)
    new = keys(a_key())
    async with serving(home, environ=new) as (client, app):
        assert (await done(client, "list_bills", company="Second"))["bills"]
        await app.connect_flow.connections.reseal(actor="test")
    (home / "secret.key").unlink()
    async with serving(home, environ=new) as (client, _):
        assert (await done(client, "list_bills", company="Second"))["bills"]


async def test_a_shared_store_keeps_no_token_without_configured_keys(home: Path) -> None:
    with running_postgres() as server, server.store_url() as url:
        shared = {"RUTTER_AP_DATABASE_URL": url}
        async with serving(home, environ=shared) as (client, _):
            error = await failed(client, "connect_ledger", name="Second")
            assert (error["code"], error["who"]) == ("secrets.no_keys", "operator")
            assert "RUTTER_AP_SECRET_KEYS" in error["next_step"]
            assert (await done(client, "list_bills"))["company"]["name"] == FIRST
            assert in_books(home, "SELECT COUNT(*) FROM companies WHERE platform IS NULL") == [(0,)]
        assert not (home / "secret.key").exists()
        async with serving(home, environ=shared | keys(a_key())) as (client, _):
            await link_company(client)
            assert (await done(client, "list_bills", company="Second"))["bills"]
