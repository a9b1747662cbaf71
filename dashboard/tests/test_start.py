"""The command that starts the dashboard: loopback only, and one line for a port in use."""

from __future__ import annotations

import http.client
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .browsing import dashboard
from .publishing import PIPELINE


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with dashboard(tmp_path) as url:
        port = urlsplit(url).port
        with socket.create_connection(("127.0.0.1", port)):
            pass
        # Linux has all of 127.0.0.0/8: a server on every address would answer here.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port))


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_data_are_sent_to_its_own_host_names_only(tmp_path: Path) -> None:
    """All data come through the web socket; the page itself, which any name gets, has none."""
    with dashboard(tmp_path) as url:
        port = urlsplit(url).port
        statuses = []
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"evil.example:{port}", "127.0.0.1.evil.example"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/_stcore/stream", headers={"Host": host, **UPGRADE})
            statuses.append(connection.getresponse().status)
            connection.close()
    assert statuses == [101, 101, 403, 403]


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [str(PIPELINE / "milestones"), "dashboard", "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert f"port {port} on 127.0.0.1 is not available" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
