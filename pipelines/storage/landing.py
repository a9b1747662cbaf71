"""Landed sweeps below `raw/`: a folder per sweep, a Parquet file per page, and the sweep's state in `sweep.json`.

A page is landed before it is decoded, so every later stage can be repeated from here, days later and in another run.
Each file has a checksum of its content; damage raises SweepDamaged. With a lake, each file is copied there as well.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from pipelines.errors import SweepDamaged
from pipelines.storage.durable import write_durably
from pipelines.storage.lake import Lake
from pipelines.storage.page_files import ContentMismatch, Page, checksum, read_page, write_page

if TYPE_CHECKING:
    from pipelines.kalshi.request_stats import RequestStats

__all__ = (
    "MAX_AGE_TO_RESUME",
    "SWEEP_FILE",
    "Filters",
    "Landing",
    "Mode",
    "Page",
    "Sweep",
    "Traffic",
    "has_loaded_sweep",
    "is_sweep_id",
    "sweep_ids",
)

SWEEP_FILE = "sweep.json"

MAX_AGE_TO_RESUME = timedelta(hours=6)
"""Maximum age of a sweep to resume. The lifetime of a cursor is not documented; a rejected one costs a restart."""

_PAGE_FILE = re.compile(r"page-(\d{6,})\.parquet", re.ASCII)
_SWEEP_ID = re.compile(r"(\d{6})-\d{8}T\d{6}Z", re.ASCII)

Mode = Literal["full", "incremental", "by_id", "partial", "retry"]


class Traffic(msgspec.Struct, kw_only=True):
    """Network traffic of a sweep."""

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, stats: RequestStats) -> Traffic:
        """The traffic of a client."""
        return cls(requests=stats.requests, retries=stats.retries, rate_limited=stats.rate_limited, bytes=stats.bytes)

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            rate_limited=self.rate_limited + other.rate_limited,
            bytes=self.bytes + other.bytes,
        )


class Filters(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Filters of a sweep, named like the API's parameters. Without any, a sweep requests everything."""

    minimum_start_date: datetime | None = None
    maximum_start_date: datetime | None = None
    min_updated_ts: int | None = None
    category: str | None = None
    type: str | None = None
    source_id: str | None = None
    related_event_ticker: str | None = None
    competition: str | None = None


OPTIONS = {
    "minimum_start_date": "--since",
    "maximum_start_date": "--until",
    "category": "--category",
    "type": "--type",
    "source_id": "--source-id",
    "related_event_ticker": "--event",
    "competition": "--competition",
}
"""The options of milestones ingest by the filters that they set."""


class Sweep(msgspec.Struct, kw_only=True):
    """The state of one sweep, stored in `sweep.json`.

    - `state`: landing, then landed, then loaded; or failed, for the reason in `error`.
    - `not_found`: requested ids that the API does not know.
    - `other_competitions`: what the milestones name that a filter by competition returned, where it is not its value.
    - `gone`: milestones that two full sweeps missed and the API does not know by id either.
    - `archived`: how many milestones were found archived.
    - `retried`: the quarantined records (sweep_id, page, position) that this sweep processes again.
    - `is_cut`: it stopped at the requested number of pages; its mode is then partial.
    - `null_lists`: how many pages had null instead of a list; they count as empty.
    - `checksums`: by name, of the files with absent and archived milestones.
    """

    sweep_id: str
    mode: Mode
    filters: Filters
    started_at: datetime
    ids: list[str] = msgspec.field(default_factory=list)
    state: Literal["landing", "landed", "loaded", "failed"] = "landing"
    pages: int = 0
    archived: int = 0
    not_found: list[str] = msgspec.field(default_factory=list)
    other_competitions: list[str] = msgspec.field(default_factory=list)
    gone: list[str] = msgspec.field(default_factory=list)
    retried: list[tuple[str, int, int]] = msgspec.field(default_factory=list)
    null_lists: int = 0
    is_resumable: bool = True
    is_cut: bool = False
    checksums: dict[str, str] = msgspec.field(default_factory=dict)
    landed_at: datetime | None = None
    traffic: Traffic = msgspec.field(default_factory=Traffic)
    error: str | None = None

    @property
    def is_interrupted(self) -> bool:
        """Whether it stopped during the fetch and can be resumed after its last landed page."""
        return self.state in ("landing", "failed") and self.landed_at is None and self.is_resumable

    @property
    def is_fetched_not_loaded(self) -> bool:
        """Whether it was fetched in full but not loaded. Incremental sweeps do not count: they are cheap to repeat."""
        return self.state == "landed" and self.mode in ("full", "partial") and not self.is_cut

    @property
    def command_to_resume(self) -> str | None:
        """The command that would resume it: with its filters; None for single milestones, which are requested again."""
        if self.mode in ("by_id", "retry") or not (self.is_interrupted or self.is_fetched_not_loaded):
            return None
        given = msgspec.to_builtins(self.filters)
        options = [f"{option} {shlex.quote(given[name])}" for name, option in OPTIONS.items() if name in given]
        return " ".join(["milestones ingest", *options])

    @property
    def is_landed(self) -> bool:
        """Whether its fetch ended, so that later stages can work on it."""
        return self.state in ("landed", "loaded")


