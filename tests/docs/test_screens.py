"""The pictures of the desk: one of every page, small, and each that a page of the documentation shows exists."""

from __future__ import annotations

import importlib
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from rutter_ap_server.app import App
from rutter_ap_server.settings import read_settings
from rutter_ap_server.web.desk import desk_app
from rutter_ap_server.web.door import Door

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
# These are no pages: what leads to the first one, and files.
_DOCUMENT = "/approvals/{id}/bills/{bill}/documents/{document}"
NO_PAGES = {
    "/",
    "/approvals/{id}/evidence.json",
    "/approvals/{id}/progress",
    f"{_DOCUMENT}/file",
    f"{_DOCUMENT}/pages/{{page}}.png",
}


@pytest.fixture
def screens(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that takes them, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("desk_screens")


def pages_of_the_desk(home: Path) -> Iterator[str]:
    app = App(read_settings({"RUTTER_AP_HOME": str(home)}))
    door = desk_app(app.approvals, app.connect_flow, hosts=["localhost:1"])
    assert isinstance(door, Door)
    assert isinstance(door.app, Starlette)
    for route in door.app.routes:
        if isinstance(route, Route) and "GET" in (route.methods or ()):
            yield route.path


def test_every_page_of_the_desk_has_a_picture(home: Path, screens: ModuleType) -> None:
    taken = {f"/approvals{path}": name for name, path in screens.PAGES.items()}
    assert set(pages_of_the_desk(home)) - NO_PAGES == set(taken)
    assert {file.stem for file in IMAGES.glob("*.png")} == {*taken.values(), *screens.ALSO}


def test_each_picture_is_small_and_a_png(screens: ModuleType) -> None:
    sizes = [file.stat().st_size for file in IMAGES.glob("*.png")]
    assert max(sizes) <= screens.BYTES_MAX
    assert sum(sizes) <= screens.ALL_BYTES_MAX
    for file in IMAGES.glob("*.png"):
        head = file.read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert struct.unpack(">II", head[16:]) >= (360, 400)


def test_every_picture_that_is_shown_exists_and_is_shown() -> None:
    shown = set()
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+\.png)\)", page.read_text(encoding="utf-8")):
            shown.add((page.parent / link).resolve())
    assert shown == set(IMAGES.glob("*.png"))
