"""Starts what a cluster needs on loopback, in temporary folders: PostgreSQL, Redis, an S3 server, a sandbox, workers.

Everything that was started is stopped when the stack that holds it is closed, also after a failure.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 20.0


class Started:
    """A process in a group of its own, whose output is in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Kill the process and all that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        # What a stopped process left behind.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


@contextmanager
def started(command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[Started]:
    """Run a process within the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            cwd=PROJECT,
            start_new_session=True,
        )
    running = Started(process, log)
    try:
        yield running
    finally:
        running.stop()


def wait_until(is_true: Callable[[], bool], what: str, *, process: Started, seconds: float = START_SECONDS) -> None:
    """Poll until it is true; fails with the output of the process if that ends before, or after this time."""
    ends_at = time.monotonic() + seconds
    while not is_true():
        if process.process.poll() is not None:
            raise AssertionError(
                f"{what}: the process ended with {process.process.returncode}\n{process.output[-4000:]}"
            )
        if time.monotonic() > ends_at:
            raise AssertionError(f"{what}: not within {seconds:g} s\n{process.output[-4000:]}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL server. It refuses to run as root, so root runs it as the user of Debian's package."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.geteuid() == 0 else []
    # Root's own temporary folder can be closed to that user.
    parent = "/tmp" if become else None  # noqa: S108 - the folder in it is made with a random name
    with tempfile.TemporaryDirectory(prefix="milestones-postgres-", dir=parent, ignore_cleanup_errors=True) as name:
        if become:
            shutil.chown(name, user, user)
        data, port = Path(name) / "data", free_port()
        subprocess.run(
            [*become, binaries / "initdb", "-D", data, "-U", user, "-A", "trust", "-N", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd=name,
        )
        settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={name}", "fsync=off", "max_connections=200")
        options = [part for setting in settings for part in ("-c", setting)]
        command = [*become, str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options]
        with started(command, folder / "postgres.log") as server:
            ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL", process=server)
            yield f"postgresql+psycopg2://{user}@127.0.0.1:{port}/postgres"


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The URL of a Redis server that keeps nothing on the disk."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with started(["redis-server", *options], folder / "redis.log") as server:
        wait_until(lambda: accepts(port), "Redis", process=server)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server with the bucket `lake`; the environment variables that lead to it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with started(command, folder / "s3.log") as server:
        wait_until(lambda: accepts(port), "the S3 server", process=server)
        address = f"http://127.0.0.1:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{address}/lake", method="PUT"))  # noqa: S310 - loopback
        yield {
            "MILESTONES_LAKE": "s3://lake/milestones",
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }


def milestones(*arguments: str) -> list[str]:
    """The command of the checkout, by the interpreter that runs the tests."""
    return [sys.executable, "-m", "pipelines.cli", *arguments]


@contextmanager
def sandbox(folder: Path, *, rows: int) -> Iterator[str]:
    """The base URL of a sandbox."""
    port = free_port()
    command = milestones("sandbox", "--rows", str(rows), "--port", str(port))
    with started(command, folder / "sandbox.log") as server:
        wait_until(lambda: accepts(port), "the sandbox", process=server)
        yield f"http://127.0.0.1:{port}/trade-api/v2"


@contextmanager
def services(folder: Path, *, rows: int) -> Iterator[dict[str, str]]:
    """All services; the environment of the cluster's commands."""
    with ExitStack() as stack:
        yield {
            "PYTHONPATH": str(PROJECT),
            "MILESTONES_POSTGRES_URL": stack.enter_context(postgres(folder)),
            "MILESTONES_REDIS_URL": stack.enter_context(redis(folder)),
            **stack.enter_context(object_store(folder)),
            "KALSHI_BASE_URL": stack.enter_context(sandbox(folder, rows=rows)),
            "KALSHI_REQUESTS_PER_SECOND": "0",
            "MILESTONES_ENDPOINTS": "none",
        }
