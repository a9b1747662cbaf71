"""New versions to staged tables: flattened and validated batch by batch, on every core where there are many.

A record with a row that breaks a rule is refused whole.
"""

from __future__ import annotations

import contextlib
import gc
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.flatten.evidence import evidence
from pipelines.flatten.tables import flatten, flatten_changes
from pipelines.flatten.validate import Breach, breaches, prove_validation_works
from pipelines.machine import workers_for
from pipelines.staging.files import COMPRESSION, ROWS_PER_BATCH, Staging
from pipelines.staging.worker import Helper, HelperFailed, help_with
from schemas.tables import (
    EVIDENCE,
    FLAT_TABLES,
    LATEST,
    MILESTONE_CHANGES,
    MILESTONE_DETAILS,
    MILESTONES,
    QUARANTINE,
)

MAX_HELPERS = 3

BATCHES_WORTH_A_HELPER = 4
"""Starting a process costs about as much as flattening two batches."""

ROWS_PER_PIECE = ROWS_PER_BATCH // 4
"""Of the last batches: what is done once for each, whatever its size, would cost too much if all were so small."""


@dataclass
class Flattened:
    """What flattening a sweep gave: rows by table, records that broke a rule by fate, breaches by `table.rule`."""

    rows: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    breaches: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Flattened) -> Flattened:
        return Flattened(
            rows=dict(Counter(self.rows) + Counter(other.rows)),
            refused=dict(Counter(self.refused) + Counter(other.refused)),
            breaches=dict(Counter(self.breaches) + Counter(other.breaches)),
        )


def helpers_for(rows: int, *, cores: int, memory: int | None = None) -> int:
    """How many worker processes to start to flatten so many versions; `memory` in bytes, None where it has no limit."""
    if rows < BATCHES_WORTH_A_HELPER * ROWS_PER_BATCH:
        return 0
    return workers_for(cores, memory, at_most=MAX_HELPERS)


def stage_tables(staging: Staging, sweep_id: str, latest: Iterable[pa.RecordBatch], *, helpers: int = 0) -> Flattened:
    """Derive and validate what is new, batch by batch; a record with a row that breaks a rule is refused whole.

    `latest` gives batches of `schemas.tables.LATEST`, followed by the columns page, position, seen_at and fate.
    `helpers` is the number of helping processes to share them with.
    """
    staging.discard_parts()
    with _StagedFiles(staging) as files:
        return _spread("sweep", files, latest, sweep_id=sweep_id, helpers=helpers)


def stage_log(
    staging: Staging, latest: Iterable[pa.RecordBatch], older: Iterable[pa.RecordBatch], *, helpers: int = 0
) -> None:
    """Derive every table from the version log: all of them from the latest versions, history from the older ones too.

    Nothing is refused: what is in the log was accepted once. `helpers` is the number of helping processes.
    """
    staging.discard_parts()
    with _StagedFiles(staging) as files:
        _spread("latest", files, latest, helpers=helpers)
        _spread("older", files, older, helpers=helpers)


def _spread(
    kind: str, files: _StagedFiles, batches: Iterable[pa.RecordBatch], *, helpers: int, sweep_id: str = ""
) -> Flattened:
    """Flatten batches here and in helping processes, whoever is free."""
    total = Flattened()
    with ExitStack() as stack:
        stack.enter_context(_without_collecting())
        feeders = [stack.enter_context(Feeder(files.staging, kind, sweep_id)) for _ in range(helpers)]
        for batch in _last_in_pieces(batches, helpers + 1) if helpers else batches:
            if not any(feeder.offer(batch) for feeder in feeders):
                total += _FLATTEN[kind](files, sweep_id, pa.table(batch))
        for feeder in feeders:
            total += feeder.finish()
    return total


def _last_in_pieces(batches: Iterable[pa.RecordBatch], last: int) -> Iterator[pa.RecordBatch]:
    """The same rows, the last so many batches cut up: who is done first waits for the others no longer than for one."""
    waiting: deque[pa.RecordBatch] = deque()
    for batch in batches:
        waiting.append(batch)
        if len(waiting) > last:
            yield waiting.popleft()
    for batch in waiting:
        for first in range(0, batch.num_rows, ROWS_PER_PIECE):
            yield batch.slice(first, ROWS_PER_PIECE)


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Millions of short-lived rows without a cycle among them: looking for some takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _of_sweep(files: _StagedFiles, sweep_id: str, arrived: pa.Table) -> Flattened:
    """New versions that a sweep brings, validated."""
    versions = arrived.select(LATEST.arrow_schema.names).cast(LATEST.arrow_schema)
    tables = flatten(versions)
    found = _first_breaches(tables)
    refused_by_fate: Counter[str] = Counter()
    if found:
        bad = _of_milestones(arrived, list(found)).to_pylist()
        refused_by_fate.update(row["fate"] for row in bad)
        files.refuse(_quarantine_rows(sweep_id, bad, found))
        tables = {name: _without(rows, list(found)) for name, rows in tables.items()}
        versions = _without(versions, list(found))
    files.write(tables | derived_beside(versions, tables))
    return Flattened(
        rows={name: rows.num_rows for name, rows in tables.items()},
        refused=dict(refused_by_fate),
        breaches=dict(Counter(f"{breach.table}.{breach.rule}" for breach in found.values())),
    )


