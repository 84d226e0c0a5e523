"""What those in an enemy's world may do, one step each: he is the assistant, a user of the ledger, or worse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from rutter_ap_server.guard.approvers import Proof
from rutter_ap_server.guard.lease import LEASE_SECONDS
from rutter_ap_server.interaction import Reply
from rutter_ap_server.rutter.models.bills import BillCreate, BillLineDraft, BillUpdate
from rutter_ap_server.rutter.models.payments import AllocationDraft, BillPaymentCreate
from rutter_ap_server.rutter.models.vendors import VendorCreate
from rutter_ap_server.rutter.outcomes import Done
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State
from rutter_ap_tools.attachments import AttachFile
from rutter_ap_tools.bills import CreateBill, DeleteBill, NewBillLine, UpdateBill
from rutter_ap_tools.credits import ApplyCredit
from rutter_ap_tools.payments import PayBill, ProposePaymentRun, VoidPayment
from rutter_ap_tools.vendors import SaveVendor
from rutter_ap_tools.wire import WriteArguments
from support.bench import PASSCODE, codes
from support.enemy import ASKING, LOOSE, PAPERS, POLICIES, REFUSING, Paper, Pick, World
from support.enemy_process import Process
from support.people import Answering

ACCOUNT = "Operating Checking"
# What says to a person that this may be done already: Ana and Bo never release it.
_TWICE = """
bill.booked_differently bill.duplicate bill.identity_changed bill.similar credit.duplicate credit.similar
document.reused ledger.booked_after_all ledger.two_records payment.repeat proposal.declined vendor.in_flight
vendor.similar write.repeat
"""
TWICE = frozenset(_TWICE.split())
SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    str,
    str.lower,
    lambda number: number.replace("-", " "),
    lambda number: number.replace("-", ""),
    lambda number: number.replace("-", "-00"),
    lambda number: f"{number}.",
    lambda number: number.translate({ord("N"): "Ν", ord("B"): "В"}),
)
TWINS: tuple[Callable[[str], str], ...] = (
    str.upper,
    lambda name: f"{name}, Inc.",
    lambda name: name.replace("i", "í", 1),
    lambda name: name.replace(" ", "-"),
    lambda name: name.replace("a", "а"),
)
_WRITE_FAULTS = """
lost before,lost after,cut off after,power cut before,power cut after,error after,turned down after,unreadable after
"""
WRITE_FAULTS = _WRITE_FAULTS.strip().split(",")
READ_FAULTS = ("stale_read", "stale_list", "missing_from_list")
SHARES = (Decimal(1), Decimal(1), Decimal("0.5"), Decimal("0.4"))


class Moves:
    """One step each; `pick` chooses from what there is. Every move says in words what it did."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = 0

    def act(self, actor: str, pick: Pick) -> None:
        """One step of somebody, after which every promise must hold."""
        self.world.replace_gone()
        done = getattr(self, actor)(pick)
        self.world.said.append(f"{self.world.truth.instant:%d %H:%M:%S} {actor}: {done}")
        self.world.promises()

    # Honest people.

    def clerk(self, pick: Pick) -> str:
        """Enters an invoice as it is printed, or pays one."""
        paper, process = pick(PAPERS), self._process(pick)
        if process is None:
            return "nothing runs"
        bills = self._bills_of(paper)
        if not bills:
            return self._submits(process, self._entry(paper, paper.number, paper.day, Decimal(1), paper.vendor))
        return self._submits(process, PayBill(bill_id=bills[0]["id"], account=ACCOUNT))

    def approver(self, pick: Pick) -> str:
        """Looks at what waits, and releases it unless it may be done already."""
        held = sorted(self._held(), key=_by_age)
        process = self._process(pick)
        if not held or process is None:
            return "nothing to do"
        proposal, names = pick(held), pick((("Ana", "Bo"), ("Ana", "Bo"), ("Ana",), ("Bo",)))

        async def look(name: str) -> Any:
            approvals, company = process.bench.app.approvals, process.bench.company
            seen = await approvals.preview(proposal.id, company)
            by = Proof(name, PASSCODE)
            if TWICE & set(codes(seen.proposal)):
                return (
                    await approvals.decline(proposal.id, by=by, channel="terminal")
                    if pick((True, False))
                    else seen.proposal
                )
            return await approvals.approve(seen, company, by=by, channel="terminal")

        said = ""
        for name in names:
            if process in self.world.awake and "posted" not in said:
                said += f" {name} {self.world.run(process.run(look(name)))}"
        return f"{proposal.summary}:{said}"

    def settles(self, pick: Pick) -> str:
        """Looks at the ledger, and says what became of a write whose outcome is unknown."""
        read = self.world.observer.app.store.read_now
        unknown: list[Proposal] = sorted(read(lambda tx: tx.proposals.in_states([State.UNKNOWN])), key=_by_age)
        process = self._process(pick)
        # What is still on its way nobody can see: of that no promise is made.
        if process is None or not unknown or any(one.is_on_its_way for one in self.world.processes):
            return "nothing to do"
        proposal, outcome = pick(unknown), pick(("posted", "failed"))
        by: dict[str, Any] = {"by": Proof("Ana", PASSCODE), "channel": "terminal", "company": process.bench.company}
        work = process.bench.app.approvals.settle_by_hand(proposal.id, outcome, **by)
        return f"{proposal.summary} as {outcome}: {self.world.run(process.run(work))}"

    # The assistant.

    def assistant(self, pick: Pick) -> str:
        """Calls any tool, as it likes, and the person in the chat says yes to everything."""
        process = self._process(pick)
        request = self._request(pick)
        if process is None or request is None:
            return "nothing to do"
        return self._submits(process, request)

    def assistant_at_once(self, pick: Pick) -> str:
        """Two calls at once, to two processes or to one, the same or not."""
        awake, first = self.world.awake, self._request(pick)
        second = first if pick((True, False)) else self._request(pick)
        if not awake or first is None or second is None:
            return "nothing to do"
        one = pick(awake)
        others = [process for process in awake if process is not one]
        if not others:
            return "only one runs"
        other = pick(others)

        async def both() -> Any:
            return await asyncio.gather(one.run(_call(one, first)), other.run(_call(other, second)))

        return f"{_words(first)} and {_words(second)}: {self.world.run(both())}"

    def ambush(self, pick: Pick) -> str:
        """Suspends a process in the middle of a payment, changes the world, and lets it go on."""
        bills, process = self.world.bills(), self._process(pick)
        if not bills or process is None:
            return "nothing to do"
        request = PayBill(bill_id=pick(bills)["id"], account=ACCOUNT, amount=pick(("", "50.00")))
        if pick((True, True, False)):
            process.stops_sending_in = pick((0, 0, 1, 1, 2, 3))
        else:
            process.stops_in = pick(range(6, 34))
        said = [self._submits(process, request)]
        if process.asleep is None:
            return f"{said[0]}, before it could be stopped"
        for _ in range(pick((1, 2, 3))):
            meanwhile = pick(
                ("later", "later", "operator", "operator", "recovery", "approver", "settles", "pays", "user")
            )
            other = self._process(pick)
            if meanwhile != "pays":
                said.append(getattr(self, meanwhile)(pick))
            elif other is not None:
                said.append(self._submits(other, request))
        said.append(self.wakes(pick))
        return "; ".join(said)

    def lag(self, pick: Pick) -> str:
        """The ledger shows a process old books just after something was paid or entered."""
        process, first = self._process(pick), self._request(pick)
        if process is None or first is None:
            return "nothing to do"
        said = [self._submits(process, first)]
        for other in self.world.awake:
            paths = [f"/bills/{one['id']}" for one in self.world.bills()]
            other.bench.wire.read_faults = {
                path: fault for path in paths for fault in pick((("stale_read",), ("stale_read",), ()))
            } | {"/accounting/bills": pick(READ_FAULTS)}
        process = self._process(pick)
        if process is not None:
            said.append(self._submits(process, first if pick((True, False)) else self._request(pick) or first))
        for other in self.world.processes:
            other.bench.wire.read_faults = {}
        return "; ".join(said)

    def _request(self, pick: Pick) -> WriteArguments | None:
        kind = pick(
            ("enter",) * 4 + ("pay",) * 5 + ("run", "change", "change", "delete", "void", "credit", "twin", "attach")
        )
        entered = [one for one in PAPERS if one in self.world.stands_for.values()]
        paper = pick(PAPERS if kind in ("enter", "twin") or not entered else entered)
        bills = self._bills_of(paper)
        if kind == "enter":
            day = (date.fromisoformat(paper.day) + timedelta(days=pick((0, 0, 1, -20, 40)))).isoformat()
            vendor = pick(self.world.vendors[paper.vendor])
            return self._entry(paper, pick(SPELLINGS)(paper.number), day, pick(SHARES), vendor)
        if kind == "twin":
            return SaveVendor(name=pick(TWINS)(paper.vendor), currency="USD")
        if not bills:
            return None
        bill = pick(bills)
        match kind:
            case "pay":
                amount = pick(("", "", "60.00", "50.00", str(paper.gross)))
                return PayBill(bill_id=bill["id"], amount=amount, account=ACCOUNT, memo=pick(("", "", "part")))
            case "run":
                ids = list(dict.fromkeys(pick(self.world.bills())["id"] for _ in range(pick((1, 2, 3)))))
                return ProposePaymentRun(bill_ids=ids, account=ACCOUNT)
            case "change":
                return self._change(paper, bill["id"], pick)
            case "delete":
                return DeleteBill(bill_id=bill["id"])
            case "void":
                links = bill["linked_payments"]
                return VoidPayment(payment_id=pick(links)["id"]) if links else None
            case "credit":
                credit = next(
                    one for one in self.world.every("bill_credit_memo") if one["document_number"] == "CM-0117"
                )
                return ApplyCredit(credit_id=credit["id"], bill_id=bill["id"], amount=pick(("", "80.00")))
        file = self.world.home / f"{paper.number}.txt"
        file.write_text(f"Invoice {paper.number}\n{paper.vendor}\nTotal {paper.gross} USD\n")
        return AttachFile(bill_id=pick(self.world.bills())["id"], path=str(file))

    def _change(self, paper: Paper, bill_id: str, pick: Pick) -> UpdateBill:
        self.count += 1
        changed: dict[str, Any] = pick(
            (
                {"document_number": f"ZZ-{self.count}"},
                {"document_number": pick(SPELLINGS)(paper.number)},
                {"issue_date": "2026-01-07"},
                {"due_date": "2026-05-01"},
                {"lines": [_line(paper, pick(SHARES))]},
            )
        )
        return UpdateBill.model_validate({"bill_id": bill_id, **changed})

    # A user of the ledger.

    def user(self, pick: Pick) -> str:
        """Somebody works in the accounting platform, past every guard."""
        paper = pick(PAPERS)
        what = pick(("enter", "rename", "rename", "delete", "void", "void", "pay", "twin", "bank", "shares"))
        vendor_id = pick(self.world.vendors[paper.vendor])
        # What this store never saw under its own number cannot be known again by it.
        known = [one for one in self._bills_of(paper) if self._is_ours(one)]
        rutter, key = self.world.observer.company.rutter, f"by hand {len(self.world.said)}"
        self.count += 1
        match what:
            case "enter":
                work: Any = rutter.bills.create(self._draft(paper, vendor_id, pick), idempotency_key=key)
            case "twin":
                name = pick(TWINS)(paper.vendor)
                draft = VendorCreate(contact_name="Somebody", vendor_name=name, currency_code="USD")
                work = rutter.vendors.create(draft, idempotency_key=key)
            case "bank":
                number = pick(("20-00-00 55779911", "00-9876"))
                self.world.rewrite("vendor", vendor_id, bank_account_number=number)
                return f"{paper.vendor} has the account {number}"
            case "shares":
                self.world.rewrite(
                    "vendor", vendor_id, **{pick(("email", "tax_number")): f"DE1234{len(paper.vendor)}@a.example"}
                )
                return f"{paper.vendor} shows what tells it from others"
            case _ if not known:
                return "nothing to do"
            case "rename":
                change: dict[str, Any] = {"document_number": f"YY-{self.count}"}
                if pick((True, False)):
                    change = {"issue_date": datetime.fromisoformat("2026-01-09T00:00:00+00:00")}
                work = rutter.bills.update(pick(known)["id"], BillUpdate(**change), idempotency_key=key)
            case "delete":
                work = rutter.bills.delete(pick(known)["id"])
            case "void":
                links = [link["id"] for one in known for link in one["linked_payments"]]
                if not links:
                    return "nothing to do"
                work = rutter.bill_payments.void(pick(links), idempotency_key=key)
            case _:
                return self._pays_by_hand(pick(known), key)
        return f"{what} {paper.number}: {type(self._by_hand(work)).__name__}"

    def _is_ours(self, bill: dict[str, Any]) -> bool:
        posted = self.world.observer.app.store.read_now(lambda tx: tx.proposals.in_states([State.POSTED]))
        return any((one.record or {}).get("bill_id") == bill["id"] for one in posted)

    def _pays_by_hand(self, bill: dict[str, Any], key: str) -> str:
        account = next(one["id"] for one in self.world.every("account") if one["name"] == ACCOUNT)
        link = AllocationDraft(id=bill["id"], allocated_amount=Decimal("30.00"))
        draft = BillPaymentCreate(account_id=account, transaction_date=self.world.truth.instant, linked_bills=(link,))
        outcome = self._by_hand(self.world.observer.company.rutter.bill_payments.create(draft, idempotency_key=key))
        if isinstance(outcome, Done):
            self.world.by_hand.add(outcome.record.id)
        return f"pays 30.00 by hand: {type(outcome).__name__}"

    def _by_hand(self, work: Any) -> Any:
        self.world.moved = True
        try:
            outcome = self.world.run(work)
        except Exception as error:  # noqa: BLE001 - the platform says no, which is its own affair
            return error
        self._notice_twins()
        return outcome

    # The operator's hand, the machine room, and time.

    def operator(self, pick: Pick) -> str:
        """Changes the policy, takes it away, gives two processes two of them, or freezes everything."""
        world = self.world
        match pick(
            ("edit", "edit", "edit", "remove", "two", "one", "one", "one", "freeze", "unfreeze", "unfreeze", "unfreeze")
        ):
            case "edit":
                name = pick(("policy.toml", "policy.toml", "other.toml"))
                rules = pick(POLICIES)
                world.write_policy(name, rules)
                return f"{name} becomes number {POLICIES.index(rules)}"
            case "remove":
                world.write_policy("policy.toml", None)
                return "the policy is gone"
            case "two":
                process = pick(world.processes)
                process.bench.app.policy.path = world.home / "other.toml"
                return f"process {world.processes.index(process)} reads another file"
            case "one":
                for process in world.processes:
                    process.bench.app.policy.path = world.home / "policy.toml"
                if world.files[world.home / "policy.toml"] is None:
                    world.write_policy("policy.toml", pick(POLICIES))
                return "all read one file"
            case "freeze":
                world.is_frozen = True
                world.observer.app.store.write_now(lambda tx: tx.controls.freeze("Ana"))
                return "everything is frozen"
        world.is_frozen = False
        world.observer.app.store.write_now(lambda tx: tx.controls.unfreeze())
        return "nothing is frozen"

    def machine_room(self, pick: Pick) -> str:
        """Cuts, loses, delays, suspends and ends; sets the clock of one machine."""
        process = pick(self.world.processes)
        place, wire = self.world.processes.index(process), process.bench.wire
        what = pick(
            (
                "faults",
                "faults",
                "lag",
                "no lag",
                "no lag",
                "stop",
                "stop",
                "end",
                "cut",
                "down",
                "clock",
                "right clock",
            )
        )
        match what:
            case "faults":
                wire.faults = [pick(WRITE_FAULTS) for _ in range(pick((1, 1, 2)))]
                return f"{place}: {wire.faults}"
            case "lag":
                bills = self.world.bills()
                ending = pick(
                    ("/accounting/bills", "/bill_payments", "/vendors", *(f"/bills/{b['id']}" for b in bills))
                )
                wire.read_faults = {ending: pick(READ_FAULTS)}
                return f"{place}: {wire.read_faults}"
            case "no lag":
                wire.read_faults, wire.is_down = {}, False
            case "stop":
                process.stops_in = pick((0, 1, 2, 3, 5, 8, 10, 12, 14, 16, 18, 20, 25, 30))
                return f"{place} is suspended {process.stops_in} steps on"
            case "end":
                process.ends_in = pick((0, 2, 5, 8, 11, 14, 16, 18, 20, 22, 26, 32))
                return f"{place} ends {process.ends_in} steps on"
            case "cut":
                self.world.run(process.ends(lock_is_seen=pick((True, False))))
            case "down":
                wire.is_down = True
            case "clock":
                process.clock.ahead = timedelta(seconds=pick((60, -60, 110, -110, 600, -600, 9000, -3600 * 30)))
                return f"{place} is {process.clock.ahead.total_seconds():.0f} s ahead"
            case "right clock":
                process.clock.ahead = timedelta()
        return f"{place}: {what}"

    def order(self, pick: Pick) -> str:
        """Somebody puts things right, so that there is something to attack again."""
        world = self.world
        for process in world.processes:
            process.bench.app.policy.path, process.clock.ahead = world.home / "policy.toml", timedelta()
            process.bench.wire.read_faults, process.bench.wire.is_down = {}, False
        if world.files[world.home / "policy.toml"] in (None, REFUSING):
            world.write_policy("policy.toml", pick((LOOSE, ASKING)))
        world.is_frozen = False
        world.observer.app.store.write_now(lambda tx: tx.controls.unfreeze())
        return "order"

    def wakes(self, pick: Pick) -> str:
        """A process that was suspended goes on."""
        asleep = [one for one in self.world.processes if one.asleep is not None]
        if not asleep:
            return "nobody sleeps"
        return f"{self.world.run(pick(asleep).wake())}"

    def recovery(self, pick: Pick) -> str:
        """A process takes up what is open."""
        process = self._process(pick)
        return "nothing runs" if process is None else str(self.world.run(process.run(process.bench.app.recover())))

    def later(self, pick: Pick) -> str:
        """Time passes."""
        seconds = pick((1, 30, LEASE_SECONDS + 1, LEASE_SECONDS + 1, 1200, 3600 * 5, 3600 * 13, 3600 * 25))
        self.world.truth.instant += timedelta(seconds=seconds)
        return f"{seconds} s"

    # Their tools.

    def _process(self, pick: Pick) -> Process | None:
        awake = self.world.awake
        return pick(awake) if awake else None

    def _bills_of(self, paper: Paper) -> list[dict[str, Any]]:
        return [one for one in self.world.bills() if self.world.stands_for[one["id"]] is paper]

    def _held(self) -> list[Proposal]:
        held: list[Proposal] = self.world.observer.app.store.read_now(lambda tx: tx.proposals.in_states([State.HELD]))
        return held

    def _submits(self, process: Process, request: WriteArguments) -> str:
        outcome = self.world.run(process.run(_call(process, request)))
        if isinstance(request, SaveVendor):
            self._notice_twins()
        return f"{self.world.processes.index(process)}: {_words(request)}: {outcome}"

    def _notice_twins(self) -> None:
        """Whose record a vendor is: an enemy's twin is the vendor it looks like."""
        twins = {twin(name): name for name in {one.vendor for one in PAPERS} for twin in TWINS}
        for vendor in self.world.every("vendor"):
            name = twins.get(vendor["vendor_name"])
            if name is not None and vendor["id"] not in self.world.vendors[name]:
                self.world.vendors[name].append(vendor["id"])
        for process in self.world.processes:
            process.bench.company.directory.forget()

    def _entry(self, paper: Paper, number: str, day: str, share: Decimal, vendor: str) -> CreateBill:
        line = NewBillLine.model_validate(_line(paper, share))
        return CreateBill(vendor=vendor, issue_date=day, currency="USD", document_number=number, lines=[line])

    def _draft(self, paper: Paper, vendor_id: str, pick: Pick) -> BillCreate:
        account = next(one["id"] for one in self.world.every("account") if one["name"] == "Utilities")
        line = BillLineDraft(total_amount=_part(paper, pick(SHARES)), account_id=account, description=paper.mark)
        day = datetime.fromisoformat(f"{paper.day}T00:00:00+00:00")
        return BillCreate(
            vendor_id=vendor_id,
            issue_date=day,
            currency_code="USD",
            line_items=(line,),
            document_number=pick(SPELLINGS)(paper.number),
        )


_HOW_OFTEN = {
    "clerk": 7, "approver": 7, "assistant": 8, "assistant_at_once": 2, "ambush": 4, "lag": 3, "order": 5, "settles": 1,
    "user": 3, "operator": 2, "machine_room": 3, "wakes": 2, "recovery": 2, "later": 3,
}  # fmt: skip
ACTORS = tuple(actor for actor, often in _HOW_OFTEN.items() for _ in range(often))


def _part(paper: Paper, share: Decimal) -> Decimal:
    return (paper.gross * share).quantize(Decimal("0.01"))


def _line(paper: Paper, share: Decimal) -> dict[str, Any]:
    return {"amount": str(_part(paper, share)), "account": "Utilities", "description": paper.mark}


def _by_age(proposal: Proposal) -> tuple[datetime, str]:
    return proposal.created_at, proposal.summary


async def _call(process: Process, request: WriteArguments) -> Any:
    return await process.bench.submit(request, Answering(Reply.ACCEPTED))


def _words(request: WriteArguments) -> str:
    given = request.model_dump(exclude_defaults=True, exclude={"lines"})
    lines = "".join(f" {line.amount}" for line in getattr(request, "lines", ()))
    return f"{type(request).__name__} {given}{lines}"