class _SweepFile(msgspec.Struct, forbid_unknown_fields=True):
    """The content of `sweep.json`: the sweep and the checksum of its JSON text."""

    checksum: str
    sweep: msgspec.Raw


class Landing:
    """The folder of one sweep. `lake` is the copy of `raw/` in the lake: what is landed here is copied there."""

    def __init__(self, folder: Path, sweep: Sweep, lake: Lake | None = None) -> None:
        self.folder = folder
        self.sweep = sweep
        self._copy = lake.below(folder.name) if lake else None

    @classmethod
    def begin(
        cls,
        raw: Path,
        *,
        mode: Mode,
        filters: Filters,
        ids: list[str],
        now: datetime,
        after: str | None = None,
        lake: Lake | None = None,
    ) -> Landing:
        """Start a sweep with the next number. Numbers order sweeps even if the clock was set back.

        `after` is the newest sweep_id in the ledger, which is higher if a backup was restored without its raw pages.
        Raises LakeUnusable.
        """
        known = map(_SWEEP_ID.fullmatch, (*_folders(raw), after or ""))
        number = max((int(match[1]) for match in known if match), default=0) + 1
        sweep_id = f"{number:06d}-{now:%Y%m%dT%H%M%SZ}"
        sweep = Sweep(sweep_id=sweep_id, mode=mode, filters=filters, ids=ids, started_at=now)
        landing = cls(raw / sweep_id, sweep, lake)
        landing.save()
        return landing

    @classmethod
    def open(cls, raw: Path, sweep_id: str, lake: Lake | None = None) -> Landing:
        """Open a landed sweep. Raises FileNotFoundError, SweepDamaged."""
        file = raw / sweep_id / SWEEP_FILE
        try:
            return cls(raw / sweep_id, _read_sweep(file.read_bytes()), lake)
        except (msgspec.MsgspecError, UnicodeDecodeError, ContentMismatch) as error:
            raise SweepDamaged(f"{file} is damaged ({error}): remove its folder, then run milestones ingest") from error

    @classmethod
    def newest(cls, raw: Path, lake: Lake | None = None) -> Landing | None:
        """The sweep that was started last, if there is one.

        Folders without a readable `sweep.json` (after a kill, or damaged) are ignored: their pages are fetched again,
        without manual repair.
        """
        for name in sorted(filter(_SWEEP_ID.fullmatch, _folders(raw)), reverse=True):
            with suppress(FileNotFoundError, SweepDamaged):
                return cls.open(raw, name, lake)
        return None

    @property
    def absent_file(self) -> Path:
        """The milestone_ids that a complete full sweep did not contain."""
        return self.folder / "absent.parquet"

    @property
    def archived_file(self) -> Path:
        """The milestones that a complete full sweep found archived."""
        return self.folder / "archived.parquet"

    @property
    def landed_pages(self) -> int:
        """The number of pages on disk before the first gap."""
        numbers = self._numbers()
        return next((number - 1 for number, found in enumerate(numbers, start=1) if number != found), len(numbers))

    def reopen(self, *, pages: int | None = None) -> None:
        """Turn this into a sweep that was interrupted after `pages` pages (None: as many as are on disk).

        Removes later pages and the results of the complete fetch. Raises LakeUnusable.
        """
        sweep = self.sweep
        sweep.pages = self.landed_pages if pages is None else pages
        sweep.state, sweep.error, sweep.landed_at, sweep.checksums = "landing", None, None, {}
        sweep.not_found, sweep.gone = [], []
        self.save()
        # Last page first, so that a kill in between leaves no gap.
        for number in filter(lambda landed: landed > sweep.pages, reversed(self._numbers())):
            self.page_file(number).unlink()
        self._make_copy_equal()

    def save(self) -> None:
        """Write `sweep.json`, in the lake after all other files. Raises LakeUnusable, with the file here written."""
        self._write_sweep()
        if self._copy is not None:
            if self.sweep.landed_at is not None:
                self._make_copy_equal()
            self._copy.upload(SWEEP_FILE, self.folder / SWEEP_FILE)

    def _write_sweep(self) -> None:
        text = msgspec.json.encode(self.sweep)
        whole = msgspec.json.format(msgspec.json.encode(_SweepFile(checksum(text), msgspec.Raw(text))), indent=2)
        write_durably(self.folder / SWEEP_FILE, lambda path: path.write_bytes(whole))

    def record_checksum(self, file: Path) -> None:
        """Record the checksum of a file in this folder; `save` writes it."""
        self.sweep.checksums[file.name] = checksum(file.read_bytes())

    def absent(self) -> Path | None:
        """`absent_file`, its checksum verified; None where the sweep has none. Raises SweepDamaged."""
        return self._verified(self.absent_file)

    def archived(self) -> Path | None:
        """`archived_file`, its checksum verified; None where the sweep has none. Raises SweepDamaged."""
        return self._verified(self.archived_file)

    def _verified(self, file: Path) -> Path | None:
        expected = self.sweep.checksums.get(file.name)
        if expected is None:
            # Older versions recorded no checksum.
            return file if file.exists() else None
        try:
            is_intact = checksum(file.read_bytes()) == expected
        except FileNotFoundError:
            is_intact = False
        if not is_intact:
            raise SweepDamaged(f"{file} is damaged: run milestones ingest --full", good_pages=self.sweep.pages)
        return file

    def check(self) -> None:
        """Verify every landed file. Raises SweepDamaged."""
        for _ in self.pages():
            pass
        self.absent()
        self.archived()

    def land(self, page: Page) -> None:
        """Land one page; once this returns it survives a kill or a power cut. Raises LakeUnusable, with it landed."""
        file = self.page_file(page.number)
        write_page(file, page)
        self.sweep.pages = page.number
        if self._copy is not None:
            self._copy.upload(file.name, file)

    def pages(self) -> Iterator[Page]:
        """Every landed page in order, one in memory at a time. Raises SweepDamaged, also for a missing page."""
        return map(self.page, range(1, max(self.sweep.pages, *self._numbers(), 0) + 1))

    def intact_pages(self, damaged: list[int]) -> Iterator[Page]:
        """The landed pages that are intact, in order; adds the numbers of the others to `damaged`."""
        for number in range(1, max(self.sweep.pages, *self._numbers(), 0) + 1):
            try:
                yield self.page(number)
            except SweepDamaged:
                damaged.append(number)

    def page(self, number: int) -> Page:
        """One landed page. Raises SweepDamaged."""
        file = self.page_file(number)
        try:
            return read_page(file, number)
        except ContentMismatch as error:
            raise SweepDamaged(
                f"{file} is damaged ({error}): run milestones ingest, which fetches it again", good_pages=number - 1
            ) from error

    def _make_copy_equal(self) -> None:
        """Copy files to the lake that are missing there, and remove those that are not here, the last one first.

        Files are missing there if the lake could not be reached, or was set later.
        """
        if self._copy is None:
            return
        here = {file.name: file for file in self.folder.glob("*.parquet")}
        there = self._copy.sizes()
        for name in sorted(there, reverse=True):
            if name not in here and "/" not in name and name != SWEEP_FILE:
                self._copy.remove(name)
        for name, file in sorted(here.items()):
            if there.get(name) != file.stat().st_size:
                self._copy.upload(name, file)

    def page_file(self, number: int) -> Path:
        """The file of a page."""
        return self.folder / f"page-{number:06d}.parquet"

    def _numbers(self) -> list[int]:
        """The numbers of the pages on disk, in order."""
        names = [entry.name for entry in self.folder.iterdir()] if self.folder.exists() else []
        return sorted(int(match[1]) for match in map(_PAGE_FILE.fullmatch, names) if match)


