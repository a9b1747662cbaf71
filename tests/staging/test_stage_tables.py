"""Staged tables of one sweep: what is counted, what is refused, and that a refused record goes whole."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.flatten.versions import STAGED_COLUMNS
from pipelines.staging.files import REFUSED_BY_RULES, Staging
from pipelines.staging.stage_tables import stage_log, stage_tables, workers_to_flatten
from pipelines.staging.workers import WorkerDied
from schemas.tables import EVIDENCE, FLAT_TABLES, LATEST, MILESTONE_CHANGES, QUARANTINE
from tests.support import NOON, milestone

SWEEP = "000001-20261123T120000Z"


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "staging" / SWEEP)


def read(parts: list[str]) -> list[dict[str, Any]]:
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def rows_in(files: list[str]) -> list[str]:
    """All rows of all files, in no order."""
    return sorted(repr(row) for file in files for row in pq.ParquetFile(file).read().to_pylist())


def latest(*rows: dict[str, Any], outcome: str = "new") -> Iterator[pa.RecordBatch]:
    """Staged records as the warehouse hands them over, one batch each."""
    for position, row in enumerate(rows):
        columns: dict[str, list[Any]] = {
            "milestone_id": [row["id"]],
            "version": [1],
            "content_hash": [f"{position:032x}"],
            "last_updated_ts": [NOON],
            "record": [msgspec.json.encode(row).decode()],
            "first_seen_at": [NOON],
            "last_changed_at": [NOON],
            "vanished_at": [None],
            "sweep_id": [SWEEP],
            "previous_record": [None],
            "was_vanished_at": [None],
        }
        arrays = [pa.array(columns[field.name], field.type) for field in LATEST.arrow_schema]
        extra = {"page": pa.array([1], pa.int32()), "position": pa.array([position], pa.int32())}
        extra |= {"seen_at": pa.array([NOON], pa.timestamp("us", tz="UTC")), "outcome": pa.array([outcome])}
        yield pa.RecordBatch.from_arrays([*arrays, *extra.values()], names=[*LATEST.arrow_schema.names, *extra])


BREACHES = {
    "an empty id": ({"id": ""}, "milestones.milestone_id_is_not_empty", "milestone_id"),
    "an empty type": ({"type": ""}, "milestones.type_is_not_empty", "type"),
    "an empty ticker": ({"related_event_tickers": ["A", ""]}, "milestone_events.event_ticker_is_not_empty", "event_"),
}


@pytest.mark.parametrize(("fields", "rule", "field"), BREACHES.values(), ids=BREACHES)
def test_a_record_with_a_broken_rule_is_refused_whole(
    staging: Staging, fields: dict[str, Any], rule: str, field: str
) -> None:
    staging.folder.mkdir(parents=True)
    good, bad = milestone(1), milestone(2, **fields)
    flattened = stage_tables(staging, SWEEP, [*latest(good, bad, outcome="changed")])
    assert flattened.breaches == {rule: 1}
    assert flattened.refused == {"changed": 1}
    assert flattened.rows["milestones"] == 1
    for table in (LATEST, *FLAT_TABLES):
        assert {row["milestone_id"] for row in read(staging.files(table))} == {good["id"]}, table.name
    (refused,) = read(staging.parts(REFUSED_BY_RULES))
    assert msgspec.json.decode(refused["record"]) == bad
    assert (refused["page"], refused["position"], refused["milestone_id"]) == (1, 1, bad["id"])
    assert refused["reason"].startswith("breaks a rule: ")
    assert refused["field"].startswith(field)
    assert pq.read_schema(staging.parts(REFUSED_BY_RULES)[0]).equals(QUARANTINE.arrow_schema)


def test_no_versions_give_empty_tables_of_the_declared_schemas(staging: Staging) -> None:
    staging.folder.mkdir(parents=True)
    flattened = stage_tables(staging, SWEEP, [])
    assert flattened.rows == {}
    assert (flattened.refused, flattened.breaches) == ({}, {})
    for table in FLAT_TABLES:
        assert read(staging.files(table)) == []
        assert pq.read_schema(staging.files(table)[0]).equals(table.arrow_schema), table.name
    assert pq.read_schema(staging.files(LATEST)[0]).names == STAGED_COLUMNS


# Flattening on several cores


@pytest.mark.parametrize(
    ("rows", "cores", "workers"),
    [(0, 2, 0), (39_999, 8, 0), (40_000, 1, 0), (40_000, 2, 1), (1_000_000, 4, 3), (1_000_000, 64, 3)],
    ids=str,
)
def test_workers_depend_on_rows_and_cores(rows: int, cores: int, workers: int) -> None:
    assert workers_to_flatten(rows, cores=cores) == workers


@pytest.mark.parametrize(("gibibytes", "workers"), [(0.25, 0), (0.5, 0), (1, 1), (1.25, 2), (2, 3), (64, 3)])
def test_workers_depend_on_memory(gibibytes: float, workers: int) -> None:
    assert workers_to_flatten(1_000_000, cores=64, memory=int(gibibytes * 2**30)) == workers


BATCHES = [milestone(number, type="" if number == 7 else "football_game") for number in range(1, 41)]
STAGED = (LATEST, *FLAT_TABLES, EVIDENCE, MILESTONE_CHANGES)


@pytest.mark.parametrize("workers", [1, 3])
def test_tables_do_not_depend_on_the_number_of_workers(workers: int, staging: Staging, tmp_path: Path) -> None:
    alone = Staging(tmp_path / "alone")
    expected = stage_tables(alone, SWEEP, latest(*BATCHES))
    assert stage_tables(staging, SWEEP, latest(*BATCHES), workers=workers) == expected
    assert len(staging.files(LATEST)) == 1 + len(BATCHES)
    assert expected.refused == {"new": 1}
    for table in STAGED:
        assert rows_in(staging.files(table)) == rows_in(alone.files(table)), table.name
    assert rows_in(staging.refused_files) == rows_in(alone.refused_files)


def test_tables_of_the_log_do_not_depend_on_the_number_of_workers(staging: Staging, tmp_path: Path) -> None:
    def batches(rows: list[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
        return (batch.select(LATEST.arrow_schema.names) for batch in latest(*rows))

    alone = Staging(tmp_path / "alone")
    stage_log(alone, batches(BATCHES[:20]), batches(BATCHES[20:]))
    stage_log(staging, batches(BATCHES[:20]), batches(BATCHES[20:]), workers=2)
    for table in STAGED:
        assert rows_in(staging.files(table)) == rows_in(alone.files(table)), table.name


def test_staging_again_removes_earlier_parts(staging: Staging) -> None:
    stage_tables(staging, SWEEP, latest(*BATCHES), workers=2)
    stage_tables(staging, SWEEP, latest(BATCHES[0]))
    assert len(rows_in(staging.files(LATEST))) == 1


def test_a_killed_worker_ends_the_stage_with_advice(staging: Staging) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(latest(*BATCHES)):
            if number == 5:
                for worker in multiprocessing.active_children():
                    assert worker.pid is not None
                    os.kill(worker.pid, signal.SIGKILL)
            yield batch

    with pytest.raises(WorkerDied, match="MILESTONES_THREADS=1"):
        stage_tables(staging, SWEEP, batches(), workers=1)
