"""Between raw pages and the warehouse: records and tables of one sweep as Parquet files below `warehouse/staging/`.

Work is done in batches, so that memory is bounded by a batch and not by the crawl.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.flatten.evidence import evidence
from pipelines.flatten.tables import flatten, flatten_changes
from pipelines.flatten.validate import Breach, breaches
from pipelines.landing import Page
from pipelines.records.decode import Record, Refusal, decode_page, decode_single
from schemas.table import Table
from schemas.tables import (
    EVIDENCE,
    FLAT_TABLES,
    LATEST,
    MILESTONE_CHANGES,
    MILESTONE_DETAILS,
    MILESTONES,
    QUARANTINE,
    RECORDS,
)

ROWS_PER_BATCH = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Files that live for minutes on the same disk: cheap to write counts for more than small.
_COMPRESSION = "lz4"


@dataclass
class Decoded:
    """What decoding a sweep gave: counts, and what in the answers departs from the API's description."""

    received: int = 0
    decoded: int = 0
    quarantined: int = 0
    null_arrays: int = 0
    unknown_fields: dict[str, int] = field(default_factory=dict)
    newest_update: datetime | None = None


@dataclass
class Flattened:
    """What flattening a sweep gave: rows by table, records that broke a rule by fate, breaches by `table.rule`."""

    rows: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    breaches: dict[str, int] = field(default_factory=dict)


