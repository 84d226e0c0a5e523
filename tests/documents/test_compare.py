"""A document against its bill: what is the same in any notation, what is clearly another value, what cannot be told."""

from __future__ import annotations

import time
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rutter_ap_server.documents.compare import (
    Expected,
    compare,
    compare_account,
    compare_currency,
    compare_date,
    compare_due,
    compare_number,
    compare_total,
    compare_vendor,
)
from rutter_ap_server.documents.parse import lines_of, readings_of
from rutter_ap_tools.money import Money, exponent_of

DAY = date(2026, 11, 2)


def money(text: str, currency: str = "USD") -> Money:
    return Money.parse(text, currency)


@pytest.mark.parametrize(
    ("digits", "exponent", "meant"),
    [
        ("1234.50", 2, ["1234.50"]),
        ("1,234.50", 2, ["1234.50"]),
        ("1.234,50", 2, ["1234.50"]),
        ("1 234,50", 2, ["1234.50"]),
        ("1'234.50", 2, ["1234.50"]),
        ("1’234.50", 2, ["1234.50"]),
        ("1234.5", 2, ["1234.5"]),
        ("1234", 2, ["1234"]),
        ("1,234", 2, ["1234"]),
        ("1.234", 2, ["1234"]),
        ("1.234", 3, ["1.234", "1234"]),
        ("0.500", 3, ["0.500"]),
        ("0.500", 2, []),
        ("12,34", 2, ["12.34"]),
        ("12,34,567.89", 2, ["1234567.89"]),
        ("1,234,567", 2, ["1234567"]),
        ("1,234", 0, ["1234"]),
        ("1.234", 0, ["1234"]),
        ("1,234.00", 0, ["1234"]),
        ("1,234.50", 0, []),
        ("1.234,567", 2, []),
        ("1,2345", 2, []),
    ],
)
def test_a_written_number_means_what_its_separators_allow(digits: str, exponent: int, meant: list[str]) -> None:
    assert readings_of(digits, exponent) == {Decimal(text) for text in meant}


@pytest.mark.parametrize(
    ("text", "total", "found"),
    [
        ("Total: 1,234.50", money("1234.50"), "equal"),
        ("Total due: USD 1.234,50", money("1234.50"), "equal"),
        ("Amount due 1 234,50 EUR", money("1234.50", "EUR"), "equal"),
        ("TOTAL $1234.5", money("1234.50"), "equal"),
        ("Total\n1,234.50", money("1234.50"), "equal"),
        ("Total (incl. VAT): £1,234.50", money("1234.50", "GBP"), "equal"),
        ("Grand total 1,234.50USD", money("1234.50"), "equal"),
        ("Gesamtbetrag: 1.234,50 €", money("1234.50", "EUR"), "equal"),
        ("合計 ¥120,000", money("120000", "JPY"), "equal"),
        ("Total ¥120,000.00", money("120000", "JPY"), "equal"),
        ("Total: 1,234.500 KWD", money("1234.500", "KWD"), "equal"),
        ("Total: １，２３４．５０", money("1234.50"), "equal"),
        ("Subtotal: 1,000.00\nTax: 234.50\nTotal: 1,234.50", money("1234.50"), "equal"),
        ("Total 1,000.00 234.50 1,234.50", money("1234.50"), "equal"),
        ("Rechnung INV-7: 1.234,50", money("1234.50"), "equal"),
        ("Total: 500.00\nPaid: 100.00\nBalance due: 400.00", money("500.00"), "equal"),
        ("Total: 99.00", money("100.00"), "different 99.00"),
        ("Total: 1,234.51", money("1234.50"), "different 1,234.51"),
        ("Total: 99", money("100.00"), "different 99"),
        ("Subtotal: 100.00\nVAT: 20.00\nTotal: 120.00", money("100.00"), "different 120.00"),
        ("Total\nUSD 99.00", money("100.00"), "different USD 99.00"),
        ("Total ¥120,000", money("120", "JPY"), "different ¥120,000"),
        ("Total 100.00 20.00 120.00", money("20.00"), "different 120.00"),
        ("Total (excl. VAT): 100.00\nTotal (incl. VAT): 120.00", money("120.00"), "equal"),
        ("Total (excl. VAT): 100.00\nTotal (incl. VAT): 120.00", money("100.00"), "different 120.00"),
        ("Total 438.60\nPaid 438.60\nBalance due 0.00", money("500.00"), "different 438.60"),
        ("TOTAL AMOUNT DUE ON November 2 , 2026 $1,234.50", money("1234.50"), "equal"),
        ("DATE 11/02/2026 TOTAL DUE $438.60 DUE DATE 12/02/2026", money("438.60"), "equal"),
        ("Total HT 400,00 €\nTotal TTC 480,00 €", money("400.00", "EUR"), "different 480,00 €"),
        ("Net à payer : 480,00 €", money("480.00", "EUR"), "equal"),
        ("Total 100.00 CR", money("100.00"), "not_found"),
        ("Total 100.00-", money("100.00"), "not_found"),
        ("Subtotal: 100.00\nVAT 20.00", money("20.00"), "not_found"),
        ("Sub-total 100.00", money("100.00"), "not_found"),
        ("Subtotal: 99.00", money("100.00"), "not_found"),
        ("Total hours: 12", money("100.00"), "not_found"),
        ("Total 12 items", money("100.00"), "not_found"),
        ("Total VAT 20.00", money("100.00"), "not_found"),
        ("Description Total\nLamps 10.00 37.00", money("100.00"), "not_found"),
        ("Payment terms: 30 days net", money("30.00"), "not_found"),
        ("Discount 20%", money("20.00"), "not_found"),
        ("Invoice 2026-11-02", money("2026.00"), "not_found"),
        ("Account 100.00.00", money("100.00"), "not_found"),
        ("Ref 12-100.00", money("100.00"), "not_found"),
        ("Total: -100.00", money("100.00"), "not_found"),
        ("Total: (100.00)", money("100.00"), "not_found"),
        ("Total: 1100.00", money("100.00"), "different 1100.00"),
        ("Somme 1 234,50", money("234.50", "EUR"), "not_found"),
        ("", money("1.00"), "not_found"),
    ],
)
def test_a_total_is_found_in_any_notation_under_its_own_label(text: str, total: Money, found: str) -> None:
    match = compare_total(lines_of(text), total)
    assert f"{match.outcome} {match.shown}".strip() == found


