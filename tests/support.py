"""Shared by tests: a simulated clock, small milestones, and a home with a sandbox.

It needs no package but those of the pipeline: the dashboard's benchmark publishes with it, without the tests' packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import resource
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb
import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

import sandbox
from pipelines.kalshi.client import KalshiClient
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from pipelines.warehouse.ledger import LedgerRow
from sandbox.app import build_app
from sandbox.world import World

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
ZERO_TIME = "0001-01-01T00:00:00Z"

OUR_CLOCK = frozenset(
    {"first_seen_at", "last_seen_at", "last_changed_at", "valid_from", "valid_to", "seen_at"}
    | {"started_at", "finished_at", "vanished_at", "applied_at"}
)
"""Columns with times of the pipeline's clock, not of the API."""


class Clock:
    """A clock that advances by a millisecond per call; `forward` moves it, also backwards."""

    def __init__(self, start: datetime = NOON) -> None:
        self.time = start

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def forward(self, **delta: float) -> None:
        self.time += timedelta(**delta)


def milestone(number: int, **fields: Any) -> dict[str, Any]:
    """A small valid milestone; a higher number starts later. Fields with the value `...` are left out."""
    row: dict[str, Any] = {
        "id": milestone_id(number),
        "category": "Sports",
        "type": "football_game",
        "title": f"Game {number}",
        "start_date": f"{NOON + timedelta(days=7, minutes=number):%Y-%m-%dT%H:%M:%SZ}",
        "end_date": None,
        "notification_message": "The game starts",
        "last_updated_ts": "2026-11-20T08:30:00.25Z",
        "details": {"home_team_id": team_id(number), "status": "scheduled", "season": {"week": 0}},
        "related_event_tickers": [f"KXGAME-{number}", f"KXSPREAD-{number}"],
        "primary_event_tickers": [f"KXGAME-{number}"],
        "source_ids": {"source_3_id": f"sr-{number}"},
    }
    return {name: value for name, value in (row | fields).items() if value is not ...}


def milestone_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def team_id(number: int) -> str:
    return f"11111111-0000-4000-8000-{number:012d}"


def as_bytes(rows: Iterable[Mapping[str, Any]]) -> list[bytes]:
    return [msgspec.json.encode(row) for row in rows]


def page_body(rows: Iterable[Mapping[str, Any]], cursor: str | None = "") -> bytes:
    return msgspec.json.encode({"milestones": list(rows), "cursor": cursor})


class Switchboard:
    """One loopback server for many sandboxes: passes requests to the current `app`."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@dataclass
class Shell:
    """The stages of one home and a sandbox served over HTTP, on one simulated clock."""

    home: Home
    world: World
    base_url: str
    clock: Clock
    stages: Stages

    def land(self, **request: Any) -> Landing:
        with self.client() as api:
            return self.stages.land(api, SweepRequest(**request), NullProgress())

    def client(self, **options: Any) -> KalshiClient:
        return KalshiClient(self.base_url, requests_per_second=0, deadline_seconds=5, now=self.clock, **options)

    def stage(self) -> None:
        self.stages.stage_records()
        self.stages.stage_tables()

    def sweep(self, **request: Any) -> LedgerRow:
        """Land, stage and load one sweep."""
        self.land(**request)
        self.stage()
        return self.stages.load()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows_of(self.home.warehouse_file, query)

    def value(self, query: str) -> Any:
        ((value,),) = self.rows(query)
        return value


class Shells:
    """Creates shells that share one loopback server, which serves the sandbox of the newest one."""

    def __init__(self, switchboard: Switchboard, base_url: str) -> None:
        self._switchboard = switchboard
        self._base_url = base_url

    def __call__(self, folder: Path, rows: Iterable[Mapping[str, Any]] = ()) -> Shell:
        clock = Clock()
        world = World(as_bytes(rows), now=clock)
        self.serve(build_app(world))
        home = Home(folder)
        return Shell(home, world, self._base_url, clock, Stages(home, now=clock))

    def serve(self, app: ASGIApp) -> None:
        """Serve this app instead."""
        self._switchboard.app = app


@contextlib.contextmanager
def serving_shells() -> Iterator[Shells]:
    switchboard = Switchboard()
    with sandbox.running(switchboard) as server:
        yield Shells(switchboard, server.base_url)


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    """The umask of this process, and of those that it starts, within the block."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def readable_by_others(folder: Path) -> list[str]:
    """What other users can read or enter below a folder that they can enter, without `published`."""
    found = []
    for path in folder.iterdir():
        if path.is_symlink() or path.name == "published":
            continue
        mode = path.stat().st_mode & 0o077
        if mode:
            found.append(f"{path} {mode:03o}")
            if path.is_dir():
                found += readable_by_others(path)
    return found


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Limit the size of files that this process writes: a larger write fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def copied(home: Home, folder: Path) -> Home:
    """A new home in this folder with a copy of another home's warehouse, and nothing published."""
    copy = Home(folder)
    copy.warehouse.mkdir(parents=True)
    shutil.copyfile(home.warehouse_file, copy.warehouse_file)
    return copy


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a DuckDB file, with times in UTC."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def rows_of(file: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, with times in UTC; the file is opened read-only."""
    with _reading(file) as connection:
        return connection.execute(query).fetchall()


_TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1"


def tables_in(file: Path) -> list[str]:
    return [name for (name,) in rows_of(file, _TABLES)]


def contents(file: Path, *, without: frozenset[str] = frozenset(), tables: Iterable[str] = ()) -> dict[str, str]:
    """A hash of the rows of each table (all, or the given ones), independent of their order."""
    hashes = {}
    # One connection for all tables: opening a file with its views takes about 50 ms.
    with _reading(file) as connection:
        for table in tables or [name for (name,) in connection.execute(_TABLES).fetchall()]:
            query = f"SELECT column_name FROM duckdb_columns() WHERE table_name = '{table}' ORDER BY 1"
            columns = connection.execute(query).fetchall()
            kept = ", ".join(f'"{name}"' for (name,) in columns if name not in without)
            rows = connection.execute(f'SELECT {kept} FROM "{table}" ORDER BY ALL').fetchall()
            hashes[table] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return hashes


def tree(folder: Path) -> dict[str, str]:
    """Every file and link below a folder, with a hash of its content or its target."""
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}"
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def loaded_milestones(home: Home, columns: Literal["*"] | str = "*") -> dict[str, dict[str, Any]]:
    """The rows of the table milestones by id."""
    with duckdb.connect(str(home.warehouse_file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        cursor = connection.execute(f"SELECT {columns} FROM milestones")
        names = [column[0] for column in cursor.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["milestone_id"]: row for row in rows}


def json_of(text: str) -> Any:
    """Parsed JSON, with numbers as text so that no digit is lost."""
    return json.loads(text, parse_float=str)


@contextlib.contextmanager
def logging_kept() -> Iterator[None]:
    """Restore the logging that a command in this process configures, as `caplog` needs it."""
    logger = logging.getLogger("pipelines")
    level, handlers = logger.level, list(logger.handlers)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers
