"""Audits that a warehouse must pass before it is published: unique keys, references, counts of records.

They are generated from the table declarations, one query each. They cover what batch validation cannot see: rules that
span batches and sweeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipelines.flatten.validate import breaches
from pipelines.reading.connection import CATALOG
from pipelines.staging.files import ROWS_PER_BATCH
from pipelines.warehouse.change_log import is_logged, rows_since
from pipelines.warehouse.ledger import modes_since
from pipelines.warehouse.row_ranges import rows_of
from pipelines.warehouse.typed_tables import typed_tables
from pipelines.wording import counted
from schemas.sql import literal, quote
from schemas.table import Reference, Table
from schemas.tables import (
    ARCHIVED_MILESTONES,
    DETAILS_FIELDS,
    MILESTONE_CHANGES,
    MILESTONE_TABLES,
    MILESTONE_VERSIONS,
    QUARANTINE,
    SWEEPS,
)

_TOUCHED = "touched"

ROWS_PER_CALL = 40_000
"""Rows per call of pandera: a call has a fixed cost, about that of validating a thousand rows."""


@dataclass(frozen=True)
class Audit:
    """A rule about a table. `query` returns a row for each offence, identified by its first column."""

    name: str
    table: str
    description: str
    query: str


@dataclass(frozen=True)
class Finding:
    """The outcome of an audit."""

    audit: Audit
    offences: int
    example: str | None

    @property
    def passed(self) -> bool:
        """Whether there are no offences."""
        return self.offences == 0

    def __str__(self) -> str:
        if self.passed:
            return self.audit.description
        return (
            f'{self.audit.table}: {counted(self.offences, "row")} broke the rule "{self.audit.description}", '
            f"for example {self.example}"
        )


def audits() -> Iterator[Audit]:
    """Every audit of the declared tables."""
    for table in MILESTONE_TABLES:
        yield _key(table)
        for reference in table.references:
            yield _reference(table, reference)
            if reference.is_total:
                yield _total(table, reference)
    yield Audit(
        "milestone_versions_one_holds",
        "milestone_versions",
        "at most one version of a milestone is current",
        """SELECT milestone_id FROM milestone_versions WHERE valid_to IS NULL
           GROUP BY milestone_id HAVING count(*) > 1""",
    )


def limit_to_touched(connection: duckdb.DuckDBPyConnection, published: str | None) -> bool:
    """Let all later audits of this connection read only what was touched since the published sweep, if that is enough.

    Published rows passed the audits before. Rows of a sweep that was loaded and not published are read again with the
    next one. After a full sweep, and if the changes are not known, every row is read. Each table is read once: from
    then on its name means a temporary table with the rows of the touched milestones. It saves half a second of a poll
    at 170,000 milestones (ADR 24).
    """
    if published is None or not is_logged(connection, published):
        return False
    modes = modes_since(connection, published)
    if not modes or "full" in modes:
        return False
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TOUCHED} AS {rows_since(published)}")
    of_milestones = [table.name for table in MILESTONE_TABLES if _is_of_milestones(table)]
    for name in (*of_milestones, *typed_tables(connection).values()):
        rows = rows_of(connection, f"{CATALOG}.{quote(name)}", _TOUCHED)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS {rows}")
    return True


def run(connection: duckdb.DuckDBPyConnection, audit: Audit) -> Finding:
    """Run the query of an audit, on every row or on touched ones (see `limit_to_touched`)."""
    query = f"SELECT count(*), CAST(any_value(offence) AS VARCHAR) FROM ({audit.query}) AS offences (offence)"  # noqa: S608
    offences, example = connection.execute(query).fetchall()[0]
    return Finding(audit, offences, example)


def check_typed_tables(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Audit the typed tables, which are not declared. One table at a time, to bound memory."""
    offences: list[str] = []
    for type_, table in typed_tables(connection).items():
        rows = connection.execute(
            f"SELECT milestone_id FROM {quote(table)} GROUP BY milestone_id HAVING count(*) > 1 "  # noqa: S608
            "UNION ALL SELECT coalesce(here.milestone_id, there.milestone_id) "
            f"FROM {quote(table)} AS here FULL JOIN "
            "(SELECT milestone_id FROM milestones WHERE type = ?) AS there "
            "ON here.milestone_id = there.milestone_id WHERE here.milestone_id IS NULL OR there.milestone_id IS NULL",
            [type_],
        ).fetchall()
        offences += [f"{milestone_id} of {table}" for (milestone_id,) in rows]
    audit = Audit(
        "details_fields_typed_tables_agree",
        DETAILS_FIELDS.name,
        "every milestone has one row in the typed table of its type, and in no other",
        "",
    )
    return Finding(audit, len(offences), offences[0] if offences else None)


