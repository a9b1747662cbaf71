"""`milestones ui` as a process: accepts its own host names only, and stops all its child processes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.cli.main import run
from pipelines.cli.ui import UIStopped, _await_start, serve_ui
from pipelines.errors import WrongUse
from pipelines.storage.home import Home

START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are counted in /proc"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def status(port: int, **headers: str) -> int | None:
    """The status of the server's response; None without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/server_info", headers=headers)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def descendants(pid: int) -> set[int]:
    """All descendant processes of a process."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The process name in brackets may contain anything.
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def until(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def served(home: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the command in the background with SIGINT ignored, as shells do. Yields it and its port once it serves."""
    port = free_port()
    program = [sys.executable, "-m", "pipelines.cli", "ui", "--port", str(port)]
    with subprocess.Popen(
        ["/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh", *program],
        env=os.environ | {"MILESTONES_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert until(lambda: status(port) == 200 or process.poll() is not None, START_SECONDS_MAX)
            # The daemon starts with the server.
            assert until(lambda: len(descendants(process.pid)) >= 3, START_SECONDS_MAX)
            yield process, port
        finally:
            for pid in descendants(process.pid):
                os.kill(pid, signal.SIGKILL)
            process.kill()


def test_it_accepts_its_own_names_and_stops_all_its_processes(tmp_path: Path) -> None:
    with served(tmp_path) as (process, port):
        assert status(port, Host=f"localhost:{port}") == 200
        assert status(port, Host=f"evil.example:{port}") == 400
        assert status(port, Origin="http://evil.example") == 403
        started = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        assert until(lambda: process.poll() is not None, STOP_SECONDS_MAX)
        assert process.returncode == 0
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), 0.5)
        assert process.stderr is not None
        first = process.stderr.readline()
    assert first == f"Dagster's UI will be at http://127.0.0.1:{port} in a few seconds; Ctrl-C stops it\n"


def test_it_stops_when_a_child_process_ends(tmp_path: Path) -> None:
    with served(tmp_path) as (process, _):
        daemon = next(
            pid
            for pid in descendants(process.pid)
            if b"dagster._daemon" in (Path("/proc") / str(pid) / "cmdline").read_bytes()
        )
        os.kill(daemon, signal.SIGKILL)
        assert until(lambda: process.poll() is not None, STOP_SECONDS_MAX)
        assert process.returncode == 1
        assert process.stderr is not None
        last = process.stderr.read().splitlines()[-1]
    assert last == "milestones: Dagster's daemon ended with -9, so the UI stopped: start it again with milestones ui"


def test_a_code_server_that_ends_at_once_is_reported(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as ended:
        ended.wait()
        with pytest.raises(UIStopped, match="code server ended with 3"):
            _await_start(ended, tmp_path / "socket")


def test_a_port_in_use_is_wrong_use(tmp_path: Path) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        with pytest.raises(WrongUse, match=f"port {port} on 127.0.0.1 is not available .*: choose another with --port"):
            serve_ui(Home(tmp_path), port)


@pytest.mark.parametrize("verb", ["ui", "dashboard"])
@pytest.mark.parametrize("port", ["99999", "0", "-1", "http"])
def test_an_invalid_port_is_wrong_use(verb: str, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--port", port]) == 2
    assert "--port" in capsys.readouterr().err
