"""Where notices go: `RUTTER_AP_NOTIFY` as typed values. Addresses hold secrets and are never shown whole."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from rutter_ap_server.secret import Secret

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_MAILBOX = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
_RECIPIENTS_MAX = 20
_OF_APPRISE = re.compile(r"apprise\+(([a-z0-9]+)://.+)", re.IGNORECASE)
_PORTS = {"smtp": 587, "smtps": 465}
_TAKES = "desktop, https://…, smtp://… with ?from= and &to=, or apprise+…"


class AddressUnreadable(ValueError):
    """An address that names no channel; its words repeat nothing of it."""


@dataclass(frozen=True, slots=True)
class Desktop:
    """A notification on this machine's desktop."""

    @property
    def id(self) -> str:
        """What the store knows it by."""
        return "desktop"

    @property
    def words(self) -> str:
        """What people may be shown of it."""
        return "this machine's desktop"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A chat tool that takes `{"text": …}`, such as Slack or Mattermost. Whoever has the address may post there."""

    url: Secret
    host: str

    @property
    def id(self) -> str:
        """What the store knows it by."""
        return _digest(self.url.reveal())

    @property
    def words(self) -> str:
        """What people may be shown of it."""
        return f"the webhook at {self.host}"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server (RFC 5321), a sender and recipients. TLS from the start on `smtps`, by STARTTLS otherwise."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    tls_first: bool
    user: str = ""
    password: Secret = field(default_factory=partial(Secret, ""))

    @property
    def id(self) -> str:
        """What the store knows it by."""
        return _digest(" ".join((self.host, str(self.port), self.sender, *self.recipients)))

    @property
    def words(self) -> str:
        """What people may be shown of it."""
        count = len(self.recipients)
        return f"e-mail to {count} {'address' if count == 1 else 'addresses'} by {self.host}"

    @property
    def is_local(self) -> bool:
        """Whether the mail server is on this machine, so that nothing between could be read."""
        return self.host in _THIS_MACHINE


@dataclass(frozen=True, slots=True)
class Apprise:
    """A service that the `apprise` library reaches, by its own address."""

    url: Secret
    scheme: str

    @property
    def id(self) -> str:
        """What the store knows it by."""
        return _digest(self.url.reveal())

    @property
    def words(self) -> str:
        """What people may be shown of it."""
        return f"{self.scheme} by apprise"


Address: TypeAlias = Desktop | Webhook | Mail | Apprise


def read_addresses(text: str) -> tuple[Address, ...]:
    """The addresses, which are separated by blanks. Raises `AddressUnreadable` with the position of the first wrong."""
    found: dict[str, Address] = {}
    for position, part in enumerate(text.split(), start=1):
        try:
            address = _address(part)
        except ValueError as error:
            reason = str(error) if isinstance(error, AddressUnreadable) else f"is none of: {_TAKES}"
            raise AddressUnreadable(f"address {position} {reason}") from None
        found[address.id] = address
    return tuple(found.values())


def _address(text: str) -> Address:
    if text == "desktop":
        return Desktop()
    url = urlsplit(text)
    if text.startswith("apprise+") and (named := _OF_APPRISE.fullmatch(text)):
        return Apprise(Secret(named[1]), named[2])
    if not url.hostname:
        raise AddressUnreadable(f"is none of: {_TAKES}")
    if url.scheme == "https" or (url.scheme == "http" and url.hostname in _THIS_MACHINE):
        return Webhook(Secret(text), url.hostname)
    if url.scheme == "http":
        raise AddressUnreadable("must be https:// (http:// only for an address on this machine)")
    if url.scheme in _PORTS:
        return _mail(url)
    raise AddressUnreadable(f"is none of: {_TAKES}")


def _mail(url: SplitResult) -> Mail:
    given = parse_qs(url.query)
    senders = [one.strip() for one in given.pop("from", [])]
    recipients = [one.strip() for part in given.pop("to", []) for one in part.split(",") if one.strip()]
    if len(senders) != 1 or not recipients or given or url.path.strip("/"):
        raise AddressUnreadable("must be smtp://HOST?from=SENDER&to=RECIPIENT,RECIPIENT")
    if len(recipients) > _RECIPIENTS_MAX:
        raise AddressUnreadable(f"names more than {_RECIPIENTS_MAX} recipients")
    if not all(_MAILBOX.fullmatch(one) for one in (*senders, *recipients)):
        raise AddressUnreadable("names a sender or recipient that is no e-mail address")
    return Mail(
        host=url.hostname or "",
        port=url.port or _PORTS[url.scheme],
        sender=senders[0],
        recipients=tuple(dict.fromkeys(recipients)),
        tls_first=url.scheme == "smtps",
        user=unquote(url.username or ""),
        password=Secret(unquote(url.password or "")),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
