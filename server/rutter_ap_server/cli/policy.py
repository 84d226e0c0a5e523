"""`rutter-ap policy`: the policy in force, a file's errors, what a write would meet, and what past payments would have.

Nothing here writes to the ledger, and only `reset` to the store.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import tomli_w

from rutter_ap_server.app import App
from rutter_ap_server.cli.command import AS_JSON, argument
from rutter_ap_server.cli.output import line, money, print_json, table
from rutter_ap_server.cli.passcode import ACTING, ask_proof
from rutter_ap_server.cli.proposals import proposal_named
from rutter_ap_server.cli.running import CHANNEL, app_command
from rutter_ap_server.guard.policy import Policy, PolicyError, read_file
from rutter_ap_server.guard.reports.backtest import NOT_JUDGED, Backtest
from rutter_ap_server.guard.reports.backtest import backtest as judge_past_payments
from rutter_ap_server.guard.reports.explain import (
    Explanation,
    WindowState,
    explain_proposal,
    explain_request,
    shown_policy,
)
from rutter_ap_server.guard.writes.registry import default_severities
from rutter_ap_tools.catalogue import CATALOGUE
from rutter_ap_tools.errors import BadInput
from rutter_ap_tools.people import for_people
from rutter_ap_tools.text import clean
from rutter_ap_tools.tool import Risk
from rutter_ap_tools.validate import read_arguments
from rutter_ap_tools.wire import WriteArguments

_DAYS_MAX = 3660


def _days(text: str) -> int:
    days = int(text)
    if not 1 <= days <= _DAYS_MAX:
        raise argparse.ArgumentTypeError(f"must be between 1 and {_DAYS_MAX}")
    return days


@app_command(AS_JSON)
async def show(app: App, given: argparse.Namespace) -> int:
    """The policy in force and its version. Raises `PolicyError` for a file that is broken, or gone."""
    policy = await app.policy.look()
    source = str(app.policy.path) if app.policy.path.exists() else "the built-in default"
    if given.json:
        shown = shown_policy(policy, exclude_none=False)
        print_json({"source": source, "version": policy.version, "policy": shown})
        return 0
    line(f"# {source}, version {policy.version}")
    # A tool the file does not name keeps its own default, which is no part of the file: hence the comments.
    defaults = [f'# {tool} = "{word}"' for tool, word in default_severities().items() if tool not in policy.tools]
    line(as_toml(policy).rstrip().replace("[tools]\n", "\n".join(["[tools]", *defaults, ""]), 1))
    return 0


def as_toml(policy: Policy) -> str:
    """The policy as a file that says the same."""
    values = policy.model_dump(mode="json", exclude_none=True)
    # TOML has dates of its own, and the policy takes only those.
    if policy.closing_date is not None:
        values["closing_date"] = policy.closing_date
    for company_id, company in policy.companies.items():
        if company.closing_date is not None:
            values["companies"][company_id]["closing_date"] = company.closing_date
    return tomli_w.dumps(values)


@app_command(argument("file", nargs="?", default="", help="a policy file (default: the one in force)"))
async def check(app: App, given: argparse.Namespace) -> int:
    """Whether a policy file can be used; the error names the line or field."""
    policy = await _read(given.file) if given.file else await app.policy.look()
    line(f"The policy is valid; version {policy.version}.")
    return 0


@app_command(ACTING)
async def reset(app: App, given: argparse.Namespace) -> int:
    """Goes back to the built-in default once the policy file is gone on purpose, with an approver's passcode."""
    if app.policy.named or await read_file(app.policy.path) is not None:
        raise BadInput(
            "a policy file is set or in place, so it would be in force again at once",
            next_step="Change the file instead; or remove it, unset RUTTER_AP_POLICY, and run this again.",
        )
    await app.approvals.reset_policy(channel=CHANNEL, by=await ask_proof(app, given.acting))
    line("The built-in default is in force.")
    return 0


