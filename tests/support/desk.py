"""A desk in front of a practice company, and somebody who uses it as a browser would."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
from mcp.client import Client

from rutter_ap_server.app import App
from rutter_ap_server.clock import Clock
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.web.desk import desk_app
from support.authenticator import Authenticator
from support.serving import PASSCODE, bill_numbered, done, link_funding, serving

HOST = "localhost:8765"
BILL, LARGE_BILL = "NW-2291", "FT-802"
SAMS = "another long passcode"


@dataclass
class Visitor:
    """A browser without scripts: it keeps cookies and sends forms as they stand on the page it shows."""

    http: httpx.AsyncClient
    page: httpx.Response = field(init=False)

    async def opens(self, path: str, **headers: str) -> httpx.Response:
        self.page = await self.http.get(path, headers=headers, follow_redirects=True)
        return self.page

    async def sends(self, ending: str, **typed: str) -> httpx.Response:
        """Fills in the form whose address ends so, sends it from this page, and looks until what it began is over."""
        path, fields, _ = self.form(ending)
        await self.posts(path, fields | typed)
        return await self.follows()

    async def follows(self) -> httpx.Response:
        """Looks at the page again while it says how far something is."""
        while "data-going" in self.page.text:
            await anyio.sleep(0.05)
            await self.opens(self.page.url.path)
        return self.page

    async def signs(self, ending: str, key: Authenticator, **typed: str) -> httpx.Response:
        """As `sends`, with a passkey: what the script of the desk does."""
        path, answered = await self.signed(ending, key, **typed)
        return await self.posts(path, answered)

    async def signed(self, ending: str, key: Authenticator, **typed: str) -> tuple[str, dict[str, str]]:
        """The address and the fields of such a form, signed and not sent yet."""
        path, fields, challenge_at = self.form(ending)
        fields |= typed
        sent = {"sec-fetch-site": "same-origin", "origin": f"http://{HOST}"}
        asked = await self.http.post(challenge_at, data=fields | {"for": path}, headers=sent)
        assert asked.status_code == 200, asked.text
        options = asked.json()["publicKey"]
        answer = (key.makes if "user" in options else key.signs)(options["challenge"])
        return path, fields | {"ticket": asked.json()["ticket"], "answer": json.dumps(answer)}

    def form(self, ending: str) -> tuple[str, dict[str, str], str]:
        """A form's address, what stands in it, and where it asks for a challenge."""
        found = re.search(rf'<form([^>]*)action="([^"]*{ending})"(.*?)</form>', self.page.text, re.DOTALL)
        assert found is not None, f"the page has no form {ending}:\n{self.page.text[:2000]}"
        whole = found[0]
        kept = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', whole))
        challenge_at = re.search(r'data-challenge="([^"]+)"', whole)
        fields = {name: html.unescape(value) for name, value in kept.items()}
        return found[2], fields, challenge_at[1] if challenge_at is not None else ""

    async def enrols(self, secret: str, key: Authenticator | None, name: str = "", passcode: str = "") -> None:
        """Opens an enrolment link, and enrols with a passkey or a passcode."""
        await self.opens(f"/approvals/enrol/{secret}")
        typed = {"name": name, "passcode": passcode}
        ending = f"/enrol/{secret}"
        await (self.signs(ending, key, **typed) if key is not None else self.sends(ending, **typed))

    async def signs_in_with(self, key: Authenticator) -> httpx.Response:
        await self.opens("/approvals/sign-in")
        return await self.signs("/sign-in", key)

    async def posts(self, path: str, fields: Mapping[str, str], **headers: str) -> httpx.Response:
        sent = {"sec-fetch-site": "same-origin", "origin": str(self.http.base_url)} | headers
        self.page = await self.http.post(path, data=dict(fields), headers=sent, follow_redirects=True)
        return self.page

    async def signs_in(self, name: str = "Dana", passcode: str = PASSCODE) -> httpx.Response:
        await self.opens("/approvals/sign-in")
        return await self.sends("/sign-in", name=name, passcode=passcode)

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.page.text)).split())


@dataclass(frozen=True)
class Desk:
    """The desk, the assistant's client beside it, and the app behind both."""

    app: App
    client: Client

    @asynccontextmanager
    async def visited(self) -> AsyncIterator[Visitor]:
        served = desk_app(self.app.approvals, self.app.connect_flow, hosts=[HOST])
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as http:
            yield Visitor(http)

    async def bill(self, number: str) -> dict[str, Any]:
        """The bill of that number."""
        return await bill_numbered(self.client, number)

    async def held(self, number: str = BILL, **arguments: Any) -> str:
        """A payment that waits; its proposal's id."""
        bill = await bill_numbered(self.client, number)
        answer = await done(self.client, "pay_bill", bill_id=bill["id"], **arguments)
        assert answer["status"] == "held"
        return str(answer["proposal_id"])

    async def state(self, proposal_id: str) -> str:
        return str((await done(self.client, "get_proposal", proposal_id=proposal_id))["proposal"]["state"])

    async def paid(self, number: str = BILL) -> list[str]:
        """The amounts the ledger shows as paid on that bill."""
        bill = await bill_numbered(self.client, number)
        detail = await done(self.client, "get_bill", bill_id=bill["id"])
        return [one["amount"]["amount"] for one in detail["payments"]]


@asynccontextmanager
async def an_empty_desk(home: Path, clock: Clock | None = None, **environ: str) -> AsyncIterator[Desk]:
    """A desk without any approver."""
    async with serving(home, environ=environ, clock=clock) as (client, app):
        await link_funding(client)
        yield Desk(app, client)


@asynccontextmanager
async def a_desk(home: Path, clock: Clock | None = None, **environ: str) -> AsyncIterator[Desk]:
    """A desk with Dana and Sam as approvers."""
    async with an_empty_desk(home, clock, **environ) as desk:
        app = desk.app
        await app.approvals.add_approver("Dana", PASSCODE, channel="terminal")
        by = Proof("Dana", PASSCODE)
        await app.approvals.add_approver("Sam", SAMS, channel="terminal", by=by)
        yield desk
