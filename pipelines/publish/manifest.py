"""The manifest of a snapshot: rows, bytes and sha256 of every published file, and the verification against it.

Page checksums are not enough: DuckDB reads flipped bits in Parquet without an error.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
from msgspec.structs import replace

from pipelines.errors import PublishedDiffers
from pipelines.storage.durable import write_durably
from pipelines.storage.home import Home

MANIFEST_FILE = "manifest.json"

MAX_RESTARTS = 5
"""Verification restarts at most this often after a publish that ran at the same time."""


class PublishedUnsettled(PublishedDiffers):
    """Runs published so often that the files could not be verified."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} changed {MAX_RESTARTS} times during the verification: run milestones verify again")


class PublishedFile(msgspec.Struct, frozen=True):
    """One file. `path` is relative to the published folder; `table` is None for files that are not one table."""

    path: str
    table: str | None
    rows: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """The files of a snapshot, and its newest loaded sweep of milestones.

    `versions` has, by table of another endpoint, the sweeps that it was made of; earlier versions wrote none.

    `ranges` are the first days of the start-date ranges into which large tables are split. `checksum` is the sha256 of
    all other fields, so that damage to the manifest itself is detected; "" in manifests of earlier versions.
    """

    snapshot: str
    schema_version: int
    created_at: datetime
    sweep_id: str | None
    files: list[PublishedFile]
    ranges: tuple[date, ...] = ()
    versions: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    checksum: str = ""

    def sealed(self) -> Manifest:
        """A copy with its checksum."""
        return replace(self, checksum=self._own_checksum())

    def write(self, folder: Path) -> None:
        """Write it into the folder of the snapshot, with its checksum."""
        text = self.sealed()._text()
        write_durably(folder / MANIFEST_FILE, lambda path: path.write_bytes(text))

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a snapshot. Raises PublishedDiffers if it is missing or damaged."""
        file = folder / MANIFEST_FILE
        try:
            text = file.read_bytes()
        except FileNotFoundError as error:
            raise PublishedDiffers(f"{file} is missing: publish again with milestones ingest") from error
        return cls.decode(text, file)

    @classmethod
    def decode(cls, text: bytes, file: Path | str) -> Manifest:
        """Decode the content of a manifest; `file` names it in errors. Raises PublishedDiffers if it is damaged."""
        try:
            manifest = msgspec.json.decode(text, type=cls)
            is_whole = manifest._is_whole_as(text)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise PublishedDiffers(f"{file} is damaged ({error}): publish again with milestones ingest") from error
        if not is_whole:
            raise PublishedDiffers(f"{file} is damaged (its checksum differs): publish again with milestones ingest")
        return manifest

    def _is_whole_as(self, text: bytes) -> bool:
        """Whether `text`, which it was decoded from, is undamaged. Raises if an unknown name in it is no text."""
        if not self.checksum:
            # Of an earlier version, unless the damage is in the name of the checksum.
            return msgspec.json.decode(text, type=dict[str, msgspec.Raw]).keys() <= set(self.__struct_fields__)
        # Other text can have the same values, as in a time with z.
        return self.checksum == self._own_checksum() and self._text() == text

    def _text(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def _own_checksum(self) -> str:
        return hashlib.sha256(msgspec.json.encode(replace(self, checksum=""))).hexdigest()


def published_sweep(home: Home) -> str | None:
    """The newest sweep in the published snapshot; None if there is no readable manifest."""
    try:
        return Manifest.read(home.latest_snapshot).sweep_id
    except PublishedDiffers:
        return None


@dataclass(frozen=True)
class Verified:
    """The result of a verification: what was checked, and a line for each difference."""

    snapshot: str
    files: int
    bytes: int
    differences: list[str]


def describe(file: Path, *, path: str, table: str | None, rows: int) -> PublishedFile:
    """The manifest entry of a finished file that will be published at `path`, relative to the published folder."""
    return PublishedFile(path, table, rows, file.stat().st_size, sha256_of(file))


def sha256_of(file: Path) -> str:
    """The sha256 of a file in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def is_as_published(home: Home, file: PublishedFile) -> bool:
    """Whether a published file has the size and sha256 of its manifest entry."""
    path = home.published / file.path
    try:
        return path.stat().st_size == file.bytes and sha256_of(path) == file.sha256
    except OSError:
        return False


def verify(home: Home, *, hash_file: Callable[[Path], str] = sha256_of) -> Verified:
    """Verify the DuckDB file and every file of the newest snapshot. Raises PublishedDiffers without a manifest.

    It restarts if a publish or the retention of snapshots changed the files in the meantime.
    """
    for _ in range(MAX_RESTARTS):
        before = _state(home)
        try:
            result = _verify_once(home, hash_file)
        except PublishedDiffers:
            if _state(home) == before:
                raise
            continue
        if not result.differences or _state(home) == before:
            return result
    raise PublishedUnsettled(home.published)


def _state(home: Home) -> tuple[object, ...]:
    """Everything that a publish, or the retention of snapshots, changes."""
    link, file = home.latest_snapshot, home.published_duckdb
    return (
        link.readlink() if link.is_symlink() else None,
        file.stat().st_ino if file.exists() else None,
        sorted(folder.name for folder in home.snapshots.iterdir()) if home.snapshots.exists() else None,
    )


def _verify_once(home: Home, hash_file: Callable[[Path], str]) -> Verified:
    if not home.latest_snapshot.exists():
        raise PublishedDiffers(f"nothing is published in {home.published}: run milestones ingest first")
    manifest = Manifest.read(home.latest_snapshot)
    # A run killed between the two renames leaves a valid DuckDB file that is one snapshot ahead of `latest`.
    sums: defaultdict[str, set[str]] = defaultdict(set)
    for newer in _manifests_since(home, manifest):
        for file in newer.files:
            sums[file.path].add(file.sha256)
    differences = []
    for file in manifest.files:
        path = home.published / file.path
        try:
            if hash_file(path) not in sums[file.path] or not _is_as_described(path, file):
                differences.append(f"{path} differs from its manifest")
        except FileNotFoundError:
            differences.append(f"{path} is missing")
    return Verified(manifest.snapshot, len(manifest.files), sum(file.bytes for file in manifest.files), differences)


def _is_as_described(path: Path, file: PublishedFile) -> bool:
    """Compare bytes and rows of a Parquet file: its sha256 alone does not prove those fields of the manifest."""
    if file.table is None:
        return True
    return path.stat().st_size == file.bytes and pq.read_metadata(path).num_rows == file.rows


def _manifests_since(home: Home, manifest: Manifest) -> Iterator[Manifest]:
    yield manifest
    for folder in home.snapshots.iterdir():
        if folder.name > manifest.snapshot and (folder / MANIFEST_FILE).exists() and not folder.is_symlink():
            yield Manifest.read(folder)
