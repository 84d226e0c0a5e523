"""Where requests go: Rutter's address, the proxy on the way to it, and whose certificates are believed.

An address that cannot be right is refused before it is used: without `/versioned` Rutter speaks its oldest version,
and over plain HTTP the credentials would cross the network in the clear (Rutter docs: Versioning, Authentication).
"""

from __future__ import annotations

import re
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from rutter_ap_server.rutter.credentials import Credentials
from rutter_ap_server.rutter.errors import Misconfigured

_PORT_MAX: Final = 65_535
# A name, an IPv4 or an IPv6 address, as it stands in a request.
_HOST: Final = re.compile(rb"[A-Za-z0-9._:-]+")
_PROXY_SCHEMES: Final = frozenset({"http", "https"})


def checked_credentials(credentials: Credentials) -> Credentials:
    """Credentials that HTTP's Basic scheme can carry (RFC 7617 §2). Raises `Misconfigured`, without them."""
    known = isinstance(credentials, Credentials)
    texts: tuple[object, ...] = (credentials.client_id, credentials.client_secret.reveal()) if known else ("",)
    if not all(_is_text(text) for text in texts) or ":" in str(texts[0]):
        raise Misconfigured(
            "Rutter's client id and secret are empty, or have blanks around them.",
            next_step="Copy both from Rutter's dashboard: RUTTER_CLIENT_ID and RUTTER_CLIENT_SECRET.",
        )
    return credentials


def checked_base(base_url: str, *, in_process: bool = False) -> str:
    """Rutter's address without a slash at its end. Raises `Misconfigured`.

    It is https://HOST/versioned. Plain http is for this machine itself, and for a transport that leads nowhere else
    (`in_process`).
    """
    if not isinstance(base_url, str) or not _is_whole(base_url):
        raise Misconfigured("Rutter's base URL must be an address without blanks.")
    url = _parsed(base_url)
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise Misconfigured("Rutter's base URL must be an http(s) address with a host and at most a path.")
    if url.scheme == "http" and not (in_process or is_this_machine(url.host)):
        raise Misconfigured("Rutter's base URL must be https: over plain http the credentials could be read.")
    base = base_url.rstrip("/")
    if not base.endswith("/versioned"):
        raise Misconfigured("Rutter's base URL must end with /versioned: elsewhere Rutter speaks an older version.")
    return base


def _is_text(text: object) -> bool:
    return isinstance(text, str) and bool(text) and text == text.strip() and text.isprintable()


def _is_whole(address: str) -> bool:
    return address.isprintable() and address == "".join(address.split())


def _parsed(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
        # The host is decoded only when it is asked for, and may turn out to be no name.
        is_one = bool(url.host and _HOST.fullmatch(url.raw_host)) and (url.port is None or 0 < url.port <= _PORT_MAX)
    except (httpx.InvalidURL, ValueError):
        is_one = False
    return url if is_one else httpx.URL("")


def is_this_machine(host: str) -> bool:
    """Whether that host is this machine itself, by its name or its address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def checked_proxy(proxy: str, base_url: str = "https://") -> httpx.Proxy:
    """The proxy at an address such as http://user:password@proxy:3128, on the way to Rutter's.

    Raises `Misconfigured`, which shows neither: through a proxy only https keeps the credentials hidden.
    """
    if not base_url.startswith("https://"):
        raise Misconfigured("A proxy is for an https address of Rutter; over plain http it could read the credentials.")
    given = proxy if isinstance(proxy, str) else ""
    whole = given if "://" in given else f"http://{given}"
    url = _parsed(whole)
    if url.scheme not in _PROXY_SCHEMES or not url.host or not _is_whole(whole):
        raise Misconfigured(
            "The proxy is not an http(s) address with a host.",
            next_step="Correct HTTPS_PROXY (or HTTP_PROXY, ALL_PROXY), or name Rutter's host in NO_PROXY.",
        )
    return httpx.Proxy(url)


def proxy_from_environment(base_url: str) -> httpx.Proxy | None:
    """The proxy that the environment names for an address: HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, but for NO_PROXY.

    Nothing goes through a proxy to reach this machine itself. Raises `Misconfigured`.
    """
    url = httpx.URL(base_url)
    if is_this_machine(url.host):
        return None
    named = getproxies()
    proxy = named.get(url.scheme) or named.get("all")
    # NO_PROXY may name a host with its port.
    host = f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
    return None if not proxy or proxy_bypass(url.host) or proxy_bypass(host) else checked_proxy(proxy)


def trusted_certificates(ca_file: str | Path | None) -> ssl.SSLContext:
    """Verified TLS: the file's authorities, or SSL_CERT_FILE's, SSL_CERT_DIR's or the usual ones.

    Raises `Misconfigured`.
    """
    try:
        if ca_file is not None:
            return ssl.create_default_context(cafile=str(ca_file))
        return httpx.create_ssl_context()
    except (OSError, ValueError):
        pass
    raise Misconfigured(
        "The certificates of the authorities to believe cannot be read.",
        next_step="Correct SSL_CERT_FILE or SSL_CERT_DIR, or the client's ca_file: a readable file in PEM.",
    )
