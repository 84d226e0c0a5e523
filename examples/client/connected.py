"""The client and the company of these examples: those of the environment, or else the practice company.

With RUTTER_CLIENT_ID, RUTTER_CLIENT_SECRET and RUTTER_ACCESS_TOKEN set they are Rutter's, at RUTTER_BASE_URL (without
it, Rutter's own sandbox). Without them the practice company is opened in this process: no account, no network.
"""

from __future__ import annotations

import os
import sys

import httpx

from rutter_ap_server.rutter import SANDBOX_URL, CompanyClient, Credentials, Limits, RutterClient
from rutter_sandbox import open_sandbox


def connected(limits: Limits | None = None) -> tuple[RutterClient, CompanyClient]:
    """A client with those limits, and the company behind one access token."""
    if "RUTTER_CLIENT_ID" in os.environ:
        missing = {"RUTTER_CLIENT_SECRET", "RUTTER_ACCESS_TOKEN"} - os.environ.keys()
        if missing:
            sys.exit(f"Set {' and '.join(sorted(missing))} too, or none of them for the practice company.")
        credentials = Credentials(os.environ["RUTTER_CLIENT_ID"], os.environ["RUTTER_CLIENT_SECRET"])
        client = RutterClient(credentials, base_url=os.environ.get("RUTTER_BASE_URL", SANDBOX_URL), limits=limits)
        return client, client.connection(os.environ["RUTTER_ACCESS_TOKEN"])
    sandbox = open_sandbox()
    client = RutterClient(
        Credentials(sandbox.client_id, sandbox.client_secret),
        base_url="http://sandbox/versioned",
        transport=httpx.ASGITransport(app=sandbox.asgi),
        limits=limits,
    )
    return client, client.connection(sandbox.connections[0].access_token)
