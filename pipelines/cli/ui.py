"""`milestones ui`: runs Dagster's web server in this process, and its code server and daemon as child processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._grpc.client import DagsterGrpcClient
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__ as webserver_version

from pipelines.cli.listener import bound, stopped_by_signals
from pipelines.cli.own_host import guard
from pipelines.errors import MilestonesError
from pipelines.orchestration.run_history import open_history
from pipelines.project_files import CHECKOUT
from pipelines.storage.home import HOME_VARIABLE, Home

MODULE = "pipelines.definitions"
"""Name of the code location. Dagster stores under it which schedules are on."""

_GRAPH = (
    *("--module-name", MODULE, "--working-directory", str(CHECKOUT), "--location-name", MODULE),
    *("--log-level", "warning"),
)

START_SECONDS = 120.0
"""Time for the code server to load the graph on a busy machine."""

STOP_SECONDS = 7.0
"""Time for child processes to end before they are killed; a run loses at most the page that it was fetching."""

REQUEST_SECONDS = 2
"""Time for open requests when the server stops: browsers keep web sockets open indefinitely."""

POLL_SECONDS = 0.1


class UIStopped(MilestonesError):
    """A process of the UI ended unexpectedly."""


def serve_ui(home: Home, port: int) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises WrongUse for an unavailable port, HistoryUnusable, and UIStopped when a child process ends.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(bound(port))
        os.environ[HOME_VARIABLE] = str(home.root)
        stack.enter_context(stopped_by_signals())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="milestones-ui-")))
        instance = stack.enter_context(open_history(home))
        children: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(_stop, children)
        children["code server"] = _start("dagster", "code-server", "start", "--socket", str(folder / "code"), *_GRAPH)
        _await_start(children["code server"], folder / "code")
        workspace = _workspace(folder)
        children["daemon"] = _start("dagster._daemon", "run", "--workspace", str(workspace))
        _serve(instance, workspace, listener, children)


def _workspace(folder: Path) -> Path:
    """Write a workspace file that points to the code server."""
    file = folder / "workspace.yaml"
    # JSON is valid YAML, and quotes any path.
    location = f'{{"grpc_server": {{"socket": "{folder / "code"}", "location_name": "{MODULE}"}}}}'
    file.write_text(f'{{"load_from": [{location}]}}', encoding="utf-8")
    return file


def _serve(
    instance: dg.DagsterInstance, workspace: Path, listener: socket.socket, children: dict[str, subprocess.Popen[bytes]]
) -> None:
    target = WorkspaceFileTarget(paths=[str(workspace)])
    with WorkspaceProcessContext(instance, version=webserver_version, workspace_load_target=target) as context:
        config = uvicorn.Config(
            guard(create_app_from_workspace_process_context(context)),
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
        raise UIStopped(f"{ended[0]}, so the UI stopped: start it again with milestones ui")


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a child in its own process group, which also contains the runs that it launches."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        # -W ignore: Dagster warns about its own deprecated options.
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _stop(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Terminate the process groups of the children; kill them after STOP_SECONDS."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A second Ctrl-C must not leave processes behind.
        signal.signal(number, signal.SIG_IGN)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children.values():
        _signal(child, signal.SIGTERM)
    while any(_is_running(child) for child in children.values()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for child in children.values():
        _signal(child, signal.SIGKILL)
        child.wait()


def _is_running(child: subprocess.Popen[bytes]) -> bool:
    """Whether a process of the child's group runs. Polls the child first, as a zombie counts as a process."""
    child.poll()
    return _signal(child, 0)


def _signal(child: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a child's process group; False if the group has no process."""
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
            raise UIStopped(f"Dagster's code server ended with {code_server.returncode}: its output above says why")
        try:
            client.ping("")
        except dg.DagsterError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise UIStopped(
        f"Dagster's code server did not start within {START_SECONDS:.0f} s: start it again on an idle machine"
    )
