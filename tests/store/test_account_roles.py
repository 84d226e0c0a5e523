"""Account roles: one account a role in each company."""

from __future__ import annotations

from rutter_ap_server.store.account_roles import AccountRole
from rutter_ap_server.store.engine import Store


def test_a_role_belongs_to_the_account_linked_last_per_company(store: Store) -> None:
    store.write_now(lambda tx: tx.account_roles.assign("c1", "funding", "a1", "Account a1"))
    store.write_now(lambda tx: tx.account_roles.assign("c1", "funding", "a2", "Account a2"))
    store.write_now(lambda tx: tx.account_roles.assign("c1", "expense", "a3", "Account a3"))
    store.write_now(lambda tx: tx.account_roles.assign("c2", "funding", "a4", "Account a4"))

    found = store.read_now(
        lambda tx: [
            tx.account_roles.find(c, r) for c in ("c1", "c2") for r in ("funding", "expense", "accounts_payable")
        ]
    )
    assert found == [
        AccountRole("funding", "a2", "Account a2"),
        AccountRole("expense", "a3", "Account a3"),
        None,
        AccountRole("funding", "a4", "Account a4"),
        None,
        None,
    ]
