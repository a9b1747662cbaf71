"""`milestones ui`: Dagster's web server in this process, its code server and daemon as children that end with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._grpc.client import DagsterGrpcClient
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__ as webserver_version

from pipelines.cli.own_host import LOOPBACK, guarded
from pipelines.errors import MilestonesError, WrongUse
from pipelines.orchestration.instance import PROJECT_ROOT
from pipelines.orchestration.run_history import open_history
from pipelines.storage.home import HOME_VARIABLE, Home

MODULE = "pipelines.definitions"
"""The code location; schedules that are on are kept by this name."""

_GRAPH = (
    *("--module-name", MODULE, "--working-directory", str(PROJECT_ROOT), "--location-name", MODULE),
    *("--log-level", "warning"),
)

START_SECONDS = 120.0
"""For the code server to load the graph, on a busy machine."""

STOP_SECONDS = 7.0
"""For a child to end before it is killed; a run loses at most the page that it was reading."""

REQUEST_SECONDS = 2
"""For requests under way when the server ends: browsers keep web sockets open for ever."""

POLL_SECONDS = 0.1


class UIStopped(MilestonesError):
    """A part of the UI ended that should run for ever."""


def serve_ui(home: Home, port: int) -> None:
    """Serve until interrupted, by Ctrl-C or SIGTERM.

    Raises WrongUse for a port that cannot be had, HistoryUnusable, and UIStopped when a child ends.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(_bound(port))
        os.environ[HOME_VARIABLE] = str(home.root)
        stack.enter_context(_stopped_by_signals())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="milestones-ui-")))
        instance = stack.enter_context(open_history(home))
        children: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(_end, children)
        children["code server"] = _started("dagster", "code-server", "start", "--socket", str(folder / "code"), *_GRAPH)
        _await_start(children["code server"], folder / "code")
        workspace = _workspace(folder)
        children["daemon"] = _started("dagster._daemon", "run", "--workspace", str(workspace))
        _serve(instance, workspace, listener, children)


def _workspace(folder: Path) -> Path:
    """A workspace file that leads to the code server."""
    file = folder / "workspace.yaml"
    # JSON is YAML, and quotes whatever the path holds.
    location = f'{{"grpc_server": {{"socket": "{folder / "code"}", "location_name": "{MODULE}"}}}}'
    file.write_text(f'{{"load_from": [{location}]}}', encoding="utf-8")
    return file


def _serve(
    instance: dg.DagsterInstance, workspace: Path, listener: socket.socket, children: dict[str, subprocess.Popen[bytes]]
) -> None:
    target = WorkspaceFileTarget(paths=[str(workspace)])
    with WorkspaceProcessContext(instance, version=webserver_version, workspace_load_target=target) as context:
        config = uvicorn.Config(
            guarded(create_app_from_workspace_process_context(context)),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=REQUEST_SECONDS,
        )
        server = uvicorn.Server(config)
        ended: list[str] = []

        def watch(name: str, child: subprocess.Popen[bytes]) -> None:
            child.wait()
            ended.append(f"Dagster's {name} ended with {child.returncode}")
            server.should_exit = True

        for name, child in children.items():
            threading.Thread(target=watch, args=(name, child), daemon=True).start()
        server.run(sockets=[listener])
    if ended:
        raise UIStopped(f"{ended[0]}, so the UI ends: start it again with milestones ui")


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    """A socket that listens on loopback; a browser that is early waits. Raises WrongUse."""
    with socket.socket(socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
            listener.listen()
        except OSError as error:
            raise WrongUse(
                f"port {port} on {LOOPBACK} cannot be had ({error.strerror}): choose another with --port"
            ) from error
        yield listener


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does; both work in the background too, where a shell has Ctrl-C ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _started(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A process of a group of its own, which holds all that it starts, the runs that it launches too."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        # Dagster warns of options of its own that are to be superseded.
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _end(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Terminate the children and all that they have started, and kill what takes too long."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A second Ctrl-C must not leave processes behind.
        signal.signal(number, signal.SIG_IGN)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children.values():
        _signal(child, signal.SIGTERM)
    while any(_is_left(child) for child in children.values()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for child in children.values():
        _signal(child, signal.SIGKILL)
        child.wait()


def _is_left(child: subprocess.Popen[bytes]) -> bool:
    """Whether a process of the child's group is left; its own end has to be taken note of for that."""
    child.poll()
    return _signal(child, 0)


def _signal(child: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a child's group; whether there is any process in it."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return False
    return True


def _await_start(code_server: subprocess.Popen[bytes], path: Path) -> None:
    client = DagsterGrpcClient(socket=str(path))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if code_server.poll() is not None:
            raise UIStopped(f"Dagster's code server ended with {code_server.returncode}: its lines above say why")
        try:
            client.ping("")
        except dg.DagsterError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise UIStopped(
        f"Dagster's code server did not start within {START_SECONDS:.0f} s: start it again on an idle machine"
    )
