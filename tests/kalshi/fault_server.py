"""A loopback server that breaks HTTP on purpose: raw sockets, because no HTTP library can cut its own body.

It plays a script: one `Play` for each request, the last one again for every further request.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Play = Callable[["Exchange"], bool]
"""Answers one request; True keeps the connection open for the next."""


class Exchange:
    """One request being answered."""

    def __init__(self, connection: socket.socket, head: str, stopped: threading.Event) -> None:
        self.connection = connection
        self.head = head
        self.stopped = stopped

    @property
    def target(self) -> str:
        return self.head.split(" ")[1]

    @property
    def params(self) -> dict[str, str]:
        parsed = parse_qs(urlsplit(self.target).query, keep_blank_values=True, strict_parsing=True)
        return {name: values[0] for name, values in parsed.items()}

    @property
    def headers(self) -> dict[str, str]:
        lines = (line.partition(":") for line in self.head.split("\r\n")[1:] if line)
        return {name.lower(): value.strip() for name, _, value in lines}

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reset(self) -> None:
        """Close with an RST instead of a FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class FaultServer:
    """Listens on a free port while used as a context manager; `exchanges` are the requests it got, in order."""

    def __init__(self, *script: Play, tls: ssl.SSLContext | None = None) -> None:
        self._script: Sequence[Play] = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._stopped = threading.Event()
        self._turns = itertools.count()
        self.exchanges: list[Exchange] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/trade-api/v2"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stopped.set()
        # Closing alone does not wake a thread that waits in accept or recv.
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            while (head := _head(connection)) is not None:
                exchange = Exchange(connection, head, self._stopped)
                self.exchanges.append(exchange)
                if not self._script[min(next(self._turns), len(self._script) - 1)](exchange):
                    break
        connection.close()


def _head(connection: socket.socket) -> str | None:
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(65536)
        if not piece:
            return None
        received += piece
    return received.decode("latin-1")


def page(*ids: str, cursor: Any = "") -> bytes:
    """The body of a page."""
    return json.dumps({"milestones": [{"id": one} for one in ids], "cursor": cursor}).encode()


def head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer(body: bytes, status: int = 200, **headers: str) -> Play:
    """A well-formed answer; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return raw(head(status, {"Content-Length": str(len(body)), **named}) + body, keep=True)


def zipped(body: bytes, *, cut: int | None = None, flip: int | None = None) -> Play:
    """A gzip answer with a right Content-Length around a stream that is cut, or corrupt at one place."""
    stream = bytearray(gzip.compress(body))
    if flip is not None:
        stream[flip] ^= 0xFF
    return answer(bytes(stream[:cut]), Content_Encoding="gzip")


def raw(data: bytes, *, keep: bool = False) -> Play:
    """These bytes, then the end of the connection."""

    def play(exchange: Exchange) -> bool:
        exchange.send(data)
        return keep

    return play


def reset_after(data: bytes) -> Play:
    """These bytes, then a reset."""

    def play(exchange: Exchange) -> bool:
        exchange.send(data)
        # The peer must have read them: an RST throws away what still waits.
        exchange.stopped.wait(0.02)
        exchange.reset()
        return False

    return play


def silence(exchange: Exchange) -> bool:
    """No answer at all, for as long as the server lives."""
    exchange.stopped.wait(30)
    return False


def drip(before: bytes, drop: bytes, *, every_seconds: float) -> Play:
    """Some bytes, then for ever one drop at a time: each beats any time-out that counts from byte to byte."""

    def play(exchange: Exchange) -> bool:
        exchange.send(before)
        while not exchange.stopped.wait(every_seconds):
            exchange.send(drop)
        return False

    return play
