"""The door of `/mcp`: a token for us with a scope of ours, or the way to one (RFC 6750, section 3; RFC 9728)."""

from __future__ import annotations

from urllib.parse import urlsplit

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend
from pydantic import AnyHttpUrl
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rutter_ap_server.http.tokens import Tokens
from rutter_ap_server.listening import Listening
from rutter_ap_tools.scopes import SCOPES

_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_OPEN = {"cache-control": "max-age=3600", "x-content-type-options": "nosniff", "access-control-allow-origin": "*"}


def behind_door(app: ASGIApp, tokens: Tokens, listening: Listening) -> ASGIApp:
    """The app for those who bring a token that opens anything of it; who else asks is told where to get one."""
    guarded = AuthContextMiddleware(_Door(app, metadata_address(listening)))
    backend = BearerAuthBackend(tokens, resource_server_url=AnyHttpUrl(listening.resource))
    return AuthenticationMiddleware(guarded, backend=backend)


def metadata_address(listening: Listening) -> str:
    """Where the metadata of our resource is (RFC 9728, section 3.1)."""
    parts = urlsplit(listening.resource)
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path}"


def metadata_routes(listening: Listening) -> list[Route]:
    """What a client must know to get a token (RFC 9728, section 2), for pages of any origin: nothing in it is secret.

    At the path that is right, and at the one that some try first.
    """
    metadata = {
        "resource": listening.resource,
        "authorization_servers": [listening.issuer],
        "scopes_supported": list(SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Accounts payable over Rutter",
    }

    async def told(_: Request) -> Response:
        return JSONResponse(metadata, headers=_OPEN)

    paths = (f"{_WELL_KNOWN}{urlsplit(listening.resource).path}", _WELL_KNOWN)
    return [Route(path, told, methods=["GET"]) for path in paths]


class _Door:
    def __init__(self, app: ASGIApp, metadata: str) -> None:
        self._app = app
        self._metadata = metadata

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refused(Request(scope)) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refused(self, request: Request) -> Response | None:
        user = request.scope.get("user")
        if not isinstance(user, AuthenticatedUser):
            brought = "authorization" in request.headers
            return self._told(401, "invalid_token" if brought else "", "An access token for this server is needed.")
        if not SCOPES.keys() & set(user.scopes):
            return self._told(403, "insufficient_scope", "The access token grants nothing here.")
        return None

    def _told(self, status: int, error: str, words: str) -> Response:
        # Without a token there is no error to name (RFC 6750, section 3.1).
        named = f'error="{error}", error_description="{words}", ' if error else ""
        challenge = f'Bearer {named}scope="{" ".join(SCOPES)}", resource_metadata="{self._metadata}"'
        headers = {"www-authenticate": challenge, "cache-control": "no-store"}
        return JSONResponse({"error": error or "unauthorized", "error_description": words}, status, headers)
