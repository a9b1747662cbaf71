"""Protects a web application on loopback from pages of other hosts: DNS rebinding and cross-site requests.

A page whose host name resolves to 127.0.0.1 is same-site for a browser, and could use an application that has no
password. Its requests carry its own name in Host or Origin, so other names are rejected.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = "127.0.0.1"
OWN_HOSTS = (LOOPBACK, "localhost")
"""Host names of the application for a browser on this machine or behind a tunnel, at any port."""


def guard(app: ASGIApp, *, hosts: Sequence[str] = (), origins: Sequence[str] = ()) -> ASGIApp:
    """Wrap an application: 400 for another Host, 403 for an Origin that is not the requested Host.

    `hosts` are further names of the application, `origins` those of other sites whose pages may read it.
    """
    return TrustedHostMiddleware(SameOrigin(app, origins), allowed_hosts=[*OWN_HOSTS, *hosts], www_redirect=False)


class SameOrigin:
    """Rejects requests from pages of another origin. A request without Origin is not from a page, or only reads."""

    def __init__(self, app: ASGIApp, origins: Sequence[str] = ()) -> None:
        self._app = app
        self._origins = {origin.lower() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject a request, or pass it to the application."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            origin, host = headers.get("origin"), headers.get("host", "")
            own = {f"http://{host}".lower(), f"https://{host}".lower()}
            if origin is not None and origin.lower() not in own | self._origins:
                if scope["type"] == "websocket":
                    # A web socket that is closed before it is accepted gets 403.
                    await receive()
                    await send({"type": "websocket.close", "code": 1008})
                    return
                await PlainTextResponse("Foreign origin", status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)