NEWEST_ROWS = {
    MILESTONE_VERSIONS: "sweep_id > {published}",
    MILESTONE_CHANGES: "seen_at >= (SELECT min(started_at) FROM sweeps WHERE sweep_id > {published})",
    ARCHIVED_MILESTONES: "sweep_id > {published}",
    QUARANTINE: "sweep_id > {published}",
    DETAILS_FIELDS: "true",
    SWEEPS: "true",
}
"""Tables that are not validated before they are loaded, each with a condition for the rows to validate: those added
after the published sweep. Older rows have passed."""


def check_new_rows(connection: duckdb.DuckDBPyConnection, name: str, published: str | None) -> list[Finding]:
    """Validate the new rows of a table with pandera; no finding for flat tables, validated before they are loaded.

    `published` is the newest published sweep; None validates every row.
    """
    for table, condition in NEWEST_ROWS.items():
        if table.name == name:
            is_new = condition.format(published=literal(published or ""))
            rows = connection.sql(f"SELECT * FROM {quote(name)} WHERE {is_new}")  # noqa: S608
            failures = [
                breach
                for part in _merged(rows.to_arrow_reader(ROWS_PER_BATCH))
                for breach in breaches(table, part.cast(table.arrow_schema))
            ]
            audit = Audit(f"{name}_rows_keep_rules", name, "new rows keep pandera's rules", is_new)
            return [Finding(audit, len(failures), failures[0].description if failures else None)]
    return []


def _merged(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches merged into tables of at least ROWS_PER_CALL rows: DuckDB may return smaller ones."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(pending.num_rows for pending in waiting) >= ROWS_PER_CALL:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _is_of_milestones(table: Table) -> bool:
    """Whether every row belongs to a milestone that is in the tables."""
    return "milestone_id" in table.stored_columns and table is not QUARANTINE


def _key(table: Table) -> Audit:
    columns = ", ".join(quote(column) for column in table.key)
    return Audit(
        f"{table.name}_key_is_unique",
        table.name,
        f"({', '.join(table.key)}) is unique",
        f"SELECT {quote(table.key[0])} FROM {quote(table.name)} GROUP BY {columns} HAVING count(*) > 1",  # noqa: S608
    )


def _reference(table: Table, to: Reference) -> Audit:
    return Audit(
        f"{table.name}_{to.column}_refers_to_{to.table}",
        table.name,
        f"every {to.column} exists in {to.table}",
        f"SELECT here.{quote(to.column)} FROM {quote(table.name)} AS here "  # noqa: S608
        f"ANTI JOIN {quote(to.table)} AS there ON here.{quote(to.column)} = there.{quote(to.to)}",
    )


def _total(table: Table, to: Reference) -> Audit:
    return Audit(
        f"{table.name}_covers_{to.table}",
        table.name,
        f"every {to.to} of {to.table} has a row",
        f"SELECT there.{quote(to.to)} FROM {quote(to.table)} AS there "  # noqa: S608
        f"ANTI JOIN {quote(table.name)} AS here ON here.{quote(to.column)} = there.{quote(to.to)}",
    )
