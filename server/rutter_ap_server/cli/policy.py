"""Commands about the policy: what is in force, whether a file can be used, what a write would meet, what the past had.

Nothing here writes: not to the ledger, not to the store.
"""

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
    from rutter_ap_server.guard.policy import Policy
    from rutter_ap_server.guard.reports.backtest import Backtest
    from rutter_ap_server.guard.reports.explain import Explanation, WindowState
    from rutter_ap_tools.wire import WriteArguments


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The words of `rutter-ap policy`."""
    policy = commands.add_parser("policy", help="the policy in force").add_subparsers(metavar="ACTION", required=True)
    shown = policy.add_parser("show", help="the policy in force, and its version")
    shown.add_argument("--json", action="store_true")
    shown.set_defaults(command=show)
    checked = policy.add_parser("check", help="a policy file's errors")
    checked.add_argument("file", nargs="?", default="")
    checked.set_defaults(command=check)
    explained = policy.add_parser("explain", help="which rules fire for a write, and how far each limit is")
    explained.add_argument("tool", nargs="?", default="", help="a tool that writes, such as pay_bill")
    explained.add_argument(
        "--argument", action="append", default=[], metavar="NAME=VALUE", help="an argument of it; JSON for lists"
    )
    explained.add_argument("--proposal", default="", metavar="ID", help="or a proposal, as it would be judged now")
    explained.add_argument("--json", action="store_true")
    explained.set_defaults(command=explain)
    tested = policy.add_parser("backtest", help="a policy against the ledger's past payments")
    tested.add_argument("file", nargs="?", default="", help="a policy file; the one in force when left out")
    tested.add_argument("--days", type=_days, default=90, help="how far back, 90 when left out")
    tested.add_argument("--company", default="", help="needed once several are connected")
    tested.add_argument("--json", action="store_true")
    tested.set_defaults(command=backtest)


def show(arguments: argparse.Namespace) -> int:
    """The policy in force and its version. Raises `PolicyError` for a broken file."""
    from rutter_ap_server.app import open_app

    app = open_app()
    policy = app.policy.read()
    source = str(app.policy.path) if app.policy.path.exists() else "the built-in default"
    written = policy.model_dump(mode="json")
    if arguments.json:
        return _json({"source": source, "version": policy.version, "policy": written})
    _line(f"# {source}, version {policy.version}")
    # Single values stand before the first table, or they would belong to it.
    for name, value in written.items():
        if not isinstance(value, dict) and value is not None:
            _line(f"{name} = {_value(value)}" if name != "closing_date" else f"{name} = {value}")
    for name, value in written.items():
        if isinstance(value, dict):
            _toml(name, value)
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Whether a policy file can be used; the error names the line or field."""
    from rutter_ap_server.app import open_app

    policy = _read(Path(arguments.file)) if arguments.file else open_app().policy.read()
    _line(f"The policy can be used; version {policy.version}.")
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Which rules fire for a write, its verdict, and how far each limit is."""
    from rutter_ap_server.guard.reports.explain import explain_intent, explain_proposal

    if bool(arguments.tool) == bool(arguments.proposal):
        raise BadInput("give exactly one of a tool and --proposal")
    intent = _intent(arguments.tool, arguments.argument) if arguments.tool else None

    async def work(app: App) -> int:
        policy = app.policy.read()
        if intent is not None:
            company = await app.companies.get(intent.company)
            told = await explain_intent(app.store, policy, intent, company)
        else:
            proposal = await app.store.read(lambda tx: tx.proposals.starting_with(arguments.proposal))
            if len(proposal) != 1:
                raise BadInput("no single proposal starts so", next_step="See `rutter-ap proposals list --all`.")
            company = await app.company_of(proposal[0])
            told = await explain_proposal(app.store, policy, proposal[0], company)
        if arguments.json:
            return _json(told.as_json(company))
        _say_explanation(told)
        return 0

    return _run(work)


def backtest(arguments: argparse.Namespace) -> int:
    """A policy against the ledger's past payments."""
    from rutter_ap_server.guard.reports.backtest import NOT_JUDGED
    from rutter_ap_server.guard.reports.backtest import backtest as run

    async def work(app: App) -> int:
        policy = _read(Path(arguments.file)) if arguments.file else app.policy.read()
        company = await app.companies.get(arguments.company)
        found = await run(company, policy, arguments.days)
        if not arguments.json:
            _say_backtest(found)
            _line(f"Not judged, as the ledger keeps no history of it: {', '.join(NOT_JUDGED)}.")
            return 0
        return _json(
            {
                "company": company.named.model_dump(mode="json", exclude_none=True),
                "environment": company.environment,
                "policy_version": policy.version,
                "since": found.since.isoformat(),
                "totals": found.totals,
                "payments": [payment.as_json() for payment in found.payments],
                "left_out": list(found.left_out),
                "not_judged": list(NOT_JUDGED),
            }
        )

    return _run(work)


