"""The command that starts the dashboard: loopback only, and one line for a port in use."""

from __future__ import annotations

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


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [str(PIPELINE / "milestones"), "dashboard", "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"Port {port} is not available" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
