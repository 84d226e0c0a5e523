"""The directory: vendors and accounts by name. A name that means several records is never guessed at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rutter_ap_server.clock import Clock
from rutter_ap_tools.errors import Ambiguous, NotFound
from rutter_ap_tools.text import clean, fold

if TYPE_CHECKING:
    from rutter_ap_server.rutter import Company as Books
    from rutter_ap_server.rutter.models.accounts import Account
    from rutter_ap_server.rutter.models.vendors import Vendor

R = TypeVar("R")
_FRESH = timedelta(minutes=5)
_PAGES_MAX = 40
_CANDIDATES_MAX = 8


@dataclass(frozen=True, slots=True)
class _Shelf(Generic[R]):
    """Everything of one kind, as read at one moment."""

    read_at: datetime
    by_id: dict[str, R]


class Directory:
    """Names of one company. Lists are kept for minutes, for showing; what a write rests on is read afresh by id."""

    def __init__(self, ledger: Books, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._shelves: dict[str, _Shelf[Any]] = {}

    async def vendors(self, *, afresh: bool = False) -> dict[str, Vendor]:
        """Every vendor by id."""
        return await self._shelf("vendors", self._ledger.vendors, afresh=afresh)

    async def accounts(self, *, afresh: bool = False) -> dict[str, Account]:
        """Every ledger account by id."""
        return await self._shelf("accounts", self._ledger.accounts, afresh=afresh)

    def forget(self) -> None:
        """Drops what was read: something was written."""
        self._shelves.clear()

    async def vendor(self, reference: str) -> Vendor:
        """The one vendor with that id or exactly that name; names are compared without case."""
        found: Vendor = await self._resolve("vendor", reference, vendor_name)
        return found

    async def account(self, reference: str) -> Account:
        """The one account with that id or exactly that name."""
        found: Account = await self._resolve("account", reference, account_name)
        return found

    async def _shelf(self, kind: str, endpoint: Any, *, afresh: bool) -> dict[str, Any]:
        shelf = self._shelves.get(kind)
        now = self._clock.now()
        if shelf is None or afresh or not timedelta(0) <= now - shelf.read_at < _FRESH:
            by_id = {record.id: record async for record in endpoint.walk(pages_max=_PAGES_MAX)}
            shelf = self._shelves[kind] = _Shelf(now, by_id)
        return shelf.by_id

    async def _resolve(self, kind: str, reference: str, name_of: Any) -> Any:
        read = self.vendors if kind == "vendor" else self.accounts
        for afresh in (False, True):
            records: dict[str, Any] = await read(afresh=afresh)
            if reference in records:
                return records[reference]
            wanted = fold(reference)
            exact = [r for r in records.values() if fold(name_of(r)) == wanted]
            if len(exact) == 1:
                return exact[0]
            if exact:
                raise Ambiguous(f"several {kind}s have that name", candidates=_candidates(exact, name_of))
        near = [r for r in records.values() if wanted and wanted in fold(name_of(r))]
        if near:
            raise Ambiguous(f"no {kind} has exactly that name; these contain it", candidates=_candidates(near, name_of))
        raise NotFound(f"no {kind} of this company has that id or name", next_step=_look_up(kind))


def vendor_name(vendor: Vendor) -> str:
    """What a vendor is called."""
    return vendor.vendor_name or vendor.contact_name or ""


def account_name(account: Account) -> str:
    """What an account is called."""
    return account.name or ""


def _candidates(records: Iterable[Any], name_of: Any) -> list[tuple[str, str]]:
    return sorted(((r.id, clean(name_of(r))) for r in records), key=lambda pair: pair[1])[:_CANDIDATES_MAX]


def _look_up(kind: str) -> str:
    return f"Look it up with find_records kind={kind} and use the id shown there."
