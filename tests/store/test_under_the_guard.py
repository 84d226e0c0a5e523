"""The whole guard over either database: fifty payments at once, by two sets of parts, against one limit."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import anyio

from rutter_ap_server.store.states import State
from rutter_ap_tools.errors import ApError
from support.bench import Bench, a_bench

BILLS = ("NW-2291", "NW-2304", "GR-88", "BH-5520", "BH-5533", "AP-310")
POLICY = """
[tools]
pay_bill = "allow"
[currencies.USD]
approve_above = "1000"
two_approvers_above = "1000"
single_limit = "1000"
day_limit = "120"
vendor_day_limit = "120"
"""


async def test_fifty_payments_at_once_pass_no_limit_and_leave_once(store_url: str, home: Path) -> None:
    async with a_bench(home, POLICY, store_url) as one:
        other = one.another()

        async def pay(bench: Bench, number: str, amount: str) -> None:
            try:
                await bench.pay(number, amount)
            except ApError:
                return

        async with anyio.create_task_group() as callers:
            for n in range(50):
                callers.start_soon(pay, (one, other)[n % 2], BILLS[n % len(BILLS)], f"{35 + n // 4}.{n % 4}7")
        # Those that only waited for another on the same bill are taken up again, as a running server does.
        for proposal in await one.app.store.read(lambda tx: tx.proposals.in_states([State.RELEASED])):
            await one.app.dispatcher.dispatch(proposal.id, one.company)

        posted = [p for p in await one.proposals() if p.state == "posted"]
        booked = [amount for number in BILLS for amount in await one.paid(number)]
        keys = one.wire.payments_sent + other.wire.payments_sent
        await other.app.aclose()

        assert sorted(booked) == sorted(Decimal(p.money.text) for p in posted if p.money is not None)
        assert sum(booked) == Decimal(await one.spent())
        assert Decimal(70) < sum(booked) <= Decimal(120)
        assert Counter(keys) == Counter(p.id for p in posted)
