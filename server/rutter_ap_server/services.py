"""The parts a call works with: created once by the composition root and passed to reads and writes as one value."""

from __future__ import annotations

from dataclasses import dataclass

from rutter_ap_server.companies import ConnectFlow
from rutter_ap_server.companies.registry import CompanyRegistry
from rutter_ap_server.guard.guard import Guard
from rutter_ap_server.guard.long_calls import LongCalls
from rutter_ap_server.guard.policy import PolicyFile
from rutter_ap_server.guard.recovery import Recovery
from rutter_ap_server.guard.views import Views
from rutter_ap_server.interaction import Interaction
from rutter_ap_server.settings import Settings
from rutter_ap_server.store.engine import Store


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one app."""

    settings: Settings
    store: Store
    policy: PolicyFile
    companies: CompanyRegistry
    connect_flow: ConnectFlow
    guard: Guard
    recovery: Recovery
    views: Views
    long_calls: LongCalls


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call: the parts of the app, its preparer, and the interaction with the person behind it."""

    services: Services
    preparer: str
    interaction: Interaction
