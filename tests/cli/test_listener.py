"""The listening socket of our servers."""

from __future__ import annotations

import socket

import pytest

from pipelines.cli.listener import bound
from pipelines.cli.own_host import LOOPBACK
from pipelines.errors import WrongUse


def test_it_names_its_protocol() -> None:
    """asyncio turns off the delay of small packets only on sockets that do."""
    with bound(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        assert listener.getsockname()[0] == LOOPBACK


def test_a_port_in_use() -> None:
    with bound(0) as first, pytest.raises(WrongUse, match="is not available"), bound(first.getsockname()[1]):
        pass
