"""A vendor's history that was edited by hand is not judged by, and no new sighting makes it the chain's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from rutter_ap_server.rutter.models.vendors import VendorUpdate
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import StoreError
from support.bench import Bench, a_bench, codes
from support.store_rows import behind_its_back

ALLOW = '[tools]\npay_bill = "allow"\n'
LONG_AGO = "'2020-01-01T00:00:00.000000Z'"
NEWEST = "WHERE fingerprint IN (SELECT fingerprint FROM vendor_sightings ORDER BY last_seen_at DESC LIMIT 1)"


async def change_vendor(bench: Bench, email: str) -> None:
    """Somebody changes the vendor in the accounting platform."""
    vendor_id = (await bench.bill("NW-2291")).vendor_id
    assert vendor_id is not None
    await bench.company.rutter.vendors.update(vendor_id, VendorUpdate(email=email), idempotency_key=email)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (f"UPDATE vendor_sightings SET became_at = {LONG_AGO} {NEWEST}", "became_at"),
        (f"UPDATE vendor_sightings SET first_seen_at = {LONG_AGO} {NEWEST}", "first_seen_at"),
        (f"UPDATE vendor_sightings SET last_seen_at = {LONG_AGO} {NEWEST}", "last_seen_at"),
        (f"UPDATE vendor_sightings SET changed_at = {LONG_AGO} {NEWEST}", "changed_at"),
        (f"UPDATE vendor_sightings SET parts = '{{}}' {NEWEST}", "parts"),
        (f"DELETE FROM vendor_sightings {NEWEST}", "removed"),
        ("DELETE FROM vendor_sightings", "removed"),
        (
            "INSERT INTO vendor_sightings SELECT company_id, vendor_id, 'x', parts, first_seen_at, became_at, "
            f"last_seen_at, changed_at FROM vendor_sightings {NEWEST}",
            "added",
        ),
    ],
)
async def test_a_vendor_edited_by_hand_is_not_paid(store_url: str, home: Path, change: str, column: str) -> None:
    async with a_bench(home, ALLOW, store_url) as bench:
        assert (await bench.pay("NW-2291", "10.00")).status == "posted"
        await change_vendor(bench, email="pay-here@swindle.example")
        assert codes(await bench.pay("NW-2304", "11.00")) == ["vendor.changed"]
        behind_its_back(store_url, change)
        restarted = bench.another()

        for one in (bench, restarted, bench):
            with pytest.raises(StoreError) as refused:
                await one.pay("NW-2304", "12.00")
            assert refused.value.error_code == "store.tampered"
        found = await bench.app.store.read(lambda tx: tx.checks.everything())
        assert {one.field or one.what for one in found.differences} == {column}
        assert (await bench.pay("BH-5520", "10.00")).status == "posted", "another vendor"
        await restarted.app.aclose()


async def test_servers_on_one_store_each_read_what_others_saw(store_url: str, home: Path) -> None:
    async with a_bench(home, ALLOW, store_url) as bench:
        other = bench.another()
        for email, one in zip("abcdef", (bench, other, other, bench, bench, other), strict=True):
            await change_vendor(bench, f"{email}@acme.example")
            await one.pay("NW-2291", "10.00")

        assert (await bench.app.store.read(lambda tx: tx.checks.everything())).differences == ()
        await other.app.aclose()


def test_one_transaction_sees_a_vendor_more_than_once(store: Store) -> None:
    def look(tx: Tx) -> int:
        for fingerprint in ("a", "b", "a"):
            tx.observations.record_sighting("c1", "v1", fingerprint, {"e-mail": fingerprint})
            tx.audit.append("judged", actor="guard")
        return len(tx.observations.sightings("c1", "v1"))

    assert store.write_now(look) == 2
    assert store.write_now(look) == 2


def test_what_was_undone_is_not_told_of(store: Store) -> None:
    def fails(tx: Tx) -> None:
        tx.observations.record_sighting("c1", "v1", "a", {"e-mail": "a"})
        tx.audit.append("judged", actor="guard")
        tx.observations.sightings("c1", "v1")
        raise KeyError

    with pytest.raises(KeyError):
        store.write_now(fails)
    assert store.read_now(lambda tx: tx.observations.sightings("c1", "v1")) == ()
