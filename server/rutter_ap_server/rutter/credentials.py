"""The credentials of one Rutter organisation."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from rutter_ap_server.secret import MASK, Revealing, Secret

__all__ = ["MASK", "Credentials", "Revealing", "Secret"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The client id and secret of a Rutter organisation (Rutter docs: Authentication)."""

    client_id: str
    client_secret: Secret

    def __init__(self, client_id: str, client_secret: str | Revealing) -> None:
        object.__setattr__(self, "client_id", client_id)
        # What is no text is refused where they are used, as an empty one is.
        secret = Secret.of(client_secret) if isinstance(client_secret, str | Revealing) else Secret("")
        object.__setattr__(self, "client_secret", secret)

    def authorization(self) -> str:
        """The value of the Authorization header."""
        pair = f"{self.client_id}:{self.client_secret.reveal()}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")
