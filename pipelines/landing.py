"""Landed sweeps below `raw/`: one folder a sweep, one Parquet file a page, `sweep.json` for what the sweep is.

A page is landed before anything reads it, so every later step can be done again from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.durable import write_durably
from schemas.tables import PAGES

SWEEP_FILE = "sweep.json"
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
    does not know by id either; `retried` the quarantined records (sweep_id, page, position) that are put through again.

    `state` runs landing, landed, loaded; `error` says why it stopped short.
    """

    sweep_id: str
    mode: Mode
    filters: Filters
    started_at: datetime
    ids: list[str] = msgspec.field(default_factory=list)
    state: Literal["landing", "landed", "loaded", "failed"] = "landing"
    pages: int = 0
    not_found: list[str] = msgspec.field(default_factory=list)
    gone: list[str] = msgspec.field(default_factory=list)
    retried: list[tuple[str, int, int]] = msgspec.field(default_factory=list)
    is_resumable: bool = True
    landed_at: datetime | None = None
    traffic: Traffic = msgspec.field(default_factory=Traffic)
    error: str | None = None

    @property
    def is_interrupted(self) -> bool:
        """Stopped while it fetched, and what it landed can be gone on from."""
        return self.state in ("landing", "failed") and self.landed_at is None and self.is_resumable

    @property
    def is_left_unloaded(self) -> bool:
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
        """A sweep landed before."""
        text = (raw / sweep_id / SWEEP_FILE).read_bytes()
        return cls(raw / sweep_id, msgspec.json.decode(text, type=Sweep))

    @classmethod
    def newest(cls, raw: Path) -> Landing | None:
        """The sweep begun last, if there is one.

        A folder without a `sweep.json` that can be read, killed before it was written or damaged since, holds nothing:
        what it had landed is fetched again, and nobody has to come and look.
        """
        for name in sorted(filter(_SWEEP_ID.fullmatch, _folders(raw)), reverse=True):
            with suppress(FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
                return cls.open(raw, name)
        return None

    @property
    def absent_file(self) -> Path:
        """The milestone_ids that a complete full sweep did not bring."""
        return self.folder / "absent.parquet"

    @property
    def landed_pages(self) -> int:
        """How many pages are on disk."""
        return sum(1 for _ in self.folder.glob("page-*.parquet"))

    def reopen(self) -> None:
        """Take up an interrupted sweep: the pages on disk are those that were landed."""
        self.sweep.pages = self.landed_pages
        self.sweep.state, self.sweep.error = "landing", None
        self.save()

    def save(self) -> None:
        """Keep the sweep's state."""
        text = msgspec.json.format(msgspec.json.encode(self.sweep), indent=2)
        write_durably(self.folder / SWEEP_FILE, lambda path: path.write_bytes(text))

    def land(self, page: Page) -> None:
        """Keep one page; once this returns it survives a kill or a power cut."""
        row = [page.number, page.path, page.cursor, page.next_cursor, page.fetched_at, page.records, page.body]
        table = pa.Table.from_arrays(
            [pa.array([value], type=field.type) for value, field in zip(row, PAGES.arrow_schema, strict=True)],
            schema=PAGES.arrow_schema,
        )
        write_durably(
            self._file(page.number),
            lambda path: pq.write_table(table, path, compression="zstd", write_statistics=False),
        )
        self.sweep.pages = page.number

    def pages(self) -> Iterator[Page]:
        """Every landed page, in order, one in memory at a time."""
        return map(_read, sorted(self.folder.glob("page-*.parquet")))

    def page(self, number: int) -> Page:
        """One landed page."""
        return _read(self._file(number))

    def _file(self, number: int) -> Path:
        return self.folder / f"page-{number:06d}.parquet"


def is_sweep_id(name: str) -> bool:
    """Whether a folder's name is that of a sweep: its number and a time."""
    if _SWEEP_ID.fullmatch(name) is None:
        return False
    try:
        datetime.strptime(name.partition("-")[2], "%Y%m%dT%H%M%SZ")
    except ValueError:
        return False
    return True


def _read(file: Path) -> Page:
    row = pq.ParquetFile(file).read().to_pylist()[0]
    row["number"] = row.pop("page")
    return Page(**row)


def _folders(raw: Path) -> list[str]:
    return [entry.name for entry in raw.iterdir() if entry.is_dir()] if raw.exists() else []
