"""An answer in the chat counts only from the caller that was asked: over HTTP many callers share one server."""

from __future__ import annotations

from pathlib import Path

import pytest

from rutter_ap_tools.payments import PayBill
from support.bench import a_bench
from support.people import Asked, InRounds

ACCOUNT = "Operating Checking"


@pytest.mark.parametrize(("answers", "status"), [("assistant (dana)", "posted"), ("assistant (eve)", "asked")])
async def test_only_whose_client_was_asked_may_answer(answers: str, status: str, home: Path) -> None:
    async with a_bench(home) as bench:
        bill = await bench.bill("NW-2291")
        request = PayBill(bill_id=bill.id, amount="10.00", account=ACCOUNT)
        with pytest.raises(Asked) as asked:
            await bench.app.backend("assistant (dana)", InRounds()).submit(request)

        answering = bench.app.backend(answers, InRounds(asked.value.question.id))
        if status == "asked":
            with pytest.raises(Asked) as again:
                await answering.submit(request)
            assert again.value.question.id != asked.value.question.id
            assert bench.wire.writes == []
        else:
            assert (await answering.submit(request)).status == status
