"""The snapshot before, and what was touched since: what the next one may take over from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipelines.errors import PublishedDiffers
from pipelines.home import Home
from pipelines.publish.manifest import Manifest, PublishedFile
from pipelines.publish.newest import WAREHOUSE, Newest, tables_of
from pipelines.publish.partitions import Ranges
from pipelines.warehouse.touched import Touched, touched_since
from schemas.tables import MILESTONES, SCHEMA_VERSION

SINCE = "memory.touched_since_snapshot"
"""Where the ids and starts of milestones stand that were touched since the snapshot before."""


@dataclass(frozen=True)
class Before:
    """The snapshot before: its folder, its manifest, and what was touched since.

    `typed` are the typed tables in which touched milestones stand, `newest` has their rows, and may have others.
    """

    folder: Path
    manifest: Manifest
    touched: Touched
    typed: frozenset[str]
    newest: Newest

    @property
    def ranges(self) -> Ranges:
        """Its ranges."""
        return Ranges(self.manifest.ranges)

    def may_outgrow(self, rows: int) -> bool:
        """Whether a range may hold more milestones than so many by now."""
        held = max((file.rows for file in self.files(MILESTONES.name).values()), default=0)
        return held + self.touched.milestones > rows

    def files(self, table: str) -> dict[str, PublishedFile]:
        """Its files of a table, by their path below the table's folder."""
        prefix = f"{self.folder.parent.name}/{self.folder.name}/{table}/"
        return {file.path.removeprefix(prefix): file for file in self.manifest.files if file.table == table}


def latest_manifest(home: Home) -> Manifest | None:
    """The manifest of the newest snapshot; None where there is none that the next one could build on, whole."""
    try:
        manifest = Manifest.read(home.latest_snapshot)
    except PublishedDiffers:
        return None
    if manifest.schema_version != SCHEMA_VERSION or not manifest.ranges:
        return None
    return manifest if all(_is_there(home, file) for file in manifest.files if file.table) else None


def _is_there(home: Home, file: PublishedFile) -> bool:
    """With its size; what is in it `milestones verify` tells."""
    try:
        return (home.published / file.path).stat().st_size == file.bytes
    except FileNotFoundError:
        return False


def find_before(home: Home, connection: duckdb.DuckDBPyConnection, latest: Manifest, newest: Newest) -> Before:
    """The newest snapshot, whose manifest this is; the attached warehouse knows what was touched since its sweep."""
    assert latest.sweep_id is not None  # noqa: S101 - it is known
    touched = touched_since(connection, latest.sweep_id, catalog=WAREHOUSE, into=SINCE)
    own = f"({newest.rows[MILESTONES.name]}) SEMI JOIN {SINCE} USING (milestone_id)"
    typed = tables_of(connection, WAREHOUSE, f"FROM {own}")
    return Before(home.latest_snapshot.resolve(), latest, touched, typed, newest)
