"""New versions to staged tables: flattened and validated batch by batch, on every core where there are many.

A record with a row that breaks a rule is refused whole.
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

from pipelines.flatten.evidence import evidence
from pipelines.flatten.tables import flatten, flatten_changes
from pipelines.flatten.validate import Breach, breaches, prove_validation_works
from pipelines.machine import workers_for
from pipelines.staging.files import REFUSED_BY_RULES, ROWS_PER_BATCH, Staging
from pipelines.staging.workers import spread
from schemas.tables import (
    EVIDENCE,
    FLAT_TABLES,
    LATEST,
    MILESTONE_CHANGES,
    MILESTONE_DETAILS,
    MILESTONES,
    QUARANTINE,
)

MAX_WORKERS = 3

BATCHES_WORTH_A_WORKER = 4
"""Starting a process costs about as much as flattening two batches."""

STAGED_COLUMNS = [name for name in LATEST.arrow_schema.names if name not in ("previous_record", "was_vanished_at")]
"""Of a version, what loading reads."""

Kind = Literal["sweep", "latest", "older"]
"""Versions of a sweep; or out of the log, the latest of each milestone or those that others followed."""


@dataclass
class Flattened:
    """What flattening a sweep gave: rows by table, records that broke a rule by outcome, breaches by `table.rule`."""

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
    """How many worker processes to start to flatten so many versions; `memory` in bytes, None where it has no limit."""
    if rows < BATCHES_WORTH_A_WORKER * ROWS_PER_BATCH:
        return 0
    return workers_for(cores, memory, at_most=MAX_WORKERS)


def stage_tables(staging: Staging, sweep_id: str, latest: Iterable[pa.RecordBatch], *, workers: int = 0) -> Flattened:
    """Derive and validate what is new, batch by batch; a record with a row that breaks a rule is refused whole.

    `latest` gives batches of `schemas.tables.LATEST`, followed by the columns page, position, seen_at and outcome.
    `workers` is the number of worker processes to share them with.
    """
    _stage_empty(staging)
    parts = ((staging, "sweep", number, batch, sweep_id) for number, batch in enumerate(latest, start=1))
    with _without_collecting():
        return sum(spread(stage_part, parts, workers=workers), Flattened())


def stage_log(
    staging: Staging, latest: Iterable[pa.RecordBatch], older: Iterable[pa.RecordBatch], *, workers: int = 0
) -> None:
    """Derive every table from the version log: all of them from the latest versions, history from the older ones too.

    Nothing is refused: what is in the log was accepted once. `workers` is the number of worker processes.
    """
    _stage_empty(staging)
    kinds: Iterator[tuple[Kind, pa.RecordBatch]] = chain(zip(repeat("latest"), latest), zip(repeat("older"), older))
    parts = ((staging, kind, number, batch) for number, (kind, batch) in enumerate(kinds, start=1))
    with _without_collecting():
        for _ in spread(stage_part, parts, workers=workers):
            pass


def stage_part(staging: Staging, kind: Kind, number: int, batch: pa.RecordBatch, sweep_id: str = "") -> Flattened:
    """Flatten one batch into the parts of that number."""
    _prove_once()
    found = _FLATTEN[kind](sweep_id, pa.table(batch))
    for name, rows in found.tables.items():
        staging.write(name, number, rows)
    return found.flattened


@cache
def _prove_once() -> None:
    """In every process that validates."""
    prove_validation_works()


def _stage_empty(staging: Staging) -> None:
    """Remove what was staged before, and write a part of each table without rows: there may be no batch at all."""
    staging.folder.mkdir(parents=True, exist_ok=True)
    schemas = {table.name: table.arrow_schema for table in (LATEST, *FLAT_TABLES, MILESTONE_CHANGES, EVIDENCE)}
    schemas[LATEST.name] = pa.schema([LATEST.arrow_schema.field(name) for name in STAGED_COLUMNS])
    schemas[REFUSED_BY_RULES] = QUARANTINE.arrow_schema
    staging.remove(schemas)
    for name, schema in schemas.items():
        staging.write(name, 0, schema.empty_table())


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Millions of short-lived rows without a cycle among them: looking for some takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True)
class _Part:
    """The rows of one batch, by the name of their part, and what flattening it gave."""

    tables: dict[str, pa.Table]
    flattened: Flattened = field(default_factory=Flattened)


def _of_sweep(sweep_id: str, arrived: pa.Table) -> _Part:
    """New versions that a sweep brings, validated."""
    versions = arrived.select(LATEST.arrow_schema.names).cast(LATEST.arrow_schema)
    tables = flatten(versions)
    found = _first_breaches(tables)
    refused_by_outcome: Counter[str] = Counter()
    quarantined: dict[str, pa.Table] = {}
    if found:
        bad = _of_milestones(arrived, list(found)).to_pylist()
        refused_by_outcome.update(row["outcome"] for row in bad)
        quarantined[REFUSED_BY_RULES] = _quarantine_rows(sweep_id, bad, found)
        tables = {name: _without(rows, list(found)) for name, rows in tables.items()}
        versions = _without(versions, list(found))
    return _Part(
        tables | derived_beside(versions, tables) | quarantined,
        Flattened(
            rows={name: rows.num_rows for name, rows in tables.items()},
            refused=dict(refused_by_outcome),
            breaches=dict(Counter(f"{breach.table}.{breach.rule}" for breach in found.values())),
        ),
    )


def _of_latest(_: str, batch: pa.Table) -> _Part:
    """Latest versions out of the log."""
    versions = batch.cast(LATEST.arrow_schema)
    tables = flatten(versions)
    return _Part(tables | derived_beside(versions, tables))


def _of_older(_: str, batch: pa.Table) -> _Part:
    """Versions of the log that others followed: their changes, and what their details are evidence of."""
    versions = batch.cast(LATEST.arrow_schema)
    # A batch may hold several versions of one milestone: each gets a name of its own.
    own_names = pc.binary_join_element_wise(versions["milestone_id"], versions["version"].cast(pa.string()), "#")
    renamed = versions.set_column(0, LATEST.arrow_schema.field(0), own_names)
    return _Part(
        {
            EVIDENCE.name: derived_beside(renamed, flatten(renamed))[EVIDENCE.name],
            MILESTONE_CHANGES.name: flatten_changes(versions),
        }
    )


_FLATTEN: dict[Kind, Callable[[str, pa.Table], _Part]] = {"sweep": _of_sweep, "latest": _of_latest, "older": _of_older}


def derived_beside(versions: pa.Table, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """What is derived from versions beside the flat tables: their changes, and what their details are evidence of."""
    facts = tables[MILESTONES.name].select(["milestone_id", "type", "last_changed_at"])
    facts = facts.rename_columns(["milestone_id", "type", "seen_at"]).append_column("sweep_id", versions["sweep_id"])
    return {
        LATEST.name: versions.select(STAGED_COLUMNS),
        MILESTONE_CHANGES.name: flatten_changes(versions),
        EVIDENCE.name: evidence(tables[MILESTONE_DETAILS.name], facts),
    }


def _first_breaches(tables: dict[str, pa.Table]) -> dict[str, Breach]:
    """The first breach of every milestone that has one, by id."""
    found: dict[str, Breach] = {}
    for table in FLAT_TABLES:
        rows = tables[table.name]
        for breach in breaches(table, rows):
            found.setdefault(rows["milestone_id"][breach.row].as_py(), breach)
    return found


def _of_milestones(rows: pa.Table, milestone_ids: list[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows["milestone_id"], value_set=pa.array(milestone_ids, pa.string())))


def _without(rows: pa.Table, milestone_ids: list[str]) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows["milestone_id"], value_set=pa.array(milestone_ids, pa.string()))))


def _quarantine_rows(sweep_id: str, refused: list[dict[str, Any]], found: dict[str, Breach]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in QUARANTINE.arrow_schema.names}
    for row in refused:
        breach = found[row["milestone_id"]]
        whole = row | {"sweep_id": sweep_id, "reason": f"breaks a rule: {breach.description}", "field": breach.column}
        for name, values in columns.items():
            values.append(whole[name])
    return QUARANTINE.from_columns(columns)
