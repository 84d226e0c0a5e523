"""An authorization server for tests: its metadata and keys over a real socket, and tokens signed with them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

RESOURCE = "http://127.0.0.1:{}/mcp"


class Key:
    """A signing key with its id."""

    def __init__(self, key_id: str) -> None:
        self.id = key_id
        self.private = generate_private_key(SECP256R1())

    @property
    def public(self) -> dict[str, Any]:
        """As a set of keys has it."""
        shown: dict[str, Any] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key()))
        return {**shown, "kid": self.id, "use": "sig"}


class Issuer:
    """One issuer; what it answers can be changed, and `asked` counts how often it was asked for its keys."""

    def __init__(self) -> None:
        self.address = ""
        self.keys = [Key("first")]
        self.metadata: dict[str, Any] = {}
        # What else is in its set of keys.
        self.strange: list[Any] = []
        self.is_down = False
        self.asked = 0

    def claims(self, resource: str, **changed: Any) -> dict[str, Any]:
        """The claims of a good token; a claim that is changed to None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": resource,
            "sub": "dana",
            "client_id": "claude",
            "scope": "ap:read ap:write ap:pay",
            "iat": now,
            "exp": now + 300,
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, resource: str, *, typ: str = "at+jwt", key: Key | None = None, **changed: Any) -> str:
        """A token for that resource, signed by the newest key or another."""
        key = key or self.keys[-1]
        claims = self.claims(resource, **changed)
        return jwt.encode(claims, key.private, algorithm="ES256", headers={"kid": key.id, "typ": typ})

    def answer(self, path: str) -> dict[str, Any] | None:
        """What it says at a path."""
        if self.is_down:
            return None
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.address, "jwks_uri": f"{self.address}/keys", **self.metadata}
        if path == "/keys":
            self.asked += 1
            return {"keys": [*self.strange, *(key.public for key in self.keys)]}
        return None


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """An issuer on a free port of this machine."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = issuer.answer(self.path)
            content = json.dumps(said or {}).encode()
            self.send_response(404 if said is None else 200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is written beside a test's own output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.address = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            serving.join()
