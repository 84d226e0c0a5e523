"""The keys that an authorization server signs its tokens with, fetched from it and kept for a while."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import jwt

from rutter_ap_server.listening import is_private_to_this_machine

FRESH_SECONDS = 300
# As long as tokens are taken while the issuer cannot be reached.
KEPT_SECONDS = 24 * 3600
# A token with a key nobody knows makes us ask again, but never more often than this.
AGAIN_SECONDS = 10
_TIMEOUT_SECONDS = 5
# An issuer that answers a byte at a time must not keep the tokens of its next key waiting.
_ALL_SECONDS = 15
_BYTES_MAX = 256 * 1024
logger = logging.getLogger("rutter_ap.http")


class NoKeys(Exception):
    """The issuer does not say what its keys are, or says it in a way that cannot be used."""


class IssuerKeys:
    """The signing keys of one issuer by their ids, as its metadata names them (RFC 8414; OpenID Connect Discovery)."""

    def __init__(self, issuer: str, client: httpx.AsyncClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._client = client
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._asking = anyio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key with that id; asks the issuer where it is unknown, since keys change."""
        found = self._known(key_id)
        if found is None:
            async with self._asking:
                found = self._known(key_id)
                if found is None and self._monotonic() - self._asked_at >= AGAIN_SECONDS:
                    await self._renew()
                    found = self._known(key_id)
        return found

    async def keep_fresh(self) -> None:
        """Asks again and again, so that a key that was withdrawn is not taken for long."""
        while True:
            await self.renew()
            await anyio.sleep(FRESH_SECONDS)

    async def renew(self) -> None:
        """Asks the issuer for its keys now; where it says nothing that can be used, those that are known stay."""
        async with self._asking:
            await self._renew()

    def _known(self, key_id: str) -> jwt.PyJWK | None:
        return self._keys.get(key_id) if self._monotonic() - self._fetched_at < KEPT_SECONDS else None

    async def _renew(self) -> None:
        self._asked_at = self._monotonic()
        try:
            with anyio.fail_after(_ALL_SECONDS):
                self._keys = await self._fetched()
            self._fetched_at = self._monotonic()
        except Exception as error:  # noqa: BLE001 - what an issuer says may be anything, and ends nothing here
            # Those that are known stay for a while. Only the kind of what went wrong is told.
            logger.warning("the issuer's keys could not be read: %s", type(error).__name__)

    async def _fetched(self) -> dict[str, jwt.PyJWK]:
        address = (await self._metadata()).get("jwks_uri")
        if not isinstance(address, str) or not _is_safe(address):
            raise NoKeys
        keys = (await self._json(address)).get("keys")
        if not isinstance(keys, list):
            raise NoKeys
        found = {}
        for one in keys:
            # A set may hold keys for other uses, and kinds that nobody here knows.
            if isinstance(one, dict) and one.get("use", "sig") == "sig" and isinstance(one.get("kid"), str):
                with suppress(Exception):
                    found[one["kid"]] = jwt.PyJWK(one)
        if not found:
            raise NoKeys
        return found

    async def _metadata(self) -> dict[str, Any]:
        parts = urlsplit(self._issuer)
        issuer = self._issuer.removesuffix("/")
        well_known = (
            f"{issuer}/.well-known/openid-configuration",
            f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.removesuffix('/')}",
        )
        for address in well_known:
            try:
                found = await self._json(address)
            except (NoKeys, ValueError, RecursionError):
                continue
            # Metadata of another issuer is none of ours (RFC 8414, section 3.3).
            if found.get("issuer") == self._issuer:
                return found
        raise NoKeys

    async def _json(self, address: str) -> dict[str, Any]:
        async with self._client.stream("GET", address, timeout=_TIMEOUT_SECONDS) as response:
            if response.status_code != httpx.codes.OK:
                raise NoKeys
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _BYTES_MAX:
                    raise NoKeys
        found = json.loads(content)
        if not isinstance(found, dict):
            raise NoKeys
        return found


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or is_private_to_this_machine(parts)
