"""What must hold in the warehouse before it is published: keys, references, the account of records.

Made from the declarations, one query each; a batch cannot see these, since they span batches and sweeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipelines.flatten.validate import breaches
from pipelines.staging.files import ROWS_PER_BATCH
from pipelines.warehouse.typed_tables import typed_tables
from pipelines.wording import counted
from schemas.sql import literal, quote
from schemas.table import Reference, Table
from schemas.tables import (
    ARCHIVED_MILESTONES,
    DETAILS_FIELDS,
    MILESTONE_CHANGES,
    MILESTONE_VERSIONS,
    PUBLISHED_TABLES,
    QUARANTINE,
    SWEEPS,
)

ROWS_PER_CALL = 40_000
"""Of pandera, a call of which takes as long as a thousand rows whatever it is given."""


@dataclass(frozen=True)
class Audit:
    """One thing that must hold; `query` gives one row an offence, the first column naming it."""

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
        """Whether it holds."""
        return self.offences == 0

    def __str__(self) -> str:
        if self.passed:
            return self.audit.description
        return (
            f"{self.audit.table}: not true that {self.audit.description}: {counted(self.offences, 'row')}, "
            f"such as {self.example}"
        )


def audits() -> Iterator[Audit]:
    """Every audit, from the declarations."""
    for table in PUBLISHED_TABLES:
        yield _key(table)
        for reference in table.references:
            yield _reference(table, reference)
            if reference.is_total:
                yield _total(table, reference)
    yield Audit(
        "milestone_versions_one_holds",
        "milestone_versions",
        "at most one version of a milestone holds",
        """SELECT milestone_id FROM milestone_versions WHERE valid_to IS NULL
           GROUP BY milestone_id HAVING count(*) > 1""",
    )


def run(connection: duckdb.DuckDBPyConnection, audit: Audit) -> Finding:
    """Run the query."""
    query = f"SELECT count(*), CAST(any_value(offence) AS VARCHAR) FROM ({audit.query}) AS offences (offence)"  # noqa: S608
    offences, example = connection.execute(query).fetchall()[0]
    return Finding(audit, offences, example)


def typed_tables_agree(connection: duckdb.DuckDBPyConnection) -> Finding:
    """The audit of the typed tables, which no declaration knows; one by one, as all at once take much memory."""
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
"""Tables that are not validated on their way in, and which rows came after the published sweep: the others passed."""


def rules_kept(connection: duckdb.DuckDBPyConnection, name: str, published: str | None) -> list[Finding]:
    """Whether a table's new rows keep its rules, by pandera. Flat tables are validated before they are loaded."""
    for table, condition in NEWEST_ROWS.items():
        if table.name == name:
            is_new = condition.format(published=literal(published or ""))
            rows = connection.sql(f"SELECT * FROM {quote(name)} WHERE {is_new}")  # noqa: S608
            found = [
                breach
                for part in _parts(rows.to_arrow_reader(ROWS_PER_BATCH))
                for breach in breaches(table, part.cast(table.arrow_schema))
            ]
            audit = Audit(f"{name}_rows_keep_rules", name, "new rows keep pandera's rules", is_new)
            return [Finding(audit, len(found), found[0].description if found else None)]
    return []


def _parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches put together to about ROWS_PER_CALL rows: DuckDB gives smaller ones where it likes."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= ROWS_PER_CALL:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


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
        f"every {to.column} stands in {to.table}",
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
