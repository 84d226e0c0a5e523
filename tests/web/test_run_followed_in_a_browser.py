"""A real browser follows a run that is being sent, without a click, until it is over."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
import pytest
from playwright.sync_api import Browser, expect

from support.browser import Driver, served, sign_in, sound, visiting
from support.runs import PLAIN
from support.sandbox_server import first_token, sandbox_server, set_faults, settings_of
from support.serving import PASSCODE, bill_numbered, done, link_funding, serving

# One worker drives the browser.
pytestmark = pytest.mark.xdist_group("browser")


async def held_run(home: Path, settings: dict[str, str]) -> str:
    """A run of three payments that waits for Dana."""
    async with serving(home, environ=settings) as (client, app):
        await link_funding(client)
        await app.approvals.add_approver("Dana", PASSCODE, channel="terminal")
        ids = [(await bill_numbered(client, one))["id"] for one in PLAIN]
        return str((await done(client, "propose_payment_run", bill_ids=ids))["proposal_id"])


def test_a_run_is_followed_to_its_end(drive: Driver, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox_server() as announced:
        settings = settings_of(announced, first_token(announced))
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        run_id = anyio.run(held_run, home, settings)
        set_faults(announced, {"fault": "slow", "method": "POST", "path": "bill_payments", "seconds": 2})
        with served(home, run_id, run_id) as running:

            def scenario(browser: Browser) -> None:
                with visiting(browser, running) as page:
                    sign_in(page)
                    page.goto(f"{running.url}/{run_id}")
                    released = page.locator("form[action$='/release']")
                    released.get_by_label("Your passcode").fill(PASSCODE)
                    released.get_by_role("button", name="Release").click()
                    going = page.locator("[data-going]")
                    expect(going).to_have_text(re.compile("[0-2] of 3 payments have an outcome"), timeout=60_000)
                    expect(page.get_by_role("progressbar")).to_be_visible()
                    sound(page)
                    expect(page.get_by_text("POSTED")).to_be_visible(timeout=60_000)
                    expect(page.get_by_text("✓ recorded in the ledger")).to_have_count(3)
                    sound(page)

            drive(scenario)
