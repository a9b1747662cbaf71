"""Dagster's instance for our commands: settings from dagster.yaml, everything it writes below the home folder."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.storage.durable import exclusive_file_lock, write_durably
from pipelines.storage.home import Home

PROJECT_ROOT = Path(__file__).resolve().parents[2]
INSTANCE_FILE = "dagster.yaml"


def point_dagster_at(home: Home) -> None:
    """Make $MILESTONES_HOME/dagster the home of Dagster: whatever it writes lies below our home."""
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    # Read again at every start, so that an edit or an upgrade of the project's file counts.
    settings = (PROJECT_ROOT / INSTANCE_FILE).read_bytes()
    with exclusive_file_lock(home.start_file):
        write_durably(home.dagster / INSTANCE_FILE, lambda path: path.write_bytes(settings))
