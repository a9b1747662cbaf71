"""The home folder (MILESTONES_HOME) and every path below it. The pipeline writes nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import DiskFull, HomeUnusable, WrongSetting, is_disk_full
from pipelines.storage.durable import exclusive_file_lock, make_private, write_durably

HOME_VARIABLE = "MILESTONES_HOME"
DEFAULT_HOME = "data"
DEMO_HOME = Path("data/demo")


def expanded(path: Path | str) -> Path:
    """Expand a leading `~`: shells leave it inside quotes and after `=`. Raises WrongSetting."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise WrongSetting(f"cannot expand the path {path}, as there is no such user: give an absolute path") from error


@dataclass(frozen=True)
class Home:
    """The home folder. Its properties are paths; only `preflight` creates folders."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Home:
        """`$MILESTONES_HOME` with `~` expanded, or `./data`. Raises WrongSetting, also if a file has that name."""
        root = expanded(environment.get(HOME_VARIABLE) or DEFAULT_HOME).absolute()
        if os.path.isfile(root):  # noqa: PTH113 - the method raises OSError for a name that is too long
            raise WrongSetting(f"the home {root} is a file: set {HOME_VARIABLE} to a folder")
        return cls(root)

    @property
    def raw(self) -> Path:
        """Landed pages, one folder per sweep."""
        return self.root / "raw"

    def raw_of(self, endpoint: str) -> Path:
        """Landed pages of an endpoint beside milestones, one folder per sweep."""
        return self.raw / endpoint

    def endpoint_lock_file(self, endpoint: str) -> Path:
        """The lock of the process that fetches an endpoint beside milestones."""
        return self.warehouse / f"{endpoint}.lock"

    @property
    def pace_file(self) -> Path:
        """When the next request may be sent: all processes of this home share one pace."""
        return self.warehouse / "pace"

    @property
    def warehouse(self) -> Path:
        """Files that only the writer opens."""
        return self.root / "warehouse"

    @property
    def warehouse_file(self) -> Path:
        """The private DuckDB file."""
        return self.warehouse / "warehouse.duckdb"

    @property
    def lock_file(self) -> Path:
        """The writer's lock; its text names the process that holds it."""
        return self.warehouse / "lock"

    @property
    def start_file(self) -> Path:
        """The lock for the small files that every command writes when it starts."""
        return self.warehouse / "start"

    def staging(self, sweep_id: str) -> Path:
        """Staged tables of a sweep, before they are loaded into the warehouse."""
        return self.warehouse / "staging" / sweep_id

    @property
    def published(self) -> Path:
        """Files for readers."""
        return self.root / "published"

    @property
    def published_duckdb(self) -> Path:
        """The published DuckDB file; each publish replaces it atomically."""
        return self.published / "milestones.duckdb"

    @property
    def published_summary(self) -> Path:
        """Headline figures as JSON: a symbolic link into the newest snapshot."""
        return self.published / "summary.json"

    @property
    def snapshots(self) -> Path:
        """Immutable Parquet snapshots."""
        return self.published / "parquet"

    @property
    def latest_snapshot(self) -> Path:
        """Symbolic link to the newest snapshot."""
        return self.snapshots / "latest"

    @property
    def sql_history(self) -> Path:
        """Input history of the `milestones sql` prompt."""
        return self.root / "sql_history"

    @property
    def backup_marker(self) -> Path:
        """Marks a folder that `milestones backup` made, until it is written to as a home."""
        return self.root / "backup.json"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage."""
        return self.root / "dagster"

    @property
    def cluster(self) -> Path:
        """Dagster's settings on a machine of a cluster; its storage is in PostgreSQL."""
        return self.root / "cluster"

    def preflight(self) -> None:
        """Create the folders and check that files can be written, synced and renamed, before any request is sent.

        Raises HomeUnusable.
        """
        probe = self.root / ".preflight"
        try:
            for folder in (self.raw, self.warehouse, self.dagster):
                make_private(folder)
            # Readers may be other users: published files follow the umask.
            self.published.mkdir(parents=True, exist_ok=True)
            with exclusive_file_lock(self.start_file):
                write_durably(probe, lambda path: path.write_bytes(b"1"))
                probe.unlink()
        except OSError as error:
            if is_disk_full(error):
                raise DiskFull(self.root) from error
            raise HomeUnusable(
                f"cannot write to {self.root} ({error.strerror}): set {HOME_VARIABLE} to a writable folder"
            ) from error
