"""`milestones serve`: who may reach it, and the server as a process: names, signals, a publish while it is read."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.storage.home import Home
from tests.cli.commands import Command
from tests.support import Shell

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--host", "0.0.0.0"],  # noqa: S104 - refused
            (
                "--host 0.0.0.0 would let other machines read everything that is published: confirm it with "
                "--allow-remote and the host name that they use"
            ),
        ),
        (
            ["--host", "example.com"],
            "--host example.com is not an IPv4 address: give one, such as 127.0.0.1 or 0.0.0.0",
        ),
        (["--host", "::1"], "--host ::1 is not an IPv4 address: give one, such as 127.0.0.1 or 0.0.0.0"),
        (
            ["--allow-remote", "http://example.com"],
            "--allow-remote http://example.com is not a host name: give one without scheme and port",
        ),
        (["--allow-remote", "a*.com"], "--allow-remote a*.com is not a host name: give one without scheme and port"),
        (["--cors", "*"], "--cors * is not an origin: give scheme and host, such as https://example.com"),
        (
            ["--cors", "https://example.com/"],
            "--cors https://example.com/ is not an origin: give scheme and host, such as https://example.com",
        ),
    ],
)
def test_options_that_would_open_it_by_mistake_are_refused(
    options: list[str], message: str, command: Command, at: Callable[..., Home], tmp_path: Path
) -> None:
    at(tmp_path)
    outcome = command("serve", *options)
    assert (outcome.status, outcome.error_line) == (2, message)


def test_a_port_in_use_is_wrong_use(command: Command, at: Callable[..., Home], tmp_path: Path) -> None:
    at(tmp_path)
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        outcome = command("serve", "--port", str(port))
    assert outcome.status == 2
    assert outcome.error_line == (
        f"port {port} on 127.0.0.1 is not available (Address already in use): choose another with --port"
    )


@contextmanager
def served(home: Home, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the command in the background with SIGINT ignored, as shells do. Yields it and its port once it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = [sys.executable, "-m", "pipelines.cli", "serve", "--port", str(port), *options]
    with subprocess.Popen(
        ["/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh", *program],
        env=os.environ | {"MILESTONES_HOME": str(home.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == (
                f"serving {home.root} at http://127.0.0.1:{port} (/ lists what there is); Ctrl-C stops it\n"
            )
            yield process, port
        finally:
            process.kill()


def fetch(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS_MAX)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.mark.slow
def test_readers_never_notice_that_a_publish_replaces_the_file(published: Shell, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(published.home.published, home.published, symlinks=True)
    found: list[tuple[int, int]] = []
    stop = threading.Event()

    def read(port: int) -> None:
        while not stop.is_set():
            status, _, body = fetch(port, f"/changes.json?since=2020-01-01&offset={len(found)}")
            found.append((status, len(json.loads(body)["items"]) if status == 200 else -1))

    with served(home) as (process, port):
        readers = [threading.Thread(target=read, args=(port,)) for _ in range(3)]
        for reader in readers:
            reader.start()
        for _ in range(20):
            following = home.published / "next"
            shutil.copyfile(published.home.published_duckdb, following)
            following.replace(home.published_duckdb)
            begun, deadline = len(found), time.monotonic() + START_SECONDS_MAX
            while len(found) < begun + 4 and time.monotonic() < deadline:
                time.sleep(0.01)
        stop.set()
        for reader in readers:
            reader.join()
        links = Path(f"/proc/{process.pid}/fd").iterdir()
        opened = {link.stat().st_ino for link in links if "milestones.duckdb" in str(link.readlink())}
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS_MAX) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert len(found) >= 80
    assert {status for status, _ in found} == {200}
    # Replaced files are closed: their space is free again.
    assert 1 <= len(opened) <= 2


@pytest.mark.slow
def test_it_accepts_its_own_names_and_the_allowed_origin_only(published: Shell) -> None:
    with served(published.home, "--allow-remote", "data.example", "--cors", "HTTPS://Page.example") as (process, port):
        for host in (f"localhost:{port}", "127.0.0.1", "data.example", "data.example:80"):
            assert fetch(port, "/health?max_age=31622400", Host=host)[0] == 200
        for host in ("evil.example", "127.0.0.1.evil.example"):
            assert fetch(port, "/", Host=host)[0] == 400
        assert fetch(port, "/", Origin="https://evil.example")[0] == 403
        status, headers, _ = fetch(port, "/", Origin="https://page.example")
        assert (status, headers["access-control-allow-origin"]) == (200, "https://page.example")
        assert "access-control-allow-origin" not in fetch(port, "/")[1]
        # Raw bytes that no client library would send.
        for target in (
            b"/events/%00%ff%2f..%2f.json",
            b"/events/\xe2\x80\xae.json",
            b"/" + b"x" * 60_000,
            b"/?%",
            b"*",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=STOP_SECONDS_MAX) as raw:
                raw.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert raw.makefile("rb").readline().split()[1] in (b"400", b"404", b"414")
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS_MAX) == 0
