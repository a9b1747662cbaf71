"""Serves an app on loopback: in a thread for tests and the demo, in the foreground for the command.

Only on loopback: the sandbox has no authentication and its data are invented.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from sandbox.app import API_ROOT

LOOPBACK = "127.0.0.1"
START_SECONDS_MAX = 10
STOP_SECONDS_MAX = 10
KEEP_ALIVE_SECONDS = 75
_POLL_SECONDS = 0.005
_BACKLOG = 128


class NotLoopbackError(ValueError):
    """The host is not a loopback address."""


class PortUnavailableError(OSError):
    """The port cannot be opened; the message can be shown to the user."""


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A running server."""

    host: str
    port: int

    @property
    def base_url(self) -> str:
        """The value of `KALSHI_BASE_URL` for this server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{API_ROOT}"


@contextlib.contextmanager
def running(app: ASGIApp, host: str = LOOPBACK, port: int = 0) -> Iterator[Running]:
    """Serve in a background thread while the block runs; port 0 chooses a free one.

    Raises NotLoopbackError and PortUnavailableError.
    """
    with _listening(host, port) as listener:
        server = _server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        thread.start()
        try:
            _await_start(server, thread)
            yield Running(host, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS_MAX)


def serve(
    app: ASGIApp,
    port: int,
    host: str = LOOPBACK,
    *,
    announce: Callable[[Running], None] = lambda _: None,
) -> None:
    """Serve in the foreground until interrupted. `announce` is called with the address once the port is open.

    Raises NotLoopbackError and PortUnavailableError.
    """
    with _listening(host, port) as listener:
        announce(Running(host, listener.getsockname()[1]))
        # uvicorn stops cleanly on an interrupt and then raises it again: here that is the normal end.
        with contextlib.suppress(KeyboardInterrupt):
            _server(app).run(sockets=[listener])


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_config=None,  # logging is configured by the host process
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def _listening(host: str, port: int) -> socket.socket:
    """A listening socket, so that a port in use fails here and not in the thread."""
    if host != "localhost" and not _is_loopback(host):
        raise NotLoopbackError(f"the sandbox serves loopback only, not {host}")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error})"
        raise PortUnavailableError(f"port {port} on {host} {why}; choose another with --port") from error
    except OverflowError as error:
        listener.close()
        raise PortUnavailableError(f"port {port} is not between 0 and 65535") from error
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the sandbox did not start")
        time.sleep(_POLL_SECONDS)
