"""The change log: touched milestones with old and new starts, by sweep, for as many sweeps as are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.staging.files import Staging
from pipelines.warehouse.change_log import (
    SWEEPS_KEPT,
    Touched,
    clear,
    is_logged,
    log_after_load,
    log_before_load,
    touched_since,
)
from pipelines.warehouse.compare import UPDATED_ONLY_SCHEMA
from pipelines.warehouse.database import open_warehouse
from schemas.tables import LATEST
from tests.support import NOON

DAY = timedelta(days=1)
CATALOG = "milestones"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse of 100 milestones; only the columns that the log reads have meaning."""
    with open_warehouse(tmp_path / "warehouse.duckdb") as opened:
        opened.execute("DROP TABLE milestones")
        opened.execute(
            "CREATE TABLE milestones AS "
            "SELECT 'm' || range AS milestone_id, ?::TIMESTAMPTZ AS start_date FROM range(100)",
            [NOON],
        )
        yield opened


def load(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    sweep_id: str,
    starts: dict[str, datetime | None],
    *,
    updated_only: tuple[str, ...] = (),
    recreated: tuple[str, ...] = (),
) -> bool:
    """Log a load that gives milestones new starts, and others a newer update time."""
    staging = Staging(folder / sweep_id)
    staging.clear()
    staging.write(LATEST.name, 0, LATEST.arrow_schema.empty_table().select(["milestone_id"]))
    staging.write(LATEST.name, 1, pa.table({"milestone_id": pa.array(list(starts), pa.string())}))
    updates = {"milestone_id": list(updated_only), "last_updated_ts": [NOON] * len(updated_only)}
    pq.write_table(pa.table(updates, UPDATED_ONLY_SCHEMA), staging.updated_only)
    is_few = log_before_load(connection, staging, sweep_id, others=())
    for milestone_id, start in starts.items():
        connection.execute("UPDATE milestones SET start_date = ? WHERE milestone_id = ?", [start, milestone_id])
    log_after_load(connection, sweep_id, is_logged=is_few, recreated=recreated)
    return is_few


def since(connection: duckdb.DuckDBPyConnection, sweep_id: str) -> Touched:
    touched = touched_since(connection, sweep_id, catalog=CATALOG, into="memory.touched_rows")
    return Touched(touched.milestones, sorted(touched.starts, key=str), sorted(touched.tables))


def test_old_and_new_starts_of_touched_milestones_are_logged(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    load(connection, tmp_path, "000001", {})
    assert load(connection, tmp_path, "000002", {"m1": NOON + DAY}, updated_only=("m2",), recreated=("details_x",))
    assert since(connection, "000001") == Touched(2, [NOON, NOON + DAY], ["details_x"])
    assert since(connection, "000002") == Touched(0, [], [])


def test_a_sweep_that_touches_many_milestones_clears_the_log(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    load(connection, tmp_path, "000001", {})
    assert load(connection, tmp_path, "000002", dict.fromkeys((f"m{n}" for n in range(20)), NOON + DAY))
    assert is_logged(connection, "000001")
    assert not load(connection, tmp_path, "000003", dict.fromkeys((f"m{n}" for n in range(21)), NOON + DAY))
    assert [is_logged(connection, f"00000{n}") for n in (1, 2, 3)] == [False, False, True]


def test_only_the_newest_sweeps_are_kept(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for number in range(1, SWEEPS_KEPT + 2):
        load(connection, tmp_path, f"{number:06d}", {"m1": NOON + number * DAY})
    assert not is_logged(connection, "000001")
    assert is_logged(connection, "000002")


def test_a_cleared_log_has_no_sweep(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    load(connection, tmp_path, "000001", {"m1": None})
    clear(connection)
    assert not is_logged(connection, "000001")


def test_the_log_of_another_catalog_is_read(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """A publish attaches the warehouse under a name of its own."""
    load(connection, tmp_path, "000001", {})
    load(connection, tmp_path, "000002", {"m1": NOON + DAY}, recreated=("details_x",))
    connection.execute("ATTACH ':memory:' AS other")
    connection.execute("CREATE TABLE other.internal_touched AS FROM internal_touched WHERE sweep_id = '000001'")
    assert is_logged(connection, "000001", catalog="other")
    assert not is_logged(connection, "000002", catalog="other")
    nothing = touched_since(connection, "000000", catalog="other", into="memory.touched_rows")
    assert nothing == Touched(0, [], [])
    assert since(connection, "000000").milestones == 1