def _intent(tool_name: str, pairs: list[str]) -> WriteArguments:
    from rutter_ap_tools.catalogue import CATALOGUE
    from rutter_ap_tools.tool import Risk
    from rutter_ap_tools.validate import read_arguments

    writes = {tool.name: tool for tool in CATALOGUE if tool.risk is not Risk.READS}
    if tool_name not in writes:
        raise BadInput(f"no tool of that name writes; these do: {', '.join(sorted(writes))}")
    given = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise BadInput("--argument takes NAME=VALUE", next_step="For example --argument bill_id=…")
        given[name] = _argument(name, value)
    intent: WriteArguments = read_arguments(writes[tool_name].arguments, given)
    return intent


def _argument(name: str, value: str) -> Any:
    if value in ("true", "false"):
        return value == "true"
    if not value.startswith(("[", "{")):
        # Everything else of a write is text, amounts too: reading 10.50 as a number would lose its last digit.
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise BadInput(f"the value of {clean(name, 60)} is not JSON") from None


def _read(path: Path) -> Policy:
    from rutter_ap_server.guard.policy import PolicyError, PolicyFile

    if not path.is_file():
        raise PolicyError("there is no such policy file", next_step="Check the path.")
    return PolicyFile(path).read()


def _say_explanation(told: Explanation) -> None:
    judgement = told.judgement
    needed = f", {judgement.approvals_needed} release(s) needed" if judgement.approvals_needed else ""
    _line(told.prepared.summary)
    _line(f"verdict: {judgement.verdict.word}{needed}; policy {judgement.policy_version[:12]}")
    for found in judgement.findings:
        _line(f"  {found.severity.word:<8}{found.message} [{found.code}]")
    if not judgement.findings:
        _line("  no rule speaks")
    if told.windows:
        _line("limits before this payment:")
    for state in told.windows:
        _line(f"  {state.window.words:<38} {_window(state)}")


def _window(state: WindowState) -> str:
    used = f"spent {state.spent}, reserved {state.reserved}"
    return f"{used}, no limit" if state.limit is None else f"{used}, left {state.left} of {state.limit}"


def _say_backtest(found: Backtest) -> None:
    for payment in found.payments:
        codes = ", ".join(f.code for f in payment.findings if not f.code.startswith("policy."))
        who = payment.vendor_name or payment.vendor_id or "an unnamed vendor"
        _line(f"{payment.on}  {payment.verdict.word:<8}{payment.money!s:>20}  {who}  {codes}".rstrip())
    totals = ", ".join(f"{count} {word}" for word, count in found.totals.items())
    _line(f"{len(found.payments)} payments since {found.since}: {totals}.")
    if found.left_out:
        _line(f"{len(found.left_out)} left out: their day, figures or bills could not be used.")


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= 3660:
        raise argparse.ArgumentTypeError("must be between 1 and 3660")
    return days


def _run(work: Callable[[App], Awaitable[int]]) -> int:
    import anyio

    from rutter_ap_server.app import open_app

    async def around() -> int:
        app = open_app()
        try:
            return await work(app)
        finally:
            await app.aclose()

    return anyio.run(around)


def _toml(section: str, values: dict[str, Any]) -> None:
    nested = {key: value for key, value in values.items() if isinstance(value, dict)}
    flat = {key: value for key, value in values.items() if not isinstance(value, dict) and value is not None}
    if flat or not nested:
        # An empty table says something too: an approver it names may release, where the others may not.
        _line(f"\n[{section}]")
    for key, value in flat.items():
        _line(f"{_key(key)} = {value if key == 'closing_date' else _value(value)}")
    for key, value in nested.items():
        _toml(f"{section}.{_key(key)}", value)


def _key(key: str) -> str:
    plain = all(c.isascii() and (c.isalnum() or c in "_-") for c in key)
    return key if key and plain else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json(value: Any) -> int:
    _line(json.dumps(value, indent=2, ensure_ascii=False))
    return 0


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
