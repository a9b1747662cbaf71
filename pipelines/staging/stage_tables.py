"""Flattens new versions into staged tables and validates them, batch by batch, in worker processes if there are many.

A record with a row that breaks a rule is refused as a whole. How a record becomes rows is in `pipelines.flatten`.
"""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, repeat
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.flatten.tables import flatten
from pipelines.flatten.validate import Breach, breaches, prove_validation_works
from pipelines.flatten.versions import STAGED_COLUMNS, derive_history, flatten_latest, flatten_older
from pipelines.machine import workers_for
from pipelines.staging.files import REFUSED_BY_RULES, ROWS_PER_BATCH, Staging
from pipelines.staging.workers import spread
from schemas.tables import (
    EVIDENCE,
    FLAT_TABLES,
    LATEST,
    MILESTONE_CHANGES,
    QUARANTINE,
)

MAX_WORKERS = 3

BATCHES_WORTH_A_WORKER = 4
"""Fewer batches start no worker: starting a process costs about as much as flattening two batches."""

Kind = Literal["sweep", "latest", "older"]
"""The source of versions: a sweep; or the log, the latest of each milestone or those with a successor."""


@dataclass
class Flattened:
    """Counts: rows by table, records that broke a rule by outcome, breaches by `table.rule`."""

    rows: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    breaches: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Flattened) -> Flattened:
        return Flattened(
            rows=dict(Counter(self.rows) + Counter(other.rows)),
            refused=dict(Counter(self.refused) + Counter(other.refused)),
            breaches=dict(Counter(self.breaches) + Counter(other.breaches)),
        )


def workers_to_flatten(rows: int, *, cores: int, memory: int | None = None) -> int:
    """The number of worker processes for `rows` versions; `memory` is the limit in bytes, None without one."""
    if rows < BATCHES_WORTH_A_WORKER * ROWS_PER_BATCH:
        return 0
    return workers_for(cores, memory, at_most=MAX_WORKERS)


def stage_tables(staging: Staging, sweep_id: str, latest: Iterable[pa.RecordBatch], *, workers: int = 0) -> Flattened:
    """Flatten and validate new versions, batch by batch. A record with a row that breaks a rule is refused as a whole.

    `latest` gives batches of `schemas.tables.LATEST`, followed by the columns page, position, seen_at and outcome.
    `workers` is the number of worker processes that help.
    """
    stage_empty(staging)
    parts = ((staging, "sweep", number, batch, sweep_id) for number, batch in enumerate(latest, start=1))
    with _without_collecting():
        return sum(spread(stage_part, parts, workers=workers), Flattened())


def stage_log(
    staging: Staging, latest: Iterable[pa.RecordBatch], older: Iterable[pa.RecordBatch], *, workers: int = 0
) -> None:
    """Flatten the version log: all tables from the latest versions, changes and evidence from the older ones as well.

    Nothing is refused: versions in the log have been validated. `workers` is the number of worker processes.
    """
    stage_empty(staging)
    kinds: Iterator[tuple[Kind, pa.RecordBatch]] = chain(zip(repeat("latest"), latest), zip(repeat("older"), older))
    parts = ((staging, kind, number, batch) for number, (kind, batch) in enumerate(kinds, start=1))
    with _without_collecting():
        for _ in spread(stage_part, parts, workers=workers):
            pass


def stage_part(staging: Staging, kind: Kind, number: int, batch: pa.RecordBatch, sweep_id: str = "") -> Flattened:
    """Flatten one batch into the parts with this number."""
    _prove_once()
    part = _FLATTEN[kind](sweep_id, pa.table(batch))
    for name, rows in part.tables.items():
        staging.write(name, number, rows)
    return part.flattened


@cache
def _prove_once() -> None:
    """Prove once in every process that validation works."""
    prove_validation_works()


def stage_empty(staging: Staging) -> None:
    """Remove earlier parts, and write an empty part of each table, as there may be no batch."""
    staging.folder.mkdir(parents=True, exist_ok=True)
    schemas = {table.name: table.arrow_schema for table in (LATEST, *FLAT_TABLES, MILESTONE_CHANGES, EVIDENCE)}
    schemas[LATEST.name] = pa.schema([LATEST.arrow_schema.field(name) for name in STAGED_COLUMNS])
    schemas[REFUSED_BY_RULES] = QUARANTINE.arrow_schema
    staging.remove(schemas)
    for name, schema in schemas.items():
        staging.write(name, 0, schema.empty_table())


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Turn off the cycle collector: flattening makes millions of rows without cycles, and the search costs a fifth."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True)
class _Part:
    """The rows of one batch by name of the part, and their counts."""

    tables: dict[str, pa.Table]
    flattened: Flattened = field(default_factory=Flattened)


def _of_sweep(sweep_id: str, arrived: pa.Table) -> _Part:
    """Flatten and validate the new versions of a sweep."""
    versions = arrived.select(LATEST.arrow_schema.names).cast(LATEST.arrow_schema)
    tables = flatten(versions)
    first_breaches = _first_breaches(tables)
    refused_by_outcome: Counter[str] = Counter()
    quarantined: dict[str, pa.Table] = {}
    if first_breaches:
        bad = _of_milestones(arrived, list(first_breaches)).to_pylist()
        refused_by_outcome.update(row["outcome"] for row in bad)
        quarantined[REFUSED_BY_RULES] = _quarantine_rows(sweep_id, bad, first_breaches)
        tables = {name: _without(rows, list(first_breaches)) for name, rows in tables.items()}
        versions = _without(versions, list(first_breaches))
    return _Part(
        tables | derive_history(versions, tables) | quarantined,
        Flattened(
            rows={name: rows.num_rows for name, rows in tables.items()},
            refused=dict(refused_by_outcome),
            breaches=dict(Counter(f"{breach.table}.{breach.rule}" for breach in first_breaches.values())),
        ),
    )


def _of_latest(_: str, batch: pa.Table) -> _Part:
    """Flatten latest versions from the log."""
    return _Part(flatten_latest(batch))


def _of_older(_: str, batch: pa.Table) -> _Part:
    """Flatten versions of the log with a successor."""
    return _Part(flatten_older(batch))


_FLATTEN: dict[Kind, Callable[[str, pa.Table], _Part]] = {"sweep": _of_sweep, "latest": _of_latest, "older": _of_older}


def _first_breaches(tables: dict[str, pa.Table]) -> dict[str, Breach]:
    """The first breach of every milestone that has one, by id."""
    first: dict[str, Breach] = {}
    for table in FLAT_TABLES:
        rows = tables[table.name]
        for breach in breaches(table, rows):
            first.setdefault(rows["milestone_id"][breach.row].as_py(), breach)
    return first


def _of_milestones(rows: pa.Table, milestone_ids: list[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows["milestone_id"], value_set=pa.array(milestone_ids, pa.string())))


def _without(rows: pa.Table, milestone_ids: list[str]) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows["milestone_id"], value_set=pa.array(milestone_ids, pa.string()))))


def _quarantine_rows(sweep_id: str, refused: list[dict[str, Any]], breaches_by_id: dict[str, Breach]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in QUARANTINE.arrow_schema.names}
    for row in refused:
        breach = breaches_by_id[row["milestone_id"]]
        quarantine_row = row | {
            "sweep_id": sweep_id,
            "reason": f"breaks a rule: {breach.description}",
            "field": breach.column,
        }
        for name, values in columns.items():
            values.append(quarantine_row[name])
    return QUARANTINE.from_columns(columns)
