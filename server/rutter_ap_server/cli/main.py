"""The command line: every command in one table. Exit 0 for done, 1 for failed, 2 for wrong usage or settings.

A command is named by its module and function. Only the one that was typed is imported, so that `rutter-ap stdio` and
`rutter-ap --help` start fast while the modules of this package import at the top like any other.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

from rutter_ap_server.cli.command import Command
from rutter_ap_server.cli.output import report_error
from rutter_ap_server.settings import SettingsError
from rutter_ap_tools.errors import ApError


class Entry(NamedTuple):
    """One command: the words a person types, its help, and where it is, as "module:function" in this package."""

    words: str
    help: str
    target: str


GROUPS = {
    "proposals": "review proposals; approve or decline them",
    "approvers": "manage who may approve",
    "connections": "manage the connected companies",
    "policy": "inspect and test the policy",
    "notices": "who is told when a person is needed",
    "audit": "verify or export the audit chain",
}
COMMANDS = (
    Entry("stdio", "serve one assistant over stdio (what Claude Desktop starts)", "stdio:stdio"),
    Entry("serve", "serve many assistants over HTTP, at /mcp", "serve:serve"),
    Entry("sandbox", "serve a practice Rutter API on its own port", "sandbox:sandbox"),
    Entry("demo", "run the scripted demo", "demo.demo:demo"),
    Entry("install", "add this server to an MCP client's configuration", "install:install"),
    Entry("desk", "open the approvals desk on this machine, in a browser", "desk:desk"),
    Entry("doctor", "check the installation and suggest fixes", "doctor.examine:doctor"),
    Entry("tools", "list the tools an assistant is offered, with their size", "tools:list_tools"),
    Entry("proposals list", "list pending and unsettled proposals", "proposals:list_proposals"),
    Entry("proposals show", "show one proposal in full", "proposals:show"),
    Entry("proposals approve", "approve a proposal with your passcode and send it", "proposals:approve"),
    Entry("proposals decline", "decline a proposal with your passcode", "proposals:decline"),
    Entry("proposals watch", "follow what waits and what becomes of it", "watching:watch"),
    Entry("proposals withdraw", "take back a held proposal for whoever made it", "proposals:withdraw"),
    Entry("proposals resolve", "settle an unknown outcome after checking the ledger", "proposals:resolve"),
    Entry(
        "approvers add",
        "add an approver; asks for another one's passcode, if there is one, and the new passcode",
        "approvers:add",
    ),
    Entry("approvers list", "list the approvers", "approvers:list_approvers"),
    Entry("approvers passcode", "change an approver's passcode", "approvers:passcode"),
    Entry("approvers remove", "remove an approver; asks for an approver's passcode", "approvers:remove"),
    Entry("upload", "upload a file for attach_file and print its handle", "operate:upload"),
    Entry("connect", "connect a company's ledger; prints the link to open", "connections:connect"),
    Entry("connections list", "list the connected companies and their health", "connections:list_connections"),
    Entry("connections rename", "rename a connection here and at Rutter", "connections:rename"),
    Entry("connections remove", "remove a connection here and at Rutter; its books stay", "connections:remove"),
    Entry("connections reseal", "re-encrypt stored tokens with the newest key", "connections:reseal"),
    Entry("policy show", "print the policy in force and its version", "policy:show"),
    Entry("policy check", "check a policy file for errors", "policy:check"),
    Entry("policy explain", "show which rules a write triggers and what is left of each limit", "policy:explain"),
    Entry("policy backtest", "judge the ledger's past payments by a policy", "policy:backtest"),
    Entry(
        "policy reset",
        "go back to the built-in default once the policy file is gone; asks for an approver's passcode",
        "policy:reset",
    ),
    Entry("notices test", "send a test by every channel of RUTTER_AP_NOTIFY", "notices:test"),
    Entry("freeze", "stop all writes", "operate:freeze"),
    Entry("unfreeze", "allow writes again; asks for an approver's passcode, if there is one", "operate:unfreeze"),
    Entry("audit verify", "verify that nothing in the audit chain or the tables was changed", "operate:verify_audit"),
    Entry("audit export", "export the audit chain as JSON lines", "operate:export_audit"),
    Entry("evidence", "write everything known about one payment, as JSON and HTML", "evidence:evidence"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    typed = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = _parser(typed).parse_args(typed)
        status: int = arguments.command.run(arguments)
    except SettingsError as error:
        report_error(error)
        return 2
    except ApError as error:
        report_error(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever reads our output left before the command was through.
        _say_no_more()
        return 1
    return _with_all_said(status)


def _with_all_said(status: int) -> int:
    """The command's status, once its output is written: at the very end nobody could handle a closed pipe."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _say_no_more()
    return status


def _say_no_more() -> None:
    """What is left to write goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        # In a test a stream need not be a file.
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())


def _parser(typed: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of every command; only the one typed gets its arguments, since for those it must be imported."""
    parser = argparse.ArgumentParser(
        prog="rutter-ap",
        description="Accounts payable for AI assistants: the assistant proposes, the guard judges, a person approves.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    groups = {
        name: commands.add_parser(name, help=words).add_subparsers(metavar="ACTION", required=True)
        for name, words in GROUPS.items()
    }
    words = [word for word in typed if not word.startswith("-")]
    for entry in COMMANDS:
        group, _, name = entry.words.rpartition(" ")
        one = (groups[group] if group else commands).add_parser(name, help=entry.help)
        if entry.words.split() == words[: entry.words.count(" ") + 1]:
            command = resolve(entry.target)
            command.configure(one)
            one.set_defaults(command=command)
    return parser


def resolve(target: str) -> Command:
    """The command at "module:function" in this package."""
    module, _, name = target.partition(":")
    collecting = gc.isenabled()
    # Importing makes hundreds of thousands of objects that all stay: collecting among them only slows the start.
    gc.disable()
    try:
        found = getattr(import_module(f"rutter_ap_server.cli.{module}"), name)
    finally:
        if collecting:
            gc.enable()
    assert isinstance(found, Command)
    return found
