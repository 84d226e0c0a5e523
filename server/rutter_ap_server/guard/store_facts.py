"""What our own store knows about a write: the freeze, what is on its way, what was posted before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rutter_ap_server.guard.policy import WINDOWS, Policy, Window
from rutter_ap_server.guard.prepared import PreparedWrite
from rutter_ap_server.guard.untrusted import worth_remembering
from rutter_ap_server.guard.writes.base import Facts, StoreFacts, Write
from rutter_ap_server.store.proposals import IN_FLIGHT_STATES, Proposal
from rutter_ap_tools.money import Money

if TYPE_CHECKING:
    from rutter_ap_server.store.engine import Store, Tx

# Left this machine, or may have: of these one bill, or one vendor's new bills, has only one at a time.
SENDING_STATES = ("dispatching", "unknown")
# What one bill has only one of on its way: each changes what the others were judged by.
_SETTLING = ("pay_bill", "void_payment", "apply_credit", "remove_credit", "update_bill", "delete_bill")

# Two of these for one vendor may be the same document twice.
_NEW_OF_A_VENDOR = ("create_bill", "create_credit")


def store_facts(
    tx: Tx,
    write: Write,
    prepared: PreparedWrite,
    policy: Policy,
    *,
    except_id: str | None = None,
    in_flight_states: Collection[str] = IN_FLIGHT_STATES,
    facts: Facts[Any] | None = None,
    with_limits: bool = False,
) -> StoreFacts:
    """Read in one transaction; `except_id` is the proposal being judged, which is not in its own way.

    `facts` name the arguments that text from outside may have named; `with_limits` also asks which rolling limits
    would break: exact where the caller holds the write lock, as whoever reserves does.
    """
    repeats: tuple[str, ...] = ()
    in_flight = in_flight_on_bill(tx, prepared, except_id, in_flight_states)
    since = tx.now - timedelta(days=policy.proposals.repeat_days)
    if write.moves_money and prepared.bill_id is not None:
        posted = tx.proposals.of_bill(prepared.company_id, prepared.bill_id, ["posted"])
        # Paying again what was voided is a repeat too, whoever had paid it first.
        same = (write.tool, "void_payment")
        repeats = tuple(p.id for p in posted if p.tool in same and p.money == prepared.money and p.updated_at >= since)
    elif write.tool != "link_account":
        repeats = tuple(p.id for p in tx.proposals.posted_with_digest(prepared.company_id, prepared.digest, since))
    sha256 = prepared.fields.get("sha256")
    keys = {key for argument in facts.arguments for key in argument.keys} if facts is not None else set()
    mentioned_before = (
        tx.observations.mentioned_before(prepared.company_id, keys, policy.rules.untrusted_days) if keys else {}
    )
    company = policy.of(prepared.company_id)
    return StoreFacts(
        frozen_by=tx.controls.frozen_by(),
        in_flight=in_flight,
        repeats=repeats,
        sightings=tx.observations.sightings(prepared.company_id, prepared.vendor_id) if prepared.vendor_id else (),
        documents=tx.observations.bills_with_document(prepared.company_id, sha256) if sha256 else (),
        mentioned_before=tuple(sorted(mentioned_before.items())),
        over_limits=tuple(_broken(tx, prepared, company)) if with_limits and write.moves_money else (),
    )


def blocked_by_other_write(tx: Tx, proposal: Proposal) -> bool:
    """Whether a write that could change this one's facts is on its way: on the same bill, or a new one like it.

    Facts are gathered after this says no, so that of two payments on one bill the second is judged on what the first
    left, and of two bills with one number, or two vendors of one name, the second finds the first.
    """
    if proposal.tool in _SETTLING and proposal.bill_id is not None:
        others = tx.proposals.of_bill(proposal.company_id, proposal.bill_id, SENDING_STATES)
        return any(p.id != proposal.id and p.tool in _SETTLING for p in others)
    if proposal.tool in _NEW_OF_A_VENDOR and proposal.vendor_id is not None:
        others = tx.proposals.of_vendor(proposal.company_id, proposal.vendor_id, SENDING_STATES)
        return any(p.id != proposal.id and p.tool == proposal.tool for p in others)
    if proposal.tool == "save_vendor":
        others = tx.proposals.in_states(SENDING_STATES)
        return any(p.id != proposal.id and _same_work(p, proposal) for p in others)
    return False


def _same_work(one: Proposal, other: Proposal) -> bool:
    return (one.company_id, one.tool) == (other.company_id, other.tool)


def in_flight_on_bill(
    tx: Tx, prepared: PreparedWrite, except_id: str | None, states: Collection[str]
) -> tuple[str, ...]:
    """Other writes that change the same bill, or what is due on it, and whose outcome is open."""
    if prepared.bill_id is None or prepared.tool not in _SETTLING:
        return ()
    found = tx.proposals.of_bill(prepared.company_id, prepared.bill_id, states)
    return tuple(p.id for p in found if p.id != except_id and p.tool in _SETTLING)


def windows_broken(
    tx: Tx, company_id: str, money: Money, vendor_id: str | None, policy: Policy
) -> Iterator[tuple[str, str]]:
    """Every rolling limit that so much more would break; without a vendor, only the company's own windows.

    The policy is that of the company.
    """
    windows = [window for window in WINDOWS if vendor_id is not None or not window.per_vendor]
    limits = [(window, policy.limit(money.currency, window.limit)) for window in windows]
    hours = max((window.hours for window, limit in limits if limit is not None), default=0)
    if not hours:
        return
    counted = tx.spend.counted(company_id, money.currency, hours)
    for window, limit in limits:
        if limit is None:
            continue
        spent = counted.within(window.hours, vendor_id if window.per_vendor else None)
        if spent + money > limit:
            left = limit - spent if limit > spent else Money.zero(money.currency)
            yield window.code, f"{money} would pass the limit of {limit} for {window.words}; {left} is left"


def window_of(tx: Tx, prepared: PreparedWrite, window: Window) -> Money:
    """What counts against a window for a payment like this one: reserved, posted and unknown alike."""
    assert prepared.money is not None
    vendor_id = prepared.vendor_id if window.per_vendor else None
    spent: Money = tx.spend.spent(prepared.company_id, prepared.money.currency, window.hours, vendor_id)
    return spent


def _broken(tx: Tx, prepared: PreparedWrite, policy: Policy) -> Iterator[tuple[str, str]]:
    """Every rolling limit that payment would break, the policy being that of its company."""
    money = prepared.money
    if money is None or prepared.vendor_id is None:
        return
    yield from windows_broken(tx, prepared.company_id, money, prepared.vendor_id, policy)


async def remember_texts(store: Store, company_id: str, texts: Iterable[tuple[str, str]]) -> None:
    """Keeps what text from outside named when an assistant reads it, so that it is known when a write repeats it.

    `texts` come with the words for their place. Nothing is written when nothing in them is new.
    """
    worth = worth_remembering(texts)
    keys = {key for _, found in worth for key in found}
    if not keys or not await store.read(lambda tx: tx.observations.not_mentioned_before(company_id, keys)):
        return

    def remember(tx: Tx) -> None:
        for where, found in worth:
            tx.observations.record_mentions(company_id, where, found)

    await store.write(remember)


class StoredLinks:
    """The accounts linked to roles, from the store."""

    def __init__(self, store: Store, company_id: str) -> None:
        self._store = store
        self._company_id = company_id

    async def account_id(self, role: str) -> str | None:
        """The account that plays a role, or None."""
        link = await self._store.read(lambda tx: tx.account_roles.find(self._company_id, role))
        return link.account_id if link else None