@app_command(
    argument("tool", nargs="?", default="", help="a tool that writes, such as pay_bill"),
    argument(
        "--argument",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one of the tool's arguments, repeatable; JSON for lists and objects",
    ),
    argument("--proposal", default="", metavar="ID", help="instead of a tool: a proposal, as it would be judged now"),
    AS_JSON,
)
async def explain(app: App, given: argparse.Namespace) -> int:
    """Which rules a write triggers, its verdict, and what is left of each limit."""
    if bool(given.tool) == bool(given.proposal):
        raise BadInput("give either a tool or --proposal")
    intent = _intent(given.tool, given.argument) if given.tool else None
    policy = await app.policy.look()
    if intent is not None:
        company = await app.companies.get(intent.company)
        explanation = await explain_request(app.store, policy, intent, company)
    else:
        proposal = await proposal_named(app, given.proposal)
        company = await app.company_of(proposal)
        explanation = await explain_proposal(app.store, policy, proposal, company)
    if given.json:
        print_json(explanation.as_json(company))
    else:
        _print_explanation(explanation)
    return 0


@app_command(
    argument("file", nargs="?", default="", help="a policy file (default: the one in force)"),
    argument("--days", type=_days, default=90, help="how many days back to go (default: 90)"),
    argument("--company", default="", help="company id or name; needed when several are connected"),
    AS_JSON,
)
async def backtest(app: App, given: argparse.Namespace) -> int:
    """A policy against the ledger's past payments."""
    policy = await _read(given.file) if given.file else await app.policy.look()
    company = await app.companies.get(given.company)
    found = await judge_past_payments(company, policy, given.days)
    if given.json:
        print_json(
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
            | ({"not_known": found.not_known} if found.not_known else {})
        )
    else:
        _print_backtest(found)
    return 0


def _intent(tool_name: str, pairs: list[str]) -> WriteArguments:
    writes = {tool.name: tool for tool in CATALOGUE if tool.risk is not Risk.READS}
    if tool_name not in writes:
        raise BadInput(f"the tool must be one that writes: {', '.join(sorted(writes))}")
    given = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise BadInput("--argument takes NAME=VALUE", next_step="For example: --argument bill_id=ID")
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
        raise BadInput(f"the value of {clean(name, 60)} is not valid JSON") from None


async def _read(file: str) -> Policy:
    """The policy in that file. Raises `PolicyError`."""
    found = await read_file(Path(file))
    if found is None:
        raise PolicyError("there is no such policy file", next_step="Check the path.")
    return found


def _print_explanation(explanation: Explanation) -> None:
    judgement = explanation.judgement
    needed = f", approvals needed: {judgement.approvals_needed}" if judgement.approvals_needed else ""
    line(for_people(explanation.prepared.summary))
    line(f"verdict: {judgement.verdict.word}{needed}; policy version {judgement.policy_version[:12]}")
    for found in judgement.findings:
        line(f"  {found.severity.label}: {for_people(found.message)} [{found.code}]")
    if not judgement.findings:
        line("  no rule applies")
    if explanation.windows:
        line("limits before this payment:")
        table([_window(state) for state in explanation.windows])


def _window(state: WindowState) -> tuple[str, str]:
    left = f"left {money(state.left)} of {money(state.limit)}"
    used = f"spent {money(state.spent)}, reserved {money(state.reserved)}"
    return f"  {state.window.words}", f"{used}, {left}"


def _print_backtest(found: Backtest) -> None:
    rows = []
    for payment in found.payments:
        codes = ", ".join(one.code for one in payment.findings if not one.code.startswith("policy."))
        vendor = clean(payment.vendor_name or payment.vendor_id, 60) or "unknown vendor"
        rows.append((payment.on.isoformat(), payment.verdict.word, money(payment.money), vendor, codes))
    table(rows, right=[2])
    totals = ", ".join(f"{count} {word}" for word, count in found.totals.items())
    line(f"{len(found.payments)} payments since {found.since}: {totals}.")
    if found.not_known:
        line(found.not_known)
    if found.left_out:
        line(f"{len(found.left_out)} left out: their date, amounts or bills could not be used.")
    line(f"Not judged, because the ledger keeps no history of it: {', '.join(NOT_JUDGED)}.")
