"""`milestones dashboard`: starts Streamlit in an environment that has it."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from pipelines.errors import NothingToDo
from pipelines.project_files import project_file
from pipelines.storage.home import HOME_VARIABLE, Home


def run_dashboard(home: Home, port: int) -> None:
    """Replace this process by Streamlit's. Raises NothingToDo without an environment."""
    folder = project_file("dashboard")
    python = _python(folder)
    os.environ[HOME_VARIABLE] = str(home.root)
    # Streamlit reads its settings from the current folder. The private ones are repeated here in case it does not.
    os.chdir(folder)
    program = [python, "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1"]
    program += ["--server.port", str(port), "--server.headless", "true", "--browser.gatherUsageStats", "false"]
    os.execv(python, program)  # noqa: S606 - an interpreter of ours, no shell


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
