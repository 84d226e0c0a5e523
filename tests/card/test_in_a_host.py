"""The card in the official host of MCP Apps, in a real browser, over both protocol generations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page, expect

from rutter_ap_tools.catalogue import CATALOGUE
from support.browser import Driver
from support.card_host import a_host
from support.cards import BILL, IN_CARD, with_policy

# One worker drives the browser.
pytestmark = pytest.mark.xdist_group("card")
BOTH = pytest.mark.parametrize("protocol", ["2026-07-28", "2025-11-25"])
DESK = "http://localhost:9/approvals"


@contextmanager
def hosted(browser: Browser, home: Path, script: Path, protocol: str = "2026-07-28", **options: Any) -> Iterator[Page]:
    """The host's page, connected; its console, and that of the card, must stay empty."""
    with a_host(home, script, RUTTER_AP_APPROVALS_URL=DESK) as url:
        context = browser.new_context(**options)
        page, said = context.new_page(), list[str]()
        # The bridge itself tells of every message, for who looks for that.
        page.on("console", lambda message: None if message.type == "debug" else said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        mode = "auto" if protocol == "2026-07-28" else "legacy"
        agreed = page.evaluate("mode => host.connect(mode)", mode)
        assert agreed == {"protocol": protocol, "told": [tool.name for tool in CATALOGUE]}
        page.evaluate("host.ask('link_account', {role: 'funding', account: 'Operating Checking'})")
        yield page
        context.close()
    assert said == []


def bill(page: Page, number: str = BILL) -> str:
    """The id of a bill."""
    found = page.evaluate("number => host.ask('list_bills', {document_number: number})", number)
    return str(found["structuredContent"]["bills"][0]["id"])


def paid_on(page: Page, bill_id: str) -> list[str]:
    """The amounts that the ledger shows as paid."""
    found = page.evaluate("id => host.ask('get_bill', {bill_id: id})", bill_id)
    return [one["amount"]["amount"] for one in found["structuredContent"]["payments"]]


def card_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe").frame_locator("iframe")


def pay(page: Page, bill_id: str, **options: Any) -> FrameLocator:
    """An assistant proposes a payment; the card that shows it."""
    page.evaluate("([args, options]) => host.call('pay_bill', args, options)", [{"bill_id": bill_id}, options])
    return card_of(page)


def status(card: FrameLocator, text: str) -> None:
    expect(card.get_by_role("status")).to_contain_text(text)


@BOTH
def test_a_payment_is_read_whole_released_and_posted(
    drive: Driver, host_script: Path, home: Path, protocol: str
) -> None:
    with_policy(home, IN_CARD)

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script, protocol) as page:
            bill_id = bill(page)
            proposed = page.evaluate("id => host.call('pay_bill', {bill_id: id})", bill_id)
            card = card_of(page)
            status(card, "HELD: nothing has been written.")
            expect(card.get_by_role("heading", level=1)).to_contain_text("Pay 684.20 USD to Northwind Utilities")
            proposal_id = proposed["structuredContent"]["proposal_id"]
            answer = page.evaluate("id => host.ask('get_proposal', {proposal_id: id})", proposal_id)
            # Word for word what the chat and the terminal show.
            sections = answer["structuredContent"]["statement"]["sections"]
            stated = [
                text for one in sections for text in (one["title"], *(cell for row in one["rows"] for cell in row))
            ]
            shown = page.frames[-1].evaluate("[...document.querySelectorAll('bdi')].map(one => one.textContent)")
            assert len(stated) > 60
            assert [text for text in stated if text and text not in shown] == []
            expect(card.locator("details")).to_have_count(0)
            card.get_by_role("button", name="Release 684.20 USD to Northwind Utilities").click()
            status(card, "POSTED: the ledger shows it.")
            expect(card.get_by_role("button", name="Release")).to_have_count(0)
            assert paid_on(page, bill_id) == ["684.20"]

    drive(scenario)


