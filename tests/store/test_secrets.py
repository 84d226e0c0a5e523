"""Secrets at rest: none in the clear in the database, none that opens for another company, and no key in sight."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import stat
import threading
from pathlib import Path

import pytest

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.secret import Secret
from rutter_ap_server.store.engine import Store, StoreError, Tx
from rutter_ap_server.store.secrets import Sealed, SecretBox, key_in_file, new_key
from support.store_rows import START, seen_from_outside

TOKEN = Secret("rutter_access_token_株_5f2c9d")


def sealed(box: SecretBox, company_id: str = "company-1", name: str = "access_token") -> Sealed:
    return box.seal(TOKEN, company_id=company_id, name=name)


def opened(box: SecretBox, value: Sealed, company_id: str = "company-1", name: str = "access_token") -> Secret:
    return box.open(value, company_id=company_id, name=name)


def test_what_is_sealed_opens_and_looks_different_each_time() -> None:
    box = SecretBox([new_key()])
    one, other = sealed(box), sealed(box)

    assert one != other
    assert [opened(box, one), opened(box, other)] == [TOKEN, TOKEN]
    assert TOKEN.reveal() not in one


def test_the_first_key_seals_and_every_key_opens() -> None:
    old, new = new_key(), new_key()
    before = sealed(SecretBox([old]))
    both = SecretBox([new, old])

    assert opened(both, before) == TOKEN
    assert opened(SecretBox([new]), sealed(both)) == TOKEN
    with pytest.raises(StoreError, match="cannot be decrypted"):
        opened(SecretBox([new]), before)


@pytest.mark.parametrize(
    ("company", "name"), [("company-2", "access_token"), ("company-1", "webhook"), ("company-", "1access_token")]
)
def test_a_value_put_in_the_place_of_another_does_not_open(company: str, name: str) -> None:
    box = SecretBox([new_key()])

    with pytest.raises(StoreError, match="cannot be decrypted"):
        opened(box, sealed(box), company, name)


def test_a_changed_value_does_not_open_wherever_it_was_changed() -> None:
    box = SecretBox([new_key()])
    value = sealed(box)
    for place in range(len(value)):
        other = "A" if value[place] != "A" else "B"
        with pytest.raises(StoreError, match="cannot be decrypted"):
            opened(box, Sealed(value[:place] + other + value[place + 1 :]))


@pytest.mark.parametrize("value", ["", "1.", "1.AAAA", "2.AAAA", "in the clear", "1.é"])
def test_what_was_never_sealed_does_not_open(value: str) -> None:
    with pytest.raises(StoreError, match="cannot be decrypted") as error:
        opened(SecretBox([new_key()]), Sealed(value))
    assert error.value.__cause__ is None


@pytest.mark.parametrize("key", ["", "short", "a passphrase somebody thought of", "A" * 43, "é" * 44, "A" * 43 + "!"])
def test_a_key_that_is_none_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(StoreError) as error:
        SecretBox([new_key(), Secret(key)])

    assert "RUTTER_AP_SECRET_KEYS" in error.value.next_step
    assert not key or key not in repr(error.value) + error.value.next_step


def test_without_any_key_there_is_no_box() -> None:
    with pytest.raises(StoreError, match="no encryption key"):
        SecretBox([])


def test_a_box_shows_no_key_and_is_not_copied() -> None:
    key = new_key()
    box = SecretBox([key])

    assert repr(box) == str(box) == f"{box}" == "SecretBox('********')"
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(box)


def test_values_are_kept_replaced_and_forgotten(store: Store) -> None:
    box = SecretBox([new_key()])
    store.write_now(lambda tx: tx.secrets.put("company-1", "access_token", sealed(box)))
    store.write_now(lambda tx: tx.secrets.put("company-2", "access_token", sealed(box, "company-2")))
    again = sealed(box)
    store.write_now(lambda tx: tx.secrets.put("company-1", "access_token", again))

    assert store.read_now(lambda tx: tx.secrets.get("company-1", "access_token")) == again
    assert store.read_now(lambda tx: tx.secrets.names()) == [
        ("company-1", "access_token"),
        ("company-2", "access_token"),
    ]
    assert store.write_now(lambda tx: tx.secrets.delete("company-1", "access_token"))
    assert not store.write_now(lambda tx: tx.secrets.delete("company-1", "access_token"))
    assert store.read_now(lambda tx: tx.secrets.get("company-1", "access_token")) is None


def test_after_resealing_the_old_key_can_go(store: Store) -> None:
    old, new = new_key(), new_key()
    box = SecretBox([old])
    store.write_now(lambda tx: tx.secrets.put("company-1", "access_token", sealed(box)))
    store.write_now(lambda tx: tx.secrets.put("company-2", "webhook", sealed(box, "company-2", "webhook")))

    assert store.write_now(lambda tx: tx.secrets.reseal(SecretBox([new, old]))) == 2
    alone = SecretBox([new])

    def all_of_them(tx: Tx) -> list[Secret]:
        kept = [(company, name, tx.secrets.get(company, name)) for company, name in tx.secrets.names()]
        return [opened(alone, value, company, name) for company, name, value in kept if value is not None]

    assert store.read_now(all_of_them) == [TOKEN, TOKEN]


def test_resealing_without_the_old_key_changes_nothing(store: Store) -> None:
    box = SecretBox([new_key()])
    kept = sealed(box)
    store.write_now(lambda tx: tx.secrets.put("company-1", "access_token", kept))

    with pytest.raises(StoreError, match="cannot be decrypted"):
        store.write_now(lambda tx: tx.secrets.reseal(SecretBox([new_key()])))
    assert store.read_now(lambda tx: tx.secrets.get("company-1", "access_token")) == kept


def test_no_secret_and_no_key_stands_in_the_file(tmp_path: Path) -> None:
    key = new_key()
    store = Store(f"sqlite:///{tmp_path / 'ap.db'}", FixedClock(START))
    store.write_now(lambda tx: tx.secrets.put("company-1", "access_token", sealed(SecretBox([key]))))
    while_open = [path.read_bytes() for path in tmp_path.iterdir()]
    store.close()

    assert while_open
    for content in [*while_open, *(path.read_bytes() for path in tmp_path.iterdir())]:
        assert TOKEN.reveal().encode() not in content
        assert key.reveal().encode() not in content


def test_the_database_is_only_ever_handed_what_is_sealed(
    store: Store, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    box = SecretBox([new_key()])
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO)
        try:
            store.write_now(lambda tx: tx.secrets.put("company-1", "access_token", sealed(box)))
        finally:
            logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)

    assert TOKEN.reveal() not in caplog.text
    rows = seen_from_outside(store_url, "SELECT company_id, name, sealed FROM secrets")
    assert [row[:2] for row in rows] == [("company-1", "access_token")]
    assert opened(box, Sealed(str(rows[0][2]))) == TOKEN


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "secret.key"
    mask = os.umask(0)
    try:
        first = key_in_file(file)
    finally:
        os.umask(mask)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]
    assert key_in_file(file) == first
    SecretBox([first])


def test_a_key_file_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    key_in_file(file)
    file.chmod(0o644)

    key_in_file(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_many_who_make_the_key_at_once_get_the_same_one(tmp_path: Path) -> None:
    file, together = tmp_path / "secret.key", threading.Barrier(12)
    keys: list[Secret] = []

    def make() -> None:
        together.wait()
        keys.append(key_in_file(file))

    threads = [threading.Thread(target=make) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(keys), len(set(keys))) == (12, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("content", [b"", b"half", b"\xff\xfe"])
def test_a_damaged_key_file_is_an_error_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret.key"
    file.write_bytes(content)

    with pytest.raises(StoreError, match=r"the key file secret\.key holds no key"):
        key_in_file(file)
    assert file.read_bytes() == content
