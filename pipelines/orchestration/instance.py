"""Configures the Dagster instance: settings from dagster.yaml, all storage below the home folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pipelines.project_files import project_file
from pipelines.storage.durable import exclusive_file_lock, make_private, write_durably
from pipelines.storage.home import Home

INSTANCE_FILE = "dagster.yaml"
CLUSTER_INSTANCE_FILE = "deploy/cluster/dagster.yaml"

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
    settings = project_file(INSTANCE_FILE).read_text(encoding="utf-8")
    # JSON is valid YAML, and quotes any path.
    _install(home, home.dagster, settings + _STORAGE.format(base_dir=json.dumps(str(home.dagster))))


def point_dagster_at_cluster(home: Home) -> None:
    """Set DAGSTER_HOME to $MILESTONES_HOME/cluster, and copy deploy/cluster/dagster.yaml there."""
    _install(home, home.cluster, project_file(CLUSTER_INSTANCE_FILE).read_text(encoding="utf-8"))


def _install(home: Home, folder: Path, settings: str) -> None:
    os.environ["DAGSTER_HOME"] = str(folder)
    make_private(folder)
    # Copied at every start, so that edits and upgrades of the project's file take effect.
    with exclusive_file_lock(home.start_file):
        write_durably(folder / INSTANCE_FILE, lambda path: path.write_text(settings, encoding="utf-8"))
