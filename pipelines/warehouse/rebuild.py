"""Deriving every table again from the version log."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from pipelines.machine import cores, memory_limit
from pipelines.staging.files import ROWS_PER_BATCH, Staging
from pipelines.staging.stage_tables import stage_log, workers_to_flatten
from pipelines.warehouse import change_log, typed_tables
from pipelines.warehouse.statements import append, run_file, sql, transaction
from schemas.sql import quote
from schemas.tables import EVIDENCE, FLAT_TABLES, MILESTONE_CHANGES

VERSIONS_OF_ONE_PART = 250_000
"""Of the log, when everything is derived from it again."""


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
    connection.execute(sql("disappearances"))
    # What the contract kept out of the columns is the one thing that the log does not know.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE discarded AS SELECT type, path, kind FROM internal_evidence WHERE is_discarded"
    )
    for table in (*FLAT_TABLES, MILESTONE_CHANGES, EVIDENCE):
        connection.execute(f"DELETE FROM {quote(table.name)}")  # noqa: S608
    for table in (*FLAT_TABLES, MILESTONE_CHANGES):
        append(connection, staging, table)
    connection.execute("INSERT INTO milestone_changes BY NAME SELECT * FROM disappearances()")
    run_file(connection, "merge_evidence", evidence=staging.files(EVIDENCE), discarding=[])
    connection.execute(
        "UPDATE internal_evidence SET is_discarded = true FROM discarded WHERE discarded.type = internal_evidence.type "
        "AND discarded.path = internal_evidence.path AND discarded.kind = internal_evidence.kind"
    )
    typed_tables.refresh(connection, typed_tables.known_types(connection), changed=None)
    change_log.forget(connection)
