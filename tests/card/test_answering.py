"""The card answers exactly as an elicitation does: one question, once, in time, for what it showed, up to `ask`."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.types import ElicitResult, InputRequiredResult

from rutter_ap_server.app import App
from rutter_ap_server.clock import FixedClock
from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.interaction import Caller
from rutter_ap_server.rutter.models.bills import BillUpdate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_tools.errors import PersonError
from rutter_ap_tools.proposals import AnswerCard
from support.approvers import add_approver
from support.cards import BILL, IN_CARD, answered, asked, held, paid, question, with_policy
from support.people import answer
from support.serving import PASSCODE, bill_numbered, done, link_funding, serving, text_of

pytestmark = pytest.mark.anyio
BOTH = pytest.mark.parametrize("mode", ["auto", "legacy"], ids=["2026-07-28", "2025-11-25"])
OF_ANOTHER = Caller("assistant (another)", "2026-07-28", frozenset({"pay_bill"}))


async def state(client: Client, proposal_id: str) -> str:
    shown = await done(client, "get_proposal", proposal_id=proposal_id)
    return str(shown["proposal"]["state"])


def answers_in(app: App) -> list[dict[str, Any]]:
    """What the audit chain says of answers in cards."""
    entries = app.store.read_now(lambda tx: list(tx.audit.entries()))
    return [json.loads(one.body) for one in entries if one.kind == "answered" and one.actor == "card"]


@BOTH
async def test_a_yes_in_the_card_is_posted_and_stands_in_the_chain(home: Path, mode: str) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, mode=mode, cards=True) as (client, app):
        proposal_id = await held(client)
        assert await answered(client, await question(client, proposal_id)) == "posted"
        assert await paid(client) == ["684.20"]
        (said,) = answers_in(app)
        assert said | {"statement": ""} == {
            "answer": "accepted",
            "channel": "card",
            "client": "assistant (mcp)",
            "protocol": "2026-07-28" if mode == "auto" else "2025-11-25",
            "statement": "",
        }
        (given,) = app.store.read_now(lambda tx: tx.proposals.approvals(proposal_id))
        assert (given.approver, given.channel, given.approver_id) == ("card", "card", None)
        assert given.statement == said["statement"]
        assert given.statement in app.store.read_now(lambda tx: tx.proposals.statements(proposal_id))


@BOTH
async def test_a_no_in_the_card_declines_and_then_needs_an_approver(home: Path, mode: str) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, mode=mode, cards=True) as (client, _):
        proposal_id = await held(client)
        assert await answered(client, await question(client, proposal_id), release=False) == "declined"
        bill = await bill_numbered(client, BILL)
        again = await done(client, "pay_bill", bill_id=bill["id"], memo="please")
        assert (again["status"], again["verdict"]) == ("held", "approve")
        assert "question" not in await asked(client, again["proposal_id"])
        assert await paid(client) == []


async def test_the_question_stands_in_the_meta_of_a_result_alone(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client)
        result = await client.call_tool("get_proposal", {"proposal_id": proposal_id})
        asked_now = (result.meta or {})["rutter-ap/card"]["question"]
        assert asked_now not in text_of(result) + json.dumps(result.structured_content)
        # The store keeps what proves it, and the chain what proves that.
        assert asked_now.encode() not in b"".join(one.read_bytes() for one in home.glob("*.db*"))
        waited = await client.call_tool("get_proposal", {"proposal_id": proposal_id, "wait_seconds": 1})
        assert "rutter-ap/card" not in (waited.meta or {})
        assert answers_in(app) == []


async def test_unless_the_policy_says_so_the_card_only_shows(home: Path) -> None:
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client)
        assert await asked(client, proposal_id) == {"reason": "The policy does not let this card answer."}
        assert await answered(client, "q") == "card.off"
        with_policy(home, IN_CARD)
        asked_then = await question(client, proposal_id)
        with_policy(home, "[asking]\nin_card = false")
        assert await answered(client, asked_then) == "card.off"
        with_policy(home, "[asking]\nin_card = maybe")
        assert await answered(client, asked_then) == "policy.broken"
        assert "policy file cannot be used" in (await asked(client, proposal_id))["reason"]
        assert (await state(client, proposal_id), await paid(client), answers_in(app)) == ("held", [], [])


async def test_above_ask_the_card_has_no_question(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, _):
        proposal_id = await held(client, "FT-778")
        assert await asked(client, proposal_id) == {"reason": "This needs a named approver, outside the chat."}


@pytest.mark.parametrize(
    "raised", ['[tools]\npay_bill = "approve"', '[currencies.USD]\napprove_above = "100.00"'], ids=["tool", "tier"]
)
async def test_a_tier_that_rose_meanwhile_counts_at_the_answer(home: Path, raised: str) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, _):
        proposal_id = await held(client)
        asked_before = await question(client, proposal_id)
        with_policy(home, IN_CARD + raised)
        assert await answered(client, asked_before) == "card.moved"
        assert (await state(client, proposal_id), await paid(client)) == ("held", [])
        assert (await asked(client, proposal_id))["reason"] == "This needs a named approver, outside the chat."


async def test_each_question_takes_one_answer(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, _):
        # A part, so that the bill would still take another payment.
        proposal_id = await held(client, amount="100.00")
        one, other = await question(client, proposal_id), await question(client, proposal_id)
        assert await answered(client, one) == "posted"
        assert await answered(client, one) == "card.spent"
        assert await answered(client, other) == "card.moved"
        assert await answered(client, other, release=False) == "card.spent"
        assert await paid(client) == ["100.00"]


@pytest.mark.parametrize("guessed", ["", "x" * 32, "' OR 1=1 --", "\ud83d", "0" * 64])
async def test_a_guessed_question_is_none(home: Path, guessed: str) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client)
        await question(client, proposal_id)
        stored = app.store.read_now(lambda tx: tx.proposals.get(proposal_id))
        assert stored is not None
        with pytest.raises(PersonError, match="this question takes no answer"):
            await app.cards.answer(AnswerCard.model_construct(question=guessed, release=True, amount=""), OF_ANOTHER)
        assert (await state(client, proposal_id), await paid(client)) == ("held", [])


async def test_the_hash_that_is_stored_answers_nothing(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        asked_now = await question(client, await held(client))
        assert app.store.read_now(lambda tx: tx.questions.statement(asked_now))
        stored = hashlib.sha256(asked_now.encode()).hexdigest()
        assert stored.encode() in b"".join(one.read_bytes() for one in home.glob("*.db*"))
        assert await answered(client, stored) == "card.spent"
        assert await paid(client) == []


async def test_a_question_that_ran_out_is_none(home: Path) -> None:
    with_policy(home, IN_CARD)
    clock = FixedClock(datetime.now(UTC))
    async with serving(home, cards=True, clock=clock) as (client, _):
        proposal_id = await held(client)
        asked_before = await question(client, proposal_id)
        clock.instant += timedelta(seconds=601)
        assert await answered(client, asked_before) == "card.spent"
        assert (await state(client, proposal_id), await paid(client)) == ("held", [])


async def test_another_client_cannot_answer_and_spends_it(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client)
        stolen = await question(client, proposal_id)
        with pytest.raises(PersonError, match="something changed"):
            await app.cards.answer(AnswerCard(question=stolen, release=True), OF_ANOTHER)
        assert await answered(client, stolen) == "card.spent"
        found = await app.cards.question(proposal_id, "", OF_ANOTHER)
        assert (found.id, found.reason) == ("", "Another client proposed this, so it is not answered here.")
        assert (await state(client, proposal_id), await paid(client)) == ("held", [])


async def test_an_answer_is_for_its_own_proposal(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, _):
        one = await held(client, amount="100.00")
        other = await held(client, "BH-5520", amount="49.00")
        assert await answered(client, await question(client, one)) == "posted"
        assert (await state(client, other), await paid(client, "BH-5520")) == ("held", [])


async def test_facts_that_moved_void_the_question(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client)
        asked_before = await question(client, proposal_id)
        bill = await bill_numbered(client, BILL)
        company = await app.companies.get("")
        change = BillUpdate(due_date=date(2027, 1, 1))
        moved = await company.rutter.bills.update(bill["id"], change, idempotency_key="moved")
        assert isinstance(moved, Done)
        assert await answered(client, asked_before) == "card.moved"
        assert await paid(client) == []
        # Seen anew, the difference is part of what is shown, and of what the next question is about.
        assert await answered(client, asked_before) == "card.spent"
        assert await answered(client, await question(client, proposal_id)) == "posted"


async def test_what_was_shown_before_the_facts_moved_asks_nothing(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client)
        caller = Caller("assistant (mcp)", "2026-07-28", frozenset({"pay_bill"}))
        found = await app.cards.question(proposal_id, "0" * 64, caller)
        assert (found.id, found.reason[:14]) == ("", "It has changed")


async def test_nothing_is_released_while_writes_are_frozen(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client)
        asked_before = await question(client, proposal_id)
        app.store.write_now(lambda tx: tx.controls.freeze("Dana"))
        assert await answered(client, asked_before) == "card.moved"
        assert (await state(client, proposal_id), await paid(client)) == ("held", [])


async def test_what_an_approver_decided_meanwhile_stays(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client)
        asked_before = await question(client, proposal_id)
        await add_approver(app.store, "Dana", PASSCODE)
        await app.approvals.decline(proposal_id, by=Proof("Dana", PASSCODE), channel="terminal")
        assert await answered(client, asked_before) == "card.moved"
        assert (await state(client, proposal_id), await paid(client)) == ("declined", [])


@pytest.mark.parametrize(
    ("typed", "state_after"),
    [("684.20", "posted"), ("684.21", "card.amount"), ("", "card.amount"), ("yes", "card.amount")],
)
async def test_where_the_amount_must_be_typed_a_click_is_not_enough(home: Path, typed: str, state_after: str) -> None:
    with_policy(home, IN_CARD + 'type_amount_above = { USD = "500.00" }\n')
    async with serving(home, cards=True) as (client, _):
        found = await asked(client, await held(client))
        assert found["mustType"] is True
        assert await answered(client, found["question"], amount=typed) == state_after
        assert await paid(client) == (["684.20"] if state_after == "posted" else [])


async def test_a_form_and_a_card_do_not_answer_for_each_other(home: Path) -> None:
    with_policy(home, IN_CARD)
    async with serving(home, cards=True, answering=answer("accept", approve=True)) as (client, _):
        await link_funding(client)
        arguments = {"bill_id": (await bill_numbered(client, BILL))["id"]}
        form = await client.session.call_tool("pay_bill", arguments, allow_input_required=True)
        assert isinstance(form, InputRequiredResult)
        assert form.request_state is not None
        assert await answered(client, form.request_state) == "card.moved"
        listing = await done(client, "list_proposals")
        proposal_id = listing["proposals"][0]["id"]
        yes = ElicitResult(action="accept", content={"approve": True})
        again = await client.session.call_tool(
            "pay_bill",
            arguments,
            input_responses={"release": yes},
            request_state=await question(client, proposal_id),
            allow_input_required=True,
        )
        assert isinstance(again, InputRequiredResult), "the form is shown once more"
        assert (await state(client, proposal_id), await paid(client)) == ("held", [])


async def test_a_whole_bank_account_number_is_not_confirmed_in_a_card(home: Path) -> None:
    with_policy(home, IN_CARD + '[tools]\nlink_account = "ask"\n')
    async with serving(home, cards=True) as (client, _):
        new = {"name": "Reserve", "account_type": "bank", "currency": "USD", "bank_account_number": "00-12345-6789"}
        waiting = await done(client, "link_account", role="funding", create=new)
        assert "whole bank account number" in (await asked(client, waiting["proposal_id"]))["reason"]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_several_tabs_answer_at_once_one_counts(home: Path, seed: int) -> None:
    chance = random.Random(seed)
    with_policy(home, IN_CARD)
    async with serving(home, cards=True) as (client, app):
        proposal_id = await held(client, amount="100.00")
        tabs = [await question(client, proposal_id) for _ in range(chance.randint(1, 4))]
        clicks = [(chance.choice(tabs), chance.random() < 0.6) for _ in range(12)]
        outcomes: list[str] = []

        async def click(tab: str, release: bool) -> None:
            outcomes.append(await answered(client, tab, release))

        async with anyio.create_task_group() as tasks:
            for tab, release in clicks:
                tasks.start_soon(click, tab, release)
        decided = [one for one in outcomes if not one.startswith("card.")]
        assert decided in (["posted"], ["declined"])
        assert len(answers_in(app)) == len({tab for tab, _ in clicks})
        assert (await state(client, proposal_id), await paid(client)) == (
            decided[0],
            ["100.00"] if decided == ["posted"] else [],
        )
