"""Checks of the warehouse and of the published files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb

from pipelines.doctor.findings import Finding
from pipelines.errors import WarehouseUnusable
from pipelines.reading.connection import NothingPublished, open_reader, run_query
from pipelines.reading.published import open_published
from pipelines.storage.home import Home
from pipelines.storage.lock import inspecting
from pipelines.warehouse.connection import advice_for
from pipelines.warehouse.database import Warehouse
from pipelines.wording import counted, duration
from schemas.tables import SCHEMA_VERSION

OLD = timedelta(hours=26)
"""After a day without even the daily full sweep, as the freshness policy of the assets."""


def check_warehouse(home: Home) -> Iterator[Finding]:
    """Whether the warehouse can be opened, and its schema version. One that a run has open is left alone."""
    file = home.warehouse_file
    if not file.exists():
        Warehouse(home).check_not_lost()
        yield Finding("warehouse", "ok", "none yet; milestones ingest creates it")
        return
    # An open reader would keep a writer from opening the file: it waits for the lock until this block ends.
    with inspecting(home.lock_file) as holder:
        if holder is not None:
            yield Finding("warehouse", "ok", f"in use by {holder.description}, so not opened")
            return
        if file.with_name(f"{file.name}.wal").exists():
            text = "a killed load left a write-ahead log"
            yield Finding("warehouse", "warning", text, "run milestones ingest, which replays it")
            return
        try:
            with open_reader(file) as connection:
                version = _schema_version(connection)
                sweeps = run_query(connection, "SELECT count(*) FROM sweeps WHERE status = 'loaded'").rows[0][0]
        except WarehouseUnusable as error:
            fault = error.__cause__
            if not isinstance(fault, duckdb.Error):
                raise
            # The error's own advice is for published files: no sweep replaces a damaged warehouse.
            text = f"cannot open {file}: {' '.join(str(fault).split())[:200]}"
            yield Finding("warehouse", "error", text, advice_for(fault))
            return
    yield _of_version("warehouse", version, f"schema version {version}, {counted(sweeps, 'loaded sweep')}")


def check_published(home: Home, *, now: datetime) -> Iterator[Finding]:
    """Whether the published files can be opened, and how old they are."""
    try:
        with open_published(home) as connection:
            version = _schema_version(connection)
            last, milestones = run_query(connection, "SELECT last_sweep_at, milestones FROM freshness").rows[0]
    except NothingPublished as error:
        yield Finding("published", "warning", f"nothing at {home.published_duckdb}", str(error).rpartition(": ")[2])
        return
    yield _of_version("published", version, f"{counted(milestones, 'milestone')}, schema version {version}")
    if not home.latest_snapshot.exists():
        yield Finding("snapshot", "error", f"{home.latest_snapshot} leads nowhere", "run milestones ingest")
    else:
        yield Finding("snapshot", "ok", home.latest_snapshot.resolve().name)
    if last is None:
        yield Finding("age", "warning", "no full or incremental sweep is published", "run milestones ingest")
    elif now - last > OLD:
        advice = "run milestones ingest, and see schedules below or the systemd timers"
        yield Finding("age", "warning", f"the last sweep was published {duration(now - last)} ago", advice)
    else:
        yield Finding("age", "ok", f"the last sweep was published {duration(now - last)} ago")


def _schema_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    version: int | None = run_query(connection, "SELECT max(version) FROM schema_version").rows[0][0]
    return version


def _of_version(name: str, version: int | None, text: str) -> Finding:
    if version is not None and version > SCHEMA_VERSION:
        return Finding(name, "error", f"{text}; this program knows up to {SCHEMA_VERSION}", "upgrade the program")
    if version != SCHEMA_VERSION:
        return Finding(name, "ok", f"{text}; the next run brings it to {SCHEMA_VERSION}")
    return Finding(name, "ok", text)
