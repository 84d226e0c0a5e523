"""The organisation's connections and Rutter Link: create, list, rename, delete (Rutter docs: Connections).

These calls change no books and have no idempotency keys. They raise errors: `WriteOutcomeUnknown` when a request was
sent and no readable response came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rutter_ap_server.rutter import wire
from rutter_ap_server.rutter.credentials import Credentials, Revealing, Secret
from rutter_ap_server.rutter.decode import (
    change,
    nonsense,
    read,
    read_body,
    read_key,
    read_list,
    read_success,
    usable,
)
from rutter_ap_server.rutter.errors import InvalidInput
from rutter_ap_server.rutter.exchange import Exchange
from rutter_ap_server.rutter.ids import checked_secret, checked_text, is_same_id, path_of, quoted_id
from rutter_ap_server.rutter.models.connections import CONNECTION_STATUSES, ConnectionEntry, ExchangedToken
from rutter_ap_server.rutter.request import Call, Response

NAME_CHARACTERS_MAX: Final = 30
# The names of those credentials that open something by themselves.
_IS_SECRET: Final = re.compile("secret|token|key")


class Connections:
    """`/connections` (Rutter docs: Connections)"""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def list(self, *, status: str | None = None) -> tuple[ConnectionEntry, ...]:
        """Every connection; without `status`, those that are active, unhealthy or not ready. `any` means all."""
        if status is not None and status not in (*CONNECTION_STATUSES, "any"):
            raise InvalidInput(f"The status must be one of: {', '.join(CONNECTION_STATUSES)}, any.")
        query = {"status": status} if status else {}
        response = await read(self._exchange, Call("GET", path_of("connections"), query=query, hands_over=True))
        return read_list(response, "connections", ConnectionEntry)

    async def create(self, platform: str | None = None, **credentials: object) -> ConnectionEntry:
        """Creates a connection; a person opens its `link_url` to sign in. With credentials that step is skipped.

        Strings in `credentials` may be `Secret`s. Their names differ by platform (Rutter docs: Create a Connection).
        """
        if credentials and platform is None:
            raise InvalidInput("Credentials need a platform.")
        body = {} if platform is None else {"platform": checked_text(platform, "The platform"), **credentials}
        for name, value in credentials.items():
            if isinstance(value, Secret) or (isinstance(value, str) and _IS_SECRET.search(name)):
                self._exchange.secrets.learn(value)
        call = Call("POST", path_of("connections", "create"), body=wire.encode_body(body), hands_over=True)
        return await change(self._exchange, call, _entry)

    async def rename(self, id: str, name: str) -> ConnectionEntry:  # noqa: A002 - Rutter's own name
        """Gives a connection a name of 1 to 30 characters, unique in the organisation."""
        checked_text(name, "A connection's name", characters_max=NAME_CHARACTERS_MAX)
        path, body = path_of("connections", quoted_id(id)), wire.encode_body({"name": name})
        call = Call("PATCH", path, body=body, on_object=True, hands_over=True)

        def renamed(response: Response) -> ConnectionEntry:
            entry = _entry(response)
            if not is_same_id(entry.id, id):
                raise nonsense(response)
            return entry

        return await change(self._exchange, call, renamed)

    async def delete(self, id: str) -> None:  # noqa: A002 - Rutter's own name
        """Removes a connection at Rutter. The company's books are not touched; using it again takes a new link."""
        call = Call("DELETE", path_of("connections", quoted_id(id)), on_object=True)
        await change(self._exchange, call, read_success)


def _entry(response: Response) -> ConnectionEntry:
    entry = read_key(response, "connection", ConnectionEntry)
    usable(response, entry.access_token)
    return entry


async def exchange_public_token(
    exchange: Exchange, credentials: Credentials, public_token: str | Revealing
) -> ExchangedToken:
    """Exchanges the public token that Rutter Link gave to the page for the access token. Works once."""
    token = checked_secret(public_token, "The public token")
    body: Mapping[str, object] = {
        "client_id": credentials.client_id,
        "secret": credentials.client_secret,
        "public_token": token,
    }
    path = path_of("item", "public_token", "exchange")
    exchange.secrets.learn(token)
    call = Call("POST", path, body=wire.encode_body(body), hands_over=True)

    def exchanged(response: Response) -> ExchangedToken:
        found = read_body(response, ExchangedToken)
        usable(response, found.access_token)
        return found

    return await change(exchange, call, exchanged)
