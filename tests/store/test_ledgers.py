"""Which ledger a connection leads to, on either database: of two connections to one ledger one is used, ever."""

from __future__ import annotations

import threading

import pytest

from rutter_ap_server.companies.ledgers import Claim, LinkedTwice, OtherLedger, claim, require_in_use
from rutter_ap_server.store.engine import Store, StoreError, Tx
from rutter_ap_server.store.ledgers import LedgerIdentity
from rutter_ap_tools.errors import PersonError
from support.store_rows import put


def claimed(
    store: Store,
    connection_id: str,
    identity: str | None = "realm-9",
    *,
    name: str = "",
    platform: str = "XERO",
    own_id: str | None = None,
) -> Claim:
    """What becomes of a connection that Rutter describes so."""
    found = LedgerIdentity.of(connection_id, "sandbox", platform, identity, name)
    return store.write_now(lambda tx: claim(tx, connection_id, found, own_id=own_id))


def saved(store: Store, *connection_ids: str) -> None:
    """Connections that people linked."""

    def save(tx: Tx) -> None:
        for connection_id in connection_ids:
            tx.connections.begin(connection_id, environment="sandbox", name=connection_id)
            tx.connections.activate(connection_id, name=connection_id, platform="XERO")

    store.write_now(save)


def removed(store: Store, connection_id: str) -> None:
    store.write_now(lambda tx: tx.connections.remove(connection_id))


@pytest.mark.parametrize(
    ("identity", "platform", "is_same"),
    [
        ("realm-9", "XERO", True),
        (" REALM-9 ", "xero", True),
        ("realm-8", "XERO", False),
        ("realm-9", "NETSUITE", False),
    ],
)
def test_a_ledger_is_known_by_the_platforms_own_id(store: Store, identity: str, platform: str, is_same: bool) -> None:
    saved(store, "a", "b")
    assert claimed(store, "a") == Claim("a")
    second = claimed(store, "b", identity, platform=platform)
    assert second.ledger_id == ("a" if is_same else "b")
    assert isinstance(second.trouble, LinkedTwice) is is_same


@pytest.mark.parametrize(("name", "is_same"), [("ACME ", True), ("Other", False), ("", False)])
@pytest.mark.parametrize("identities", [(None, None), ("realm-9", None), (None, "realm-9")])
def test_without_an_identity_the_name_must_do(
    store: Store, identities: tuple[str | None, str | None], name: str, is_same: bool
) -> None:
    saved(store, "a", "b")
    assert claimed(store, "a", identities[0], name="Acme") == Claim("a")
    second = claimed(store, "b", identities[1], name=name)
    assert second.ledger_id == ("a" if is_same else "b")
    assert isinstance(second.trouble, LinkedTwice) is is_same


def test_once_the_first_is_removed_the_second_goes_on(store: Store) -> None:
    saved(store, "a", "b")
    claimed(store, "a")
    assert isinstance(claimed(store, "b").trouble, LinkedTwice)
    removed(store, "a")
    assert claimed(store, "b") == Claim("a")
    saved(store, "c")
    assert claimed(store, "c").ledger_id == "a"
    assert store.read_now(lambda tx: tx.ledgers.in_use("a")) == "b"


def test_what_waited_under_the_first_connection_expires(store: Store) -> None:
    saved(store, "a", "b")
    claimed(store, "a")
    held, released = (put(store, company_id="a", state=state) for state in ("held", "released"))
    other, posted = put(store, company_id="z"), put(store, company_id="a", state="posted")
    removed(store, "a")
    claimed(store, "b")
    states = [store.read_now(lambda tx, p=p: tx.proposals.get(p.id)) for p in (held, released, other, posted)]  # type: ignore[misc]
    assert [p.state for p in states if p] == ["expired", "expired", "held", "posted"]


def test_an_open_outcome_of_the_first_stops_writes(store: Store) -> None:
    saved(store, "a", "b")
    claimed(store, "a")
    put(store, company_id="a", state="unknown")
    removed(store, "a")
    claimed(store, "b")
    with pytest.raises(PersonError) as refused:
        store.read_now(lambda tx: require_in_use(tx, "a", "b"))
    assert refused.value.error_code == "connection.unsettled"
    with pytest.raises(LinkedTwice):
        store.read_now(lambda tx: require_in_use(tx, "a", "a"))


def test_a_new_token_in_the_settings_takes_over(store: Store) -> None:
    assert claimed(store, "a", own_id="a") == Claim("a")
    assert claimed(store, "b", own_id="b") == Claim("a")


@pytest.mark.parametrize("own_id", ["a", ""])
def test_the_settings_company_is_not_replaced_meanwhile(store: Store, own_id: str) -> None:
    """Nor while Rutter has not yet said which company its token is for."""
    claimed(store, "a", own_id="a")
    saved(store, "b")
    assert isinstance(claimed(store, "b", own_id=own_id).trouble, LinkedTwice)


def test_a_connection_to_another_ledger_is_not_used(store: Store) -> None:
    saved(store, "a")
    claimed(store, "a")
    assert isinstance(claimed(store, "a", "realm-8").trouble, OtherLedger)
    assert claimed(store, "a") == Claim("a")


def test_an_identity_learned_late_finds_its_rival(store: Store) -> None:
    saved(store, "a", "b")
    assert claimed(store, "a", None, name="Acme") == Claim("a")
    assert claimed(store, "b", name="Acme Ltd") == Claim("b")
    assert isinstance(claimed(store, "a", name="Acme").trouble, LinkedTwice)


def test_two_of_one_ledger_at_once_leave_one_in_use(store: Store) -> None:
    names = [f"c{number}" for number in range(8)]
    saved(store, *names)
    threads = [threading.Thread(target=claimed, args=(store, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = [store.read_now(lambda tx, name=name: tx.ledgers.of(name)) for name in names]  # type: ignore[misc]
    assert len({one.ledger_id for one in known if one}) == 1
    assert sum(one.in_use for one in known if one) == 1


def test_the_database_refuses_a_second_one_in_use(store: Store) -> None:
    """Even to code that forgot to ask."""

    def forgetful(tx: Tx, connection_id: str) -> None:
        tx.ledgers.learn(LedgerIdentity.of(connection_id, "sandbox", "XERO", "realm-9", ""))
        tx.secrets._connection.exec_driver_sql("UPDATE ledger_connections SET ledger_id = connection_id, in_use = TRUE")

    store.write_now(lambda tx: forgetful(tx, "a"))
    with pytest.raises(StoreError):
        store.write_now(lambda tx: forgetful(tx, "b"))
