"""A person at the desk, in a real browser: by mouse, by keyboard, on a phone, in the dark, on paper."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pyotp import TOTP

from support.browser import LOOKS, Driver, Running, sign_in, sound, visiting
from support.desk import SAMS
from support.serving import PASSCODE

# One worker drives the browser.
pytestmark = pytest.mark.xdist_group("browser")


def passcode_beside(page: Page, ending: str) -> Any:
    return page.locator(f'form[action$="{ending}"] input[type=password]')


def test_a_payment_is_opened_read_and_released(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page:
            sign_in(page)
            page.get_by_role("link", name="684.20 USD").click()
            release = page.get_by_role("button", name="Release 684.20 USD to Northwind Utilities")
            passcode_beside(page, "/release").fill(PASSCODE)
            release.click()
            expect(page.get_by_role("status")).to_contain_text("POSTED")
            page.go_back()
            page.reload()
            expect(page.get_by_role("status")).to_contain_text("POSTED")
            expect(page.get_by_role("button", name=re.compile("Release"))).to_have_count(0)

    drive(scenario)


def test_enter_releases_nothing_and_the_keyboard_does_it_all(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running, java_script_enabled=False) as page:
            sign_in(page)
            page.goto(f"{running.url}/{running.usual}")
            passcode_beside(page, "/release").focus()
            page.keyboard.type(PASSCODE)
            page.keyboard.press("Enter")
            page.wait_for_timeout(700)
            page.reload()
            expect(page.get_by_role("heading", name="Decide")).to_be_visible()
            passcode_beside(page, "/release").focus()
            page.keyboard.type(PASSCODE)
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            expect(page.get_by_role("status")).to_contain_text("POSTED")

    drive(scenario)


def test_two_people_each_type_the_amount(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        for name, passcode, then in (("Dana", PASSCODE, "1 of 2"), ("Sam", SAMS, "POSTED")):
            with visiting(browser, running) as page:
                sign_in(page, name, passcode)
                page.goto(f"{running.url}/{running.large}")
                page.get_by_label("Type the amount").fill("27,350.00")
                passcode_beside(page, "/release").fill(passcode)
                page.get_by_role("button", name="Release 27,350.00 USD to Fjord Timber AS").click()
                expect(page.locator("main")).to_contain_text(then)

    drive(scenario)


def test_a_decline_needs_a_reason(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page:
            sign_in(page)
            page.goto(f"{running.url}/{running.usual}")
            passcode_beside(page, "/decline").fill(PASSCODE)
            page.get_by_role("button", name="Decline").click()
            expect(page.get_by_role("heading", name="Decide")).to_be_visible()
            page.get_by_label(re.compile("Why not")).fill("We never ordered this.")
            page.get_by_role("button", name="Decline").click()
            expect(page.get_by_role("status")).to_contain_text("DECLINED by Dana: We never ordered this.")

    drive(scenario)


def test_declining_is_as_large_as_releasing(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page:
            sign_in(page)
            page.goto(f"{running.url}/{running.usual}")
            boxes = [page.locator(f"button.{name}").bounding_box() for name in ("release", "decline")]
            release, decline = (box or pytest.fail("a button is not on the page") for box in boxes)
            assert decline["width"] * decline["height"] >= 0.9 * release["width"] * release["height"]

    drive(scenario)


@LOOKS
def test_every_page_is_for_everybody(drive: Driver, running: Running, options: dict[str, Any]) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running, **options) as page:
            sound(page)
            sign_in(page)
            sound(page)
            for path in (running.usual, running.large):
                page.goto(f"{running.url}/{path}")
                sound(page)
            passcode_beside(page, "/release").fill("not the passcode")
            page.get_by_label("Type the amount").fill("1")
            page.locator("button.release").click()
            expect(page.get_by_role("alert")).to_be_visible()
            sound(page)

    drive(scenario)


def test_a_proposal_is_printed_whole_and_without_forms(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page:
            sign_in(page)
            page.goto(f"{running.url}/{running.usual}")
            page.emulate_media(media="print")
            expect(page.locator(".decide")).to_be_hidden()
            expect(page.get_by_role("heading", name="Payment to record")).to_be_visible()
            assert page.pdf().startswith(b"%PDF-")

    drive(scenario)


@contextmanager
def elsewhere(form: str) -> Iterator[str]:
    """A page of another site on this machine, with a form that posts to the desk."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(form.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_page_on_another_port_cannot_release_or_frame(drive: Driver, running: Running) -> None:
    address = f"{running.url}/{running.usual}"
    form = (
        f'<iframe src="{address}"></iframe><form method=post action="{address}/release">'
        f'<input name=passcode value="{PASSCODE}"><button>Win</button></form>'
    )

    def scenario(browser: Browser) -> None:
        context: BrowserContext = browser.new_context()
        page = context.new_page()
        page.goto(running.url)
        sign_in(page)
        with elsewhere(form) as other:
            page.goto(other)
            assert page.frames[-1].url in ("chrome-error://chromewebdata/", "about:blank")
            page.get_by_role("button", name="Win").click()
            expect(page.locator("body")).to_have_text("This form is of another page.")
        page.goto(address)
        expect(page.get_by_role("heading", name="Decide")).to_be_visible()
        context.close()

    drive(scenario)


