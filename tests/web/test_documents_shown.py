"""The documents of a bill beside its proposal: as pictures, compared, and to be saved; whatever is in them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import httpx
import pytest

from rutter_ap_server.rutter.abilities import abilities_of
from rutter_ap_server.web.proposal_beside import beside, chart_of, platform_link
from rutter_ap_server.web.proposal_documents import Papers
from rutter_ap_tools.money import Money
from support import pdfs
from support.desk import BILL, Visitor, a_desk
from support.papers import attached, long_pdf, picture
from support.serving import bill_numbered, done
from support.unlisted import EXTENSION, WITHOUT, Lists, business_central, claims_none

pytestmark = pytest.mark.anyio
PNG = b"\x89PNG\r\n\x1a\n"
EVIL = "<script>alert(1)</script>\u202efdp.exe.pdf"


def pictures_on(visitor: Visitor) -> list[tuple[str, str]]:
    """The address and the words of every picture."""
    return re.findall(r'<img class="page"[^>]* src="([^"]+)" alt="([^"]+)"', visitor.page.text)


async def fetched(visitor: Visitor, address: str) -> httpx.Response:
    return await visitor.http.get(address)


async def test_each_page_of_the_bills_document_is_a_picture(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await attached(desk, pdfs.pdf(["INVOICE", "NW-2291"], ["page two"]))
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        shown = pictures_on(dana)
        assert [alt for _, alt in shown] == [f"Page {n} of 2 of invoice.pdf, bill NW-2291" for n in (1, 2)]
        drawn = [await fetched(dana, address) for address, _ in shown]
        assert [(one.headers["content-type"], one.content[:8]) for one in drawn] == [("image/png", PNG)] * 2
        assert drawn[0].content != drawn[1].content
        assert {one.headers["cache-control"] for one in drawn} == {"no-store"}


async def test_only_who_is_signed_in_sees_a_document(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana, desk.visited() as nobody:
        await attached(desk, pdfs.pdf(["INVOICE"]))
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        [(address, _)] = pictures_on(dana)
        for path in (address, address.replace("pages/1.png", "file")):
            refused = await fetched(nobody, path)
            assert (refused.status_code, refused.headers["location"].partition("?")[0]) == (303, "/approvals/sign-in")


async def test_a_picture_is_of_the_bytes_that_were_shown_or_of_none(home: Path) -> None:
    async with a_desk(home) as desk:
        await attached(desk, pdfs.pdf(["INVOICE"]))
        proposal_id = await desk.held()
        async with desk.visited() as dana:
            await dana.signs_in()
            await dana.opens(f"/approvals/{proposal_id}")
            [(address, _)] = pictures_on(dana)
        # Another server of the same desk, which keeps nothing yet.
        async with desk.visited() as dana:
            await dana.signs_in()
            assert (await fetched(dana, address)).headers["content-type"] == "image/png"
            other = re.sub(r"of=.*", f"of={'0' * 64}", address)
            page = await fetched(dana, other)
            assert page.headers["content-type"] == "image/svg+xml"
            assert "cannot be shown" in page.text
            assert (await fetched(dana, other.replace("pages/1.png", "file"))).status_code == 404


async def test_a_picture_on_a_bill_is_drawn_anew(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await attached(desk, picture("JPEG") + b"<script>alert(1)</script>", "photo.jpg")
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        [(address, _)] = pictures_on(dana)
        drawn = await fetched(dana, address)
        assert drawn.content.startswith(PNG)
        assert b"script" not in drawn.content


async def test_a_file_is_saved_and_never_shown(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        content = pdfs.pdf(["INVOICE"])
        await attached(desk, content, "in voice.pdf")
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        [address] = re.findall(r'<a href="([^"]+/file[^"]+)"', dana.page.text)
        saved = await fetched(dana, address)
        assert saved.content == content
        assert saved.headers["content-disposition"] == "attachment; filename*=UTF-8''in%20voice.pdf"
        assert saved.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert saved.headers["x-content-type-options"] == "nosniff"


async def test_what_a_document_says_stands_beside_what_the_bill_says(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        bill = await bill_numbered(desk.client, BILL)
        document = pdfs.invoice(
            bill["issue_date"], Total="Total due: USD 864.20", Power="IBAN: DE02 1203 0000 0000 2020 51"
        )
        await attached(desk, document)
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        assert "Number ✓ same NW-2291 NW-2291" in dana.text
        assert f"Issue date ✓ same {bill['issue_date']} {bill['issue_date']}" in dana.text
        assert f"Due date ✕ different {bill['due_date']} 2031-01-01" in dana.text
        assert "Total ✕ different 684.20 USD USD 864.20" in dana.text
        assert "Bank account – not read not shown by this ledger ··2051" in dana.text


async def test_the_file_to_attach_is_the_one_that_was_proposed(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    scan = folder / "scan.png"
    scan.write_bytes(picture())
    async with a_desk(home, RUTTER_AP_FILES=str(folder)) as desk, desk.visited() as dana:
        bill = await bill_numbered(desk.client, BILL)
        held = await done(desk.client, "attach_file", bill_id=bill["id"], path=str(scan))
        await dana.signs_in()
        await dana.opens(f"/approvals/{held['proposal_id']}")
        assert "This is the very file that would be attached" in dana.text
        [(address, _)] = pictures_on(dana)
        assert (await fetched(dana, address)).content.startswith(PNG)
        scan.write_bytes(picture(width=301))
        await dana.opens(f"/approvals/{held['proposal_id']}")
        assert "it is no longer the file that was proposed" in dana.text
        assert pictures_on(dana) == []


async def test_of_a_long_document_the_rest_is_said(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await attached(desk, long_pdf(12))
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        assert len(pictures_on(dana)) == 10
        assert "Only the first 10 of its 12 pages are shown." in dana.text
        beyond = pictures_on(dana)[0][0].replace("pages/1.png", "pages/11.png")
        assert (await fetched(dana, beyond)).headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("name", [EVIL, "n" * 251 + ".pdf"])
async def test_a_name_of_a_file_is_text(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        bill = await bill_numbered(desk.client, BILL)
        company = await desk.app.companies.get("")
        # A ledger that others write to has names that this program would not send.
        monkeypatch.setattr(company.rutter.attachments, "check", lambda *_: None)
        await company.rutter.attachments.upload(bill["id"], name, pdfs.pdf(["INVOICE"]), idempotency_key="1")
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        assert "<script>alert" not in dana.page.text
        assert "\u202e" not in dana.page.text
        [(_, alt)] = pictures_on(dana)
        assert len(alt) < 300
        [address] = re.findall(r'<a href="([^"]+/file[^"]+)"', dana.page.text)
        assert (await fetched(dana, address)).headers["content-disposition"].endswith(".pdf")


async def test_a_bill_without_documents_says_so_and_has_a_link(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        assert "No document was uploaded to this bill through Rutter, which lists no others." in dana.text
        [link] = re.findall(r'<a href="(https:[^"]+)" rel="noreferrer noopener"', dana.page.text)
        assert f"another site: {link.split('/')[2]}" in dana.text


async def test_what_the_vendor_was_paid_is_a_chart_and_text(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        await dana.opens(f"/approvals/{proposal_id}")
        [label] = re.findall(r'<svg[^>]* role="img" aria-label="([^"]+)"', dana.page.text)
        assert label.endswith("This proposal: 684.20 USD.")
        assert dana.page.text.count('<rect class="bar"') == label.count("-") // 2 > 0
        assert "684.20 USD ◀ asked for now" in dana.text
        assert "style=" not in dana.page.text


async def test_a_silent_ledger_leaves_a_page_to_decline_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        proposal_id = await desk.held()
        await dana.signs_in()
        company = await desk.app.companies.get("")

        def down(_: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("nobody answers")

        monkeypatch.setattr(company.rutter.bills._session.exchange, "_transport", httpx.MockTransport(down))
        page = await dana.opens(f"/approvals/{proposal_id}")
        assert page.status_code == 200
        assert "Nothing can be released now" in dana.text
        assert "684.20 USD" in dana.text
        assert f"{proposal_id}/release" not in dana.page.text
        assert f"{proposal_id}/decline" in dana.page.text


def test_a_chart_of_what_may_not_be_listed_says_so() -> None:
    doubt, paid = abilities_of("DYNAMICS365").doubt("bill_payments"), Money.parse("5.00", "USD")
    only_there = "bill payments are listed only with Rutter's extension in Business Central"

    assert f"Payments to this vendor: not known: {only_there}. " in chart_of([], paid, doubt).words
    some = chart_of([(date(2026, 3, 1), paid)], paid, doubt)
    assert f"2026-03-01 5.00 USD; there may be others: {only_there}." in some.words


@pytest.mark.parametrize("lists", WITHOUT)
async def test_beside_a_payment_nothing_is_said_not_to_be(home: Path, lists: Lists) -> None:
    async with business_central(home, lists=lists) as (_, bench):
        held = await bench.proposal((await bench.pay("NW-2291", "100.00")).proposal_id)
        seen = await beside(Papers(), bench.company, held, held.bill_id, 0)

    assert seen.chart is not None
    assert seen.chart.words.startswith("Payments to this vendor: not known: ")
    assert EXTENSION in seen.chart.words
    assert not claims_none(" ".join([seen.chart.words, *seen.notes]))


def test_a_chart_of_nothing_and_of_zero_stands() -> None:
    chart = chart_of([], Money.parse("0.00", "USD"))
    assert chart.words == "Payments to this vendor: no earlier payment in USD. This proposal: 0.00 USD."
    assert [bar.is_asked for bar in chart.bars] == [True]


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "http://books.example/1",
        "javascript:alert(1)",
        "https://user@books.example/",
        "https://books.example\\@evil.example/",
        "https:///nowhere",
        "https://books.example:port/",
        "https://bücher.example/",
        "https://books.example/\n",
        "https://books.example/" + "a" * 2000,
    ],
)
def test_an_address_that_may_lead_elsewhere_is_not_offered(url: str | None) -> None:
    assert platform_link(url) is None


async def test_a_document_is_shown_as_that_of_its_own_bill(home: Path) -> None:
    async with a_desk(home) as desk, desk.visited() as dana:
        await attached(desk, pdfs.pdf(["INVOICE", "NW-2291"]))
        one, other = await desk.held(), await desk.held("BH-5520")
        await dana.signs_in()
        await dana.opens(f"/approvals/{one}")
        [(address, _)] = pictures_on(dana)
        path = address.replace("pages/1.png", "file")
        assert (await fetched(dana, path)).status_code == 200
        for strange in (address.replace(one, other), address.replace("documents/0", "documents/1")):
            assert (await fetched(dana, strange)).headers["content-type"] == "image/svg+xml"
        for strange in (path.replace(one, other), path.replace("documents/0", "documents/1")):
            assert (await fetched(dana, strange)).status_code == 404
