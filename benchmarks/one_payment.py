"""How many round trips to the upstream one payment waits for: up to the person, and from the release to posted.

    python benchmarks/one_payment.py [--payments 3] [--delay 0.3]

The real program pays single bills of different vendors over an upstream that takes its time (see payment_run.py): each
is proposed, reviewed and released by an approver. A round trip is the delay of one request, so that time spent on
anything else counts too. Promised, at the median: proposing within 3 round trips, and from the approver's release to
posted within 5. The first payment of a process is not counted: it also finds out which company this is.
"""

from __future__ import annotations

import argparse
import statistics
import sys

import anyio
from payment_run import ACCOUNT, Program, Upstream, held, program

from rutter_ap_server.interaction import NO_INTERACTION
from rutter_ap_tools.payments import PayBill

PROPOSING_MAX = 3
RELEASING_MAX = 5


async def pay(ours: Program, bill_id: str) -> None:
    """Proposes, reviews and releases one payment."""
    backend = ours.app.backend("assistant", NO_INTERACTION)
    async with ours.phase("propose"):
        result = await backend.submit(PayBill(bill_id=bill_id, account=ACCOUNT))
    state = await ours.review_and_release(held(result))
    assert state == "posted", state


async def compare(payments: int, delay_seconds: float) -> int:
    trips: dict[str, list[float]] = {"propose": [], "review": [], "release": []}
    with Upstream(payments + 1, payments + 1) as announced:
        async with program(announced, delay_seconds) as ours:
            for number, bill_id in enumerate(await ours.open_bills(payments + 1)):
                await pay(ours, bill_id)
                waited = {phase: seconds / delay_seconds for phase, (seconds, _) in ours.phases.items()}
                if not number:
                    words = ", ".join(f"{phase} {count:.1f}" for phase, count in waited.items())
                    print(f"round trips of {delay_seconds * 1000:.0f} ms; the first payment of a process: {words}")
                    continue
                for phase, counts in trips.items():
                    counts.append(waited[phase])
            print(f"{payments} payments, medians; the last one asked")
            for phase, counts in trips.items():
                kinds = ours.phases[phase][1]
                print(f"    {phase:8} {statistics.median(counts):5.1f} round trips, {kinds.total()} requests")
                for kind, count in kinds.most_common():
                    print(f"      {count:5}  {kind}")
    proposing, releasing = (statistics.median(trips[phase]) for phase in ("propose", "release"))
    print(f"  ratio of proposing to one round trip {proposing:.2f} (at most {PROPOSING_MAX})")
    print(f"  ratio of releasing to one round trip {releasing:.2f} (at most {RELEASING_MAX})")
    return 0 if proposing <= PROPOSING_MAX and releasing <= RELEASING_MAX else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payments", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.3, help="seconds that each request takes longer")
    chosen = parser.parse_args()
    return anyio.run(compare, max(chosen.payments, 1), chosen.delay)


if __name__ == "__main__":
    sys.exit(main())
