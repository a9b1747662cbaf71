"""Guards a web application on loopback against pages of other hosts: DNS rebinding and cross-site requests.

A page whose name is made to lead to 127.0.0.1 is "the same site" to a browser, and could press every button of an
application without a password. Its requests give its own name away: in Host, or in Origin.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = "127.0.0.1"
OWN_HOSTS = (LOOPBACK, "localhost")
"""Names by which a browser on this machine, or at the end of a tunnel, asks for it; at any port."""


def guarded(app: ASGIApp) -> ASGIApp:
    """The application, answering 400 to another Host, and 403 to an Origin other than the Host asked for."""
    return TrustedHostMiddleware(SameOrigin(app), allowed_hosts=list(OWN_HOSTS), www_redirect=False)


class SameOrigin:
    """Refuses what a page of another origin sends; a request without Origin is no page's, or only reads."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            origin, host = headers.get("origin"), headers.get("host", "")
            if origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
                if scope["type"] == "websocket":
                    # Refused before it is accepted, a web socket ends with 403.
                    await receive()
                    await send({"type": "websocket.close", "code": 1008})
                    return
                await PlainTextResponse("Foreign origin", status_code=403)(scope, receive, send)
                return
        await self._app(scope, receive, send)
