"""The manifest of a snapshot: rows, bytes and sha256 of every published file, and the check against it.

Page checksums are not enough: DuckDB reads flipped bits in Parquet without a word.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from pipelines.durable import write_durably
from pipelines.errors import PublishedDiffers
from pipelines.home import Home

MANIFEST_FILE = "manifest.json"


class PublishedFile(msgspec.Struct, frozen=True):
    """One file; `path` is relative to the published folder, `table` None for a file that is not one table's."""

    path: str
    table: str | None
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot consists of, and which sweep it stands after.

    `ranges` are the first days of the ranges of starts that its large tables are split into.
    """

    snapshot: str
    schema_version: int
    created_at: datetime
    sweep_id: str | None
    files: list[PublishedFile]
    ranges: tuple[date, ...] = ()

    def write(self, folder: Path) -> None:
        """Keep it in the snapshot's folder."""
        text = msgspec.json.format(msgspec.json.encode(self), indent=2)
        write_durably(folder / MANIFEST_FILE, lambda path: path.write_bytes(text))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a snapshot. Raises PublishedDiffers when it is missing or unreadable."""
        file = folder / MANIFEST_FILE
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except FileNotFoundError as error:
            raise PublishedDiffers(f"{file} is missing: publish again with milestones ingest") from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise PublishedDiffers(f"{file} is damaged ({error}): publish again with milestones ingest") from error


@dataclass(frozen=True)
class Verified:
    """What was checked and what differs."""

    snapshot: str
    files: int
    bytes: int
    differences: list[str]


def describe(file: Path, *, path: str, table: str | None, rows: int) -> PublishedFile:
    """The manifest's entry for a finished file that will stand at `path` below the published folder."""
    return PublishedFile(path, table, rows, file.stat().st_size, sha256_of(file))


def sha256_of(file: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def verify(home: Home) -> Verified:
    """Check every file of the newest snapshot, and the DuckDB file. Raises PublishedDiffers without a manifest."""
    if not home.latest_snapshot.exists():
        raise PublishedDiffers(f"nothing is published below {home.published}: run milestones ingest first")
    manifest = Manifest.read(home.latest_snapshot)
    # A run that died between the two renames leaves the DuckDB file one snapshot ahead: whole, and said to be.
    sums: defaultdict[str, set[str]] = defaultdict(set)
    for other in _manifests_since(home, manifest):
        for file in other.files:
            sums[file.path].add(file.sha256)
    differences = []
    for file in manifest.files:
        path = home.published / file.path
        if not path.exists():
            differences.append(f"{path} is missing")
        elif sha256_of(path) not in sums[file.path] or not _is_as_described(path, file):
            differences.append(f"{path} is not what its manifest says")
    return Verified(manifest.snapshot, len(manifest.files), sum(file.bytes for file in manifest.files), differences)


def _is_as_described(path: Path, file: PublishedFile) -> bool:
    """Bytes and rows, of a Parquet file: the sum alone would not notice a manifest that says something else."""
    if file.table is None:
        return True
    return path.stat().st_size == file.bytes and pq.read_metadata(path).num_rows == file.rows


def _manifests_since(home: Home, manifest: Manifest) -> Iterator[Manifest]:
    yield manifest
    for folder in home.snapshots.iterdir():
        if folder.name > manifest.snapshot and (folder / MANIFEST_FILE).exists() and not folder.is_symlink():
            yield Manifest.read(folder)
