"""Access tokens: signed by our issuer, for us, now (RFC 9068; RFC 8725). Everything else is no token at all."""

from __future__ import annotations

from typing import Any

import jwt
from mcp.server.auth.provider import AccessToken

from rutter_ap_server.http.keys import IssuerKeys

# Asymmetric ones only: with a shared secret whoever can check a token could make one, and "none" proves nothing.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
# RFC 9068 names the first; many authorization servers say only what every JWT is. An ID token is for another audience.
_TYPES = ("at+jwt", "application/at+jwt", "jwt")
_REQUIRED = ("exp", "iat", "iss", "aud", "sub")
LEEWAY_SECONDS = 30
_CHARACTERS_MAX = 8192


class Tokens:
    """Checks tokens of one issuer for one resource, which is their audience (RFC 8707)."""

    def __init__(self, keys: IssuerKeys, *, issuer: str, resource: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who brings it and what it grants; None for a token that is not to be taken, whatever is wrong with it."""
        if len(token) > _CHARACTERS_MAX:
            return None
        try:
            header = jwt.get_unverified_header(token)
            if str(header.get("typ", "jwt")).lower() not in _TYPES:
                return None
            key_id = header.get("kid")
            key = await self._keys.find(key_id) if isinstance(key_id, str) else None
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._resource,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": list(_REQUIRED)},
            )
        except Exception:  # noqa: BLE001 - a stranger's text may break any parser, and is then no token
            return None
        return AccessToken(
            token=token,
            client_id=str(claims.get("client_id") or claims.get("azp") or ""),
            scopes=_scopes(claims),
            # The SDK compares it with its own clock once more.
            expires_at=int(claims["exp"]) + LEEWAY_SECONDS,
            resource=self._resource,
            subject=claims["sub"],
            # A session belongs to whom these two name.
            claims={"iss": claims["iss"], "sub": claims["sub"]},
        )


def _scopes(claims: dict[str, Any]) -> list[str]:
    """The scopes granted (RFC 9068, section 2.2.3), or as some servers write them; any other shape grants nothing."""
    granted = claims.get("scope", claims.get("scp", ""))
    if isinstance(granted, str):
        return granted.split()
    return [one for one in granted if isinstance(one, str)] if isinstance(granted, list) else []
