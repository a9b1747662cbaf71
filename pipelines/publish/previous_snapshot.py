"""The previous snapshot: which of its files the next one can reuse, and which milestones were touched since.

A snapshot with a damaged file is never reused: the damage would be linked from snapshot to snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.errors import PublishedDiffers
from pipelines.publish.manifest import Manifest, PublishedFile, is_as_published
from pipelines.publish.partitions import HIVE_KEY, Ranges
from pipelines.storage.home import Home
from pipelines.warehouse.change_log import Touched, is_logged, touched_since
from pipelines.warehouse.row_ranges import rows_of
from schemas.sql import quote
from schemas.tables import DETAILS_FIELDS, MILESTONE_VERSIONS, MILESTONES, QUARANTINE, SCHEMA_VERSION, SWEEPS

WAREHOUSE = "warehouse"
"""The name under which the warehouse is attached for reading."""

OF_NO_MILESTONE = (DETAILS_FIELDS, QUARANTINE, SWEEPS)
"""Small tables whose rows belong to no milestone: every publish rewrites them."""

_TOUCHED = "memory.touched"


@dataclass(frozen=True)
class PreviousSnapshot:
    """The previous snapshot: its folder and manifest, the changes since, and the typed tables that they affect."""

    folder: Path
    manifest: Manifest
    touched: Touched
    touched_typed_tables: frozenset[str]

    @classmethod
    def find(
        cls, home: Home, manifest: Manifest | None, connection: duckdb.DuckDBPyConnection
    ) -> PreviousSnapshot | None:
        """The newest snapshot; None if the next one cannot reuse it.

        `manifest` is the `latest_manifest`. `connection` has the closed warehouse attached as WAREHOUSE.
        """
        if (
            manifest is None
            or manifest.sweep_id is None
            or not is_logged(connection, manifest.sweep_id, catalog=WAREHOUSE)
        ):
            return None
        touched = touched_since(connection, manifest.sweep_id, catalog=WAREHOUSE, into=_TOUCHED)
        typed = connection.execute(
            f"SELECT DISTINCT table_name FROM {WAREHOUSE}.{DETAILS_FIELDS.name} WHERE type IN "  # noqa: S608
            f"(SELECT type FROM ({rows_of(connection, f'{WAREHOUSE}.{quote(MILESTONES.name)}', _TOUCHED)}))"
        ).fetchall()
        return cls(home.latest_snapshot.resolve(), manifest, touched, frozenset(row[0] for row in typed))

    @property
    def ranges(self) -> Ranges:
        """The ranges of its large tables."""
        return Ranges(self.manifest.ranges)

    def may_outgrow(self, rows: int) -> bool:
        """Whether the milestones of a range may now have more than `rows` versions."""
        largest = max((file.rows for file in self.files(MILESTONE_VERSIONS.name).values()), default=0)
        return largest + self.touched.milestones > rows

    def files(self, table: str) -> dict[str, PublishedFile]:
        """Its files of a table, by their path below the folder of the table."""
        prefix = f"{self.folder.parent.name}/{self.folder.name}/{table}/"
        return {file.path.removeprefix(prefix): file for file in self.manifest.files if file.table == table}


def latest_manifest(home: Home) -> Manifest | None:
    """The manifest of the newest snapshot; None if the next one cannot reuse its files.

    Every file of a table is compared with its checksum, as a damaged one would be linked into all later snapshots. A
    snapshot in the layout of an earlier version is not reused, so that no snapshot mixes both layouts.
    """
    try:
        manifest = Manifest.read(home.latest_snapshot)
    except PublishedDiffers:
        return None
    if manifest.schema_version != SCHEMA_VERSION or not manifest.ranges or not manifest.checksum:
        return None
    if any(f"/{HIVE_KEY}" in file.path for file in manifest.files):
        return None
    return manifest if all(is_as_published(home, file) for file in manifest.files if file.table) else None
