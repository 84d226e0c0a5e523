"""Asks the person at the terminal: who they are, by name and passcode, or for a line of text.

A passcode is never an argument and not shown. Where there is no terminal, passcodes are read from a pipe, one a line,
in the order in which they are asked for.
"""

from __future__ import annotations

import getpass
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import argument
from rutter_ap_server.cli.output import note
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_tools.errors import BadInput, PersonError
from rutter_ap_tools.names import canonical_name
from rutter_ap_tools.text import clean


class NoInput(PersonError):
    """A question was closed instead of answered: Ctrl-D, or a pipe that ended."""

    code = "input.ended"
    default_next_step = "Run the command again to answer it."


ACTING = argument(
    "--as", dest="acting", metavar="NAME", default="", help="your own name as an approver; needed if there are several"
)


def ask_passcode(prompt: str) -> str:
    """From the terminal, unseen; from a pipe only where there is no terminal, for scripts an operator owns."""
    if not sys.stdin.isatty():
        return _read_line().rstrip("\r\n")
    try:
        with _interrupted_at_once():
            return getpass.getpass(prompt, stream=sys.stderr)
    except EOFError:
        raise _ended() from None


def ask_line(prompt: str) -> str:
    """A line a person types; empty where there is no terminal, because nobody would see the question."""
    if not sys.stdin.isatty():
        return ""
    # The question is shown only once Ctrl-C can end it.
    with _interrupted_at_once():
        sys.stderr.write(prompt)
        sys.stderr.flush()
        return _read_line().strip()


def _read_line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise _ended()
    return line


def _ended() -> NoInput:
    # The cursor stands after the question.
    if sys.stdin.isatty():
        note("")
    return NoInput("the input ended before the question was answered; nothing was released, declined or changed")


@contextmanager
def _interrupted_at_once() -> Iterator[None]:
    """Ctrl-C ends the question the first time: the event loop's own handler would only note it and go on reading."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def ask_new_passcode() -> str:
    """A new passcode; at a terminal it is asked for twice, because it is not shown."""
    passcode = ask_passcode("New passcode: ")
    if sys.stdin.isatty() and ask_passcode("Repeat the passcode: ") != passcode:
        raise BadInput("the two passcodes differ", next_step="Try again. Nothing was changed.")
    return passcode


async def ask_proof(app: App, name: str) -> Proof | None:
    """The passcode of the approver who acts; None, without asking, while there is no approver."""
    known = [one.name for one in await app.store.read(lambda tx: tx.approvers.active())]
    if not known:
        return None
    return await ask_proof_of(app, one_of(known, name))


async def ask_proof_of(app: App, acting: str) -> Proof:
    """The passcode of that approver, and a code if they set up codes; from a pipe each is a line."""
    passcode, wanted = ask_passcode(f"Passcode for {clean(acting)}: "), canonical_name(acting)
    active = await app.store.read(lambda tx: tx.approvers.active())
    has_codes = any(one.code_step is not None for one in active if canonical_name(one.name) == wanted)
    code = ask_passcode("The code your app shows now: ") if has_codes else ""
    return Proof(acting, passcode, code=code)


def one_of(known: list[str], name: str) -> str:
    """The name that was given, or else that of the only approver. Raises `BadInput` if there are several."""
    if name:
        return name
    if len(known) == 1:
        return known[0]
    raise BadInput(
        f"there are several approvers: {', '.join(known)}",
        next_step="Run the command again with --as and your name.",
    )
