"""The snapshot before: which of its files the next one can reuse, and what was touched since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import PublishedDiffers
from pipelines.publish.manifest import Manifest, PublishedFile, is_as_published
from pipelines.publish.partitions import HIVE_KEY, Ranges
from pipelines.publish.touched_rows import Newest
from pipelines.storage.home import Home
from pipelines.warehouse.change_log import Touched
from schemas.tables import MILESTONES, SCHEMA_VERSION


@dataclass(frozen=True)
class Before:
    """The snapshot before: its folder, its manifest, and the rows of what was touched since."""

    folder: Path
    manifest: Manifest
    newest: Newest

    @property
    def touched(self) -> Touched:
        """What was touched since."""
        return self.newest.touched

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
    """The manifest of the newest snapshot; None where there is none that the next one could build on, whole.

    Every file that the next snapshot may link or read is compared with its checksum: a damaged one would be linked from
    snapshot to snapshot, and where it is read and written anew it would get a checksum that says that it is whole.
    A snapshot in the layout of an earlier version is not built on either, so that none has folders of both layouts.
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
