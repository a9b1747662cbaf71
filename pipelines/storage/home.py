"""Where everything lies: the folder MILESTONES_HOME and the paths below it. Nothing is written anywhere else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import DiskFull, HomeUnusable, WrongSetting, is_disk_full
from pipelines.storage.durable import one_at_a_time, write_durably

HOME_VARIABLE = "MILESTONES_HOME"
DEFAULT_HOME = "data"
DEMO_HOME = Path("data/demo")


def expanded(path: Path | str) -> Path:
    """A path with `~` at its start spelled out, which no shell did between quotes or after `=`. Raises WrongSetting."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise WrongSetting(
            f"the path {path} begins with a user's home that is not known: give the whole path"
        ) from error


@dataclass(frozen=True)
class Home:
    """The home folder; paths only, nothing is made until something is written."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """`$MILESTONES_HOME`, `~` in it spelled out, or `./data`. Raises WrongSetting."""
        return cls(expanded(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).absolute())

    @property
    def raw(self) -> Path:
        """Landed pages, one folder a sweep."""
        return self.root / "raw"

    @property
    def warehouse(self) -> Path:
        """The writer's own folder; nobody else opens what is in it."""
        return self.root / "warehouse"

    @property
    def warehouse_file(self) -> Path:
        """The private DuckDB file."""
        return self.warehouse / "warehouse.duckdb"

    @property
    def spare_duckdb(self) -> Path:
        """A second DuckDB file that earlier versions kept; removed by the next publish."""
        return self.warehouse / "spare.duckdb"

    @property
    def lock_file(self) -> Path:
        """Held by the run that may write."""
        return self.warehouse / "lock"

    @property
    def start_file(self) -> Path:
        """Held for the moment in which a command that starts writes what it does not need the lock for."""
        return self.warehouse / "start"

    def staging(self, sweep_id: str) -> Path:
        """Tables of a sweep on their way into the warehouse."""
        return self.warehouse / "staging" / sweep_id

    @property
    def published(self) -> Path:
        """What readers open."""
        return self.root / "published"

    @property
    def published_duckdb(self) -> Path:
        """The published DuckDB file, replaced whole by every publish."""
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
        """What was typed at the prompt of `milestones sql`."""
        return self.root / "sql_history"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage."""
        return self.root / "dagster"

    def preflight(self) -> None:
        """Prove that files can be written, synced and renamed here, before anything is asked of the API.

        Raises HomeUnusable.
        """
        probe = self.root / ".preflight"
        try:
            for folder in (self.raw, self.warehouse, self.published, self.dagster):
                folder.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(self.start_file):
                write_durably(probe, lambda path: path.write_bytes(b"1"))
                probe.unlink()
        except OSError as error:
            if is_disk_full(error):
                raise DiskFull(self.root) from error
            raise HomeUnusable(
                f"cannot write to {self.root} ({error.strerror}): give {HOME_VARIABLE} a folder that you may write to"
            ) from error
