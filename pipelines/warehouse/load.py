"""A staged sweep into the warehouse: what is new, then everything in one transaction with its ledger row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import NothingToDo
from pipelines.machine import cores, memory_limit
from pipelines.reading.connection import CATALOG
from pipelines.staging.files import ROWS_PER_BATCH, Staging
from pipelines.staging.stage_tables import stage_log, workers_to_flatten
from pipelines.warehouse import archived as archive
from pipelines.warehouse import change_log as touched
from pipelines.warehouse import typed_tables as catalogue
from pipelines.warehouse.row_ranges import rows_of
from pipelines.warehouse.typed_tables import Changed, Drift
from schemas.api import CLOCK_TOLERANCE_SECONDS
from schemas.sql import quote
from schemas.table import Table
from schemas.tables import (
    EVIDENCE,
    FLAT_TABLES,
    LATEST,
    MILESTONE_CHANGES,
    MILESTONE_DETAILS,
    MILESTONES,
    PUBLISHED_TABLES,
    QUARANTINE,
    RECORDS,
    SWEEPS,
)

VERSIONS_OF_ONE_PART = 250_000
"""Of the log, when everything is derived from it again."""

LEAVE_GROUPS = "SET max_vacuum_tasks = 0"
"""Until it is closed, DuckDB's checkpoints drop and merge no groups of rows.

For connections that delete nothing: merging would write up to four groups of each table once more, a second of a first
load. Wherever rows are replaced it stays on: every small load appends a group to each table, of at least a block of
256 KiB, and only merging takes the room of replaced ones back."""

REASONS_NAMED = 2
"""In the line of a sweep that refused too much: one field that changed has one reason, or few."""

TOUCHED_SCHEMA = pa.schema([("milestone_id", pa.string()), ("last_updated_ts", pa.timestamp("us", tz="UTC"))])


@dataclass(frozen=True)
class Fates:
    """What became of a sweep's decoded records."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    superseded: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a sweep concluded beyond its records.

    `gone`: milestones found gone at `landed_at`; `absent`: a Parquet file of the milestone_ids that a complete full
    sweep did not bring, None where it says nothing of absences; `archived`: a Parquet file of those of them that are
    archived, None where there are none, see `pipelines.warehouse.archived`; `discarding`: types under the contract
    discard; `retried`: keys (sweep_id, page, position) of quarantined records that were put through again.
    """

    gone: tuple[str, ...] = ()
    landed_at: datetime | None = None
    absent: str | None = None
    archived: str | None = None
    discarding: tuple[str, ...] = ()
    retried: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """A row of `sweeps`; see `schemas.tables.SWEEPS` for what each says."""

    sweep_id: str
    mode: str
    status: str
    started_at: datetime
    finished_at: datetime
    filters: str
    pages: int
    records: int
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: int = 0
    vanished: int = 0
    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    bytes: int = 0
    watermark: datetime | None = None
    is_complete: bool = False
    error: str | None = None


@cache
def sql(name: str) -> str:
    """The text of a file in `warehouse/sql`."""
    return resources.files("pipelines.warehouse").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def settle_fates(connection: duckdb.DuckDBPyConnection, staging: Staging, *, is_retry: bool = False) -> Fates:
    """Compare staged records with what is stored; the outcome stands in the connection's table `fates`.

    `is_retry`: the records come out of quarantine, and so were seen before what is stored.

    Costs one join of content hashes: unchanged records are neither parsed nor written again.
    """
    connection.execute(sql("fates"), _of_records(staging) | {"is_retry": is_retry})
    counts = connection.execute("SELECT fate, count(*) FROM fates GROUP BY fate").fetchall()
    return Fates(**dict(counts))


def _of_records(staging: Staging) -> dict[str, Any]:
    """The staged records, and how far after its own fetch an update may lie to be believed."""
    return {"records": staging.files(RECORDS), "tolerance": CLOCK_TOLERANCE_SECONDS}


def latest_of_sweep(connection: duckdb.DuckDBPyConnection, staging: Staging, sweep_id: str) -> Iterator[pa.RecordBatch]:
    """New and changed milestones: batches of `schemas.tables.LATEST`, then page, position, seen_at and fate.

    Asked for in runs of pages that bring about a batch each: all of it in one query would stand in memory whole.
    """
    for first, last in _runs_of_pages(connection):
        _find_versions(connection, staging, first, last)
        yield from connection.sql(
            sql("latest_of_sweep"),
            params={"records": staging.files(RECORDS), "sweep_id": sweep_id, "first": first, "last": last},
        ).to_arrow_reader(ROWS_PER_BATCH)


def _find_versions(connection: duckdb.DuckDBPyConnection, staging: Staging, first: int, last: int) -> None:
    """Have `versions_of_changed` stand for the versions of the milestones that a run of pages changed."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS SELECT milestone_id FROM "
        "(SELECT * FROM read_parquet($records) WHERE page BETWEEN $first AND $last) AS records SEMI JOIN "
        "(SELECT page, position FROM fates WHERE fate = 'changed' AND page BETWEEN $first AND $last) AS changed "
        "USING (page, position)",
        {"records": staging.files(RECORDS), "first": first, "last": last},
    )
    versions = rows_of(connection, "milestone_versions", "changed")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW versions_of_changed AS {versions}")


