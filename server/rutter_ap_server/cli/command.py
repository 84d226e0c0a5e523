"""Commands as values, so that each module keeps the arguments a command takes next to the function that runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Run = Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command, as `ArgumentParser.add_argument` takes it."""

    names: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """A function that runs one command and returns its exit status, and the arguments it takes."""

    run: Run
    arguments: tuple[Argument, ...]

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Adds the arguments to the parser of this command."""
        for one in self.arguments:
            parser.add_argument(*one.names, **one.options)


def argument(*names: str, **options: Any) -> Argument:
    """An argument; takes what `ArgumentParser.add_argument` takes."""
    return Argument(names, options)


def command(*arguments: Argument) -> Callable[[Run], Command]:
    """Makes a function a command with these arguments."""
    return lambda run: Command(run, arguments)


AS_JSON = argument("--json", action="store_true", help="print JSON, for scripts")
PROPOSAL = argument("proposal", help="the proposal's id, or its first characters")