@BOTH
def test_a_no_in_the_card_declines(drive: Driver, host_script: Path, home: Path, protocol: str) -> None:
    with_policy(home, IN_CARD)

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script, protocol) as page:
            bill_id = bill(page)
            card = pay(page, bill_id)
            card.get_by_role("button", name="Decline").click()
            status(card, "DECLINED by a person: nothing was written.")
            assert paid_on(page, bill_id) == []

    drive(scenario)


def test_a_run_is_released_at_once_and_shows_each_outcome(drive: Driver, host_script: Path, home: Path) -> None:
    with_policy(home, IN_CARD)

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script) as page:
            both = [bill(page), bill(page, "BH-5520")]
            page.evaluate("ids => host.call('propose_payment_run', {bill_ids: ids})", both)
            card = card_of(page)
            card.get_by_role("button", name="Release").click()
            status(card, "POSTED")
            for text in ("Northwind Utilities", "Brightline Hosting"):
                row = card.get_by_role("row").filter(has_text=text).filter(has_text="posted")
                expect(row).to_have_count(1)
            assert [paid_on(page, one) for one in both] == [["684.20"], ["249.00"]]

    drive(scenario)


def test_without_the_policys_word_it_shows_and_opens_the_desk(drive: Driver, host_script: Path, home: Path) -> None:
    with_policy(home, "")

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script) as page:
            bill_id = bill(page)
            card = pay(page, bill_id)
            status(card, "HELD: nothing has been written.")
            expect(card.get_by_text("The policy does not let this card answer.")).to_be_visible()
            expect(card.get_by_role("button", name="Release")).to_have_count(0)
            # The statement is folded, and then the card is as small as hosts like it.
            assert 0 < page.evaluate("host.heights.at(-1)") <= 500
            card.get_by_text("The whole statement").click()
            expect(card.get_by_text("684.20 USD due now, 0.00 USD afterwards")).to_be_visible()
            card.get_by_role("button", name="Open the approvals desk").click()
            page.wait_for_timeout(200)
            (link,) = page.evaluate("host.links")
            assert link.startswith(f"{DESK}/")
            card = pay(page, bill_id, opensLinks=False)
            card.get_by_role("button", name="Open the approvals desk").click()
            expect(card.get_by_text(f"The desk is at {link}")).to_be_visible()

    drive(scenario)


def test_above_ask_it_says_who_must_release(drive: Driver, host_script: Path, home: Path) -> None:
    with_policy(home, IN_CARD)

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script) as page:
            card = pay(page, bill(page, "FT-778"))
            expect(card.get_by_text("This needs a named approver, outside the chat.")).to_be_visible()
            expect(card.get_by_role("button", name="Release")).to_have_count(0)

    drive(scenario)


def test_an_old_transcript_shows_what_is_true_now(drive: Driver, host_script: Path, home: Path) -> None:
    with_policy(home, IN_CARD)

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script) as page:
            bill_id = bill(page)
            arguments = {"bill_id": bill_id}
            then = page.evaluate("args => host.call('pay_bill', args)", arguments)
            card = card_of(page)
            card.get_by_role("button", name="Release").click()
            status(card, "POSTED")
            reopen = "([args, shown]) => host.call('pay_bill', args, {shown})"
            page.evaluate(reopen, [arguments, {"content": [], "structuredContent": then["structuredContent"]}])
            status(card, "POSTED")
            expect(card.get_by_role("button", name="Release")).to_have_count(0)
            page.evaluate(reopen, [arguments, {"content": []}])
            status(card, "Open the approvals desk to see what became of it.")
            assert paid_on(page, bill_id) == ["684.20"]

    drive(scenario)


def test_two_cards_of_one_proposal_release_it_once(drive: Driver, host_script: Path, home: Path) -> None:
    with_policy(home, IN_CARD)

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script) as page:
            bill_id = bill(page)
            tab = page.context.new_page()
            tab.goto(page.url)
            tab.evaluate("host.connect('legacy')")
            one, other = pay(page, bill_id), pay(tab, bill_id)
            status(one, "HELD")
            status(other, "HELD")
            one.get_by_role("button", name="Release").click()
            status(one, "POSTED")
            other.get_by_role("button", name="Release").click()
            status(other, "NOT DONE: something changed since this was shown, or it was decided meanwhile. POSTED")
            assert paid_on(page, bill_id) == ["684.20"]

    drive(scenario)


