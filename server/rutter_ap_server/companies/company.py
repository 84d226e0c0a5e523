"""An office: everything about one company that a call works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rutter_ap_server.clock import Clock
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Named

if TYPE_CHECKING:
    from rutter_ap_server.companies.directory import Directory
    from rutter_ap_server.documents.files import Documents
    from rutter_ap_server.rutter import Company as Books

Environment = Literal["embedded", "sandbox", "production"]


@dataclass(frozen=True, slots=True)
class Company:
    """A connected company. `id` is Rutter's connection id; `name` is what people call it, cleaned."""

    id: str
    name: str
    platform: str
    environment: Environment

    @property
    def named(self) -> Named:
        """As it stands in every answer."""
        return Named(id=self.id, name=clean(self.name) or None)


@dataclass(frozen=True, slots=True)
class Office:
    """The company, its ledger at Rutter, the names in it, the files that may be attached, and the time."""

    company: Company
    ledger: Books
    directory: Directory
    documents: Documents
    clock: Clock
