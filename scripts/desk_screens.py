"""Takes the pictures of the approvals desk from the desk itself, in Chromium and on a fixed day: `make screens`."""

from __future__ import annotations

import itertools
import shutil
import socket
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, expect, sync_playwright

from rutter_ap_server.app import App
from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_server.settings import read_settings
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.web.desk import desk_app
from rutter_ap_tools.bills import ListBills
from rutter_ap_tools.payments import ProposePaymentRun
from rutter_sandbox import open_sandbox
from screens import LARGE, PASSCODE, PROPOSED, _proposed

FOLDER = Path(__file__).parents[1] / "docs" / "images"
INVOICES = Path(__file__).parents[1] / "examples" / "invoices"
BYTES_MAX = 80_000
ALL_BYTES_MAX = 1_000_000
_COLOURS = 40
_WIDE: dict[str, Any] = {"viewport": {"width": 1000, "height": 700}}
_PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 720}, "is_mobile": True, "has_touch": True}
# Every page of the desk, by the name of its picture. Its address is as the desk routes it, with an id in braces.
PAGES = {
    "sign-in": "/sign-in",
    "inbox": "",
    "proposal": "/{id}",
    "bill": "/{id}/bills/{bill}",
    "evidence": "/{id}/evidence",
    "history": "/history",
    "limits": "/limits",
    "vendors": "/vendors",
    "vendor": "/vendors/one",
    "connections": "/connections",
    "approvers": "/approvers",
    "passkeys": "/passkeys",
    "enrol": "/enrol/{secret}",
}
# A run is a proposal too; and two pages are also shown in the dark and on a phone.
ALSO = ("run", *(f"{page}-{how}" for page in ("inbox", "proposal") for how in ("dark", "phone")))
_RUN_BILLS = ("BH-5520", "NW-2304")
_PIXELS_HIGH_MAX = 1600
# Makes ids that look like any, the same ones each time.
_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835


@dataclass
class Served:
    """A desk in a thread of its own: its address, and the proposals by the number of their bill."""

    home: Path
    address: str = ""
    vendor: str = ""
    run_id: str = ""
    secret: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    ready: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        """Serves until it is told that it is done."""
        self.ids = await _proposed(self.home)
        clock = FixedClock(PROPOSED.replace(hour=11, minute=45))
        app = App(read_settings({"RUTTER_AP_HOME": str(self.home)}), clock)
        listening = socket.create_server(("127.0.0.1", 0))
        host = f"localhost:{listening.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(desk_app(app.approvals, app.connect_flow, hosts=[host]), log_level="error", lifespan="off")
        )

        def vendor(tx: Tx) -> str:
            found = next(one for one in tx.overview.vendors() if "Fjord" in one.name)
            return f"company={found.company.id}&vendor={found.id}"

        self.vendor = await app.store.read(vendor)
        self.run_id = await _held_run(app)
        by = Proof("Dana", PASSCODE)
        self.secret = await Enrolment(app.approvals).invite("Robin", by=by, channel="desk")
        await _attach_invoice(app)
        self.address = f"http://{host}/approvals"
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.serve, [listening])
                self.ready.set()
                await anyio.to_thread.run_sync(self.done.wait)
                server.should_exit = True
        finally:
            listening.close()
            await app.aclose()


async def _held_run(app: App) -> str:
    """A payment run that waits; its proposal's id."""
    backend = app.backend("assistant (Claude)", NO_INTERACTION)
    bills = [(await backend.read(ListBills(document_number=number, status="any"))).bills[0].id for number in _RUN_BILLS]
    held = await backend.submit(ProposePaymentRun(bill_ids=bills, reason="They are due this month."))
    return str(held.proposal_id)