class Staging:
    """The staged files of one sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, table: Table) -> Path:
        """The staged file of a table."""
        return self.folder / f"{table.name}.parquet"

    @property
    def touched(self) -> Path:
        """Milestones of which only last_updated_ts moved."""
        return self.folder / "touched.parquet"

    @property
    def refused_by_decoding(self) -> Path:
        """Records that could not be decoded, as quarantine rows."""
        return self.folder / "refused_by_decoding.parquet"

    @property
    def refused_by_rules(self) -> Path:
        """Records whose rows break a rule, as quarantine rows."""
        return self.folder / "refused_by_rules.parquet"


class _Batches:
    """Rows of one table on their way into a Parquet file, written a batch at a time."""

    def __init__(self, writer: pq.ParquetWriter, table: Table) -> None:
        self._writer = writer
        self._table = table
        self._empty: dict[str, list[Any]] = {name: [] for name in table.arrow_schema.names}
        self._columns = {name: list(values) for name, values in self._empty.items()}

    def append(self, **row: Any) -> None:
        for name, values in self._columns.items():
            values.append(row[name])
        if len(values) >= ROWS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        self._writer.write_table(self._table.from_columns(self._columns))
        self._columns = {name: list(values) for name, values in self._empty.items()}


def stage_records(staging: Staging, sweep_id: str, pages: Iterable[Page]) -> Decoded:
    """Decode landed pages into staged records; what cannot be decoded becomes quarantine rows."""
    staging.folder.mkdir(parents=True, exist_ok=True)
    result = Decoded()
    newest: int | None = None
    with (
        pq.ParquetWriter(staging.file(RECORDS), RECORDS.arrow_schema, compression=_COMPRESSION) as records_file,
        pq.ParquetWriter(staging.refused_by_decoding, QUARANTINE.arrow_schema) as refused_file,
    ):
        records, refused = _Batches(records_file, RECORDS), _Batches(refused_file, QUARANTINE)
        for page in pages:
            for item in _decode(page):
                result.received += 1
                if isinstance(item, Refusal):
                    result.quarantined += 1
                    refused.append(
                        sweep_id=sweep_id,
                        page=page.number,
                        position=item.position,
                        milestone_id=item.milestone_id,
                        reason=item.reason,
                        field=item.field,
                        record=item.record,
                        seen_at=page.fetched_at,
                    )
                else:
                    _count(result, item)
                    newest = max(newest, item.last_updated_ts or newest) if newest else item.last_updated_ts
                    records.append(
                        page=page.number,
                        position=item.position,
                        milestone_id=item.milestone_id,
                        content_hash=item.content_hash,
                        last_updated_ts=item.last_updated_ts,
                        seen_at=page.fetched_at,
                        record=item.text,
                    )
        records.flush()
        refused.flush()
    if newest is not None:
        result.newest_update = EPOCH + timedelta(microseconds=newest)
    return result


def _decode(page: Page) -> list[Record | Refusal]:
    return decode_page(page.body) if page.is_list else [decode_single(page.body)]


def _count(result: Decoded, record: Record) -> None:
    result.decoded += 1
    result.null_arrays += record.null_arrays
    for name in record.unknown_fields:
        result.unknown_fields[name] = result.unknown_fields.get(name, 0) + 1


def stage_tables(staging: Staging, sweep_id: str, latest: Iterable[pa.RecordBatch]) -> Flattened:
    """Derive and validate what is new, batch by batch; a record with a row that breaks a rule is refused whole.

    `latest` gives batches of `schemas.tables.LATEST`, followed by the columns page, position, seen_at and fate.
    """
    rows_by_table: Counter[str] = Counter()
    breaches_by_rule: Counter[str] = Counter()
    refused_by_fate: Counter[str] = Counter()
    with (
        _DerivedFiles(staging) as files,
        pq.ParquetWriter(staging.refused_by_rules, QUARANTINE.arrow_schema) as refused,
    ):
        for batch in latest:
            arrived = pa.table(batch)
            versions = arrived.select(LATEST.arrow_schema.names).cast(LATEST.arrow_schema)
            tables = flatten(versions)
            found = _first_breaches(tables)
            if found:
                breaches_by_rule.update(f"{breach.table}.{breach.rule}" for breach in found.values())
                bad = _of_milestones(arrived, list(found)).to_pylist()
                refused_by_fate.update(row["fate"] for row in bad)
                refused.write_table(_quarantine_rows(sweep_id, bad, found))
                tables = {name: _without(rows, list(found)) for name, rows in tables.items()}
                versions = _without(versions, list(found))
            files.write(tables | derived_beside(versions, tables))
            rows_by_table.update({name: rows.num_rows for name, rows in tables.items()})
    return Flattened(dict(rows_by_table), dict(refused_by_fate), dict(breaches_by_rule))


def stage_log(staging: Staging, latest: Iterable[pa.RecordBatch], older: Iterable[pa.RecordBatch]) -> None:
    """Derive every table from the version log: all of them from the latest versions, history from the older ones too.

    Nothing is refused: what is in the log was accepted once.
    """
    with _DerivedFiles(staging) as files:
        for batch in latest:
            versions = pa.table(batch).cast(LATEST.arrow_schema)
            tables = flatten(versions)
            files.write(tables | derived_beside(versions, tables))
        for batch in older:
            versions = pa.table(batch).cast(LATEST.arrow_schema)
            # Several versions of one milestone may stand in a batch: each is told apart by a name of its own.
            own_names = pc.binary_join_element_wise(
                versions["milestone_id"], versions["version"].cast(pa.string()), "#"
            )
            renamed = versions.set_column(0, LATEST.arrow_schema.field(0), own_names)
            files.write(
                {
                    EVIDENCE.name: derived_beside(renamed, flatten(renamed))[EVIDENCE.name],
                    MILESTONE_CHANGES.name: flatten_changes(versions),
                }
            )


def derived_beside(versions: pa.Table, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """What is derived from versions beside the flat tables: their changes, and what their details are evidence of."""
    facts = tables[MILESTONES.name].select(["milestone_id", "type", "last_changed_at"])
    facts = facts.rename_columns(["milestone_id", "type", "seen_at"]).append_column("sweep_id", versions["sweep_id"])
    return {
        LATEST.name: versions,
        MILESTONE_CHANGES.name: flatten_changes(versions),
        EVIDENCE.name: evidence(tables[MILESTONE_DETAILS.name], facts),
    }


class _DerivedFiles:
    """The staged files of everything that is derived from versions, written a batch at a time."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._stack = ExitStack()
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Self:
        self._staging.folder.mkdir(parents=True, exist_ok=True)
        for table in (LATEST, *FLAT_TABLES, MILESTONE_CHANGES, EVIDENCE):
            writer = pq.ParquetWriter(self._staging.file(table), table.arrow_schema, compression=_COMPRESSION)
            self._writers[table.name] = self._stack.enter_context(writer)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, tables: dict[str, pa.Table]) -> None:
        for name, rows in tables.items():
            self._writers[name].write_table(rows)


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
