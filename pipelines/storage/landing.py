"""Landed sweeps below `raw/`: one folder a sweep, one Parquet file a page, `sweep.json` for what the sweep is.

A page is landed before anything reads it, so every later step can be done again from here. Files may be read days
later, in another run: each carries a checksum of its content, and damage raises SweepDamaged. Parquet's own checksums
cover the data pages only: a changed bit in a header or in the footer gives other values.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import SweepDamaged
from pipelines.storage.durable import write_durably
from schemas.tables import HASH_LENGTH, PAGES

SWEEP_FILE = "sweep.json"

MAX_AGE_TO_RESUME = timedelta(hours=6)
"""Of an interrupted sweep. How long a cursor lasts is not documented; a refused one costs one start from page 1."""

_CHECKSUM = "checksum"
_PAGE_FILE = re.compile(r"page-(\d{6,})\.parquet", re.ASCII)
_SWEEP_ID = re.compile(r"(\d{6})-\d{8}T\d{6}Z", re.ASCII)

Mode = Literal["full", "incremental", "by_id", "partial", "retry"]


class Traffic(msgspec.Struct, kw_only=True):
    """What a sweep cost on the wire."""

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes: int = 0


class Filters(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a sweep is limited to, by the names of the API's parameters; none set asks for everything."""

    minimum_start_date: datetime | None = None
    min_updated_ts: int | None = None
    category: str | None = None
    type: str | None = None


