"""Dagster's instance for our commands: settings from dagster.yaml, everything it writes below the home folder."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.home import Home

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DAGSTER_STORAGE_VARIABLE = "MILESTONES_DAGSTER_HOME"


def point_dagster_at(home: Home) -> None:
    """Set the variables that Dagster and dagster.yaml read; a DAGSTER_HOME of the user's own stays."""
    os.environ.setdefault("DAGSTER_HOME", str(PROJECT_ROOT))
    os.environ[DAGSTER_STORAGE_VARIABLE] = str(home.dagster)
    home.dagster.mkdir(parents=True, exist_ok=True)