def _of_latest(files: _StagedFiles, _: str, batch: pa.Table) -> Flattened:
    """Latest versions out of the log."""
    versions = batch.cast(LATEST.arrow_schema)
    tables = flatten(versions)
    files.write(tables | derived_beside(versions, tables))
    return Flattened()


def _of_older(files: _StagedFiles, _: str, batch: pa.Table) -> Flattened:
    """Versions of the log that others followed: their changes, and what their details are evidence of."""
    versions = batch.cast(LATEST.arrow_schema)
    # Several versions of one milestone may stand in a batch: each is told apart by a name of its own.
    own_names = pc.binary_join_element_wise(versions["milestone_id"], versions["version"].cast(pa.string()), "#")
    renamed = versions.set_column(0, LATEST.arrow_schema.field(0), own_names)
    files.write(
        {
            EVIDENCE.name: derived_beside(renamed, flatten(renamed))[EVIDENCE.name],
            MILESTONE_CHANGES.name: flatten_changes(versions),
        }
    )
    return Flattened()


_FLATTEN: dict[str, Callable[[_StagedFiles, str, pa.Table], Flattened]] = {
    "sweep": _of_sweep,
    "latest": _of_latest,
    "older": _of_older,
}


class Feeder:
    """Hands batches to one helping process from a thread of its own, so that nobody waits for a busy one."""

    def __init__(self, staging: Staging, kind: str, sweep_id: str) -> None:
        self._staging = staging
        self._helper = Helper("pipelines.staging.stage_tables", staging.folder, kind, sweep_id)
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue()
        self._has_taken = threading.Event()
        self._has_taken.set()
        self._has_batches = False
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._feed)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Its death ends a write that waits for it, and the thread with it.
        self._helper.stop()
        self._close()

    def offer(self, batch: pa.RecordBatch) -> bool:
        """Hand over a batch, unless the one before has not been taken yet: two would be left when all else is done."""
        if not self._has_taken.is_set():
            return False
        self._has_taken.clear()
        self._batches.put(batch)
        self._has_batches = True
        return True

    def finish(self) -> Flattened:
        """Wait for its work and take it over. Raises HelperFailed."""
        self._close()
        if not self._has_batches:
            return Flattened()
        if self._fault is not None:
            raise HelperFailed(f"a helping process was not told everything: {self._fault!r}") from self._fault
        found = msgspec.json.decode(self._helper.result(), type=Flattened)
        self._staging.adopt(Staging(self._helper.folder), part=True)
        return found

    def _close(self) -> None:
        if self._thread.is_alive():
            self._batches.put(None)
            self._thread.join()

    def _feed(self) -> None:
        """Write what is handed over, and go on taking it where the helper has died: nobody may wait for room here.

        Its death is noticed when its result is asked for; any other fault would end its input early, and its result
        would be short.
        """
        try:
            with contextlib.ExitStack() as stack:
                writer = None
                while (batch := self._batches.get()) is not None:
                    if writer is None:
                        writer = stack.enter_context(pa.ipc.new_stream(self._helper.stdin, batch.schema))
                    writer.write_batch(batch)
                    self._has_taken.set()
                return
        except BrokenPipeError:
            pass
        except BaseException as fault:  # noqa: BLE001 - raised in the thread that asks for the result
            self._fault = fault
        while self._batches.get() is not None:
            continue


def derived_beside(versions: pa.Table, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """What is derived from versions beside the flat tables: their changes, and what their details are evidence of."""
    facts = tables[MILESTONES.name].select(["milestone_id", "type", "last_changed_at"])
    facts = facts.rename_columns(["milestone_id", "type", "seen_at"]).append_column("sweep_id", versions["sweep_id"])
    return {
        LATEST.name: versions,
        MILESTONE_CHANGES.name: flatten_changes(versions),
        EVIDENCE.name: evidence(tables[MILESTONE_DETAILS.name], facts),
    }


class _StagedFiles:
    """The staged files of everything that is derived from versions, written a batch at a time."""

    def __init__(self, staging: Staging) -> None:
        self.staging = staging
        self._stack = ExitStack()
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Self:
        self.staging.folder.mkdir(parents=True, exist_ok=True)
        for table in (LATEST, *FLAT_TABLES, MILESTONE_CHANGES, EVIDENCE):
            self._open(table.name, self.staging.file(table), table.arrow_schema)
        self._open(QUARANTINE.name, self.staging.refused_by_rules, QUARANTINE.arrow_schema)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, name: str, file: Path, schema: pa.Schema) -> None:
        self._writers[name] = self._stack.enter_context(pq.ParquetWriter(file, schema, compression=COMPRESSION))

    def write(self, tables: dict[str, pa.Table]) -> None:
        for name, rows in tables.items():
            self._writers[name].write_table(rows)

    def refuse(self, rows: pa.Table) -> None:
        self._writers[QUARANTINE.name].write_table(rows)


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


def _flatten_for_feeder(stdin: IO[bytes], folder: Path, arguments: list[str]) -> bytes:
    kind, sweep_id = arguments
    prove_validation_works()
    total = Flattened()
    with _StagedFiles(Staging(folder)) as files, pa.ipc.open_stream(stdin) as batches:
        for batch in batches:
            total += _FLATTEN[kind](files, sweep_id, pa.table(batch))
    return msgspec.json.encode(total)


if __name__ == "__main__":
    help_with(_flatten_for_feeder)
