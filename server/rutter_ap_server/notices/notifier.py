"""The notifier: finds what a person should be told, and delivers it by every channel that the operator named.

Each channel is told of a matter once, by whichever process of the store comes first. What waits is kept in the store,
so that a notice outlives the process; what does not get through is tried again, later and later, for a day. Nothing of
the guard waits for a notice, and a notice decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from rutter_ap_server.notices.addresses import Address
from rutter_ap_server.notices.channels import NotDelivered, deliver
from rutter_ap_server.notices.words import said
from rutter_ap_server.store.engine import Store, Tx
from rutter_ap_server.store.errors import Tampered
from rutter_ap_server.store.notices import Kind, Matter, Notice
from rutter_ap_server.store.proposals import Proposal
from rutter_ap_server.store.states import State

Deliver: TypeAlias = Callable[[Address, str, str], Awaitable[None]]

# What is answered in the chat a moment later, or found out by the next look, is nothing to tell.
SETTLING = timedelta(seconds=45)
EXPIRES_SOON = timedelta(hours=2)
# One message in this time, unless it cannot wait.
QUIET = timedelta(minutes=5)
URGENT = (Kind.UNKNOWN, Kind.FROZEN)
# Longer than any delivery takes; another process tries what one that died had claimed.
CLAIMED = timedelta(minutes=2)
FIRST_PAUSE = timedelta(minutes=1)
PAUSE_MAX = timedelta(hours=1)
TRIED_FOR = timedelta(hours=24)
_LOOKED_AT_MAX = 500
logger = logging.getLogger("rutter_ap")


class Notifier:
    """Tells the people behind `addresses`; `where` finds the sentence on where to decide, when there is one to tell."""

    def __init__(
        self, store: Store, addresses: Sequence[Address], where: Callable[[], Awaitable[str]], send: Deliver = deliver
    ) -> None:
        self._store = store
        self._addresses = addresses
        self._where = where
        self._send = send

    async def tell(self) -> None:
        """Finds what is new and delivers what is due, once by each channel."""
        for address in self._addresses:
            if await self._store.read(partial(_is_something_to_tell, channel=address.id)):
                await self._tell(address)

    async def _tell(self, address: Address) -> None:
        claimed = await self._store.write(lambda tx: _claim(tx, address.id))
        if not claimed:
            return
        where = await self._where()
        try:
            await self._send(address, *said([one.matter for one in claimed], where))
        except NotDelivered as error:
            problem = str(error)
            logger.warning("a notice did not get through by %s: %s", address.words, problem)
            await self._store.write(lambda tx: _again(tx, claimed, problem))
        else:
            await self._store.write(lambda tx: tx.notices.sent([one.id for one in claimed]))


def open_matters(tx: Tx) -> list[Matter]:
    """What a person should know of now."""
    found = list[Matter]()
    for one in tx.proposals.in_states([State.HELD], _LOOKED_AT_MAX):
        if one.damaged:
            # What it says may be anything; that it waits is true.
            found.append(Matter(Kind.HELD, one.id))
            continue
        if one.expires_at <= tx.now or one.created_at > tx.now - SETTLING:
            continue
        released = _released(tx, one)
        about = (one.id, one.company_name, one.environment)
        found.append(Matter(Kind.SECOND if 0 < released < one.approvals_needed else Kind.HELD, *about))
        if one.expires_at - tx.now < min(EXPIRES_SOON, (one.expires_at - one.created_at) / 4):
            found.append(Matter(Kind.EXPIRING, *about))
    for one in tx.proposals.in_states([State.UNKNOWN], _LOOKED_AT_MAX):
        if not one.damaged and one.updated_at <= tx.now - SETTLING:
            found.append(Matter(Kind.UNKNOWN, one.id, one.company_name, one.environment))
    frozen = tx.controls.frozen_by()
    return found if frozen is None else [*found, Matter(Kind.FROZEN, frozen[-80:])]


def _released(tx: Tx, one: Proposal) -> int:
    """How many people have released it; nobody, if that was edited by hand."""
    try:
        return len(tx.proposals.approvals(one.id))
    except Tampered:
        return 0


def _is_something_to_tell(tx: Tx, channel: str) -> bool:
    return bool(_new(tx, channel) or _due(tx, channel))


def _new(tx: Tx, channel: str) -> list[Matter]:
    known = tx.notices.told(channel)
    return [one for one in open_matters(tx) if (one.kind, one.about) not in known]


def _due(tx: Tx, channel: str) -> list[Notice]:
    """What is to be delivered now: what cannot wait takes all the rest along."""
    waiting = tx.notices.due(channel)
    last = tx.notices.last_sent(channel)
    is_quiet = last is not None and timedelta(0) <= tx.now - last < QUIET
    return [] if is_quiet and not any(one.matter.kind in URGENT for one in waiting) else waiting


def _claim(tx: Tx, channel: str) -> list[Notice]:
    """Notes what is new, sets aside what is over, and takes the rest for this process to deliver."""
    for matter in _new(tx, channel):
        tx.notices.add(channel, matter)
    due, still_open = _due(tx, channel), set(open_matters(tx))
    claimed = [one for one in due if one.matter in still_open]
    tx.notices.over([one.id for one in due if one not in claimed])
    tx.notices.postpone([one.id for one in claimed], tx.now + CLAIMED)
    return claimed


def _again(tx: Tx, claimed: Sequence[Notice], problem: str) -> None:
    for one in claimed:
        if one.at <= tx.now - TRIED_FOR:
            tx.notices.give_up([one.id], problem)
        else:
            pause = min(PAUSE_MAX, FIRST_PAUSE * 2 ** min(one.attempts, 10))
            tx.notices.postpone([one.id], tx.now + pause, problem)
