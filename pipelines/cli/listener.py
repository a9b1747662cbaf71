"""The listening socket of a server that runs in this process, and the signals that end it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pipelines.cli.own_host import LOOPBACK
from pipelines.errors import WrongUse


@contextmanager
def bound(port: int, host: str = LOOPBACK) -> Iterator[socket.socket]:
    """A listening socket, so that an early browser waits for the server. Raises WrongUse."""
    # asyncio sends small packets without delay only if the socket names its protocol; else each file that a browser
    # requests on a kept connection takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError as error:
            raise WrongUse(
                f"port {port} on {host} is not available ({error.strerror}): choose another with --port"
            ) from error
        yield listener


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGINT raise KeyboardInterrupt, also in the background, where a shell ignores SIGINT."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