def test_what_changed_under_its_reader_is_shown_first(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page, visiting(browser, running) as other:
            for one in (page, other):
                sign_in(one)
            page.goto(f"{running.url}/{running.usual}")
            # Somebody stops all writes while the first one reads.
            other.get_by_role("button", name="Stop all writes").click()
            expect(other.get_by_role("heading", name="Allow writes again")).to_be_visible()
            passcode_beside(page, "/release").fill(PASSCODE)
            page.get_by_role("button", name="Release 684.20 USD").click()
            expect(page.get_by_role("alert")).to_contain_text("Something is different from what you saw")
            expect(page.get_by_role("heading", name="Decide")).to_be_visible()

    drive(scenario)


def test_a_form_that_was_changed_or_sent_again_does_nothing(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page:
            sign_in(page)
            for name in ("digest", "facts", "token"):
                page.goto(f"{running.url}/{running.usual}")
                page.evaluate(f"document.querySelector('form[action$=release] [name={name}]').value = '0'.repeat(64)")
                passcode_beside(page, "/release").fill(PASSCODE)
                if name == "token":
                    with page.expect_response(lambda one: one.url.endswith("/release")) as answered:
                        page.get_by_role("button", name="Release 684.20 USD").click()
                    assert answered.value.status == 403
                else:
                    page.get_by_role("button", name="Release 684.20 USD").click()
                    expect(page.get_by_role("alert").first).to_contain_text("nothing was released")
            tab = page.context.new_page()
            for one in (tab, page):
                one.goto(f"{running.url}/{running.usual}")
                passcode_beside(one, "/release").fill(PASSCODE)
            page.get_by_role("button", name="Release 684.20 USD").click()
            expect(page.get_by_role("status")).to_contain_text("POSTED")
            # The same form once more, in a tab that was open all the time.
            tab.get_by_role("button", name="Release 684.20 USD").click()
            expect(tab.get_by_role("alert")).to_contain_text("It is posted; nothing was released")

    drive(scenario)


def test_a_session_that_is_over_leads_to_signing_in(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page:
            sign_in(page)
            page.goto(f"{running.url}/{running.usual}")
            with closing(sqlite3.connect(running.home / "rutter-ap.db")) as database, database:
                database.execute("UPDATE desk_sessions SET seen_at = '2026-01-01T00:00:00.000000Z'")
            passcode_beside(page, "/release").fill(PASSCODE)
            page.get_by_role("button", name="Release 684.20 USD").click()
            expect(page.get_by_role("alert")).to_contain_text("You are signed out, so nothing was done")
            sound(page)
            page.get_by_label("Your name as an approver").fill("Dana")
            page.get_by_label("Passcode").fill(PASSCODE)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("heading", name="Release 684.20 USD")).to_be_visible()

    drive(scenario)


def test_codes_from_an_app_are_set_up(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running, viewport={"width": 320, "height": 640}) as page:
            sign_in(page)
            page.goto(f"{running.url}/passkeys")
            passcode_beside(page, "/codes").fill(PASSCODE)
            page.get_by_role("button", name="Set up codes from an app").click()
            expect(page.get_by_role("heading", name="Codes from an app")).to_be_visible()
            sound(page)
            secret = str(page.locator("main p > code").text_content())
            page.get_by_label("The code it shows now").fill(TOTP(secret).now())
            page.get_by_role("button", name="Turn codes on").click()
            expect(page.get_by_role("button", name="Turn codes off")).to_be_visible()
            sound(page)

    drive(scenario)
