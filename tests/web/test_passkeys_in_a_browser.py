"""Passkeys in a real browser with a virtual authenticator: enrol, read, release, decline, and who is not verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from playwright.sync_api import Browser, Page, expect

from rutter_ap_server.guard.enrolment import Enrolment
from support.browser import Driver, Key, Running, enrol, served, sound, visiting
from support.desk import LARGE_BILL, an_empty_desk
from support.serving import app_in

# One worker drives the browser.
pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def empty(home: Path) -> Iterator[Running]:
    """A desk at which nobody is enrolled, with a usual payment and one for two people."""

    async def prepare() -> tuple[str, str]:
        async with an_empty_desk(home) as desk:
            return await desk.held(), await desk.held(LARGE_BILL)

    usual, large = anyio.run(prepare)
    with served(home, usual, large) as running:
        yield running


def link(running: Running) -> str:
    """The link that the program opens for the first approver."""

    async def invite() -> str | None:
        app = app_in(running.home)
        try:
            return await Enrolment(app.approvals).invite_first()
        finally:
            await app.aclose()

    return f"{running.url}/enrol/{anyio.run(invite)}"


@contextmanager
def a_person(browser: Browser, running: Running, **options: Any) -> Iterator[tuple[Page, Key]]:
    with visiting(browser, running, **options) as page:
        yield page, Key(page)


def test_a_person_enrols_reads_releases_and_sees_it_posted(drive: Driver, empty: Running) -> None:
    at = link(empty)

    def scenario(browser: Browser) -> None:
        with a_person(browser, empty) as (page, _):
            enrol(page, at, "Dana")
            page.get_by_role("link", name="684.20 USD").click()
            sound(page)
            page.get_by_role("button", name="Release 684.20 USD to Northwind Utilities with your passkey").click()
            expect(page.get_by_role("status")).to_contain_text("POSTED")
            page.goto(f"{empty.url}/passkeys")
            sound(page)

    drive(scenario)


def test_two_people_sign_what_they_typed_on_a_phone_in_the_dark(drive: Driver, empty: Running) -> None:
    phone = {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"}

    at = link(empty)

    def scenario(browser: Browser) -> None:
        with a_person(browser, empty, **phone) as (page, _), a_person(browser, empty, **phone) as (other, _):
            enrol(page, at, "Dana")
            page.goto(f"{empty.url}/passkeys")
            page.get_by_label("The person's name").fill("Sam")
            page.get_by_role("button", name="Make a link for them with your passkey").click()
            enrol(other, str(page.get_by_text("/approvals/enrol/").text_content()))
            for who, then in ((page, "1 of 2"), (other, "POSTED")):
                who.goto(f"{empty.url}/{empty.large}")
                button = who.get_by_role("button", name="Release 27,350.00 USD to Fjord Timber AS with your passkey")
                who.get_by_label("Type the amount").fill("1.00")
                button.click()
                expect(who.get_by_role("alert").first).to_contain_text("nothing was released")
                who.get_by_label("Type the amount").fill("27,350.00")
                sound(who)
                button.click()
                expect(who.locator("main")).to_contain_text(then)

    drive(scenario)


def test_who_is_not_verified_signs_nothing(drive: Driver, empty: Running) -> None:
    at = link(empty)

    def scenario(browser: Browser) -> None:
        with a_person(browser, empty) as (page, key):
            enrol(page, at, "Dana")
            page.goto(f"{empty.url}/{empty.usual}")
            key.verifies(False)
            page.get_by_role("button", name="Release 684.20 USD").click()
            expect(page.get_by_role("alert")).to_have_text("The passkey was not used; nothing was done.")
            key.verifies(True)
            page.get_by_role("button", name="Decline with your passkey").click()
            expect(page.get_by_role("alert").first).to_contain_text("Say why you decline it")
            page.get_by_label("Why not?").fill("We never ordered this.")
            page.get_by_role("button", name="Decline with your passkey").click()
            expect(page.get_by_role("status")).to_contain_text("DECLINED by Dana: We never ordered this.")

    drive(scenario)


def test_a_keyboard_signs_and_enter_in_a_field_does_not(drive: Driver, empty: Running) -> None:
    at = link(empty)

    def scenario(browser: Browser) -> None:
        with a_person(browser, empty) as (page, _):
            enrol(page, at, "Dana")
            page.goto(f"{empty.url}/{empty.usual}")
            page.get_by_label("Why not?").focus()
            page.keyboard.type("No.")
            page.keyboard.press("Enter")
            page.wait_for_timeout(500)
            page.reload()
            expect(page.get_by_role("heading", name="Decide")).to_be_visible()
            page.get_by_role("button", name="Release 684.20 USD").focus()
            page.keyboard.press("Enter")
            expect(page.get_by_role("status")).to_contain_text("POSTED")

    drive(scenario)