async def _attach_invoice(app: App) -> None:
    """Puts an invoice on the bill of the large payment, which comes to less than the bill."""
    company = await app.companies.get("")
    [bill] = (await app.backend("", NO_INTERACTION).read(ListBills(document_number=LARGE, status="any"))).bills
    spec = spec_from_file_location("make", INVOICES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = sys.modules["make"] = module_from_spec(spec)
    spec.loader.exec_module(make)
    days = str(bill.issue_date), str(bill.due_date)
    lines = (("Sawn spruce, 12 m3", "24700.00"), ("Delivery", "2350.00"))
    content = make.render(make.Invoice("Fjord Timber AS", "Harbor & Pine Ltd", LARGE, *days, lines))
    await company.rutter.attachments.upload(bill.id, f"{LARGE}.pdf", content, idempotency_key="screens")


@contextmanager
def served() -> Iterator[Served]:
    """A practice company of a fixed day, and its desk."""
    numbers = itertools.count(1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir(mode=0o700)
        open_sandbox(home / "sandbox.db", today=PROPOSED.date()).close()
        desk = Served(home)
        # The ids of proposals are on the pages.
        with patch("uuid.uuid4", lambda: uuid.UUID(int=next(numbers) * _SPREAD % 2**128, version=4)):
            thread = threading.Thread(target=anyio.run, args=(desk.run,))
            thread.start()
            try:
                if not desk.ready.wait(120):
                    raise RuntimeError("the desk did not start")
                yield desk
            finally:
                desk.done.set()
                thread.join(30)


def taken() -> dict[str, bytes]:
    """Every picture, by its name."""
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with served() as desk, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        found = _walk(browser, desk, PAGES, "", _WIDE)
        both = {name: PAGES[name] for name in ("inbox", "proposal")}
        found |= _walk(browser, desk, {"run": f"/{desk.run_id}"}, "", _WIDE)
        found |= _walk(browser, desk, both, "-dark", _WIDE | {"color_scheme": "dark"})
        found |= _walk(browser, desk, both, "-phone", _PHONE)
        browser.close()
    return found


def _walk(
    browser: Browser, desk: Served, pages: dict[str, str], ending: str, options: dict[str, Any]
) -> dict[str, bytes]:
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(f"{desk.address}/sign-in")
    found = {"sign-in": _picture(page)} if "sign-in" in pages else {}
    page.get_by_label("Your name as an approver").fill("Dana")
    page.get_by_label("Passcode").fill(PASSCODE)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(desk.address)
    for name, path in pages.items():
        if name == "sign-in":
            continue
        query = f"?{desk.vendor}" if name == "vendor" else ""
        page.goto(f"{desk.address}{_filled(path, desk)}{query}")
        # A picture of a document is fetched once it is nearly seen.
        for shown in page.locator("img.page").all():
            shown.scroll_into_view_if_needed()
            expect(shown).to_have_js_property("complete", value=True, timeout=30_000)
        found[name + ending] = _picture(page)
    context.close()
    return found


def _filled(path: str, desk: Served) -> str:
    values = {"{id}": desk.ids[LARGE], "{secret}": desk.secret, "{bill}": "0"}
    for name, value in values.items():
        path = path.replace(name, value)
    return path


def _picture(page: Page) -> bytes:
    """The page as far as one picture goes, in few colours: it shows text."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    height = min(page.evaluate("document.documentElement.scrollHeight"), _PIXELS_HIGH_MAX)
    clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": height}
    shot = Image.open(BytesIO(page.screenshot(full_page=True, clip=clip)))
    small = BytesIO()
    shot.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        small, "PNG", optimize=True
    )
    return small.getvalue()


def main() -> int:
    """Writes them all. Returns 1 if one is larger than a page of documentation should carry."""
    pictures = taken()
    FOLDER.mkdir(exist_ok=True)
    for name, content in pictures.items():
        (FOLDER / f"{name}.png").write_bytes(content)
        sys.stdout.write(f"{name}.png  {len(content) // 1000} kB\n")
    large = [name for name, content in pictures.items() if len(content) > BYTES_MAX]
    return 1 if large or sum(map(len, pictures.values())) > ALL_BYTES_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