def grouped(digits: str, by: str) -> str:
    """Thousands parted by a separator."""
    parts: list[str] = []
    while digits:
        digits, part = digits[:-3], digits[-3:]
        parts.insert(0, part)
    return by.join(parts)


amounts = st.sampled_from(["USD", "EUR", "JPY", "KWD"]).flatmap(
    lambda currency: st.integers(min_value=1, max_value=10**12).map(
        lambda minor: Money.of(Decimal(minor).scaleb(-exponent_of(currency)), currency)
    )
)
notations = st.sampled_from([("", "."), ("", ","), (",", "."), (".", ","), (" ", ","), ("'", "."), ("\u00a0", ",")])
places = st.sampled_from(
    ["Total: {}", "TOTAL {}", "Amount due: {}", "Total\n{}", "Grand total {code} {}", "Total due {} {code}"]
)


def written(total: Money, notation: tuple[str, str]) -> str:
    """An amount as somebody might write it."""
    by, point = notation
    whole, _, decimals = total.text.partition(".")
    return grouped(whole, by) + (point + decimals if decimals else "")


@given(amounts, notations, places)
def test_a_total_is_equal_however_it_is_written(total: Money, notation: tuple[str, str], place: str) -> None:
    text = "Invoice\nLamps 2\n" + place.format(written(total, notation), code=total.currency) + "\nThank you"
    assert compare_total(lines_of(text), total).outcome == "equal"


@given(amounts, notations, places, st.integers(min_value=1, max_value=9))
def test_a_total_whose_last_digit_is_another_is_never_equal(
    total: Money, notation: tuple[str, str], place: str, step: int
) -> None:
    last = (int(total.text[-1]) + step) % 10
    other = Money.of(total.text[:-1] + str(last), total.currency)
    assume(other.amount > 0)
    text = "Invoice\nLamps 2\n" + place.format(written(other, notation), code=total.currency) + "\nThank you"
    assert compare_total(lines_of(text), total).outcome == "different"


