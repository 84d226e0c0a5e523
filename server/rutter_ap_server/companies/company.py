"""One connected company: who it is, its client at Rutter, the names in it, its files, and the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rutter_ap_server.clock import Clock
from rutter_ap_tools.text import clean
from rutter_ap_tools.wire import Named

if TYPE_CHECKING:
    from rutter_ap_server.companies.directory import Directory
    from rutter_ap_server.documents.files import Documents
    from rutter_ap_server.rutter import CompanyClient

Environment = Literal["embedded", "sandbox", "production"]


@dataclass(frozen=True, slots=True)
class CompanyIdentity:
    """Which company it is. `id` is Rutter's connection id; `name` is what people call it, cleaned."""

    id: str
    name: str
    platform: str
    environment: Environment

    @property
    def named(self) -> Named:
        """As it stands in every answer."""
        return Named(id=self.id, name=clean(self.name) or None)


@dataclass(frozen=True, slots=True)
class Company:
    """Everything about one company that a call works with."""

    identity: CompanyIdentity
    rutter: CompanyClient
    directory: Directory
    documents: Documents
    clock: Clock

    @property
    def id(self) -> str:
        """Rutter's connection id."""
        return self.identity.id

    @property
    def name(self) -> str:
        """What people call it, cleaned."""
        return self.identity.name

    @property
    def platform(self) -> str:
        """The accounting platform, in Rutter's words."""
        return self.identity.platform

    @property
    def environment(self) -> Environment:
        """Whether its books are real, Rutter's sandbox, or the embedded one."""
        return self.identity.environment

    @property
    def named(self) -> Named:
        """As it stands in every answer."""
        return self.identity.named
