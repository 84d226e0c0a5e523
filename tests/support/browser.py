"""A browser in a thread of its own, and the desk that it visits."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright

from support.serving import PASSCODE

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or shutil.which("google-chrome")
_SCENARIO_SECONDS_MAX = 240
# How a page is looked at.
LOOKS = pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 1280, "height": 900}},
        {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True},
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    ],
    ids=["light", "phone", "dark"],
)


class Driver:
    """Runs scenarios one after the other, each with the browser."""

    def __init__(self) -> None:
        self._jobs = queue.Queue[tuple[Callable[[Browser], object], queue.Queue[tuple[bool, object]]] | None]()
        # The synchronous API leaves its event loop running in its thread, where no other test could have one.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM)
            while (job := self._jobs.get()) is not None:
                scenario, answer = job
                try:
                    answer.put((True, scenario(browser)))
                except BaseException as error:  # noqa: BLE001 - it is raised where the test waits for it
                    answer.put((False, error))
            browser.close()

    def __call__(self, scenario: Callable[[Browser], object]) -> None:
        answer = queue.Queue[tuple[bool, object]]()
        self._jobs.put((scenario, answer))
        is_done, value = answer.get(timeout=_SCENARIO_SECONDS_MAX)
        if not is_done:
            assert isinstance(value, BaseException)
            raise value

    def end(self) -> None:
        """Closes the browser."""
        self._jobs.put(None)
        self._thread.join(30)


@dataclass(frozen=True, slots=True)
class Running:
    """A desk in a process of its own, and what waits there."""

    url: str
    home: Path
    usual: str
    large: str
    process_id: int = 0


@contextmanager
def served(home: Path, usual: str, large: str) -> Iterator[Running]:
    """`rutter-ap desk` over that home, as a person starts it."""
    command = [sys.executable, "-m", "rutter_ap_server", "desk", "--port", "0", "--no-open"]
    environ = os.environ | {"RUTTER_AP_HOME": str(home), "TZ": "UTC"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        url = next(word.rstrip(";") for word in said.split() if word.startswith("http"))
        yield Running(url, home, usual, large, process.pid)
        process.terminate()
        process.wait(60)


@contextmanager
def visiting(browser: Browser, running: Running, **options: Any) -> Iterator[Page]:
    """A page whose console must stay empty."""
    context = browser.new_context(**options)
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(running.url)
    yield page
    context.close()
    # The browser itself notes a form that was refused, which is what the page is about then.
    refused = ("status of 409 (Conflict)", "status of 403 (Forbidden)", "status of 401 (Unauthorized)")
    assert [one for one in said if not any(words in one for words in refused)] == []


def sign_in(page: Page, name: str = "Dana", passcode: str = PASSCODE) -> None:
    page.get_by_label("Your name as an approver").fill(name)
    page.get_by_label("Passcode").fill(passcode)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="What waits for a person")).to_be_visible()


def sound(page: Page) -> None:
    """Nothing serious for those who see, hear or move otherwise, and nothing to scroll sideways for."""
    found = Axe().run(page)
    serious = [one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


class Key:
    """A virtual authenticator, as Chromium has them for tests."""

    def __init__(self, page: Page) -> None:
        self.cdp: CDPSession = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self.id = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def verifies(self, is_verified: bool) -> None:
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": is_verified})


def enrol(page: Page, at: str, name: str = "") -> None:
    """Somebody comes by an enrolment link, makes a passkey and signs in with it."""
    page.goto(at)
    if name:
        page.get_by_label("Your name, as it will stand").fill(name)
    sound(page)
    page.get_by_role("button", name="Enrol with a passkey").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="What waits for a person")).to_be_visible()