def _runs_of_pages(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    """First and last page of runs that have about a batch of new and changed records each."""
    pages = connection.execute(
        "SELECT page, count(*) FROM fates WHERE fate IN ('new', 'changed') GROUP BY page ORDER BY page"
    ).fetchall()
    run: list[int] = []
    rows = 0
    for page, count in pages:
        if run and rows + count > ROWS_PER_BATCH:
            yield run[0], run[-1]
            run, rows = [], 0
        run.append(page)
        rows += count
    if run:
        yield run[0], run[-1]


def stage_touched(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Keep the newest last_updated_ts of milestones that are otherwise unchanged, for `load`."""
    rows = connection.sql(sql("unchanged_of_sweep"), params=_of_records(staging)).to_arrow_table().cast(TOUCHED_SCHEMA)
    pq.write_table(rows, staging.touched)


def is_loaded(connection: duckdb.DuckDBPyConnection, sweep_id: str) -> bool:
    """Whether a sweep is in already: a commit may succeed and its run die before it can say so."""
    rows = connection.execute("SELECT 1 FROM sweeps WHERE sweep_id = ? AND status = 'loaded'", [sweep_id]).fetchall()
    return bool(rows)


def load(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow, outcome: Outcome) -> bool:
    """Put a staged sweep in, all of it or nothing; False when it is in already. Raises NothingToDo."""
    if is_loaded(connection, ledger.sweep_id):
        return False
    if not staging.files(LATEST):
        raise NothingToDo(f"sweep {ledger.sweep_id} has no staged tables: materialize them first")
    latest = staging.files(LATEST)
    connection.execute(sql("goings"))
    if newest_loaded_sweep_id(connection) is None:
        connection.execute(LEAVE_GROUPS)
    with transaction(connection):
        types = _types_touched(connection, staging)
        moved = archive.find_moves(connection, staging, outcome.archived, is_retry=ledger.mode == "retry")
        is_known = touched.note_before(connection, staging, ledger.sweep_id, others=(*outcome.gone, *moved))
        with _unordered(connection):
            _run(connection, "append_versions", latest=latest)
        for table in FLAT_TABLES:
            connection.execute(
                f"DELETE FROM {quote(table.name)} WHERE milestone_id IN "  # noqa: S608
                "(SELECT milestone_id FROM read_parquet($latest))",
                {"latest": latest},
            )
            _append(connection, staging, table)
        _append(connection, staging, MILESTONE_CHANGES)
        _run(connection, "advance_updated", touched=str(staging.touched))
        _run(connection, "merge_evidence", evidence=staging.files(EVIDENCE), discarding=outcome.discarding)
        remade: list[str] = []
        if types:
            changed = Changed(staging.files(MILESTONES), staging.files(MILESTONE_DETAILS))
            remade = catalogue.refresh(connection, types, changed)
        archive.apply_moves(connection, ledger.sweep_id, outcome.landed_at)
        _settle_absences(connection, ledger, outcome)
        touched.note_after(connection, ledger.sweep_id, is_known=is_known, remade=remade)
        _account(connection, staging, ledger)
    return True


def rebuild(
    connection: duckdb.DuckDBPyConnection, staging: Staging, *, versions_of_one_part: int = VERSIONS_OF_ONE_PART
) -> None:
    """Derive every table again from the version log, in one transaction; see `stage_whole_log`."""
    stage_whole_log(connection, staging, versions_of_one_part=versions_of_one_part)
    with transaction(connection):
        apply_log(connection, staging)


def stage_whole_log(
    connection: duckdb.DuckDBPyConnection, staging: Staging, *, versions_of_one_part: int = VERSIONS_OF_ONE_PART
) -> None:
    """Derive every table from the version log into staged files; a log of more versions is read in parts."""
    versions, milestones = connection.execute(
        "SELECT count(*), count(*) FILTER (version = 1) FROM milestone_versions"
    ).fetchall()[0]
    parts = versions // versions_of_one_part + 1
    latest, older = (_versions(connection, parts, is_latest=is_latest) for is_latest in (True, False))
    stage_log(staging, latest, older, workers=workers_to_flatten(milestones, cores=cores(), memory=memory_limit()))


def _versions(connection: duckdb.DuckDBPyConnection, parts: int, *, is_latest: bool) -> Iterator[pa.RecordBatch]:
    """Asked for when it is read: a connection has one open result at a time."""
    for part in range(parts):
        parameters = {"is_latest": is_latest, "parts": parts, "part": part}
        yield from connection.sql(sql("versions_of_log"), params=parameters).to_arrow_reader(ROWS_PER_BATCH)


def apply_log(connection: duckdb.DuckDBPyConnection, staging: Staging) -> None:
    """Put the staged tables of the whole log in the place of what is derived; call inside a transaction."""
    connection.execute(sql("goings"))
    # What the contract kept out of the columns is the one thing that the log does not know.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE discarded AS SELECT type, path, kind FROM internal_evidence WHERE is_discarded"
    )
    for table in (*FLAT_TABLES, MILESTONE_CHANGES, EVIDENCE):
        connection.execute(f"DELETE FROM {quote(table.name)}")  # noqa: S608
    for table in (*FLAT_TABLES, MILESTONE_CHANGES):
        _append(connection, staging, table)
    connection.execute("INSERT INTO milestone_changes BY NAME SELECT * FROM goings()")
    _run(connection, "merge_evidence", evidence=staging.files(EVIDENCE), discarding=[])
    connection.execute(
        "UPDATE internal_evidence SET is_discarded = true FROM discarded WHERE discarded.type = internal_evidence.type "
        "AND discarded.path = internal_evidence.path AND discarded.kind = internal_evidence.kind"
    )
    catalogue.refresh(connection, known_types(connection), changed=None)
    touched.forget(connection)


def drift_of(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[Drift]:
    """Fields and kinds that the staged sweep shows for the first time; none where nothing was known before."""
    rows = connection.execute(sql("new_evidence"), {"evidence": staging.files(EVIDENCE)}).fetchall()
    return [Drift(*row) for row in rows]


def known_types(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The types whose details are known."""
    return [row[0] for row in connection.execute("SELECT DISTINCT type FROM internal_evidence").fetchall()]


def record_failure(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> None:
    """Keep a failed sweep's ledger row and what it refused; the tables stay as they are.

    A sweep that failed when it was committed already is in, and its row stays.
    """
    if is_loaded(connection, ledger.sweep_id):
        return
    with transaction(connection):
        _account(connection, staging, ledger)


def newest_watermark(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Up to where all updates have been read; None before the first full sweep."""
    watermark: datetime | None = connection.execute("SELECT max(watermark) FROM sweeps").fetchall()[0][0]
    return watermark


def newest_sweep_id(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The newest sweep in the ledger; None before the first."""
    sweep_id: str | None = connection.execute("SELECT max(sweep_id) FROM sweeps").fetchall()[0][0]
    return sweep_id


def newest_loaded_sweep_id(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The newest sweep that a warehouse, or a file published from one, holds; None before the first."""
    query = "SELECT max(sweep_id) FROM sweeps WHERE status = 'loaded'"
    sweep_id: str | None = connection.execute(query).fetchall()[0][0]
    return sweep_id


def modes_since(connection: duckdb.DuckDBPyConnection, sweep_id: str, *, catalog: str = CATALOG) -> set[str]:
    """Of the sweeps loaded after one."""
    query = f"SELECT DISTINCT mode FROM {quote(catalog)}.sweeps WHERE status = 'loaded' AND sweep_id > ?"  # noqa: S608
    return {row[0] for row in connection.execute(query, [sweep_id]).fetchall()}


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every published table."""
    return {
        table.name: connection.execute(f"SELECT count(*) FROM {quote(table.name)}").fetchall()[0][0]  # noqa: S608
        for table in PUBLISHED_TABLES
    }


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused record: where it was met, and its text."""

    key: tuple[str, int, int]
    record: str


def quarantined(connection: duckdb.DuckDBPyConnection) -> list[Quarantined]:
    """Everything in quarantine, oldest first."""
    rows = connection.execute(
        "SELECT sweep_id, page, position, record FROM quarantine ORDER BY sweep_id, page, position"
    ).fetchall()
    return [Quarantined((sweep_id, page, position), record) for sweep_id, page, position, record in rows]


def refused_before(connection: duckdb.DuckDBPyConnection, staging: Staging) -> int:
    """How many of a staged sweep's refused records were refused by a loaded sweep before, word for word."""
    rows = connection.execute(
        """SELECT count(*) FROM read_parquet(?) AS refused
           SEMI JOIN (SELECT record FROM quarantine SEMI JOIN sweeps
                      ON sweeps.sweep_id = quarantine.sweep_id AND sweeps.status = 'loaded') AS known
           ON known.record = refused.record""",
        [staging.refused_files],
    ).fetchall()
    count: int = rows[0][0]
    return count


def reasons_of_refusals(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[str]:
    """The fields for which most records of a staged sweep were refused, with the most frequent reason of each."""
    rows = connection.execute(
        """WITH counted AS (
               SELECT field, left(reason, 200) AS reason, count(*) AS records FROM read_parquet(?) GROUP BY ALL
           )
           SELECT field, first(reason ORDER BY records DESC, reason), CAST(sum(records) AS BIGINT) FROM counted
           GROUP BY field ORDER BY 3 DESC, 1 LIMIT ?""",
        [staging.refused_files, REASONS_NAMED],
    ).fetchall()
    return [f"{records:,} for {field or 'the whole record'} ({reason})" for field, reason, records in rows]


@contextmanager
def _unordered(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Rows may be stored in any order: two and a half times as fast on two cores."""
    connection.execute("SET preserve_insertion_order = false")
    yield
    # After a fault nothing more is inserted, and in a transaction that has failed this would be one more.
    connection.execute("RESET preserve_insertion_order")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of it or nothing. After an error COMMIT would report success and roll back, so there is none then."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _run(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> None:
    """Every statement of a file; each gets the parameters that it names."""
    for statement in duckdb.extract_statements(sql(name)):
        connection.execute(statement, {key: parameters[key] for key in statement.named_parameters})


def _append(connection: duckdb.DuckDBPyConnection, staging: Staging, table: Table) -> None:
    """Add the staged rows of a table, in any order: worker processes mixed it already."""
    with _unordered(connection):
        connection.execute(
            f"INSERT INTO {quote(table.name)} BY NAME SELECT * FROM read_parquet($rows)",  # noqa: S608
            {"rows": staging.files(table)},
        )


def _types_touched(connection: duckdb.DuckDBPyConnection, staging: Staging) -> list[str]:
    """Types of the staged milestones, and those that they had before."""
    rows = connection.execute(
        "SELECT type FROM read_parquet($staged) UNION "
        "SELECT type FROM milestones SEMI JOIN read_parquet($staged) AS staged USING (milestone_id)",
        {"staged": staging.files(MILESTONES)},
    ).fetchall()
    return [row[0] for row in rows]


def _settle_absences(connection: duckdb.DuckDBPyConnection, ledger: LedgerRow, outcome: Outcome) -> None:
    if outcome.gone:
        _run(connection, "vanish", gone=list(outcome.gone), gone_at=outcome.landed_at)
    if outcome.absent is not None:
        connection.execute("DELETE FROM internal_absences")
        connection.execute(
            "INSERT INTO internal_absences SELECT milestone_id, $sweep_id FROM read_parquet($absent) "
            "ANTI JOIN (SELECT unnest($gone) AS milestone_id) AS gone USING (milestone_id) "
            "ANTI JOIN archive_added USING (milestone_id)",
            {"sweep_id": ledger.sweep_id, "absent": outcome.absent, "gone": list(outcome.gone)},
        )
    for key in outcome.retried:
        connection.execute("DELETE FROM quarantine WHERE sweep_id = ? AND page = ? AND position = ?", list(key))


def _account(connection: duckdb.DuckDBPyConnection, staging: Staging, ledger: LedgerRow) -> None:
    for table in (QUARANTINE, SWEEPS):
        # A sweep that failed once may be tried again: its account is written anew, never twice.
        connection.execute(f"DELETE FROM {quote(table.name)} WHERE sweep_id = ?", [ledger.sweep_id])  # noqa: S608
    if refused := staging.refused_files:
        connection.execute("INSERT INTO quarantine BY NAME SELECT * FROM read_parquet(?)", [refused])
    _insert(connection, SWEEPS, asdict(ledger))


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, row: dict[str, Any]) -> None:
    names = ", ".join(quote(name) for name in table.stored_columns)
    marks = ", ".join("?" for _ in table.stored_columns)
    connection.execute(
        f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})",  # noqa: S608
        [row[name] for name in table.stored_columns],
    )