def has_loaded_sweep(raw: Path) -> bool:
    """Whether a landed sweep was loaded into a warehouse."""
    for name in filter(_SWEEP_ID.fullmatch, _folders(raw)):
        with suppress(FileNotFoundError, SweepDamaged):
            if Landing.open(raw, name).sweep.state == "loaded":
                return True
    return False


def is_sweep_id(name: str) -> bool:
    """Whether a name is a sweep_id: a number and a valid time."""
    if _SWEEP_ID.fullmatch(name) is None:
        return False
    try:
        datetime.fromisoformat(name.partition("-")[2])
    except ValueError:
        return False
    return True


def sweep_ids(raw: Path) -> list[str]:
    """The landed sweeps in a folder, in order."""
    return sorted(filter(is_sweep_id, _folders(raw)))


def _read_sweep(text: bytes) -> Sweep:
    """Parse a `sweep.json`. Raises msgspec.MsgspecError, UnicodeDecodeError, ContentMismatch."""
    try:
        whole = msgspec.json.decode(text, type=_SweepFile)
    except msgspec.ValidationError:
        # Older versions wrote the sweep without a checksum.
        return msgspec.json.decode(text, type=Sweep)
    # The checksum is of the JSON text before it was indented.
    if checksum(msgspec.json.format(bytes(whole.sweep), indent=-1)) != whole.checksum:
        raise ContentMismatch("its content does not match its checksum")
    return msgspec.json.decode(whole.sweep, type=Sweep)


def _folders(raw: Path) -> list[str]:
    if not raw.exists():
        return []
    with os.scandir(raw) as entries:
        return [entry.name for entry in entries if entry.is_dir()]
