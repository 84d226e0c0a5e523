"""Every room of the desk in a real browser: seen, heard, in the dark, on a phone, by keyboard, on paper."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import LOOKS, Driver, Running, sign_in, sound, visiting

# One worker drives the browser.
pytestmark = pytest.mark.xdist_group("browser")

ROOMS = ("history", "limits", "vendors", "connections", "approvers")


def every_page(page: Page, running: Running) -> list[str]:
    """The address of each page, without those that other tests walk."""
    page.goto(f"{running.url}/vendors")
    vendor = page.locator("main table a").first.get_attribute("href")
    return [*(f"{running.url}/{one}" for one in (*ROOMS, f"{running.usual}/evidence")), f"{page.url[:-18]}{vendor}"]


@LOOKS
def test_every_room_is_for_everybody(drive: Driver, running: Running, options: dict[str, Any]) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running, **options) as page:
            sign_in(page)
            for address in every_page(page, running):
                page.goto(address)
                expect(page.locator("main h1")).to_have_count(1)
                sound(page)

    drive(scenario)


def test_rooms_are_reached_by_keyboard_without_scripts(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running, java_script_enabled=False) as page:
            sign_in(page)
            for room in ROOMS:
                page.locator("nav a", has_text=room.capitalize()).focus()
                page.keyboard.press("Enter")
                expect(page.get_by_role("heading", level=1)).to_have_text(room.capitalize())
                expect(page.locator("nav a[aria-current=page]")).to_have_text(room.capitalize())
            page.get_by_role("button", name="Sign out everywhere").focus()
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to approve")

    drive(scenario)


def test_a_stop_is_seen_and_evidence_is_printed(drive: Driver, running: Running) -> None:
    def scenario(browser: Browser) -> None:
        with visiting(browser, running) as page:
            sign_in(page)
            page.get_by_role("button", name="Stop all writes").click()
            page.goto(f"{running.url}/{running.usual}")
            page.get_by_role("link", name="Evidence").click()
            expect(page.get_by_role("status")).to_contain_text("All writes are stopped, by Dana")
            sound(page)
            page.emulate_media(media="print")
            expect(page.locator("nav")).to_be_hidden()
            expect(page.get_by_role("heading", name="Audit chain")).to_be_visible()
            assert page.pdf().startswith(b"%PDF-")

    drive(scenario)
