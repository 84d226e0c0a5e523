"""What a platform can do is known before a write, and says when it is not known."""

from __future__ import annotations

import pytest

from rutter_ap_server.rutter import Support, abilities_of, collections
from rutter_ap_server.rutter.abilities import _CONDITIONS, DOCUMENTED
from rutter_ap_server.rutter.collections import ENDPOINTS, Collections
from rutter_ap_server.rutter.errors import InvalidInput
from rutter_ap_server.rutter.platforms import PLATFORMS
from rutter_ap_server.rutter.resources import Collection, Reads
from support.scripted_upstream import Scripted, client_for


@pytest.mark.parametrize(
    ("platform", "collection", "verb", "support"),
    [
        ("QUICKBOOKS", "bills", "delete", Support.YES),
        ("NETSUITE", "bills", "delete", Support.YES),
        ("XERO", "bills", "delete", Support.UNSURE),
        ("XERO", "bills", "attach", Support.YES),
        ("QUICKBOOKS_DESKTOP", "bills", "attach", Support.UNSURE),
        ("NETSUITE", "bill_payments", "void", Support.YES),
        ("XERO", "bill_payments", "void", Support.UNSURE),
        ("SAGE_INTACCT", "bill_credit_memos", "apply", Support.UNSURE),
        ("DYNAMICS365", "bill_credit_memos", "create", Support.NO),
        ("DYNAMICS365", "bill_payments", "read", Support.CONDITION),
        ("DYNAMICS365", "bill_payments", "create", Support.CONDITION),
        ("DYNAMICS365", "bill_payments", "void", Support.UNSURE),
        ("DYNAMICS365", "bills", "read", Support.YES),
        ("FRESHBOOKS", "bills", "create", Support.NO),
        ("SOMETHING_NEW", "bills", "create", Support.UNSURE),
        ("QUICKBOOKS_DESKTOP", "bills", "tax_inclusive", Support.YES),
        ("SAGE_INTACCT", "bills", "tax_inclusive", Support.NO),
        ("SOMETHING_NEW", "bills", "tax_inclusive", Support.NO),
        ("XERO", "bill_credit_memos", "tax_inclusive", Support.YES),
        ("QUICKBOOKS", "bill_credit_memos", "tax_inclusive", Support.NO),
        ("XERO", "bills", "update_tax_inclusive", Support.NO),
    ],
)
def test_an_ability_is_documented_unsure_or_absent(platform: str, collection: str, verb: str, support: Support) -> None:
    assert abilities_of(platform).support(collection, verb) is support


def test_what_the_connection_does_not_offer_is_absent() -> None:
    abilities = abilities_of("QUICKBOOKS", ["bill_payment", "ITEMS"])
    assert abilities.void_payment is Support.NO
    assert abilities.support("items", "read") is Support.NO
    assert abilities.delete_bill is Support.YES


def test_xero_pays_one_bill_at_a_time() -> None:
    assert abilities_of("XERO").pay_several_bills_at_once is Support.NO
    assert abilities_of("QUICKBOOKS").pay_several_bills_at_once is Support.YES


def test_the_quirks_are_known() -> None:
    assert [name for name in sorted(PLATFORMS) if not abilities_of(name).filters] == [
        "SAGE_BUSINESS_CLOUD",
        "SAGE_INTACCT",
    ]
    assert abilities_of("quickbooks").every_line_needs_an_account
    assert not abilities_of("XERO").every_line_needs_an_account
    assert abilities_of("FREEAGENT").credit_application_wants_an_account


@pytest.mark.parametrize(
    ("platform", "collection", "words", "may_end"),
    [
        ("QUICKBOOKS", "bill_payments", None, None),
        ("DYNAMICS365", "bills", None, None),
        (
            "dynamics365",
            "bill_payments",
            "bill payments are listed only with Rutter's extension in Business Central",
            True,
        ),
        (
            "DYNAMICS365",
            "bill_credit_memos",
            "Rutter does not offer the bill credit memos of this accounting platform",
            False,
        ),
        ("XERO", "classes", None, None),
        (
            "XERO",
            "payment_terms",
            "Rutter does not document that it lists the payment terms of this accounting platform",
            True,
        ),
    ],
)
def test_an_empty_list_is_doubted_unless_it_is_documented(
    platform: str, collection: str, words: str | None, may_end: bool | None
) -> None:
    doubt = abilities_of(platform).doubt(collection)

    assert (doubt and (doubt.words, doubt.may_end)) == (words and (words, may_end))
    assert doubt is None or doubt.next_step


def test_what_the_plan_does_not_give_is_doubted_for_good() -> None:
    doubt = abilities_of("QUICKBOOKS", ["bill_payment"]).doubt("bill_payments")
    assert doubt is not None
    assert not doubt.may_end


def test_every_condition_is_of_something_documented() -> None:
    for platform, conditions in _CONDITIONS.items():
        for collection, condition in conditions.items():
            assert platform in DOCUMENTED[collection, "read"]
            assert condition.remedy.endswith("sync_ledger.")


def test_a_call_that_rutter_does_not_have_is_a_mistake() -> None:
    with pytest.raises(InvalidInput):
        abilities_of("QUICKBOOKS").support("locations", "create")


def test_every_row_names_platforms_that_exist() -> None:
    assert all(platforms <= PLATFORMS for platforms in DOCUMENTED.values())


def test_a_collection_says_where_each_of_its_verbs_is_documented() -> None:
    company = client_for(Scripted()).connection("token")
    for name in vars(Collections):
        collection = getattr(company, name)
        if isinstance(collection, Reads):
            verbs = {"read", *(verb for verb in ("create", "update", "delete") if hasattr(collection, verb))}
            assert collection.endpoint.many == name
            assert verbs <= set(collection.endpoint.documented)


def test_every_class_of_collection_belongs_to_a_company() -> None:
    defined = {
        one.endpoint.many
        for one in vars(collections).values()
        if isinstance(one, type) and issubclass(one, Collection) and one.__module__ == collections.__name__
    }
    assert defined == {endpoint.many for endpoint in ENDPOINTS}