@given(amounts, notations, st.integers(min_value=1, max_value=9))
def test_an_amount_without_a_label_equals_only_itself(total: Money, notation: tuple[str, str], step: int) -> None:
    other = Money.of(total.text[:-1] + str((int(total.text[-1]) + step) % 10), total.currency)
    lines = lines_of(f"Lamps {total.currency} {written(total, notation)}")
    assert compare_total(lines, total).outcome == "equal"
    assert compare_total(lines, other).outcome == "not_found"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Invoice date: 2026-11-02", "equal"),
        ("Invoice date: 2026/11/02", "equal"),
        ("Date: 11/02/2026", "equal"),
        ("Date: 02/11/2026", "equal"),
        ("Date: 2 Nov 2026", "equal"),
        ("Date: 2nd November 2026", "equal"),
        ("Date: 2-Nov-26", "equal"),
        ("Dated November 2, 2026", "equal"),
        ("Invoice Date: November 2 , 2026", "equal"),
        ("DATE 11/02/2026 TOTAL DUE $438.60 DUE DATE 12/02/2026", "equal"),
        ("Date of issue November 2, 2026\nDate due December 2, 2026", "equal"),
        ("Date of issue November 1, 2026\nDate due November 2, 2026", "different November 1, 2026"),
        ("Issued NOV. 2nd, 2026", "equal"),
        ("Rechnungsdatum 02.11.2026", "equal"),
        ("Date: 2.11.26", "equal"),
        ("Invoice date\n2026-11-02", "equal"),
        ("Acme, 2 Nov 2026", "equal"),
        ("Due date: 2026-12-02\nInvoice date: 2026-11-02", "equal"),
        ("Invoice date Due date\n2026-11-02 2026-12-02", "equal"),
        ("Invoice date: 2026-11-02 Due date: 2026-12-02", "equal"),
        ("Invoice date: 2026-11-03", "different 2026-11-03"),
        ("Date: 11.02.2026", "different 11.02.2026"),
        ("Date: 3 Nov 2026", "different 3 Nov 2026"),
        ("Invoice date: 2026-10-02 Due date: 2026-11-02", "different 2026-10-02"),
        ("Due date: 2026-11-02", "not_found"),
        ("Payable by 2 Nov 2026", "not_found"),
        ("Service period: 2026-11-02 to 2026-11-30", "not_found"),
        ("Service period: 2026-10-02 - 2026-11-02", "not_found"),
        ("Order date: 2026-11-02", "not_found"),
        ("Fällig am 02.11.2026", "not_found"),
        ("Date: 2026-13-45", "not_found"),
        ("Date: 12026-11-02", "not_found"),
        ("No date here", "not_found"),
    ],
)
def test_a_due_date_is_not_taken_for_the_bill_date(text: str, found: str) -> None:
    match = compare_date(lines_of(text), DAY)
    assert f"{match.outcome} {match.shown}".strip() == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Due date: 2026-11-02", "equal"),
        ("Payment due by 2 Nov 2026", "equal"),
        ("Due\n02/11/2026", "equal"),
        ("Fällig am 02.11.2026", "equal"),
        ("Invoice date: 2026-11-02", "not_found"),
        ("Due date: 2026-11-03", "different 2026-11-03"),
        ("Total due: USD 684.20", "not_found"),
        ("Due date: 2026-11-03\nDue date: 2026-11-02", "equal"),
        ("2026-11-02", "not_found"),
    ],
)
def test_a_due_date_is_found_by_its_label_only(text: str, found: str) -> None:
    match = compare_due(lines_of(text), DAY)
    assert f"{match.outcome} {match.shown}".strip() == found


@pytest.mark.parametrize(
    ("text", "end", "found"),
    [
        ("IBAN: DE02 1203 0000 0000 2020 51", "2051", "equal"),
        ("IBAN DE02120300000000202051 BIC BYLADEM1001", "2051", "equal"),
        ("IBAN: GB29 NWBK 6016 1331 9268 BIC NWBKGB2L", "9268", "equal"),
        ("Bank account no. 12-345-6789", "6789", "equal"),
        ("Account number 12345678", "5678", "equal"),
        ("IBAN: DE02 1203 0000 0000 2020 51", "7702", "different ··2051"),
        ("Bank account: ****7702", "0413", "different ··7702"),
        # A customer's number with the vendor is no bank account.
        ("Account number 12345678", "0413", "not_found"),
        ("Bank account: see overleaf", "0413", "not_found"),
        ("IBAN: DE02 1203 0000 0000 2020 51", "", "not_found ··2051"),
        ("No account", "0413", "not_found"),
    ],
)
def test_a_bank_account_is_known_by_its_end(text: str, end: str, found: str) -> None:
    match = compare_account(lines_of(text), end)
    assert f"{match.outcome} {match.shown}".strip() == found


FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d %b %Y", "%B %d, %Y", "%d-%b-%Y", "%b %d %Y")


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2099, 12, 31)), st.sampled_from(FORMATS), st.booleans())
def test_a_day_is_equal_however_it_is_written(day: date, how: str, labelled: bool) -> None:
    text = day.strftime(how)
    assert compare_date(lines_of(f"Invoice date: {text}" if labelled else f"Portland, {text}"), day).outcome == "equal"


@given(
    st.dates(min_value=date(2000, 1, 1), max_value=date(2099, 12, 30)),
    st.sampled_from([how for how in FORMATS if how not in ("%d/%m/%Y", "%m/%d/%Y")]),
)
def test_the_day_after_is_never_equal(day: date, how: str) -> None:
    text = (day + timedelta(days=1)).strftime(how)
    assert compare_date(lines_of(f"Invoice date: {text}"), day).outcome == "different"


@pytest.mark.parametrize(
    ("text", "vendor", "found"),
    [
        ("ACME OFFICE SUPPLY, INC.", "Acme Office Supply", "equal"),
        ("From: Acme Office Supply", "Acme Office Supply Ltd", "equal"),
        ("Muller & Sohne GmbH", "Müller und Söhne GmbH & Co. KG", "not_found"),
        ("Müller & Söhne", "Muller and Sohne GmbH & Co. KG", "equal"),
        ("Fjord Timber A.S.", "Fjord Timber AS", "equal"),
        ("Supplier : Kestrel\u200b Freight B.V.", "kestrel freight", "equal"),
        ("ＡＣＭＥ Packaging", "Acme Packaging", "equal"),
        ("Kestrel\nFreight", "Kestrel Freight", "equal"),
        ("From: Other Company\nAcme Packaging", "Acme Packaging", "equal"),
        ("From: Other Company Ltd", "Acme Packaging", "different Other Company Ltd"),
        ("Vendor: Acme", "Acme Packaging", "different Acme"),
        ("From: 1 October to 31 October", "Acme", "different 1 October to 31 October"),
        ("From: 2026-10-01", "Acme", "not_found"),
        ("Acmes Packagings", "Acme Packaging", "not_found"),
        ("Bill to: Harbor & Pine", "Acme", "not_found"),
        ("In AB we trust", "AB", "not_found"),
        ("From: AB", "AB", "equal"),
        ("Anything", "", "not_found"),
    ],
)
def test_a_vendor_is_found_by_its_name_without_its_legal_form(text: str, vendor: str, found: str) -> None:
    match = compare_vendor(lines_of(text), vendor)
    assert f"{match.outcome} {match.shown}".strip() == found


@pytest.mark.parametrize(
    ("text", "number", "found"),
    [
        ("Invoice number: INV-1043", "inv 1043", "equal"),
        ("Invoice No. INV 1043 Date 2026-11-02", "INV-1043", "equal"),
        ("Invoice # 204", "204", "equal"),
        ("Invoice no: 204", "204", "equal"),
        ("Rechnungsnummer: RE/2026/7", "RE-2026-7", "equal"),
        ("Rechnungs-Nr.: RE-7", "RE-7", "equal"),
        ("Facture N° 2026-110", "2026-110", "equal"),
        ("INVOICE # 1043\nDATE 11/02/2026", "1043", "equal"),
        ("Invoice no. / Date: INV-1 / 2026-11-02", "INV-1", "equal"),
        ("PO number: 4471\nInvoice number: INV-1", "4471", "different INV-1"),
        ("Invoice INV-1043", "INV-1043", "equal"),
        ("INVOICE 204", "204", "equal"),
        ("Your INV-1043, thank you", "INV-1043", "equal"),
        ("Invoice number\nINV-1043", "INV-1043", "equal"),
        ("Invoice ＩＮＶ－７", "INV-7", "equal"),
        ("Invoice number: INV-1044", "INV-1043", "different INV-1044"),
        ("Invoice number: INV-10430", "INV-1043", "different INV-10430"),
        ("Invoice no. INV-1044,", "INV-1043", "different INV-1044"),
        ("Invoice number: INV-1044\nAnswers INV-1043", "INV-1043", "different INV-1044"),
        ("Invoice INV-1044", "INV-1043", "not_found"),
        ("INV-1043-2", "INV-1043", "not_found"),
        ("XINV-1043", "INV-1043", "not_found"),
        ("CN-INV-1043", "INV-1043", "not_found"),
        ("Order of 204 lamps", "204", "not_found"),
        ("Invoice number Invoice date", "INV-1", "not_found"),
        ("Invoice number: 2026-11-02", "INV-1", "not_found"),
        ("Invoice number: INV-1", "", "not_found"),
        ("Invoice number: INV-1", "---", "not_found"),
    ],
)
def test_a_number_is_found_whole_without_case_or_punctuation(text: str, number: str, found: str) -> None:
    match = compare_number(lines_of(text), number)
    assert f"{match.outcome} {match.shown}".strip() == found


