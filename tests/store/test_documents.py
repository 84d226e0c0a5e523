"""Documents and vendors that were seen: every identity is kept once, and vendors are one through what they share."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from rutter_ap_server.store.documents import Document, SeenDocument
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_tools.money import Money
from support.store_rows import START

BILL = Document("bill", "b1", "v1", "INV-7", date(2026, 2, 1), Money.parse("1.001", "KWD"), Money.parse("0.901", "KWD"))


def remember(store: Store, *documents: Document, company_id: str = "c1") -> None:
    def work(tx: Tx) -> None:
        for one in documents:
            tx.documents.remember(company_id, one)

    store.write_now(work)


def like(store: Store, wanted: Document, *vendor_ids: str, days: int = 14) -> list[SeenDocument]:
    return store.read_now(lambda tx: tx.documents.like("c1", wanted, vendor_ids or ("v1",), days))


def new(**changed: object) -> Document:
    return replace(BILL, id="", **changed)  # type: ignore[arg-type]


def test_every_identity_of_a_bill_is_kept_once(store: Store) -> None:
    renamed = replace(BILL, number="ZZ", issued=date(2026, 2, 3))
    remember(store, BILL, renamed, BILL, renamed)

    assert set(like(store, new())) == {SeenDocument(BILL, START), SeenDocument(renamed, START)}
    assert len(like(store, new())) == 2


def test_a_document_is_found_by_its_number_on_any_day(store: Store) -> None:
    remember(store, BILL)

    assert [one.document for one in like(store, new(number="inv 007", issued=date(2020, 1, 1)))] == [BILL]
    assert [one.document for one in like(store, new(issued=None))] == [BILL]
    assert like(store, new(number="ZZ", issued=None)) == []


def test_a_document_is_found_by_its_day_to_the_edge(store: Store) -> None:
    undated = replace(BILL, id="b2", issued=None)
    remember(store, BILL, undated)

    assert {one.document for one in like(store, new(number="", issued=date(2026, 2, 15)))} == {BILL, undated}
    assert [one.document for one in like(store, new(number="", issued=date(2026, 2, 16)))] == [undated]


def test_what_is_of_others_is_not_found(store: Store) -> None:
    remember(store, BILL)
    remember(store, replace(BILL, id="b2"), company_id="c2")

    assert like(store, BILL) == []
    assert like(store, new(kind="credit")) == []
    assert like(store, new(), "v2", "v3") == []
    assert like(store, new(number="", total=Money.parse("1.00", "USD"))) == []


def test_vendors_are_one_through_others_and_for_ever(store: Store) -> None:
    def know(tx: Tx) -> None:
        for vendor_id, keys in {"v1": ["a"], "v2": ["a", "b"], "v3": ["b"], "v4": ["c"]}.items():
            tx.documents.know_vendor("c1", vendor_id, keys)
            tx.documents.know_vendor("c1", vendor_id, [f"later {vendor_id}"])

    store.write_now(know)

    def one(*ids: str, keys: tuple[str, ...] = (), company: str = "c1") -> set[str]:
        return set(store.read_now(lambda tx: tx.documents.one_vendor(company, ids, keys)))

    assert (one("v1"), one("v4"), one("v9")) == ({"v1", "v2", "v3"}, {"v4"}, {"v9"})
    assert one("v9", keys=("b",)) == {"v1", "v2", "v3", "v9"}
    assert one("v1", company="c2") == {"v1"}