class Sweep(msgspec.Struct, kw_only=True):
    """One sweep, as `sweep.json` keeps it.

    `not_found` are asked-for ids that the API does not know; `gone` milestones missing from two full sweeps that it
    does not know by id either; `archived` counts the milestones that it found archived; `retried` the quarantined
    records (sweep_id, page, position) that are put through again.
    `checksums` are of the files with absent and archived milestone_ids, by name.
    `null_lists` counts pages whose list came as null and was read as empty.

    `state` runs landing, landed, loaded; `error` says why it stopped short.
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
    gone: list[str] = msgspec.field(default_factory=list)
    retried: list[tuple[str, int, int]] = msgspec.field(default_factory=list)
    null_lists: int = 0
    is_resumable: bool = True
    checksums: dict[str, str] = msgspec.field(default_factory=dict)
    landed_at: datetime | None = None
    traffic: Traffic = msgspec.field(default_factory=Traffic)
    error: str | None = None

    @property
    def is_interrupted(self) -> bool:
        """Stopped while it fetched, and what it landed can be gone on from."""
        return self.state in ("landing", "failed") and self.landed_at is None and self.is_resumable

    @property
    def is_fetched_not_loaded(self) -> bool:
        """Read everything that it asked for, and was never loaded: its run died in between. A poll costs less anew."""
        return self.state == "landed" and self.mode in ("full", "partial")

    @property
    def is_complete(self) -> bool:
        """Read everything that it asked for."""
        return self.state in ("landed", "loaded")


@dataclass(frozen=True, slots=True)
class Page:
    """One landed answer; `path` is what was asked, without host and cursor. `fetched_at` is UTC."""

    number: int
    path: str
    cursor: str | None
    next_cursor: str | None
    fetched_at: datetime
    records: int
    body: bytes

    @property
    def is_list(self) -> bool:
        """Holds a page of milestones, not the answer for one."""
        return "?" in self.path


class _SweepFile(msgspec.Struct, forbid_unknown_fields=True):
    """`sweep.json`: the sweep, and the checksum of its text."""

    checksum: str
    sweep: msgspec.Raw


class Landing:
    """The folder of one sweep."""

    def __init__(self, folder: Path, sweep: Sweep) -> None:
        self.folder = folder
        self.sweep = sweep

    @classmethod
    def begin(
        cls, raw: Path, *, mode: Mode, filters: Filters, ids: list[str], now: datetime, after: str | None = None
    ) -> Landing:
        """A new sweep, numbered after the newest: numbers order sweeps even where the clock was set back.

        `after` is the newest sweep_id in the ledger: the raw pages may have been left out of a backup.
        """
        known = map(_SWEEP_ID.fullmatch, (*_folders(raw), after or ""))
        number = max((int(match[1]) for match in known if match), default=0) + 1
        sweep_id = f"{number:06d}-{now:%Y%m%dT%H%M%SZ}"
        landing = cls(raw / sweep_id, Sweep(sweep_id=sweep_id, mode=mode, filters=filters, ids=ids, started_at=now))
        landing.save()
        return landing

    @classmethod
    def open(cls, raw: Path, sweep_id: str) -> Landing:
        """A sweep landed before. Raises FileNotFoundError, SweepDamaged."""
        file = raw / sweep_id / SWEEP_FILE
        try:
            return cls(raw / sweep_id, _read_sweep(file.read_bytes()))
        except (msgspec.MsgspecError, UnicodeDecodeError, _Differs) as error:
            raise SweepDamaged(f"{file} is damaged ({error}): remove its folder, then run milestones ingest") from error

    @classmethod
    def newest(cls, raw: Path) -> Landing | None:
        """The sweep begun last, if there is one.

        A folder without a `sweep.json` that can be read, killed before it was written or damaged since, holds nothing:
        what it had landed is fetched again, and nobody has to come and look.
        """
        for name in sorted(filter(_SWEEP_ID.fullmatch, _folders(raw)), reverse=True):
            with suppress(FileNotFoundError, SweepDamaged):
                return cls.open(raw, name)
        return None

    @property
    def absent_file(self) -> Path:
        """The milestone_ids that a complete full sweep did not bring."""
        return self.folder / "absent.parquet"

    @property
    def archived_file(self) -> Path:
        """The milestones that a complete full sweep found archived."""
        return self.folder / "archived.parquet"

    @property
    def landed_pages(self) -> int:
        """How many pages are on disk, counted up to the first that is not."""
        numbers = self._numbers()
        return next((number - 1 for number, found in enumerate(numbers, start=1) if number != found), len(numbers))

    def reopen(self, *, pages: int | None = None) -> None:
        """Make this a sweep that was interrupted after so many pages (None: as many as are on disk).

        Later pages are removed, and what the sweep concluded from having read everything is forgotten.
        """
        sweep = self.sweep
        sweep.pages = self.landed_pages if pages is None else pages
        sweep.state, sweep.error, sweep.landed_at, sweep.checksums = "landing", None, None, {}
        sweep.not_found, sweep.gone = [], []
        self.save()
        # From the last one on: a kill in between leaves no gap.
        for number in filter(lambda one: one > sweep.pages, reversed(self._numbers())):
            self._file(number).unlink()

    def save(self) -> None:
        """Keep the sweep's state."""
        text = msgspec.json.encode(self.sweep)
        whole = msgspec.json.format(msgspec.json.encode(_SweepFile(_checksum(text), msgspec.Raw(text))), indent=2)
        write_durably(self.folder / SWEEP_FILE, lambda path: path.write_bytes(whole))

    def keep(self, file: Path) -> None:
        """Take note of a file beside the pages as it is now; the next `save` makes the note last."""
        self.sweep.checksums[file.name] = _checksum(file.read_bytes())

    def absent(self) -> Path | None:
        """`absent_file` as it was written; None where the sweep has none. Raises SweepDamaged."""
        return self._kept(self.absent_file)

    def archived(self) -> Path | None:
        """`archived_file` as it was written; None where the sweep has none. Raises SweepDamaged."""
        return self._kept(self.archived_file)

    def _kept(self, file: Path) -> Path | None:
        expected = self.sweep.checksums.get(file.name)
        if expected is None:
            # Written before there were checksums, or not at all.
            return file if file.exists() else None
        try:
            is_whole = _checksum(file.read_bytes()) == expected
        except FileNotFoundError:
            is_whole = False
        if not is_whole:
            raise SweepDamaged(f"{file} is damaged: run milestones ingest --full", good_pages=self.sweep.pages)
        return file

    def check(self) -> None:
        """Read everything that was landed. Raises SweepDamaged."""
        for _ in self.pages():
            pass
        self.absent()
        self.archived()

    def land(self, page: Page) -> None:
        """Keep one page; once this returns it survives a kill or a power cut."""
        row = [*_row(page), _page_checksum(page)]
        table = pa.Table.from_arrays(
            [pa.array([value], type=field.type) for value, field in zip(row, PAGES.arrow_schema, strict=True)],
            schema=PAGES.arrow_schema,
        )
        write_durably(
            self._file(page.number),
            lambda path: pq.write_table(
                table, path, compression="zstd", write_statistics=False, write_page_checksum=True
            ),
        )
        self.sweep.pages = page.number

    def pages(self) -> Iterator[Page]:
        """Every landed page, in order, one in memory at a time. Raises SweepDamaged, for a missing page too."""
        return map(self.page, range(1, max(self.sweep.pages, *self._numbers(), 0) + 1))

    def page(self, number: int) -> Page:
        """One landed page. Raises SweepDamaged."""
        file = self._file(number)
        try:
            return _read_page(file, number)
        except _Differs as error:
            raise SweepDamaged(
                f"{file} is damaged ({error}): run milestones ingest, which fetches it again", good_pages=number - 1
            ) from error

    def _file(self, number: int) -> Path:
        return self.folder / f"page-{number:06d}.parquet"

    def _numbers(self) -> list[int]:
        """Of the pages on disk, in order."""
        names = [entry.name for entry in self.folder.iterdir()] if self.folder.exists() else []
        return sorted(int(match[1]) for match in map(_PAGE_FILE.fullmatch, names) if match)


