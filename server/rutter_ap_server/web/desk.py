"""The desk as one ASGI app, and serving it on this machine."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from rutter_ap_server.companies.connecting import ConnectFlow
from rutter_ap_server.guard.approvals import Approvals
from rutter_ap_server.guard.long_calls import LongCalls
from rutter_ap_server.guard.passkeys import Site
from rutter_ap_server.web.approvers import ApproversPages
from rutter_ap_server.web.connections import ConnectionsPages
from rutter_ap_server.web.door import Door
from rutter_ap_server.web.enrolling import EnrolmentPages
from rutter_ap_server.web.evidence import EvidencePages
from rutter_ap_server.web.frame import PREFIX, Frame
from rutter_ap_server.web.history import HistoryPages
from rutter_ap_server.web.inbox import InboxPages
from rutter_ap_server.web.limits import LimitsPages
from rutter_ap_server.web.proposal import ProposalPages
from rutter_ap_server.web.proposal_documents import Papers
from rutter_ap_server.web.proposal_run import RELEASE_SECONDS
from rutter_ap_server.web.proving import Proving
from rutter_ap_server.web.signing_in import SignIn
from rutter_ap_server.web.signing_pages import SigningPages
from rutter_ap_server.web.vendors import VendorsPages

_STATIC = Path(__file__).parent / "static"


def desk_app(
    approvals: Approvals,
    connect_flow: ConnectFlow,
    *,
    hosts: Collection[str],
    releases: LongCalls | None = None,
) -> ASGIApp:
    """The desk for requests to these hosts, each a name with its port; passkeys belong to the first.

    A run that takes long goes on in `releases`, which whoever passes them waits for at the end.
    """
    host = next(iter(hosts))
    site = Site(f"http://{host}", host.partition(":")[0])
    frame = Frame(approvals.store, approvals, connect_flow, SignIn(approvals, site), Proving(approvals, site, PREFIX))
    rooms = (
        SigningPages(frame),
        EnrolmentPages(frame),
        InboxPages(frame),
        HistoryPages(frame),
        LimitsPages(frame),
        VendorsPages(frame),
        ConnectionsPages(frame),
        ApproversPages(frame),
        # The proposals come last: any id is one.
        EvidencePages(frame),
        ProposalPages(frame, Papers(), releases or LongCalls(RELEASE_SECONDS)),
    )
    static = Mount(f"{PREFIX}/static", StaticFiles(directory=_STATIC))
    home = Route("/", _home, methods=["GET"])
    return Door(Starlette(routes=[home, static, *(route for room in rooms for route in room.routes())]), hosts)


async def _home(_: Request) -> Response:
    return RedirectResponse(PREFIX, 303)