def test_a_wrong_amount_releases_nothing_and_may_be_typed_anew(drive: Driver, host_script: Path, home: Path) -> None:
    with_policy(home, IN_CARD + 'type_amount_above = { USD = "500.00" }\n')

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script) as page:
            bill_id = bill(page)
            card = pay(page, bill_id)
            amount = card.get_by_label("Type the amount")
            amount.fill("684.2O")
            # A person who only types has decided nothing.
            amount.press("Enter")
            status(card, "HELD")
            card.get_by_role("button", name="Release").click()
            status(card, "NOT DONE: the amount that was typed is not the amount of this proposal")
            card.get_by_label("Type the amount").fill("684.20")
            card.get_by_role("button", name="Release").click()
            status(card, "POSTED")
            assert paid_on(page, bill_id) == ["684.20"]

    drive(scenario)


def test_hostile_text_stays_text_and_leads_nowhere(drive: Driver, host_script: Path, home: Path) -> None:
    with_policy(home, "")
    memo = "<img src=x onerror=parent.x=1>\u202e</bdi>" + "W" * 800

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script) as page:
            bill_id = bill(page)
            page.evaluate("args => host.call('pay_bill', args)", {"bill_id": bill_id, "memo": memo})
            card = card_of(page)
            card.get_by_text("The whole statement").click()
            expect(card.get_by_text("<img src=x onerror=parent.x=1>").first).to_be_visible()
            frame = page.frames[-1]
            assert frame.evaluate("document.querySelectorAll('img').length") == 0
            assert frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

    drive(scenario)


def test_a_whole_bank_account_number_is_not_shown(drive: Driver, host_script: Path, home: Path) -> None:
    with_policy(home, IN_CARD + '[tools]\nlink_account = "ask"\n')
    new = {"name": "Reserve", "account_type": "bank", "currency": "USD", "bank_account_number": "00-12345-6789"}

    def scenario(browser: Browser) -> None:
        with hosted(browser, home, host_script) as page:
            page.evaluate("args => host.call('link_account', args)", {"role": "funding", "create": new})
            card = card_of(page)
            card.get_by_text("The whole statement").click()
            expect(card.get_by_text("ending in 6789")).to_be_visible()
            assert "12345" not in page.frames[-1].evaluate("document.body.innerText")
            expect(card.get_by_role("button", name="Release")).to_have_count(0)

    drive(scenario)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_for_everybody_in_both_themes(drive: Driver, host_script: Path, home: Path, theme: str) -> None:
    with_policy(home, IN_CARD)

    def scenario(browser: Browser) -> None:
        # The host's theme counts, whatever the machine's is.
        other = "light" if theme == "dark" else "dark"
        with hosted(browser, home, host_script, color_scheme=other, viewport={"width": 680, "height": 1400}) as page:
            bill_id = bill(page)
            card = pay(page, bill_id, theme=theme)
            status(card, "HELD")
            frame = page.frames[-1]
            titles = frame.evaluate("[document.title, document.querySelector('h1').textContent]")
            assert [one[:8] for one in titles] == ["Pay 684."] * 2
            backgrounds = {"light": "rgb(255, 255, 255)", "dark": "rgb(28, 28, 32)"}
            assert frame.evaluate("getComputedStyle(document.body).backgroundColor") == backgrounds[theme]
            heights = frame.evaluate("[...document.querySelectorAll('button')].map(one => one.offsetHeight)")
            assert len(heights) == 4
            assert min(heights) >= 44
            # Nothing scrolls inside: the frame is as high as what it shows.
            assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight + 1")
            frame.evaluate(Axe().axe_script)
            assert frame.evaluate("axe.run().then(found => found.violations.map(one => one.id))") == []
            page.evaluate("theme => host.dress(theme)", other)
            page.wait_for_timeout(200)
            assert frame.evaluate("getComputedStyle(document.body).backgroundColor") == backgrounds[other]

    drive(scenario)
