"""The shared Rutter client: one per process, for all companies. READ FIRST, then `company.py` and `collections.py`."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import httpx

from rutter_ap_server.rutter.company import CompanyClient
from rutter_ap_server.rutter.connections import Connections, exchange_public_token
from rutter_ap_server.rutter.credentials import Credentials, Revealing
from rutter_ap_server.rutter.decode import nonsense, read, read_body
from rutter_ap_server.rutter.exchange import Exchange
from rutter_ap_server.rutter.ids import is_same_id, path_of, quoted_id
from rutter_ap_server.rutter.jobs import read_job
from rutter_ap_server.rutter.limiter import Clock, Sleep
from rutter_ap_server.rutter.models.connections import ExchangedToken
from rutter_ap_server.rutter.models.events import WebhookConfig
from rutter_ap_server.rutter.models.jobs import Job
from rutter_ap_server.rutter.request import PRODUCTION_URL, Call, Limits
from rutter_ap_server.rutter.resources import FirstSync


class RutterClient:
    """Speaks Rutter's version 2024-08-31 for one organisation.

    `transport` is the one seam: pass `httpx.ASGITransport` of a sandbox, or leave it out for the network. There the
    proxy is `proxy`, or that of HTTPS_PROXY and NO_PROXY, and the authorities are those of `ca_file`, of SSL_CERT_FILE
    or the usual ones. Retries, job polling and the rate limit use `sleep` and `clock`. Use it as an async context
    manager, or call `aclose()`. Raises `Misconfigured` for an address, a proxy or credentials that cannot be right.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str = PRODUCTION_URL,
        transport: httpx.AsyncBaseTransport | None = None,
        limits: Limits | None = None,
        proxy: str | None = None,
        ca_file: str | Path | None = None,
        sleep: Sleep = anyio.sleep,
        clock: Clock = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._exchange = Exchange(
            credentials,
            base_url=base_url,
            transport=transport,
            limits=Limits() if limits is None else limits,
            proxy=proxy,
            ca_file=ca_file,
            sleep=sleep,
            clock=clock,
        )

        self.time = self._exchange.time

    def __repr__(self) -> str:
        return "RutterClient(…)"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections to Rutter."""
        await self._exchange.aclose()

    def connection(self, access_token: str | Revealing, *, bypass_first_sync: bool = False) -> CompanyClient:
        """The company behind an access token. Sends nothing.

        With `bypass_first_sync` it can be read before its first sync has finished: see `CompanyClient.first_sync`.
        """
        first_sync = FirstSync(is_bypassed=bypass_first_sync)
        return CompanyClient(self._exchange, access_token, first_sync=first_sync)

    @cached_property
    def connections(self) -> Connections:
        """The organisation's connections."""
        return Connections(self._exchange)

    async def exchange_public_token(self, public_token: str | Revealing) -> ExchangedToken:
        """The access token for the public token that Rutter Link handed to the page. Raises `RutterError`."""
        return await exchange_public_token(self._exchange, self._credentials, public_token)

    async def job(self, job_id: str) -> Job:
        """The current state of a job, with Rutter's response once it has ended. Raises `RutterError`."""
        return await read_job(self._exchange, job_id)

    async def webhook_configs(self) -> tuple[WebhookConfig, ...]:
        """The webhook configurations. Raises `RutterError`."""
        response = await read(self._exchange, Call("GET", path_of("configs", "webhooks")))
        return read_body(response, tuple[WebhookConfig, ...])

    async def webhook_config(self, id: str) -> WebhookConfig:  # noqa: A002 - Rutter's own name
        """One webhook configuration. Raises `RutterError`."""
        path = path_of("configs", "webhooks", quoted_id(id))
        response = await read(self._exchange, Call("GET", path, on_object=True))
        config = read_body(response, WebhookConfig)
        if not is_same_id(config.id, id):
            raise nonsense(response)
        return config
