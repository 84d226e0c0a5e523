"""Commands that need the whole program: each opens the app, runs, and closes it again."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable

import anyio

from rutter_ap_server.app import App, open_app
from rutter_ap_server.cli.command import Argument, Command

RunWithApp = Callable[[App, argparse.Namespace], Awaitable[int]]

# Where a person is who types a command; it stands in the audit chain.
CHANNEL = "terminal"


def app_command(*arguments: Argument) -> Callable[[RunWithApp], Command]:
    """Makes an asynchronous function a command; it is given an open app. Raises `SettingsError` for wrong settings."""
    return lambda work: Command(lambda given: run_with_app(work, given), arguments)


def run_with_app(work: RunWithApp, given: argparse.Namespace) -> int:
    """Runs it with an open app. Raises `SettingsError` for wrong settings."""
    return anyio.run(_run, work, given)


async def _run(work: RunWithApp, given: argparse.Namespace) -> int:
    app = open_app()
    try:
        return await work(app, given)
    finally:
        await app.aclose()
