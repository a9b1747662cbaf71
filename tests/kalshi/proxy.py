"""A tiny proxy on loopback: knows CONNECT, and leads every name to servers on loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Listens on a free port while used as a context manager; `heads` are the requests that it got.

    `target` is the port on loopback to which every tunnel leads; `refusal` answers instead of a tunnel.
    """

    def __init__(self, target: int, *, refusal: bytes = b"", tls: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._refusal = refusal
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self.heads: list[str] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            received = b""
            while not received.endswith(b"\r\n\r\n"):
                received += (piece := connection.recv(65536))
                if not piece:
                    return
            self.heads.append(received.decode("latin-1"))
            if self._refusal:
                connection.sendall(self._refusal)
                connection.close()
                return
            behind = socket.create_connection(("127.0.0.1", self._target))
            self._open.append(behind)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._start(_pump, behind, connection)
            _pump(connection, behind)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
