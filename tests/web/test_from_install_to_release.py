"""From a server that was just installed to a released practice payment, in a browser alone: nobody types a command."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.assistant import Assistant, free_port
from support.browser import Driver, Key, Running, enrol, visiting
from support.seeded import practice_home
from support.stdio_server import in_our_environment, stdio_server

# One worker drives the browser.
pytestmark = pytest.mark.xdist_group("browser")


def opened_by(tmp_path: Path) -> tuple[str, Path]:
    """A browser that only notes what it is to open, and where it notes it."""
    browser, noted = tmp_path / "browser", tmp_path / "noted"
    browser.write_text(f"#!{sys.executable}\nimport sys\nopen({str(noted)!r}, 'w').write(sys.argv[1])\n")
    browser.chmod(0o755)
    return f"{browser} %s", noted


def noted_soon(noted: Path) -> str:
    until = time.monotonic() + 30
    while not noted.exists() or not noted.read_text():
        assert time.monotonic() < until, "no browser was opened"
        time.sleep(0.1)
    return noted.read_text()


def test_a_new_server_leads_its_person_to_a_payment(drive: Driver, home: Path, tmp_path: Path) -> None:
    practice_home(home)
    browser_command, noted = opened_by(tmp_path)
    port = str(free_port())
    settings = {"RUTTER_AP_HOME": str(home), "RUTTER_AP_DESK": port, "BROWSER": browser_command}
    with stdio_server(in_our_environment(settings)) as server:
        assistant = Assistant(server)
        held = assistant.holds()
        assert held["release_url"] == f"http://localhost:{port}/approvals/{held['proposal_id']}"
        at = noted_soon(noted)
        assert at.startswith("file:")
        assert "/enrol/" not in at

        def scenario(browser: Browser) -> None:
            desk = Running(f"http://localhost:{port}/approvals", home, held["proposal_id"], "")
            with visiting(browser, desk) as page:
                Key(page)
                enrol(page, at, "Dana")
                page.goto(str(held["release_url"]))
                page.get_by_role("button", name="Release 684.20 USD to Northwind Utilities with your passkey").click()
                expect(page.get_by_role("status")).to_contain_text("POSTED")

        drive(scenario)
        told = assistant.calls("get_proposal", proposal_id=held["proposal_id"], wait_seconds=1)
        assert told["proposal"]["state"] == "posted"
        assert [one["approver"] for one in told["proposal"]["approvals"]] == ["Dana"]
