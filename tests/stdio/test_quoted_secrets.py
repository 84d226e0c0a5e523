"""A Rutter that repeats our secrets in whatever it says: none of them is kept, logged or shown anywhere."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio

from support.reconcile import payable_bills, paying_home
from support.sandbox_server import first_token, sandbox_server, set_faults
from support.stdio_server import StdioServer, in_our_environment, stdio_server, tool_call


def _called(server: StdioServer, tool: str, **arguments: Any) -> bytes:
    server.send(tool_call(1, tool, **arguments))
    return server.next_line()


def _printed(environ: dict[str, str], *arguments: str) -> bytes:
    command = [sys.executable, "-m", "rutter_ap_server", *arguments]
    done = subprocess.run(command, env=in_our_environment(environ), capture_output=True, timeout=60, check=True)
    return done.stdout + done.stderr


def test_what_rutter_quotes_of_our_secrets_is_found_nowhere(home: Path, tmp_path: Path) -> None:
    with sandbox_server() as announced:
        environ = paying_home(announced, home)
        bill_id, _ = anyio.run(payable_bills, environ)[0]
        token, secret = first_token(announced), announced["client_secret"]
        basic = base64.b64encode(f"{announced['client_id']}:{secret}".encode()).decode()
        with stdio_server(in_our_environment(environ)) as server:
            server.greet()
            set_faults(announced, {"fault": "token_quoted"})
            said = [_called(server, "pay_bill", bill_id=bill_id)]
            said += [_called(server, "get_bill", bill_id=bill_id), _called(server, "get_bill", bill_id="none")]
            said += [_called(server, "update_bill", bill_id=bill_id, memo="checked", dry_run=True)]
            set_faults(announced)
            failed = json.loads(said[0])["result"]
            assert failed["structuredContent"]["findings"][0]["code"] == "platform_rejected"
            assert b"********" in said[1]
            assert server.end_input() == 0
            said.append(server.log().encode())
        said.append(_printed(environ, "audit", "export"))
        listed = _printed(environ, "proposals", "list", "--all", "--json")
        paid = next(one["id"] for one in json.loads(listed) if one["tool"] == "pay_bill")
        said += [listed, _printed(environ, "evidence", paid, "--out", str(tmp_path))]
    said += [path.read_bytes() for folder in (home, tmp_path) for path in folder.rglob("*") if path.is_file()]
    whole = b"\n".join(said).lower()
    # The store says what the platform said, so that a person can read it.
    assert b"could not carry out" in whole
    assert [one for one in (token, secret, basic) if one.lower().encode() in whole] == []
