"""The command line: words a person types become calls. Exit 0 done, 1 failed, 2 wrong words or settings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

from rutter_ap_server.settings import SettingsError
from rutter_ap_tools.errors import ApError

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and answers its exit status."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        return command(arguments)
    except SettingsError as error:
        return _failed(error, 2)
    except ApError as error:
        return _failed(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        return 0


def _failed(error: ApError, status: int) -> int:
    from rutter_ap_tools.render import render_error

    sys.stderr.write(render_error(error) + "\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rutter-ap",
        description="Accounts payable for AI assistants: the assistant proposes, a guard judges, a person releases.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _serving(commands)
    _people(commands)
    _operating(commands)
    return parser


def command_words() -> list[tuple[str, str]]:
    """Every command and what it does, for the reference page."""
    return sorted(_words_of(_parser(), ""))


def _words_of(parser: argparse.ArgumentParser, prefix: str) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, sub in action.choices.items():
            inner = list(_words_of(sub, f"{prefix}{name} "))
            yield from inner or [(f"{prefix}{name}", helps.get(name, ""))]


def _serving(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    stdio = commands.add_parser("stdio", help="serve one assistant over stdio (what Claude Desktop starts)")
    stdio.set_defaults(command=_stdio)
    sandbox = commands.add_parser("sandbox", help="the embedded Rutter on its own port")
    sandbox.add_argument("--port", type=int, default=0, help="a free one when left out")
    sandbox.add_argument("--bills", type=int, default=0, help="that many more bills, for load")
    sandbox.add_argument("--file", help="keep the books in this file instead of in memory")
    sandbox.add_argument("--admin", action="store_true", help="open the endpoints that switch faults on")
    sandbox.set_defaults(command=_sandbox)
    demo = commands.add_parser("demo", help="the story, end to end, narrated")
    demo.add_argument("--json", action="store_true", help="one JSON object per step")
    demo.set_defaults(command=_demo)
    install = commands.add_parser("install", help="add the server to a client's configuration")
    install.add_argument("client", choices=["claude-desktop", "claude-code", "cursor", "vscode"])
    install.add_argument("--print", action="store_true", dest="print_only", help="print it and write nothing")
    install.set_defaults(command=_install)
    doctor = commands.add_parser("doctor", help="what is right, what is wrong, what to do")
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(command=_doctor)
    tools = commands.add_parser("tools", help="the catalogue as an assistant sees it, with its size")
    tools.add_argument("--json", action="store_true")
    tools.set_defaults(command=_tools)


def _people(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from rutter_ap_server.cli import approvals

    proposals = commands.add_parser("proposals", help="release from a terminal").add_subparsers(
        metavar="ACTION", required=True
    )
    listing = proposals.add_parser("list", help="what waits, and what is not settled")
    listing.add_argument("--all", action="store_true", help="the settled ones too")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=approvals.list_proposals)
    for name, command, words in (
        ("show", approvals.show, "one proposal in full"),
        ("approve", approvals.approve, "release it, with your passcode"),
        ("decline", approvals.decline, "decline it, with your passcode"),
        ("resolve", approvals.resolve, "settle an unknown outcome after looking in the ledger"),
    ):
        one = proposals.add_parser(name, help=words)
        one.add_argument("proposal", help="its id, or the first characters of it")
        one.add_argument("--json", action="store_true")
        if name != "show":
            one.add_argument("--as", dest="name", default="", help="which approver you are; asked when left out")
        if name == "resolve":
            one.add_argument("outcome", choices=["posted", "failed"])
        one.set_defaults(command=command)
    approvers = commands.add_parser("approvers", help="who may release").add_subparsers(metavar="ACTION", required=True)
    for name, command, words in (
        ("add", approvals.add_approver, "let somebody release; asks for a passcode"),
        ("remove", approvals.remove_approver, "no longer let them"),
    ):
        one = approvers.add_parser(name, help=words)
        one.add_argument("name")
        one.set_defaults(command=command)
    approvers_list = approvers.add_parser("list", help="who may release now")
    approvers_list.add_argument("--json", action="store_true")
    approvers_list.set_defaults(command=approvals.list_approvers)
    upload = commands.add_parser("upload", help="put a file in for attach_file; prints its handle")
    upload.add_argument("file")
    upload.set_defaults(command=approvals.upload)


def _operating(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from rutter_ap_server.cli import connections, evidence, operate, policy

    connections.add_commands(commands)
    policy.add_commands(commands)
    commands.add_parser("freeze", help="stop all writes").set_defaults(command=operate.freeze)
    commands.add_parser("unfreeze", help="allow writes again").set_defaults(command=operate.unfreeze)
    audit = commands.add_parser("audit", help="the chain of records").add_subparsers(metavar="ACTION", required=True)
    verify = audit.add_parser("verify", help="the chain holds, or where it breaks")
    verify.add_argument("--json", action="store_true")
    verify.add_argument("--anchor", help="a file with an anchor: finds a cut tail as well")
    verify.set_defaults(command=operate.verify_audit)
    export = audit.add_parser("export", help="the chain as JSON lines")
    export.add_argument("--anchor", action="store_true", help="only the head, to be kept elsewhere")
    export.set_defaults(command=operate.export_audit)
    gather = commands.add_parser("evidence", help="one payment's whole file, as JSON and as a page")
    gather.add_argument("proposal", help="its id, or the first characters of it")
    gather.add_argument("--out", default=".", help="the folder to write into; this one when left out")
    gather.add_argument("--json", action="store_true", help="only the JSON, on stdout")
    gather.set_defaults(command=evidence.evidence)


def _stdio(_: argparse.Namespace) -> int:
    import gc

    # Importing makes hundreds of thousands of objects that all stay: collecting among them only slows the start.
    gc.disable()
    import anyio

    from rutter_ap_server.app import open_app
    from rutter_ap_server.mcp.stdio import serve_stdio

    app = open_app()
    gc.freeze()
    gc.enable()
    anyio.run(serve_stdio, app)
    return 0


def _sandbox(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from rutter_sandbox.serve import serve

    file = Path(arguments.file) if arguments.file else None
    return serve(port=arguments.port, bills=arguments.bills, file=file, admin=arguments.admin)


def _demo(arguments: argparse.Namespace) -> int:
    import anyio

    from rutter_ap_server.cli.demo.demo import run_demo

    return anyio.run(run_demo, arguments.json, sys.stdout.write)


def _install(arguments: argparse.Namespace) -> int:
    import os

    from rutter_ap_server.cli.install import install

    return install(
        arguments.client, settings_environ=os.environ, print_only=arguments.print_only, write=sys.stdout.write
    )


def _doctor(arguments: argparse.Namespace) -> int:
    import os

    import anyio

    from rutter_ap_server.cli.doctor import examine, report

    return report(anyio.run(examine, os.environ), arguments.json, sys.stdout.write)


def _tools(arguments: argparse.Namespace) -> int:
    from rutter_ap_server.cli.operate import list_tools

    return list_tools(arguments)
