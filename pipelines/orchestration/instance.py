"""Configures the Dagster instance: settings from dagster.yaml, all storage below the home folder."""

from __future__ import annotations

import json
import os

from pipelines.project_files import project_file
from pipelines.storage.durable import exclusive_file_lock, make_private, write_durably
from pipelines.storage.home import Home

INSTANCE_FILE = "dagster.yaml"

_STORAGE = """
storage:
  custom:
    module: pipelines.orchestration.history_storage
    class: HistoryStorage
    config:
      base_dir: {base_dir}
"""


def point_dagster_at(home: Home) -> None:
    """Set DAGSTER_HOME to $MILESTONES_HOME/dagster, and copy dagster.yaml there, with the storage below that folder."""
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    # Copied at every start, so that edits and upgrades of the project's file take effect.
    settings = project_file(INSTANCE_FILE).read_text(encoding="utf-8")
    # JSON is valid YAML, and quotes any path.
    settings += _STORAGE.format(base_dir=json.dumps(str(home.dagster)))
    make_private(home.dagster)
    with exclusive_file_lock(home.start_file):
        write_durably(home.dagster / INSTANCE_FILE, lambda path: path.write_text(settings, encoding="utf-8"))
