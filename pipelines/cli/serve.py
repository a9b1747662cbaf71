"""`milestones serve`: the HTTP interface of the published data, on loopback unless other machines are allowed."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from pipelines.cli.app import Port, app
from pipelines.errors import WrongUse
from pipelines.storage.home import Home

SERVE_PORT = 8600

REQUEST_SECONDS = 5
"""Time for open requests when the server stops."""

CONNECTIONS_MAX = 1_000
"""More get 503, so that memory stays bounded."""

_NAME = re.compile(r"(\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*)", re.ASCII | re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[^\s/?#@]+", re.ASCII | re.IGNORECASE)

_Names = Annotated[tuple[str, ...], Parameter(negative=())]


@app.command
def serve(
    *,
    port: Port = SERVE_PORT,
    host: str = "127.0.0.1",
    allow_remote: _Names = (),
    cors: _Names = (),
) -> int:
    """Serve the published data as JSON and as a calendar until interrupted, on loopback. It has no password.

    Parameters
    ----------
    port
        The port to listen on.
    host
        The IPv4 address to listen on. Any but loopback needs --allow-remote.
    allow_remote
        A host name by which other machines reach the server, also through a proxy on this machine (repeatable).
        Requests with another name are rejected; * accepts every name.
    cors
        An origin, such as https://example.com, whose web pages may read the answers (repeatable).
    """
    _check(host, allow_remote, cors)
    home = Home.from_environment()
    # Ctrl-C is the normal way to stop it.
    with suppress(KeyboardInterrupt):
        _serve(home, host, port, allow_remote, cors)
    return 0


def _check(host: str, names: tuple[str, ...], origins: tuple[str, ...]) -> None:
    """Raise WrongUse for options that would not work, or that open the server by mistake."""
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as error:
        raise WrongUse(f"--host {host} is not an IPv4 address: give one, such as 127.0.0.1 or 0.0.0.0") from error
    if not address.is_loopback and not names:
        raise WrongUse(
            f"--host {host} would let other machines read everything that is published: confirm it with --allow-remote "
            "and the host name that they use"
        )
    for name in names:
        if not _NAME.fullmatch(name):
            raise WrongUse(f"--allow-remote {name} is not a host name: give one without scheme and port")
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise WrongUse(f"--cors {origin} is not an origin: give scheme and host, such as https://example.com")


def _serve(home: Home, host: str, port: int, names: tuple[str, ...], origins: tuple[str, ...]) -> None:
    import uvicorn
    from starlette.middleware.cors import CORSMiddleware
    from starlette.types import ASGIApp

    from pipelines.cli.listener import bound, stopped_by_signals
    from pipelines.cli.own_host import guard
    from pipelines.serving.app import build_app

    served: ASGIApp = build_app(home)
    if origins:
        served = CORSMiddleware(
            served,
            # Browsers send it in lower case.
            allow_origins=[origin.lower() for origin in origins],
            allow_methods=["GET", "HEAD"],
            allow_headers=["if-none-match"],
            expose_headers=["etag", "last-modified"],
        )
    with bound(port, host) as listener, stopped_by_signals():
        config = uvicorn.Config(
            guard(served, hosts=(host, *names), origins=origins),
            log_level="warning",
            access_log=False,
            server_header=False,
            # Of --allow-remote, not of a header that any client can send.
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=REQUEST_SECONDS,
        )
        Console(stderr=True).print(
            f"serving {home.root} at http://{host}:{port} (/ lists what there is); Ctrl-C stops it",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        uvicorn.Server(config).run(sockets=[listener])
