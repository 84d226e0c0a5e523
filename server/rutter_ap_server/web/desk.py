"""The desk as one ASGI app, and serving it on this machine."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard.approvals import Approvals
from rutter_ap_server.web.door import Door
from rutter_ap_server.web.pages import PREFIX, Pages
from rutter_ap_server.web.signing_in import SignIn

_STATIC = Path(__file__).parent / "static"


def desk_app(approvals: Approvals, companies: CompanyRegistry, *, hosts: Collection[str]) -> ASGIApp:
    """The desk for requests to these hosts, each a name with its port."""
    pages = Pages(approvals.store, approvals, companies, SignIn(approvals))
    static = Mount(f"{PREFIX}/static", StaticFiles(directory=_STATIC))
    return Door(Starlette(routes=[static, *pages.routes()]), hosts)
