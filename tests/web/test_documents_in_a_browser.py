"""A bill's document beside its proposal, and a run with a payment taken out, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from playwright.sync_api import Browser, Page, expect

from support import pdfs
from support.browser import LOOKS, Driver, Running, served, sign_in, sound, visiting
from support.desk import a_desk
from support.papers import attached, picture
from support.runs import PLAIN
from support.serving import PASSCODE, bill_numbered, done

pytestmark = pytest.mark.xdist_group("browser")
BILL = "FT-802"


@pytest.fixture
def running(home: Path) -> Iterator[Running]:
    """`rutter-ap desk` with a payment of a bill that has two documents, and with a run."""

    async def prepare() -> tuple[str, str]:
        async with a_desk(home) as desk:
            await attached(desk, pdfs.pdf(["INVOICE", "Invoice number: FT-802", "Total: USD 27,530.00"]), number=BILL)
            await attached(desk, picture("JPEG", 1600, 1200), "photo.jpg", BILL)
            payment = await desk.held(BILL, memo="<b>bold</b> \u202e" + "x" * 900)
            ids = [(await bill_numbered(desk.client, one))["id"] for one in PLAIN]
            run = await done(desk.client, "propose_payment_run", bill_ids=ids)
            return payment, str(run["proposal_id"])

    payment, run = anyio.run(prepare)
    with served(home, payment, run) as desk:
        yield desk


def drawn(page: Page) -> list[int]:
    """How wide each picture is, once all were fetched."""
    pictures = page.locator("img.page")
    for number in range(pictures.count()):
        pictures.nth(number).scroll_into_view_if_needed()
        expect(pictures.nth(number)).to_have_js_property("complete", value=True, timeout=30_000)
    widths: list[int] = pictures.evaluate_all("all => all.map(one => one.naturalWidth)")
    return widths


@LOOKS
def test_the_document_is_beside_the_bill_or_below_it(drive: Driver, running: Running, options: dict[str, Any]) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running, **options) as page:
            sign_in(page)
            page.goto(f"{running.url}/{running.usual}")
            assert drawn(page) == [893, 1600]
            expect(page.get_by_role("img", name="Page 1 of 1 of invoice.pdf, bill FT-802")).to_be_visible()
            expect(page.get_by_role("row", name=re.compile("Total ✕ different"))).to_be_visible()
            expect(page.get_by_role("img", name=re.compile("Payments to this vendor"))).to_be_visible()
            findings, papers = (page.locator(one).bounding_box() for one in ("#findings", ".papers"))
            assert findings is not None
            assert papers is not None
            is_beside = papers["x"] > findings["x"] + 300
            assert is_beside == (options["viewport"]["width"] > 320)
            sound(page)
            page.goto(f"{running.url}/{running.large}")
            expect(page.locator("summary", has_text="Take out bill NW-2291")).to_be_visible()
            sound(page)
            page.get_by_role("link", name="Documents of bill NW-2291").click()
            expect(page.get_by_text("No document was uploaded to this bill through Rutter")).to_be_visible()
            sound(page)

    drive(scenario)


def test_a_run_goes_out_without_the_payment_taken_out(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running, java_script_enabled=False) as page:
            sign_in(page)
            page.goto(f"{running.url}/{running.large}")
            taking_out = page.locator("details", has_text="Take out bill NW-2304")
            taking_out.locator("summary").click()
            taking_out.get_by_label("Your passcode").fill(PASSCODE)
            taking_out.get_by_role("button", name="Take out bill NW-2304").click()
            expect(page.get_by_role("heading", name="Release 2 payments, 933.20 USD together?")).to_be_visible()
            expect(page.get_by_role("link", name="Documents of bill NW-2304")).to_have_count(0)
            page.locator('form[action$="/release"] input[type=password]').fill(PASSCODE)
            page.get_by_role("button", name="Release 2 payments, 933.20 USD together").click()
            expect(page.get_by_role("status")).to_contain_text("POSTED", timeout=30_000)
            expect(page.get_by_role("link", name="✓ recorded in the ledger")).to_have_count(2)

    drive(scenario)


def test_the_document_is_printed_and_the_forms_are_not(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page:
            sign_in(page)
            page.goto(f"{running.url}/{running.usual}")
            drawn(page)
            page.emulate_media(media="print")
            expect(page.locator("img.page").first).to_be_visible()
            expect(page.locator(".decide")).to_be_hidden()
            page.goto(f"{running.url}/{running.large}")
            expect(page.get_by_text("bill NW-2304").first).to_be_attached()
            expect(page.locator("summary", has_text="Take out bill NW-2304")).to_be_hidden()

    drive(scenario)
