"""Commands for people: release, decline, resolve, approvers, uploads. Passcodes are asked for, never an argument."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.text import clean

if TYPE_CHECKING:
    from rutter_ap_server.app import App
    from rutter_ap_server.store.proposals import Proposal

_WAITING = ("held", "released", "dispatching", "unknown")
_ALL = (*_WAITING, "posted", "refused", "declined", "expired", "superseded", "failed")


def list_proposals(arguments: argparse.Namespace) -> int:
    """What waits for a person, newest first."""

    async def work(app: App) -> int:
        states = _ALL if arguments.all else _WAITING
        found = await app.store.read(lambda tx: tx.proposals.in_states(states))
        if arguments.json:
            return _json([_brief(p) for p in found])
        for p in found:
            _line(f"{p.id}  {p.state:<11} {p.summary}")
        if not found:
            _line("Nothing waits.")
        return 0

    return run(work)


def show(arguments: argparse.Namespace) -> int:
    """One proposal in full."""

    async def work(app: App) -> int:
        return await _show(app, await app.proposal(arguments.proposal), as_json=arguments.json)

    return run(work)


def approve(arguments: argparse.Namespace) -> int:
    """Shows what would be released, asks for the passcode, releases, and says what became of it."""

    async def work(app: App) -> int:
        named = await app.proposal(arguments.proposal)
        company = await app.company_of(named)
        proposal = await app.approvals.preview(named.id, company)
        _to_person(f"{proposal.summary}, in the books of {proposal.company_name} ({proposal.environment}).")
        for finding in proposal.findings:
            _to_person(f"  {finding.severity.word}: {finding.message} [{finding.code}]")
        name = await _who(app, arguments.name)
        passcode = _ask_passcode(f"Passcode of {name}: ")
        done = await app.approvals.approve(proposal, company, name=name, passcode=passcode, channel="terminal")
        await _show(app, done, as_json=arguments.json)
        # Released but held for a second person is a success; an outcome that is not posted is not.
        return 0 if done.state in ("posted", "held") else 1

    return run(work)


def decline(arguments: argparse.Namespace) -> int:
    """Declines a held proposal for good."""

    async def work(app: App) -> int:
        proposal = await app.proposal(arguments.proposal)
        name = await _who(app, arguments.name)
        passcode = _ask_passcode(f"Passcode of {name}: ")
        done = await app.approvals.decline(proposal.id, name=name, passcode=passcode, channel="terminal")
        return await _show(app, done, as_json=arguments.json)

    return run(work)


def resolve(arguments: argparse.Namespace) -> int:
    """Settles an unknown outcome after a person looked in the ledger."""

    async def work(app: App) -> int:
        proposal = await app.proposal(arguments.proposal)
        name = await _who(app, arguments.name)
        passcode = _ask_passcode(f"Passcode of {name}: ")
        company = await app.company_of(proposal)
        done = await app.approvals.settle_by_hand(
            proposal.id, arguments.outcome, name=name, passcode=passcode, company=company
        )
        return await _show(app, done, as_json=arguments.json)

    return run(work)


def add_approver(arguments: argparse.Namespace) -> int:
    """Adds an approver; the passcode is asked for twice on a terminal."""

    async def work(app: App) -> int:
        passcode = _ask_passcode("New passcode: ")
        if sys.stdin.isatty() and _ask_passcode("The same again: ") != passcode:
            raise BadInput("the two passcodes differ", next_step="Try again; nothing was changed.")
        await app.approvals.add_approver(arguments.name, passcode)
        _line(f"{clean(arguments.name)} may release now.")
        return 0

    return run(work)


def remove_approver(arguments: argparse.Namespace) -> int:
    """Takes an approver's right away."""

    async def work(app: App) -> int:
        await app.approvals.remove_approver(arguments.name)
        _line(f"{clean(arguments.name)} may no longer release.")
        return 0

    return run(work)


def list_approvers(arguments: argparse.Namespace) -> int:
    """Who may release."""

    async def work(app: App) -> int:
        found = await app.store.read(lambda tx: tx.approvers.active())
        if arguments.json:
            return _json([{"name": a.name, "added_at": a.added_at.isoformat()} for a in found])
        for approver in found:
            _line(approver.name)
        if not found:
            _line("Nobody yet: rutter-ap approvers add NAME")
        return 0

    return run(work)


def upload(arguments: argparse.Namespace) -> int:
    """Puts a person's file in and prints its handle."""

    async def work(app: App) -> int:
        from rutter_ap_server.documents.files import Documents

        documents = Documents(app.settings.files, app.settings.home / "uploads")
        _line(documents.put_in(Path(arguments.file)))
        return 0

    return run(work)


def run(work: Callable[[App], Awaitable[int]]) -> int:
    """Runs a command on an app of its own and closes it."""
    import anyio

    from rutter_ap_server.app import open_app

    async def around() -> int:
        app = open_app()
        try:
            return await work(app)
        finally:
            await app.aclose()

    return anyio.run(around)


async def _who(app: App, name: str) -> str:
    known = [a.name for a in await app.store.read(lambda tx: tx.approvers.active())]
    if not known:
        raise BadInput(
            "nobody may release yet", code="approval.nobody", next_step="Add one: rutter-ap approvers add NAME"
        )
    if name:
        return name
    if len(known) == 1:
        return known[0]
    raise BadInput(f"say who you are with --as: {', '.join(known)}", next_step="Call again with --as NAME.")


def _ask_passcode(words: str) -> str:
    """From the terminal, unseen; from a pipe only where there is no terminal, for scripts an operator owns."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass(words, stream=sys.stderr)
    return sys.stdin.readline().rstrip("\r\n")


async def _show(app: App, proposal: Proposal, *, as_json: bool) -> int:
    from rutter_ap_server.guard.views import lines_of
    from rutter_ap_tools.proposals import GET_PROPOSAL

    approvals = await app.store.read(lambda tx: tx.proposals.approvals(proposal.id))
    answer = app.views.answer(proposal, approvals, lines=await lines_of(app.store, proposal))
    if as_json:
        return _json(answer.model_dump(mode="json", exclude_none=True))
    _line(GET_PROPOSAL.render(answer))
    attempt = await app.store.read(lambda tx: tx.attempts.last(proposal.id))
    if attempt is not None and attempt.reason:
        _line(f"about the sending: {attempt.reason}")
    return 0


def _brief(p: Proposal) -> dict[str, Any]:
    return {
        "id": p.id,
        "state": p.state,
        "tool": p.tool,
        "summary": p.summary,
        "company": p.company_name,
        "verdict": p.verdict.word,
        "approvals_needed": p.approvals_needed,
        "expires_at": p.expires_at.isoformat(),
    }


def _json(value: Any) -> int:
    _line(json.dumps(value, indent=2, ensure_ascii=False))
    return 0


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")


def _to_person(text: str) -> None:
    # What a person reads before deciding goes to stderr, so that --json stays one JSON value on stdout.
    sys.stderr.write(text + "\n")
