"""Where a server listens, under which names, and whose tokens it takes: read from the settings, checked as a whole."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
MCP_PATH = "/mcp"
# What a Host header may be (RFC 9110, section 7.2): a name or an address, with a port or without.
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Listening:
    """An address, the names requests may use for it, and the issuer and the audience of the tokens they bring.

    Without an issuer there are no tokens, and whoever reaches the address may ask.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    allowed_hosts: tuple[str, ...] = ()
    issuer: str = ""
    resource: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        return _is_loopback(self.host)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The Host headers that are let in."""
        if self.allowed_hosts or not self.is_loopback:
            return self.allowed_hosts
        return tuple(f"{name}:{self.port}" for name in ("localhost", "127.0.0.1", "[::1]"))

    @property
    def origins(self) -> tuple[str, ...]:
        """The Origin headers that are let in: pages of our own address only."""
        scheme = urlsplit(self.resource).scheme or "http"
        return tuple(f"{scheme}://{host}" for host in self.hosts)

    def problems(self) -> list[str]:
        """What must be set before it may serve."""
        found = []
        if bool(self.issuer) != bool(self.resource):
            found.append("RUTTER_AP_ISSUER and RUTTER_AP_RESOURCE need each other")
        if not self.is_loopback and not self.issuer:
            found.append(
                "RUTTER_AP_HOST is not of this machine alone, so RUTTER_AP_ISSUER must say whose tokens are taken"
            )
        elif not self.issuer and not all(map(_is_of_this_machine, self.allowed_hosts)):
            found.append("RUTTER_AP_ALLOWED_HOSTS names more than this machine, so RUTTER_AP_ISSUER must be set")
        if not self.is_loopback and not self.allowed_hosts:
            found.append("RUTTER_AP_HOST is not of this machine alone, so RUTTER_AP_ALLOWED_HOSTS must name its hosts")
        return found


def read_listening(given: Mapping[str, str], problems: list[str]) -> Listening:
    """The values of these settings; what is wrong with any is added to `problems`, without the value itself."""
    return Listening(
        host=_host(given, problems),
        port=_port(given, problems),
        allowed_hosts=_allowed_hosts(given, problems),
        issuer=_address(given, "RUTTER_AP_ISSUER", problems),
        resource=_resource(given, problems),
    )


def is_private_to_this_machine(parts: SplitResult) -> bool:
    """Whether an address may do without TLS, because nothing of it leaves the machine."""
    return parts.scheme == "http" and _is_loopback(parts.hostname or "")


def _is_of_this_machine(host: str) -> bool:
    return _is_loopback(urlsplit(f"//{host}").hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(given: Mapping[str, str], problems: list[str]) -> str:
    value = given.get("RUTTER_AP_HOST", "").strip() or DEFAULT_HOST
    if not re.fullmatch(r"[A-Za-z0-9.:-]+", value):
        problems.append("RUTTER_AP_HOST must be an address or a name, without a port")
    return value


def _port(given: Mapping[str, str], problems: list[str]) -> int:
    value = given.get("RUTTER_AP_PORT", "").strip() or str(DEFAULT_PORT)
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        problems.append("RUTTER_AP_PORT must be a port from 1 to 65535")
        return DEFAULT_PORT
    return int(value)


def _allowed_hosts(given: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    hosts = tuple(one.strip().lower() for one in given.get("RUTTER_AP_ALLOWED_HOSTS", "").split(",") if one.strip())
    if not all(map(_HOST.fullmatch, hosts)):
        problems.append("RUTTER_AP_ALLOWED_HOSTS takes hosts as in a Host header, separated by commas: ap.example.com")
        return ()
    return hosts


def _address(given: Mapping[str, str], name: str, problems: list[str]) -> str:
    value = given.get(name, "").strip()
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        is_safe = (parts.scheme == "https" or is_private_to_this_machine(parts)) and bool(parts.hostname)
        plain = not (parts.query or parts.fragment or parts.username or parts.password) and value.split() == [value]
    except ValueError:
        is_safe = plain = False
    if not is_safe or not plain:
        problems.append(f"{name} must be an https:// address (http:// only on this machine), without a query")
        return ""
    return value


def _resource(given: Mapping[str, str], problems: list[str]) -> str:
    value = _address(given, "RUTTER_AP_RESOURCE", problems)
    if value and not value.endswith(MCP_PATH):
        problems.append(f"RUTTER_AP_RESOURCE must be where this server is reached, and end with {MCP_PATH}")
        return ""
    return value