@given(st.from_regex(r"[A-Z]{2,4}-[0-9]{3,8}", fullmatch=True), st.integers(min_value=1, max_value=9), st.booleans())
def test_a_number_whose_last_digit_is_another_is_never_equal(number: str, step: int, labelled: bool) -> None:
    other = number[:-1] + str((int(number[-1]) + step) % 10)
    text = f"Invoice number: {other}" if labelled else f"Our {other} of today"
    assert compare_number(lines_of(text), other).outcome == "equal"
    assert compare_number(lines_of(text), number).outcome == ("different" if labelled else "not_found")


@pytest.mark.parametrize(
    ("text", "currency", "found"),
    [
        ("Currency: USD", "USD", "equal"),
        ("Total: USD 5.00", "USD", "equal"),
        ("Total: $5.00", "USD", "equal"),
        ("Total: 5,00 €", "EUR", "equal"),
        ("Total: ¥500", "JPY", "equal"),
        ("Lamps £5.00\nBoxes £6.00", "GBP", "equal"),
        ("Currency: EUR", "USD", "different EUR"),
        ("Total: 5.00 GBP", "USD", "different GBP"),
        ("Total: €5.00", "USD", "different €"),
        ("Total: $5.00", "EUR", "different $"),
        ("Total: $5.00", "CAD", "not_found"),
        ("Total: $5.00\nLamps CA$5.00", "CAD", "not_found"),
        ("Lamps €5.00\nBoxes £6.00", "GBP", "not_found"),
        ("Lamps €5.00", "GBP", "not_found"),
        ("Total: VAT 5.00", "USD", "not_found"),
        ("Total: 5.00", "USD", "not_found"),
    ],
)
def test_a_currency_is_read_from_a_label_or_the_totals_symbol(text: str, currency: str, found: str) -> None:
    match = compare_currency(lines_of(text), currency)
    assert f"{match.outcome} {match.shown}".strip() == found


def test_of_a_long_document_the_head_and_the_end_are_compared() -> None:
    text = "Invoice number: INV-1\n" + "Lamps 1.00\n" * 20_000 + "Total: USD 7.00"
    found = compare(text, Expected("INV-1", "Acme", DAY, money("7.00")))
    assert (found["number"].outcome, found["total"].outcome, found["currency"].outcome) == ("equal",) * 3


def test_what_a_document_shows_instead_is_cleaned_and_short() -> None:
    text = "From: Other\u202e Company " + "x" * 500 + "\nInvoice number: 9" + "9" * 500
    found = compare(text, Expected("INV-1", "Acme", DAY, money("1.00")))
    for match in (found["vendor"], found["number"]):
        assert match.outcome == "different"
        assert len(match.shown) <= 60
        assert match.shown.isprintable()


@given(st.text(max_size=400), st.text(max_size=30), st.text(max_size=30))
def test_no_text_is_too_odd_to_be_compared(text: str, number: str, vendor: str) -> None:
    found = compare(text, Expected(number, vendor, DAY, money("1.00")))
    assert {match.outcome for match in found.values()} <= {"equal", "different", "not_found"}
    assert all(match.shown.isprintable() for match in found.values())


@given(st.text(alphabet="0123456789.,' \n-/$€ADEUStoal:invr#", max_size=400))
def test_no_text_of_figures_is_too_odd_to_be_compared(text: str) -> None:
    compare(text, Expected("INV-1", "Acme", DAY, money("1.00")))


@pytest.mark.parametrize(
    "text", ["1" * 200_000, "1 " * 100_000, "1,111" * 40_000, "total " * 30_000, "a-" * 100_000, "Invoice no " * 20_000]
)
def test_a_text_made_to_keep_a_reader_busy_is_compared_at_once(text: str) -> None:
    began = time.process_time()
    compare(text, Expected("1111111111", "1 1 1", DAY, money("1.00")))
    compare(
        "\n".join(text[at : at + 900] for at in range(0, len(text), 900)), Expected("11", "total", DAY, money("1.00"))
    )
    # Seconds of work, not of waiting: minutes are what a careless pattern takes.
    assert time.process_time() - began < 5
