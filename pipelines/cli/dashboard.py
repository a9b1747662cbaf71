"""`milestones dashboard`: opens the port, and starts the server in an environment that has Streamlit."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from pipelines.cli.listener import bound
from pipelines.cli.own_host import LOOPBACK
from pipelines.errors import NothingToDo
from pipelines.project_files import project_file
from pipelines.storage.home import HOME_VARIABLE, Home


def run_dashboard(home: Home, port: int) -> None:
    """Replace this process by the server. Raises NothingToDo without an environment, WrongUse for a port in use."""
    folder = project_file("dashboard")
    python = _python(folder)
    os.environ[HOME_VARIABLE] = str(home.root)
    # Streamlit reads its settings from the current folder. The private one is repeated here in case it does not.
    os.chdir(folder)
    os.environ["STREAMLIT_BROWSER_GATHER_USAGE_STATS"] = "false"
    with bound(port) as listener:
        listener.set_inheritable(True)
        # An early browser waits for the server.
        print(f"The dashboard of {home.root} has this URL: http://{LOOPBACK}:{port} (Ctrl-C stops it)", flush=True)  # noqa: T201
        os.execv(python, [python, "serve.py", str(listener.fileno())])  # noqa: S606 - an interpreter of ours, no shell


def _python(folder: Path) -> str:
    """The dashboard's own interpreter in a checkout, else this one if the extra is installed."""
    own = folder / ".venv" / "bin" / "python"
    if own.exists():
        return str(own)
    if find_spec("streamlit"):
        return sys.executable
    raise NothingToDo(
        "the dashboard's packages are not installed: run make dashboard in a checkout, or install the wheel with "
        "[dashboard]"
    )
