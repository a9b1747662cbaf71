"""The ledger and the quarantine: newest sweeps and watermarks, repeated refusals, reasons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.staging.files import REFUSED_BY_RULES, Staging
from pipelines.warehouse.database import open_warehouse
from pipelines.warehouse.ledger import (
    LedgerRow,
    Quarantined,
    count_repeated_refusals,
    is_loaded,
    modes_since,
    newest_loaded_sweep_id,
    newest_sweep_id,
    newest_watermark,
    quarantined,
    reasons_of_refusals,
    write_ledger_row,
)
from schemas.tables import QUARANTINE
from tests.support import NOON


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(tmp_path / "warehouse.duckdb") as opened:
        yield opened


def refusals(folder: Path, sweep_id: str, *rows: tuple[str, str | None, str]) -> Staging:
    """Staged quarantine rows, each given as reason, field and record."""
    staging = Staging(folder / sweep_id)
    staging.clear()
    columns: dict[str, list[Any]] = {
        "sweep_id": [sweep_id] * len(rows),
        "page": [1] * len(rows),
        "position": list(range(len(rows))),
        "milestone_id": [None] * len(rows),
        "reason": [reason for reason, _, _ in rows],
        "field": [field for _, field, _ in rows],
        "record": [record for _, _, record in rows],
        "seen_at": [NOON] * len(rows),
    }
    staging.write(REFUSED_BY_RULES, 0, QUARANTINE.from_columns(columns))
    return staging


def ledger_row(sweep_id: str, status: str, **fields: Any) -> LedgerRow:
    row = {"mode": "full", "started_at": NOON, "finished_at": NOON, "filters": "{}", "pages": 1, "records": 0}
    return LedgerRow(sweep_id=sweep_id, status=status, **(row | fields))  # type: ignore[arg-type]


def test_an_empty_ledger_has_no_newest_sweep(connection: duckdb.DuckDBPyConnection) -> None:
    assert newest_watermark(connection) is None
    assert newest_sweep_id(connection) is None
    assert newest_loaded_sweep_id(connection) is None
    assert quarantined(connection) == []


def test_the_newest_sweep_and_watermark(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    nothing = Staging(tmp_path / "nothing")
    write_ledger_row(connection, nothing, ledger_row("000001", "loaded", watermark=NOON))
    write_ledger_row(connection, nothing, ledger_row("000002", "loaded", watermark=NOON - timedelta(hours=1)))
    write_ledger_row(connection, nothing, ledger_row("000003", "failed"))
    assert newest_watermark(connection) == NOON
    assert newest_sweep_id(connection) == "000003"
    assert newest_loaded_sweep_id(connection) == "000002"


def test_the_rows_of_a_retried_sweep_are_replaced(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = refusals(tmp_path, "000001", ("null", "title", "a"), ("null", "title", "b"))
    write_ledger_row(connection, first, ledger_row("000001", "failed", error="it broke"))
    second = refusals(tmp_path, "000001", ("null", "title", "c"))
    write_ledger_row(connection, second, ledger_row("000001", "loaded"))
    assert connection.execute("SELECT sweep_id, status, error FROM sweeps").fetchall() == [("000001", "loaded", None)]
    assert quarantined(connection) == [Quarantined(("000001", 1, 0), "c")]


@pytest.mark.parametrize(
    ("mode", "status", "stored"),
    [("retry", "failed", 0), ("retry", "loaded", 1), ("full", "failed", 1)],
    ids=["a retry that failed", "a loaded retry", "a full sweep that failed"],
)
def test_only_a_retry_that_failed_stores_no_refusals(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, mode: str, status: str, stored: int
) -> None:
    """The records that a failed retry read are still in quarantine, under the sweeps that refused them."""
    refused = refusals(tmp_path, "000001", ("null", "title", "a"))
    write_ledger_row(connection, refused, ledger_row("000001", status, mode=mode))
    assert len(quarantined(connection)) == stored


def test_only_refusals_of_loaded_sweeps_count_as_repeated(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write_ledger_row(connection, refusals(tmp_path, "000001", ("null", "title", "a")), ledger_row("000001", "loaded"))
    write_ledger_row(connection, refusals(tmp_path, "000002", ("null", "title", "b")), ledger_row("000002", "failed"))
    staged = refusals(tmp_path, "000003", *(("null", "title", record) for record in "abc"))
    assert count_repeated_refusals(connection, staged) == 1


def test_reasons_are_ordered_by_records_and_limited(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    staged = refusals(
        tmp_path,
        "000001",
        *[("it is null", "title", "r")] * 3,
        ("it is empty", "title", "r"),
        *[("it is no JSON", None, "r")] * 2,
        ("it is no time", "start_date", "r"),
    )
    assert reasons_of_refusals(connection, staged) == [
        "4 for title (it is null)",
        "2 for the whole record (it is no JSON)",
    ]


def test_the_modes_of_the_sweeps_loaded_after_one(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    nothing = Staging(tmp_path / "nothing")
    for number, (mode, status) in enumerate(
        [("full", "loaded"), ("incremental", "loaded"), ("by_id", "failed"), ("retry", "loaded")], start=1
    ):
        write_ledger_row(connection, nothing, ledger_row(f"00000{number}", status, mode=mode))
    assert modes_since(connection, "000000") == {"full", "incremental", "retry"}
    assert modes_since(connection, "000001") == {"incremental", "retry"}
    assert modes_since(connection, "000004") == set()
    assert [is_loaded(connection, f"00000{number}") for number in range(6)] == [False, True, True, False, True, False]