def is_sweep_id(name: str) -> bool:
    """Whether a folder's name is that of a sweep: its number and a time."""
    if _SWEEP_ID.fullmatch(name) is None:
        return False
    try:
        datetime.strptime(name.partition("-")[2], "%Y%m%dT%H%M%S%z")
    except ValueError:
        return False
    return True


class _Differs(Exception):
    """A file does not hold what was written into it; `str()` says in what."""


def _checksum(*parts: bytes) -> str:
    """Of all parts together."""
    digest = hashlib.blake2b(digest_size=HASH_LENGTH // 2)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _row(page: Page) -> list[object]:
    """What PAGES holds of a page, without the checksum."""
    return [page.number, page.path, page.cursor, page.next_cursor, page.fetched_at, page.records, page.body]


def _page_checksum(page: Page) -> str:
    return _checksum(msgspec.json.encode(_row(page)[:-1]), page.body)


def _read_page(file: Path, number: int) -> Page:
    """A page as it was landed. Raises _Differs."""
    try:
        row = pq.ParquetFile(file, page_checksum_verification=True).read().to_pylist()[0]
    except Exception as error:
        # A damaged file can raise whatever Arrow and its conversions to Python know; Arrow's own have no number.
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT, errno.EIO):
            raise
        reason = "it is missing" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())[:200]
        raise _Differs(reason) from error
    names = PAGES.arrow_schema.names
    # Pages that were landed before there were checksums have all the other columns.
    expected = row.pop(_CHECKSUM, None) if list(row) == names else None
    if list(row) != [name for name in names if name != _CHECKSUM]:
        raise _Differs("its columns are not those of a page")
    row["number"] = row.pop("page")
    page = Page(**row)
    if page.number != number or (expected is not None and expected != _page_checksum(page)):
        raise _Differs("its content does not match its checksum")
    return page


def _read_sweep(text: bytes) -> Sweep:
    """The sweep of a `sweep.json`. Raises msgspec.MsgspecError, UnicodeDecodeError, _Differs."""
    try:
        whole = msgspec.json.decode(text, type=_SweepFile)
    except msgspec.ValidationError:
        # Written before there were checksums: the sweep stands alone.
        return msgspec.json.decode(text, type=Sweep)
    # Spacing is for people who look into the file.
    if _checksum(msgspec.json.format(bytes(whole.sweep), indent=-1)) != whole.checksum:
        raise _Differs("its content does not match its checksum")
    return msgspec.json.decode(whole.sweep, type=Sweep)


def _folders(raw: Path) -> list[str]:
    return [entry.name for entry in raw.iterdir() if entry.is_dir()] if raw.exists() else []
